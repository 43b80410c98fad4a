# SPDX-License-Identifier: GPL-2.0-only
"""What all unit tests share: they are judged by what they find, not by how long it takes or what is tried in vain."""

import os
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tcpio.kernel.cache import VARIABLE

os.environ[VARIABLE] = ""  # what made-up kernels answer is kept by none but those who ask for it

_UNHURRIED = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("tcpio", deadline=None, suppress_health_check=_UNHURRIED)
settings.load_profile("tcpio")


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The local time zone."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()
