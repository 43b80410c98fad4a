# SPDX-License-Identifier: GPL-2.0-only
"""What other Python programs use; ``import tcpio`` has the names, and loads them when they are used."""
