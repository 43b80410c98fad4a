# SPDX-License-Identifier: GPL-2.0-only
"""From the command line to values that are checked."""

import argparse
import mmap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpio.cli import trace
from tcpio.cli.options import (
    TraceOptions,
    default_ring_size,
    make_options,
    parse_delay,
    parse_size,
)
from tcpio.errors import FilterError, UsageError
from tcpio.filter.ast import ALWAYS, AllOf, AnyBit, Between
from tcpio.kernel.hooks import Direction, Rung

MIB = 1 << 20


def options(*arguments: str) -> TraceOptions:
    parser = argparse.ArgumentParser()
    trace.add_arguments(parser)
    return make_options(parser.parse_args(arguments))


def refusal(*arguments: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        options(*arguments)

    assert caught.value.exit_code == 2
    return caught.value


def test_by_default_all_is_traced_in_order() -> None:
    found = options()

    assert found.wanted == AllOf((ALWAYS,))
    assert (found.filters, found.filters_outside) == (ALWAYS, ALWAYS)
    assert (found.netns, found.directions, found.rung, found.btf) == (None, tuple(Direction), None, None)
    assert (found.ring_size, found.delay_s, found.is_ordered) == (None, None, True)
    assert (found.count, found.timeout_s) == (None, None)
    assert (found.output.time_format, found.output.zone, found.output.color, found.output.write) == (
        "iso",
        "",
        "auto",
        None,
    )
    assert (found.output.is_wide, found.output.has_header, found.is_quiet, found.prints_bpf) == (
        False,
        True,
        False,
        False,
    )
    assert [column.name for column in found.output.columns] == [
        "cpu",
        "laddr",
        "lport",
        "dir",
        "raddr",
        "rport",
        "bytes",
        "flags",
    ]


def test_every_option_is_taken() -> None:
    found = options(
        *("-c", "7", "--timeout", "2.5", "--netns", "4026531840", "--dir", "receive", "--flags", "SYN,RST"),
        *("-t", "--time-format", "epoch", "--tz", "UTC", "-o", "cpu,seq", "-f", "text", "-w", "out", "--wide"),
        *("--no-header", "--color", "always", "-q", "--attach", "kprobe", "-B", "64k", "--delay", "250"),
        *("--no-order", "--btf", "vmlinux", "--print-bpf", "*:22-*:*"),
    )
    port = Between("lport", 22, 22)

    assert found.wanted == AllOf((port, Between("netns", 4026531840, 4026531840), AnyBit("flags", 0x06)))
    assert (found.filters, found.filters_outside) == (port, ALWAYS)
    assert (found.netns, found.directions, found.rung, found.btf) == (
        4026531840,
        (Direction.RECEIVE,),
        Rung.KPROBE,
        Path("vmlinux"),
    )
    assert (found.ring_size, found.delay_s, found.is_ordered) == (65536, 0.25, False)
    assert (found.count, found.timeout_s) == (7, 2.5)
    assert (found.output.time_format, found.output.zone, found.output.color, found.output.write) == (
        "epoch",
        "UTC",
        "always",
        Path("out"),
    )
    assert (found.output.is_wide, found.output.has_header, found.is_quiet, found.prints_bpf) == (
        True,
        False,
        True,
        True,
    )
    assert [column.name for column in found.output.columns] == ["time", "cpu", "seq"]


def test_long_names_are_the_short_ones() -> None:
    short = options("-c", "7", "-t", "-o", "cpu", "-f", "text", "-w", "out", "-q", "-B", "64k")
    long = options(
        *("--count", "7", "--time", "--columns", "cpu", "--format", "text", "--write", "out", "--quiet"),
        *("--buffer-size", "64k"),
    )

    assert short == long


def test_what_is_complete_when_it_is_closed_needs_another_file_now_and_then() -> None:
    error = refusal("--format=parquet", "-w", "out.parquet")

    assert str(error) == "parquet is complete only when a file is closed"
    assert "--rotate-time" in error.hint
    assert options("--format=parquet", "-w", "out.parquet", "--rotate-time", "1h").output.rotation is not None


def test_few_filters_are_left_to_the_kernel() -> None:
    found = options(*(f"*:{port}-*:*" for port in range(1, 21)))

    assert found.filters_outside == ALWAYS
    assert AllOf((found.filters,)) == found.wanted


def test_a_thousand_filters_are_not_left_to_the_kernel() -> None:
    found = options(*(f"10.0.{port % 250}.1:{port}-*:*" for port in range(1, 1001)), "--flags", "SYN")

    assert found.filters == found.filters_outside
    assert AllOf((AnyBit("flags", 2),)) == found.wanted


@pytest.mark.parametrize(
    ("argument", "message", "hint"),
    [
        ("--count=0", "--count '0' is no positive number", "for example --count 100"),
        ("--count=-1", "--count '-1' is no positive number", "for example --count 100"),
        ("--count=1.5", "--count '1.5' is no positive number", "for example --count 100"),
        ("--count=many", "--count 'many' is no positive number", "for example --count 100"),
        ("--timeout=0", "--timeout '0' is no positive number of seconds", "--timeout 10"),
        ("--timeout=nan", "--timeout 'nan' is no positive number of seconds", "--timeout 10"),
        ("--timeout=inf", "--timeout 'inf' is no positive number of seconds", "--timeout 10"),
        ("--timeout=1e3", "--timeout '1e3' is no positive number of seconds", "--timeout 10"),
        ("--timeout=5s", "--timeout '5s' is no positive number of seconds", "--timeout 10"),
        ("--buffer-size=0", "--buffer-size '0' is not between one page and 1G", "512k, 4M or 64M"),
        ("--buffer-size=100G", "--buffer-size '100G' is not between one page and 1G", "512k, 4M or 64M"),
        ("--buffer-size=-4M", "--buffer-size '-4M' is not between one page and 1G", "512k, 4M or 64M"),
        ("--buffer-size=big", "--buffer-size 'big' is not between one page and 1G", "512k, 4M or 64M"),
        ("--buffer-size=", "--buffer-size '' is not between one page and 1G", "512k, 4M or 64M"),
        ("--delay=9", "--delay '9' is not between 10 and 60000 ms", "of a regular file 250; --no-order"),
        ("--delay=60001", "--delay '60001' is not between 10 and 60000 ms", "of a regular file 250; --no-order"),
        ("--delay=1.5", "--delay '1.5' is not between 10 and 60000 ms", "of a regular file 250; --no-order"),
        ("--netns=/proc", "/proc is no namespace", "'ip netns list' shows the names"),
        ("--netns=0", "0 is no inode of a network namespace", "ls -Li"),
        ("--flags=SYN,FOO", "no TCP flag is called 'FOO'", "FIN, SYN, RST, PUSH, ACK, URG, ECE, CWR"),
        ("--format=parquet", "parquet is written to files only", "name one with --write"),
        ("--format=xml", "there is no format 'xml'", "the formats are text"),
        ("--time-format=unix", "there is no time format 'unix'", "iso, epoch, since, delta"),
        ("--columns=sport", "there is no column 'sport'", "the columns are time, ts_ns, cpu,"),
        ("*:65536-*:*", "filter '*:65536-*:*': port 65536 is above 65535, at character 3", "LADDR:LPORT-RADDR:RPORT"),
    ],
)
def test_bad_input_is_refused_with_what_to_do(argument: str, message: str, hint: str) -> None:
    error = refusal(argument)

    assert message == str(error)
    assert hint in error.hint


@pytest.mark.parametrize("option", ["-c", "--timeout", "-B", "--delay", "--netns"])
def test_a_number_of_many_digits_is_refused_as_any_other(option: str) -> None:
    refusal(option, "9" * 5000)


def test_every_filter_is_read() -> None:
    with pytest.raises(FilterError) as caught:
        options("*:22-*:*", "1.2.3.4.5:*-*:*")

    assert caught.value.text == "1.2.3.4.5:*-*:*"
    assert caught.value.position == 7


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("4096", 1),
        ("4097", 2),
        ("8k", 2),
        ("12K", 4),
        ("512k", 128),
        ("1M", 256),
        ("4MiB", 1024),
        ("4mb", 1024),
        ("5m", 2048),
        ("1g", 262144),
        (" 64k ", 16),
    ],
)
def test_sizes_are_rounded_up_to_what_a_ring_can_have(text: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmap, "PAGESIZE", 4096)

    assert size * 4096 == parse_size(text)


