# SPDX-License-Identifier: GPL-2.0-only
"""One line for every TCP segment a Linux host sends or receives."""

__version__ = "0.1.0"
