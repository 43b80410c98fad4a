# SPDX-License-Identifier: GPL-2.0-only
"""What all unit tests share: they are judged by what they find and not by how long it takes."""

from hypothesis import HealthCheck, settings

settings.register_profile("tcpio", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tcpio")
