# SPDX-License-Identifier: GPL-2.0-only
"""From batches to bytes, and bytes to files."""
