# SPDX-License-Identifier: GPL-2.0-only
"""From the command line to checked options."""

import argparse
from pathlib import Path

import pytest

from tcpio.cli import summary
from tcpio.cli.summary_options import EVERYTHING, SummaryOptions, make_summary_options, split_counters
from tcpio.errors import FilterError, UsageError
from tcpio.filter.ast import ALWAYS, Between
from tcpio.filter.parse import parse_filter, to_expr
from tcpio.kernel.hooks import Rung
from tcpio.schema.bucket import parse_by
from tcpio.schema.counters import COUNTERS, find_counters


def options(*words: str, program: tuple[str, ...] = ()) -> SummaryOptions:
    parser = argparse.ArgumentParser()
    summary.add_arguments(parser)
    return make_summary_options(parser.parse_intermixed_args(words, argparse.Namespace(program=list(program))))


def test_without_options_all_is_counted_for_each_socket() -> None:
    made = options()

    assert (made.by, made.counting.by, made.counting.wanted) == (parse_by("tuple"), parse_by("tuple"), ALWAYS)
    assert {*made.counting.counters, *made.host} == set(COUNTERS)
    assert all(counter.is_hosts for counter in made.host)
    assert not any(counter.is_hosts for counter in made.counting.counters)
    assert (made.netns, made.interval_s, made.timeout_s, made.program) == (None, None, None, ())
    assert (made.format, made.has_zeros, made.has_audit, made.is_quiet) == ("text", False, False, False)


def test_every_option_arrives() -> None:
    made = options(
        *("--by", "raddr/24", "--counters", "TcpInSegs,IpReasmOKs", "--interval", "2.5", "--timeout", "60", "--zeros"),
        *("-f", "csv", "-w", "out", "--tz", "UTC", "-q", "--max-buckets", "99", "--attach", "fentry", "--btf", "types"),
        *("--print-bpf", "--netns", "7"),
        program=("netperf", "-H"),
    )

    assert (made.by, made.counting.by) == (parse_by("raddr/24"), parse_by("raddr/24"))
    assert (made.counting.counters, made.host) == (find_counters("TcpInSegs"), find_counters("IpReasmOKs"))
    assert (made.interval_s, made.timeout_s, made.has_zeros) == (2.5, 60.0, True)
    assert (made.format, made.write, made.zone, made.is_quiet) == ("csv", Path("out"), "UTC", True)
    assert (made.counting.max_buckets, made.counting.rung, made.counting.btf) == (99, Rung.FENTRY, Path("types"))
    assert (made.prints_bpf, made.netns, made.program) == (True, 7, ("netperf", "-H"))
    assert made.counting.wanted == Between("netns", 7, 7)


def test_old_words_mean_what_they_meant() -> None:
    made = options("index=tuple", "timeout=60", "nozeros=0", "onclose=1", "*.*.*.*:80-*.*.*.*:*")

    assert (made.by, made.timeout_s, made.has_zeros) == (parse_by("tuple"), 60.0, True)
    assert made.counting.on_close
    assert made.filters == (parse_filter("*.*.*.*:80-*.*.*.*:*"),)


def test_a_few_filters_are_for_the_kernel() -> None:
    made = options("--netns", "7", "--by", "lport", "*:80-*:*")

    assert (made.filters_outside, made.counting.by) == (ALWAYS, parse_by("lport"))
    assert "80" in str(made.counting.wanted)


def test_many_filters_are_applied_to_buckets_that_have_all_parts() -> None:
    texts = [f"*:*-192.0.2.{at % 256}:{at}" for at in range(1, 500)]
    made = options("--netns", "7", "--by", "lport", *texts)

    assert made.filters_outside == to_expr([parse_filter(text) for text in texts])
    assert (made.by, made.counting.by) == (parse_by("lport"), EVERYTHING)
    assert made.counting.wanted == Between("netns", 7, 7)


def test_a_block_of_counters_is_split_too() -> None:
    counters, host = split_counters("Ip")

    assert {counter.key for counter in counters} == {"IpInReceives", "IpInDelivers", "IpOutRequests"}
    assert "IpReasmReqds" in {counter.key for counter in host}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--interval", "0"], "--interval '0' is no positive number of seconds"),
        (["--interval", "x"], "--interval 'x' is no positive number of seconds"),
        (["--max-buckets", "0"], "--max-buckets '0' is no positive number"),
        (["--max-buckets", "-1"], "--max-buckets '-1' is no positive number"),
        (["--timeout", "0"], "--timeout '0' is no positive number of seconds"),
        (["timeout=x"], "--timeout 'x' is no positive number of seconds"),
        (["-f", "xml"], "there is no format 'xml'"),
        (["--counters", "TcpNone"], "there is no counter 'TcpNone'"),
        (["--on-close", "--by", "raddr"], "sockets close, groups of them do not"),
        (["index=lport", "onclose=1"], "sockets close, groups of them do not"),
        (["--on-close", "--interval", "1"], "--on-close and --interval exclude each other"),
        (
            ["--netns", "no such"],
            "there is no network namespace 'no such': /run/netns/no such: No such file or directory",
        ),
    ],
)
def test_what_is_wrong_is_one_line(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        options(*words)

    assert str(caught.value) == message


def test_an_audit_takes_no_filters() -> None:
    assert options("--audit").has_audit
    with pytest.raises(UsageError, match="--audit compares all sockets"):
        options("--audit", "*:80-*:*")


@pytest.mark.parametrize("text", ["*:80", "300.0.0.1:*-*:*", "*:65536-*:*"])
def test_a_bad_filter_is_a_usage_error(text: str) -> None:
    with pytest.raises(FilterError) as caught:
        options(text)

    assert caught.value.exit_code == 2


def test_the_last_port_is_a_port() -> None:
    assert "65535" in str(options("*:65535-*:*").counting.wanted)
