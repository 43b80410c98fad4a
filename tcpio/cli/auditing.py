# SPDX-License-Identifier: GPL-2.0-only
"""The readings that an audit takes: of tcpio's sums, and around them of the kernel's own counters."""

from tcpio.errors import NotPermitted
from tcpio.kernel.buckets import Summing
from tcpio.kernel.host import Host, Reading
from tcpio.kernel.mibs import difference
from tcpio.schema.sums import Sums, Values
from tcpio.stream.audit import Audit, compare


class Auditing:
    """Readings at the beginning and at the end.

    Args:
        summing: What counts.
        host: Reads the kernel's own counters.
    """

    def __init__(self, summing: Summing, host: Host) -> None:
        self._summing = summing
        self._host = host
        self._readings: list[Reading] = []
        self._base: Sums | None = None

    def begin(self) -> None:
        """Read all, when the programs count.

        Raises:
            NotPermitted: The kernel's own counters may not be read.
        """
        self._readings.append(self._host.read())
        self._base = self._summing.read()
        self._readings.append(self._host.read())
        if self._host.refusal:
            raise NotPermitted(
                f"cannot read the kernel's own counters of another network namespace: {self._host.refusal}",
                hint="run as root, or leave out --audit",
            )

    def detach(self) -> None:
        """Stop counting, and read the kernel's own counters before and after."""
        self._readings.append(self._host.read())
        self._summing.detach()
        self._readings.append(self._host.read())

    def compare(self, sums: Sums, closed: Values) -> Audit:
        """Compare.

        Args:
            sums: All that was counted since the programs were attached, but for sockets that closed.
            closed: What these took with them; shape (counters,).
        """
        before, began, ending, after = self._readings
        base = self._base or sums
        buckets = sums.values.sum(axis=0) + closed - base.values.sum(axis=0)
        other = sums.other - base.other
        return compare(sums.counters, buckets, other, difference(began, ending), difference(before, after))
