# SPDX-License-Identifier: GPL-2.0-only
"""Lines, character by character."""

import os
import random
import subprocess
from collections.abc import Sequence
from datetime import timedelta, timezone

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpio.output.as_text import Colors, TextFormat
from tcpio.output.lines import Chunk
from tcpio.output.times import make_time
from tcpio.schema.address import to_text
from tcpio.schema.batch import Batch, ClockStep, Lost, Mark
from tcpio.schema.columns import COLUMNS, find_columns
from tcpio.schema.flags import flags_text
from tcpio.schema.record import RECORD, Records, no_records
from tests.unit.samples import ACK, AE, FIN, PUSH, RST, SYN, make_records, make_segment

HEADER = " %3s %15s:%-5s      %15s:%-5s %6s  %s"
LINE = " %3d %16s:%-5d %s %16s:%-5d %6d  (%s)"
SECOND = 1_000_000_000
COLORS = Colors(syn="<syn>", fin="<fin>", rst="<rst>", mark="<mark>", end="<end>")


def make_format(
    columns: str = "", *, time_format: str = "", is_wide: bool = False, colors: Colors | None = None
) -> TextFormat:
    time = make_time(time_format or "epoch", timezone.utc, lambda ts_ns: ts_ns.astype(np.int64) + 10**18, 5 * SECOND)
    return TextFormat(find_columns(columns, with_time=bool(time_format)), time, is_wide=is_wide, colors=colors)


def lines(text_format: TextFormat, records: Records, *marks: Mark) -> list[str]:
    chunks = text_format.chunks(Batch(records, marks))
    return b"".join(chunk.data for chunk in chunks).decode().splitlines()


def header(text_format: TextFormat) -> str:
    return text_format.header().decode()


def test_the_header_is_tcpio_d_s() -> None:
    expected = HEADER % ("CPU", "LADDR", "LPORT", "RADDR", "RPORT", "BYTES", "FLAGS")

    assert f"{expected}\n" == header(make_format())
    assert expected == " CPU           LADDR:LPORT                RADDR:RPORT  BYTES  FLAGS"


def test_lines_are_tcpio_d_s() -> None:
    records = np.concatenate([make_segment(), make_segment(is_received=True, bytes=0, flags=ACK, cpu=0)])

    assert lines(make_format(), records) == [
        "   1        192.0.2.8:22    ->       192.0.2.40:60337    464  (PUSH|ACK)",
        "   0        192.0.2.8:22    <-       192.0.2.40:60337      0  (ACK)",
    ]


def test_no_flags_are_null() -> None:
    assert lines(make_format("flags"), make_segment(flags=0)) == ["  (null)"]


def test_flags_without_a_word_are_not_shown() -> None:
    assert lines(make_format("flags"), make_segment(flags=AE | ACK)) == ["  (ACK)"]


def test_ipv6_pushes_the_columns_right() -> None:
    segment = make_segment(laddr="2001:db8::1", raddr="2001:db8:1:2:3:4:5:678")

    assert lines(make_format(), segment) == [
        "   1      2001:db8::1:22    -> 2001:db8:1:2:3:4:5:678:60337    464  (PUSH|ACK)"
    ]


def test_wide_has_room_for_all_addresses() -> None:
    longest = "2001:db8:1111:2222:3333:4444:5555:6666"
    records = np.concatenate([make_segment(), make_segment(raddr=longest)])
    blanks = " " * 30

    assert lines(make_format(is_wide=True), records) == [
        f"   1 {blanks}192.0.2.8:22    -> {blanks[:-1]}192.0.2.40:60337    464  (PUSH|ACK)",
        f"   1 {blanks}192.0.2.8:22    ->  {longest}:60337    464  (PUSH|ACK)",
    ]


def test_the_wide_header_stands_over_its_columns() -> None:
    text = header(make_format(is_wide=True))
    (line,) = lines(make_format(is_wide=True), make_segment())

    assert text.index(":RPORT") == line.index(":60337")
    assert text.index("FLAGS") == line.index("(PUSH")


def test_numbers_that_are_too_long_push_the_columns_right() -> None:
    segment = make_segment(cpu=4095, bytes=4_000_000_000)

    assert lines(make_format("cpu,bytes,flags"), segment) == [" 4095 4000000000  (PUSH|ACK)"]


