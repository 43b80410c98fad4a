# SPDX-License-Identifier: GPL-2.0-only
"""Sums of segments, held against sums in plain Python."""

from collections import defaultdict

import numpy as np
import pytest

from tcpio.errors import UsageError
from tcpio.schema.columns import EVERY
from tcpio.schema.record import no_records
from tcpio.stream.derive import GROUPS, MEASURES, NEEDED, Derived, find_group
from tests.unit.samples import ACK, RST, SYN, any_records, make_segment, to_row

NAMES = [measure.name for measure in MEASURES]


@pytest.mark.parametrize("group", [*GROUPS, "laddr,rport"])
def test_sums_are_those_of_plain_python(group: str) -> None:
    columns = find_group(group)
    batches = [any_records(count, count) for count in (1, 200, 300)]
    derived = Derived(columns)
    expected: dict[tuple[object, ...], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for records in batches:
        derived.add(records)
        for record in records:
            row = to_row(record)
            added = expected[tuple(row[name] for name in columns)]
            way = "sent" if row["dir"] == "send" else "received"
            added[f"segs_{way}"] += int(record["segs"])
            added[f"bytes_{way}"] += int(record["bytes"])
            added["retransmitted"] += int(record["segs"]) * bool(row["rtx"])
            for flag in str(row["flags"]).split("|"):
                added[flag.lower()] += 1
    groups, sums = derived.result()

    assert len(groups) == len(expected)
    for record, amounts in zip(groups, sums.tolist(), strict=True):
        wanted = expected[tuple(to_row(record)[name] for name in columns)]
        found = dict(zip(NAMES, amounts, strict=True))
        plain = [name for name in NAMES if not name.startswith(("opens", "resets"))]
        assert {name: found[name] for name in plain} == {name: wanted[name] for name in plain}
    traffic = [sum(amounts[NAMES.index(name)] for name in ("bytes_sent", "bytes_received")) for amounts in sums]
    assert traffic == sorted(traffic, reverse=True)


@pytest.mark.parametrize(
    ("flags", "is_received", "rtx", "counted"),
    [
        (SYN, False, 0, "opens_active"),
        (SYN, False, 1, ""),
        (SYN, True, 0, ""),
        (SYN | ACK, False, 0, "opens_passive"),
        (SYN | ACK, True, 0, ""),
        (RST, False, 0, "resets_sent"),
        (RST | ACK, True, 0, "resets_received"),
        (ACK, False, 0, ""),
    ],
)
def test_opens_and_resets_are_counted_where_they_happen(flags: int, is_received: bool, rtx: int, counted: str) -> None:  # noqa: FBT001  a parameter's value
    derived = Derived(("lport",))
    derived.add(make_segment(flags=flags, is_received=is_received, rtx=rtx))
    (amounts,) = derived.result()[1].tolist()

    found = {name for name, amount in zip(NAMES, amounts, strict=True) if amount}
    assert {name for name in found if name.startswith(("opens", "resets"))} == ({counted} if counted else set())


def test_nothing_is_no_group() -> None:
    derived = Derived(("lport",))
    derived.add(no_records())
    groups, sums = derived.result()

    assert (len(groups), sums.shape) == (0, (0, len(MEASURES)))


def test_sums_may_be_large() -> None:
    derived = Derived(("lport",))
    records = np.concatenate([make_segment(bytes=0xFFFFFFFF)] * 1000)
    for _ in range(3):
        derived.add(records)

    assert derived.result()[1][0][NAMES.index("bytes_sent")] == 3000 * 0xFFFFFFFF


@pytest.mark.parametrize("text", ["", "port", "lport,lport", "tuple,lport", "cpu"])
def test_what_is_no_group_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="cannot group by") as caught:
        find_group(text)

    assert "tuple, laddr, lport, raddr, rport" in caught.value.hint


def test_every_measure_says_what_it_is_and_needs_columns() -> None:
    assert [measure.name for measure in MEASURES if not measure.help or not measure.needs] == []
    assert set(EVERY) >= NEEDED
