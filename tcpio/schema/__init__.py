# SPDX-License-Identifier: GPL-2.0-only
"""What a record is: its layout, its columns, its words. Imports nothing else of tcpio."""
