# SPDX-License-Identifier: GPL-2.0-only
"""Counters beside lines."""

import argparse

import pytest

from tcpio.cli import beside, trace
from tcpio.cli.beside import Beside
from tcpio.cli.options import TraceOptions, make_options
from tcpio.filter.ast import Between
from tcpio.kernel.hooks import Rung
from tests.unit.sums import FakeSumming, Row, key, make_sums

HTTP = Row("192.0.2.8 80 192.0.2.40 51000", {"TcpInSegs": 5})
HTTPS = Row("192.0.2.8 443 192.0.2.40 51000", {"TcpInSegs": 7})


class FakeHost:
    """The kernel's own counters, of which one moved."""

    def __init__(self, netns: int | None, _: object) -> None:
        self.netns = netns

    def begin(self) -> None:
        """Do nothing."""

    def since_begin(self) -> dict[object, int]:
        return {key("IpReasmReqds"): 3}


def options(*words: str) -> TraceOptions:
    parser = argparse.ArgumentParser()
    trace.add_arguments(parser)
    return make_options(parser.parse_args(["-S", *words]))


@pytest.fixture
def summing(monkeypatch: pytest.MonkeyPatch) -> FakeSumming:
    made = FakeSumming(make_sums(HTTP, HTTPS))
    monkeypatch.setattr(beside, "Summing", made)
    monkeypatch.setattr(beside, "Host", FakeHost)
    return made


def run(summing: FakeSumming, capfd: pytest.CaptureFixture[str], *words: str) -> str:
    with Beside(options(*words)) as made:
        made.attach()
        made.show()
    assert summing.log == ["attach", "detach", "read", "close"]
    return capfd.readouterr().err


def test_the_report_is_on_the_standard_error(summing: FakeSumming, capfd: pytest.CaptureFixture[str]) -> None:
    summing.doubts = {key("TcpInSegs"): "seen at the device"}
    summing.lacking = {key("TcpInSegs"): 3}
    said = run(summing, capfd)

    assert "what may lack at most so many: TcpInSegs 3\n" in said
    assert "192.0.2.8:80 <-> 192.0.2.40:51000\n" in said
    assert "\tInSegs = ~5\n" in said
    assert "all network namespaces: the kernel's own counters, of all protocols\n" in said
    assert said.endswith("Not exact (~): seen at the device: TcpInSegs\n")


def test_what_is_counted_is_what_the_trace_s_filters_leave(
    summing: FakeSumming, capfd: pytest.CaptureFixture[str]
) -> None:
    run(summing, capfd, "--netns", "7", "--attach", "kprobe", "--flags", "SYN", "--dir", "send", "*:80-*:*")
    counting = summing.counting

    assert counting
    assert "80" in str(counting.wanted)
    assert str(Between("netns", 7, 7)) in str(counting.wanted)
    assert "flags" not in str(counting.wanted)
    assert counting.rung is Rung.KPROBE


def test_many_filters_are_applied_here(summing: FakeSumming, capfd: pytest.CaptureFixture[str]) -> None:
    said = run(summing, capfd, *(f"*:{port}-*:*" for port in range(100, 600)))

    assert ":443 <-> " in said
    assert ":80 <-> " not in said
