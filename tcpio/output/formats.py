# SPDX-License-Identifier: GPL-2.0-only
"""The output formats: one row each, read by help and by the trace."""

FORMATS = {
    "text": "lines as tcpio.d prints them",
}
"""What --format takes."""
