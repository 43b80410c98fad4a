# SPDX-License-Identifier: GPL-2.0-only
"""The readings of an audit."""

import numpy as np
import pytest

from tcpio.cli.auditing import Auditing
from tcpio.errors import NotPermitted
from tests.unit.sums import FakeSumming, Row, make_sums

HTTP = "192.0.2.8 80 192.0.2.40 51000"
IPV6 = "2001:db8::8 80 2001:db8::40 51000"


class FakeHost:
    """The kernel's counters, as they are at each reading."""

    def __init__(self, log: list[str], *values: int) -> None:
        self.refusal = ""
        self._log = log
        self._values = list(values)

    def read(self) -> dict[int, dict[str, int]]:
        self._log.append("kernel")
        return {7: {"TcpInSegs": self._values.pop(0)}}


def test_it_reads_around_the_programs_and_compares_what_came_after() -> None:
    summing = FakeSumming(
        make_sums(Row(HTTP, {"TcpInSegs": 3}), counters="TcpInSegs", other={"TcpInSegs": 1}),
    )
    auditing = Auditing(summing, FakeHost(summing.log, 100, 101, 150, 152))  # type: ignore[arg-type]  # stand-ins
    auditing.begin()
    auditing.detach()
    last = make_sums(Row(IPV6, {"TcpInSegs": 43}), counters="TcpInSegs", other={"TcpInSegs": 3})
    row = auditing.compare(last, np.array([9])).rows[0]

    assert summing.log == ["kernel", "read", "kernel", "kernel", "detach", "kernel"]
    assert (row.buckets, row.other) == (43 + 9 - 3, 3 - 1)
    assert (row.kernel, row.slack, row.difference) == (51, (152 - 100) - (150 - 101), 0)


def test_without_permission_there_is_no_audit() -> None:
    summing = FakeSumming(make_sums(counters="TcpInSegs"))
    host = FakeHost(summing.log, 0, 0)
    host.refusal = "Operation not permitted"
    with pytest.raises(NotPermitted, match="Operation not permitted"):
        Auditing(summing, host).begin()  # type: ignore[arg-type]  # stand-ins
