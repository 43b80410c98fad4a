# SPDX-License-Identifier: GPL-2.0-only
"""Counters from Python."""

import subprocess
import sys
from collections.abc import Hashable
from pathlib import Path

import numpy as np
import pytest

import tcpio
from tcpio.api import summary
from tcpio.api.summary import Socket, Summary
from tcpio.cli.summary_options import EVERYTHING
from tcpio.errors import FilterError, UnsupportedKernel, UsageError
from tcpio.filter.ast import Between
from tcpio.kernel.hooks import Rung
from tcpio.schema.bucket import parse_by
from tcpio.schema.counters import COUNTERS
from tests.unit.sums import NETNS, FakeSumming, Row, key, make_sums

NOWHERE = "0.0.0.0"  # noqa: S104  no one listens here
COUNTED = "TcpInSegs,TcpRetransSegs"
HTTP = Row("192.0.2.8 80 192.0.2.40 51000", {"TcpInSegs": 5, "TcpRetransSegs": 1})
HTTPS = Row("192.0.2.8 443 192.0.2.40 51001", {"TcpInSegs": 7, "TcpRetransSegs": 2})
IPV6 = Row("2001:db8::8 80 2001:db8::40 51000", {"TcpInSegs": 11})
LISTENER = Row("192.0.2.8 80 - -", {"TcpInSegs": 13})
LISTENER6 = Row("2001:db8::8 80 - -", {"TcpInSegs": 17})


@pytest.fixture(autouse=True)
def _may_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "require_privileges", lambda: None)


def use(monkeypatch: pytest.MonkeyPatch, *rows: Row, **rest: object) -> FakeSumming:
    summing = FakeSumming(make_sums(*rows, counters=COUNTED, **rest))  # type: ignore[arg-type]  # given by name
    monkeypatch.setattr(summary, "Summing", summing)
    return summing


def test_a_socket_has_a_bucket_known_by_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, HTTP, IPV6)
    with Summary() as made:
        found = made.buckets()

    assert found == {
        Socket("192.0.2.8", 80, "192.0.2.40", 51000, NETNS): {"TcpInSegs": 5, "TcpRetransSegs": 1},
        Socket("2001:db8::8", 80, "2001:db8::40", 51000, NETNS): {"TcpInSegs": 11, "TcpRetransSegs": 0},
    }


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("raddr", {"192.0.2.40": 12, "2001:db8::40": 11}),
        ("raddr/24", {"192.0.2.0/24": 12, "2001:db8::40": 11}),
        ("raddr/24/32", {"192.0.2.0/24": 12, "2001:db8::/32": 11}),
        ("lport", {80: 16, 443: 7}),
        ("laddr,lport", {("192.0.2.8", 80): 5, ("192.0.2.8", 443): 7, ("2001:db8::8", 80): 11}),
        ("netns", {NETNS: 23}),
    ],
)
def test_a_group_is_known_by_what_it_has_in_common(
    monkeypatch: pytest.MonkeyPatch, by: str, expected: dict[Hashable, int]
) -> None:
    use(monkeypatch, HTTP, HTTPS, IPV6)
    with Summary(by=by) as made:
        found = made.buckets()

    assert {bucket: counts["TcpInSegs"] for bucket, counts in found.items()} == expected


def test_what_belongs_to_no_socket_is_known_by_none(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, HTTP, other={"TcpInSegs": 3})
    with Summary(by="raddr") as made:
        assert made.buckets()[None] == {"TcpInSegs": 3, "TcpRetransSegs": 0}


def test_a_key_decides_and_none_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Socket | None] = []

    def to_key(socket: Socket | None) -> str | None:
        seen.append(socket)
        if socket is None:
            return "none"
        return None if socket.lport == 443 else socket.raddr.partition(":")[0]

    summing = use(monkeypatch, HTTP, HTTPS, IPV6, LISTENER, LISTENER6, other={"TcpInSegs": 3})
    with Summary(key=to_key) as made:
        found = made.buckets()

    assert summing.counting
    assert summing.counting.by == EVERYTHING
    assert seen == [
        Socket("192.0.2.8", 80, "192.0.2.40", 51000, NETNS),
        Socket("192.0.2.8", 443, "192.0.2.40", 51001, NETNS),
        Socket("2001:db8::8", 80, "2001:db8::40", 51000, NETNS),
        Socket("192.0.2.8", 80, NOWHERE, 0, NETNS),
        Socket("2001:db8::8", 80, "::", 0, NETNS),
        None,
    ]
    assert {bucket: counts["TcpInSegs"] for bucket, counts in found.items()} == {
        "192.0.2.40": 5,
        "2001": 11,
        NOWHERE: 13,
        "": 17,
        "none": 3,
    }


