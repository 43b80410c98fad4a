# SPDX-License-Identifier: GPL-2.0-only
"""Which segments are wanted: text -> expression -> C, numpy mask or text."""