COLUMNS_AS_TEXT = [
    ("cpu", " CPU", "   7"),
    ("laddr", "           LADDR", "        192.0.2.8"),
    ("lport", " LPORT", " 22"),
    ("lport,bytes", " LPORT  BYTES", " 22       464"),
    ("laddr,lport", "           LADDR:LPORT", "        192.0.2.8:22"),
    ("lport,laddr", " LPORT           LADDR", " 22           192.0.2.8"),
    ("raddr,rport", "            RADDR:RPORT", "       192.0.2.40:60337"),
    ("laddr,rport", "           LADDR RPORT", "        192.0.2.8 60337"),
    ("dir", "", " ->"),
    ("dir,bytes", "      BYTES", " ->    464"),
    ("bytes", "  BYTES", "    464"),
    ("flags", "  FLAGS", "  (PUSH|ACK)"),
    ("flags,cpu", "  FLAGS            CPU", "  (PUSH|ACK)         7"),
    ("segs", " SEGS", "    3"),
    ("seq", "        SEQ", " 4294967295"),
    ("ack", "        ACK", "          1"),
    ("win", "   WIN", "   502"),
    ("rtx", " RTX", "   1"),
    ("state", " STATE", " ESTABLISHED"),
    ("state,cpu", " STATE        CPU", " ESTABLISHED    7"),
    ("netns", "      NETNS", " 4026531840"),
    ("thlen", " THLEN", "    32"),
    ("ts_ns", "               TS_NS", " 1000000000000000009"),
    ("time", "TIME", "1000000000.000000009"),
    ("time,cpu", "TIME                 CPU", "1000000000.000000009   7"),
]


@pytest.mark.parametrize(("columns", "head", "line"), COLUMNS_AS_TEXT)
def test_each_column_stands_under_its_name(columns: str, head: str, line: str) -> None:
    segment = make_segment(
        ts_ns=9, cpu=7, segs=3, seq=0xFFFFFFFF, ack=1, win=502, rtx=1, state=1, netns=4026531840, thlen=32
    )

    assert f"{head}\n" == header(make_format(columns))
    assert [line] == lines(make_format(columns), segment)


def test_every_column_was_looked_at() -> None:
    looked_at = {name for columns, _, _ in COLUMNS_AS_TEXT for name in columns.split(",")}

    assert {column.name for column in COLUMNS} == looked_at


def test_what_is_known_of_senders_only_is_a_dash_on_receive() -> None:
    records = np.concatenate([make_segment(rtx=0, state=4), make_segment(is_received=True, rtx=1, state=4)])

    assert lines(make_format("state,rtx,dir"), records) == [
        " FIN_WAIT1      0 ->",
        " -              - <-",
    ]


def test_no_state_is_a_dash() -> None:
    assert lines(make_format("state"), make_segment(state=0)) == [" -"]


def test_time_comes_first() -> None:
    text_format = make_format(time_format="epoch")

    assert lines(text_format, make_segment(ts_ns=1)) == [
        "1000000000.000000001   1        192.0.2.8:22    ->       192.0.2.40:60337    464  (PUSH|ACK)"
    ]
    assert f"{'TIME':<20} CPU           LADDR:LPORT                RADDR:RPORT  BYTES  FLAGS\n" == header(text_format)


@pytest.mark.parametrize("time_format", ["iso", "epoch", "since", "delta"])
def test_the_header_stands_over_the_lines_of_each_time_format(time_format: str) -> None:
    text_format = make_format(time_format=time_format)
    text = header(text_format)
    (line,) = lines(text_format, make_segment(ts_ns=6 * SECOND))

    assert text.index("FLAGS") == line.index("(PUSH|ACK)")


def test_the_header_does_not_count_as_the_line_before() -> None:
    text_format = make_format("time", time_format="delta")
    text_format.header()

    assert lines(text_format, make_segment(ts_ns=5 * SECOND + 3)) == ["      0.000000003"]


def test_no_records_are_no_lines() -> None:
    assert make_format().chunks(Batch(no_records())) == []


def test_a_chunk_says_how_many_segments_it_has() -> None:
    (chunk,) = make_format("cpu").chunks(Batch(make_records([1, 2, 3])))

    assert chunk == Chunk(b"   0\n   0\n   0\n", 3)


def test_a_mark_stands_before_the_first_record_that_is_not_older() -> None:
    chunks = make_format("cpu").chunks(Batch(make_records([1, 2, 3], cpu=[1, 2, 3]), (Lost(2, 3, 137),)))

    assert chunks == [
        Chunk(b"   1\n", 1),
        Chunk(b"# 137 segments lost on CPU 3\n", 0),
        Chunk(b"   2\n   3\n", 2),
    ]


