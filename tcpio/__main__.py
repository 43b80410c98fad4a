# SPDX-License-Identifier: GPL-2.0-only
"""``python3 -m tcpio``."""

from tcpio.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
