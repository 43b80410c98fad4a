# SPDX-License-Identifier: GPL-2.0-only
"""What this kernel offers, the programs for it, and their rings."""