def test_marks_stand_at_the_beginning_and_at_the_end() -> None:
    found = lines(make_format("cpu"), make_records([5], cpu=7), Lost(1, 0, 1), Lost(9, 1, 2))

    assert found == ["# 1 segment lost on CPU 0", "   7", "# 2 segments lost on CPU 1"]


def test_marks_of_one_time_stay_in_their_order() -> None:
    found = lines(make_format("cpu"), make_records([5], cpu=7), Lost(5, 1, 1), Lost(5, 0, 2))

    assert found == ["# 1 segment lost on CPU 1", "# 2 segments lost on CPU 0", "   7"]


def test_marks_without_records_are_lines() -> None:
    assert lines(make_format(), no_records(), Lost(5, 1, 1)) == ["# 1 segment lost on CPU 1"]


def test_a_step_of_the_clock_is_a_mark() -> None:
    step = ClockStep(5, 1_500_000_000, is_followed=True)

    assert lines(make_format(), no_records(), step) == ["# the clock was set forward by 1.500000 s"]


def test_a_mark_has_the_time_in_front_so_that_it_sorts() -> None:
    found = lines(make_format("cpu", time_format="epoch"), make_records([5, 9]), Lost(7, 1, 1))

    assert found == [
        "1000000000.000000005   0",
        "1000000000.000000006 # 1 segment lost on CPU 1",
        "1000000000.000000009   0",
    ]
    assert sorted(found) == found


def gnu_sort(lines: list[str]) -> list[str]:
    environment = {**os.environ, "LC_ALL": "C"}
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(["sort"], input=text, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.splitlines()


MIDNIGHT = 60 * SECOND
"""Of the clock of ``times_around_midnight``, in a zone an hour west of UTC."""


def times_around_midnight(time_format: str) -> TextFormat:
    midnight_ns = 1_795_305_600 * SECOND  # 2026-11-22 00:00:00 UTC
    zone = timezone(timedelta(hours=-1))

    def to_wall(ts_ns: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        return ts_ns.astype(np.int64) - MIDNIGHT + midnight_ns + 3600 * SECOND

    return TextFormat(find_columns("", with_time=True), make_time(time_format, zone, to_wall, 0))


@pytest.mark.parametrize("time_format", ["iso", "epoch"])
@settings(max_examples=30)
@given(
    moments=st.lists(
        st.tuples(st.integers(1, MIDNIGHT), st.integers(0, 300), st.booleans()),
        unique_by=lambda row: row[0],
        max_size=30,
    ),
    shuffled=st.randoms(use_true_random=False),
)
def test_shuffled_lines_are_put_in_order_by_gnu_sort(
    time_format: str, moments: list[tuple[int, int, bool]], shuffled: random.Random
) -> None:
    moments = [(2 * moment, cpu, is_marked) for moment, cpu, is_marked in sorted(moments)]
    records = make_records([moment for moment, _, _ in moments], cpu=[cpu for _, cpu, _ in moments])
    marks = [Lost(moment, cpu, 7) for moment, cpu, is_marked in moments if is_marked]
    found = lines(times_around_midnight(time_format), records, *marks)
    mixed = found.copy()
    shuffled.shuffle(mixed)

    assert gnu_sort(mixed) == found


def test_a_day_that_ends_is_put_in_order_by_gnu_sort() -> None:
    moments = [MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + 1]
    found = lines(times_around_midnight("iso"), make_records(moments), Lost(MIDNIGHT, 0, 1))

    assert [line[:29] for line in found] == [
        "2026-11-21T23:59:59.999999999",
        "2026-11-21T23:59:59.999999999",
        "2026-11-22T00:00:00.000000000",
        "2026-11-22T00:00:00.000000001",
    ]
    assert found[1].endswith(" # 1 segment lost on CPU 0")
    assert gnu_sort(found[::-1]) == found


def test_a_time_behind_another_column_stands_apart() -> None:
    text_format = make_format("cpu,time", time_format="epoch")

    assert lines(text_format, make_records([5])) == ["   0 1000000000.000000005"]
    assert header(text_format) == f" CPU {'TIME':<20}".rstrip() + "\n"


def test_a_mark_has_no_time_where_lines_do_not_begin_with_it() -> None:
    assert lines(make_format("cpu,time"), no_records(), Lost(7, 1, 1)) == ["# 1 segment lost on CPU 1"]


def test_a_mark_without_order_stands_before_the_next_record_of_its_cpu() -> None:
    # As NoOrder gives them: CPU by CPU, so the times are not in order.
    records = make_records([100, 150, 200, 50, 120, 150], cpu=[0, 0, 0, 1, 1, 1], lport=[1, 2, 3, 4, 5, 6])
    found = lines(make_format("cpu,lport"), records, Lost(150, 0, 1), Lost(120, 1, 7))

    assert found == [
        "   0 1",
        "# 1 segment lost on CPU 0",
        "   0 2",
        "   0 3",
        "   1 4",
        "# 7 segments lost on CPU 1",
        "   1 5",
        "   1 6",
    ]


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (PUSH | ACK, "  (PUSH|ACK)"),
        (SYN, "<syn>  (SYN)<end>"),
        (SYN | ACK, "<syn>  (SYN|ACK)<end>"),
        (FIN | ACK, "<fin>  (FIN|ACK)<end>"),
        (RST, "<rst>  (RST)<end>"),
        (RST | ACK | FIN | SYN, "<rst>  (FIN|SYN|RST|ACK)<end>"),
        (SYN | FIN, "<syn>  (FIN|SYN)<end>"),
    ],
)
def test_beginnings_and_ends_are_coloured(flags: int, line: str) -> None:
    assert [line] == lines(make_format("flags", colors=COLORS), make_segment(flags=flags))


