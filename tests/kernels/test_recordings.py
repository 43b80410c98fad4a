# SPDX-License-Identifier: GPL-2.0-only
"""All claims, held against recordings that other kernels make, by every rung that they have."""

from tests.live.claims import *  # noqa: F403  each is a test
