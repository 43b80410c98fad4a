# SPDX-License-Identifier: GPL-2.0-only
"""All claims, held against recordings that this machine's kernel makes."""

from tests.live.claims import *  # noqa: F403  each is a test
