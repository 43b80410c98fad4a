# SPDX-License-Identifier: GPL-2.0-only
"""What can be said of a feature."""

from enum import Enum
from typing import NamedTuple


class Support(Enum):
    """An answer has three values: that something could not be asked is not a no."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "cannot tell"


class Verdict(NamedTuple):
    """An answer and, unless it is yes, why."""

    support: Support
    reason: str = ""


YES = Verdict(Support.YES)