def test_a_key_may_leave_out_all(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, HTTP)
    with Summary(key=lambda _: None) as made:
        assert made.buckets() == {}


def test_where_all_belongs_to_a_socket_none_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, HTTP)
    with Summary(key=str) as made:
        assert "None" not in made.buckets()


def test_any_hashable_is_a_key_even_what_is_false(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, HTTP, HTTPS)
    with Summary(key=lambda socket: socket and socket.lport % 2) as made:
        assert {bucket: counts["TcpInSegs"] for bucket, counts in made.buckets().items()} == {0: 5, 1: 7}


def test_what_was_counted_can_be_read_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    summing = use(monkeypatch, HTTP)
    with Summary(by="raddr") as made:
        pass

    assert made.buckets()["192.0.2.40"]["TcpInSegs"] == 5
    assert summing.log == ["attach", "detach", "read", "close"]


def test_before_the_beginning_there_is_nothing_to_read() -> None:
    with pytest.raises(ValueError, match="with statement"):
        Summary().buckets()


def test_the_arrays_themselves_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, HTTP, HTTPS)
    with Summary(by="raddr") as made:
        sums = made.sums()

    assert (sums.buckets.shape, sums.values.dtype) == ((1,), np.dtype(np.int64))
    assert sums.values.tolist() == [[12, 3]]


def test_what_is_asked_for_reaches_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    summing = use(monkeypatch)
    with Summary(
        by="lport",
        counters=COUNTED,
        filters=["*:80-*:*"],
        netns="7",
        attach="fentry",
        max_buckets=9,
        btf=Path("types"),
    ):
        pass
    counting = summing.counting

    assert counting
    assert (counting.by, counting.max_buckets, counting.rung) == (parse_by("lport"), 9, Rung.FENTRY)
    assert [counter.key for counter in counting.counters] == COUNTED.split(",")
    assert str(Between("netns", 7, 7)) in str(counting.wanted)
    assert (counting.btf, counting.on_close) == (Path("types"), False)


def test_by_default_all_counters_of_sockets_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    summing = use(monkeypatch)
    with Summary():
        pass

    assert summing.counting
    assert set(summing.counting.counters) == {counter for counter in COUNTERS if not counter.is_hosts}


def test_many_filters_are_applied_to_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, HTTP, HTTPS)
    with Summary(by="lport", filters=[f"*:*-*:{port}" for port in range(51001, 51500)]) as made:
        assert list(made.buckets()) == [443]


def test_what_is_not_exact_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    summing = use(monkeypatch)
    summing.doubts = {key("TcpInSegs"): "seen at the device"}
    with Summary() as made:
        assert made.doubts == {"TcpInSegs": "seen at the device"}


def test_what_may_be_lacking_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    summing = use(monkeypatch)
    summing.lacking = {key("TcpInSegs"): 2}
    with Summary() as made:
        assert made.lacking() == {"TcpInSegs": 2}

    assert made.lacking() == {"TcpInSegs": 2}


def test_what_the_kernel_refuses_is_an_error_and_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    summing = use(monkeypatch)
    summing.refusal = UnsupportedKernel("the kernel does not attach it")
    with pytest.raises(UnsupportedKernel), Summary():
        pass

    assert summing.log == ["attach", "close"]


def test_what_cannot_be_counted_here_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    summing = use(monkeypatch)
    summing.counters = ()
    summing.doubts = {key("TcpInSegs"): "nothing shows it"}
    with pytest.raises(UnsupportedKernel, match="TcpInSegs is not counted here: nothing shows it"), Summary():
        pass

    assert summing.log == ["close"]


def test_an_end_without_a_beginning_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    summing = use(monkeypatch)
    with Summary() as made:
        pass
    made.__exit__(None, None, None)

    assert summing.log.count("close") == 1


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"by": "none"}, UsageError),
        ({"counters": "none"}, UsageError),
        ({"counters": "IpReasmReqds"}, UsageError),
        ({"filters": ["none"]}, FilterError),
        ({"attach": "none"}, UsageError),
        ({"netns": "/none"}, UsageError),
    ],
)
def test_what_is_wrong_is_told_at_once(arguments: dict[str, str], error: type[UsageError]) -> None:
    with pytest.raises(error):
        Summary(**arguments)  # type: ignore[arg-type]  # given by name


def test_the_package_has_its_names_and_no_others() -> None:
    assert tcpio.Summary is Summary
    assert {name: getattr(tcpio, name) for name in tcpio.__all__}.keys() == set(tcpio.__all__)
    with pytest.raises(AttributeError, match="module 'tcpio' has no attribute 'nothing'"):
        _ = tcpio.nothing


def test_importing_the_package_imports_nothing_else() -> None:
    script = "import sys; before = set(sys.modules); import tcpio; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "['tcpio']\n"