@given(st.integers(1, 1 << 30))
def test_a_ring_is_a_power_of_two_of_pages_and_not_smaller(size: int) -> None:
    pages, rest = divmod(parse_size(str(size)), mmap.PAGESIZE)

    assert (rest, pages.bit_count()) == (0, 1)
    assert size <= pages * mmap.PAGESIZE < 2 * size + 2 * mmap.PAGESIZE


def test_a_delay_is_given_in_ms() -> None:
    assert [parse_delay("10"), parse_delay("100"), parse_delay("60000")] == [0.01, 0.1, 60.0]


def test_overload_can_be_counted() -> None:
    assert [options("--on-overload", word).counts_overload for word in ("lines", "summary")] == [False, True]
    assert not options().counts_overload


@pytest.mark.parametrize(("name", "rung"), [("auto", None), ("fentry", Rung.FENTRY), ("tracepoint", Rung.TRACEPOINT)])
def test_a_rung_can_be_named(name: str, rung: Rung | None) -> None:
    assert rung is options("--attach", name).rung


def test_no_option_can_name_what_attach_does_not_offer() -> None:
    assert {rung.value for rung in Rung} | {"auto"} == set(_choices("--attach"))
    assert [direction.value for direction in Direction] == list(_choices("--dir"))


def _choices(option: str) -> tuple[str, ...]:
    parser = argparse.ArgumentParser()
    trace.add_arguments(parser)
    (found,) = (action for action in parser._actions if option in action.option_strings)
    return tuple(found.choices or ())


@pytest.mark.parametrize(
    ("cpus", "size"),
    [(1, 16 * MIB), (2, 16 * MIB), (4, 16 * MIB), (6, 8 * MIB), (64, MIB), (256, MIB // 4), (1024, MIB // 4)],
)
def test_memory_for_rings_is_shared_by_the_cpus(cpus: int, size: int) -> None:
    assert size == default_ring_size(cpus)