def test_colours_do_not_reach_the_next_line() -> None:
    found = make_format("flags", colors=COLORS).chunks(Batch(make_records([1, 2], flags=[SYN, ACK])))

    assert found == [Chunk(b"<syn>  (SYN)<end>\n  (ACK)\n", 2)]


def test_marks_are_coloured() -> None:
    assert lines(make_format(colors=COLORS), no_records(), Lost(7, 1, 1)) == ["<mark># 1 segment lost on CPU 1<end>"]


def test_the_header_is_not_coloured() -> None:
    assert make_format().header() == make_format(colors=COLORS).header()


def any_records() -> st.SearchStrategy[Records]:
    size = RECORD.itemsize
    raw = st.lists(st.binary(min_size=size, max_size=size), max_size=6)

    def usual(records: Records) -> Records:
        records["dir"] %= 2
        return records

    return raw.map(lambda rows: usual(np.frombuffer(bytearray(b"".join(rows)), RECORD)))


def words(address: Sequence[int]) -> str:
    return to_text(np.array(address, np.uint64).tobytes())


@given(any_records())
def test_lines_are_what_python_would_write(records: Records) -> None:
    expected = [
        LINE
        % (
            record["cpu"],
            words(record["laddr"]),
            record["lport"],
            ("->", "<-")[int(record["dir"])],
            words(record["raddr"]),
            record["rport"],
            record["bytes"],
            flags_text(int(record["flags"])),
        )
        for record in records
    ]

    assert expected == lines(make_format(), records)


@pytest.mark.parametrize("columns", ["", "laddr,lport,dir", "dir,bytes,raddr,rport,cpu,lport", "+seq,laddr"])
def test_many_lines_of_few_connections_are_what_one_at_a_time_would_be(columns: str) -> None:
    addresses = ["192.0.2.1", "2001:db8::1", "192.0.2.200", "2001:db8:1111:2222:3333:4444:5555:6666"]
    few = [
        make_segment(laddr=laddr, raddr=raddr, lport=lport, is_received=bool(is_received))
        for laddr, raddr, lport, is_received in zip(
            addresses, addresses[::-1], (1, 22, 333, 65535), (0, 1, 1, 0), strict=True
        )
    ]
    records = np.concatenate(few * 250)
    records["bytes"] = records["seq"] = np.arange(len(records))
    text_format = make_format(columns)

    assert [line for at in range(len(records)) for line in lines(text_format, records[at : at + 1])] == lines(
        text_format, records
    )


@given(any_records(), st.lists(st.sampled_from([column.name for column in COLUMNS]), min_size=1))
def test_any_columns_of_any_records_are_a_line_each(records: Records, columns: list[str]) -> None:
    records["ts_ns"] %= 10**18

    assert len(records) == len(lines(make_format(",".join(columns)), records))


@given(
    st.lists(st.integers(1, 20), max_size=12).map(sorted),
    st.lists(st.integers(0, 22), max_size=6).map(sorted),
)
def test_no_line_and_no_mark_is_left_out(moments: list[int], marks: list[int]) -> None:
    found = lines(
        make_format("lport"),
        make_records(moments, lport=moments),
        *(Lost(moment, moment, 1) for moment in marks),
    )
    # A mark sorts before a record of its time.
    keys = sorted([*((moment, 1) for moment in moments), *((moment, 0) for moment in marks)])

    assert [f" {moment}" if kind else f"# 1 segment lost on CPU {moment}" for moment, kind in keys] == found
