# SPDX-License-Identifier: GPL-2.0-only
"""The formats of the time column: one row each, read by help and by the output."""

TIME_FORMATS = {
    "iso": "ISO 8601 with nanoseconds and the zone's offset",
    "epoch": "seconds since 1970 with nanoseconds",
    "since": "seconds since tracing began with nanoseconds",
    "delta": "seconds since the line before with nanoseconds",
}
"""What --time-format takes."""
