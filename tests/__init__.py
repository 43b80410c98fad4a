# SPDX-License-Identifier: GPL-2.0-only
"""What tcpio is held against."""
