# SPDX-License-Identifier: GPL-2.0-only
"""What became of the segments, in words."""

import pytest

from tcpio.stream.counts import Counts, SumCounts


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (Counts(0), "0 segments printed, 0 lost"),
        (Counts(1), "1 segment printed, 0 lost"),
        (Counts(7, not_printed=3), "7 segments printed, 3 not printed, 0 lost"),
        (Counts(7, filtered=4), "7 segments printed, 4 filtered, 0 lost"),
        (Counts(7, counted=0), "7 segments printed, 0 counted, 0 lost"),
        (Counts(7, missed=5), "7 segments printed, 0 lost, 5 missed"),
        (Counts(7, late=1), "7 segments printed, 0 lost, 1 late"),
        (Counts(7, unreadable=2), "7 segments printed, 0 lost, 2 unreadable"),
        (Counts(7, lost={3: 137}), "7 segments printed, 137 lost; lost by CPU: 3: 137"),
        (
            Counts(1, not_printed=2, filtered=3, lost={0: 4, 1: 0, 2: 5}, missed=6, late=7, unreadable=8),
            (
                "1 segment printed, 2 not printed, 3 filtered, 9 lost, 6 missed, 7 late, 8 unreadable"
                "; lost by CPU: 0: 4, 2: 5"
            ),
        ),
    ],
)
def test_what_is_not_zero_is_told(counts: Counts, text: str) -> None:
    assert text == str(counts)


def test_what_cannot_be_counted_is_not_called_zero() -> None:
    counts = Counts(7, missed_unknown=("kprobe:ip6_xmit", "kprobe:tcp_v4_rcv"))

    assert str(counts) == (
        "7 segments printed, 0 lost; missed: not countable on this kernel for kprobe:ip6_xmit, kprobe:tcp_v4_rcv"
    )


def test_what_could_be_counted_is_told_beside_what_could_not() -> None:
    counts = Counts(7, missed=2, missed_unknown=("kprobe:ip6_xmit",))

    assert str(counts) == (
        "7 segments printed, 0 lost, 2 missed; missed: not countable on this kernel for kprobe:ip6_xmit"
    )


@pytest.mark.parametrize(
    ("counts", "text", "is_trouble"),
    [
        (SumCounts(0), "0 buckets", False),
        (SumCounts(1), "1 bucket", False),
        (SumCounts(2, overflowed=3), "2 buckets, 3 times no room for a bucket (see --max-buckets)", True),
        (SumCounts(2, closed=1), "1 socket closed, 2 still open", False),
        (SumCounts(0, closed=2), "2 sockets closed, 0 still open", False),
        (SumCounts(1, missed=5), "1 bucket, 5 missed", True),
        (
            SumCounts(1, missed_unknown=("kprobe:a", "kprobe:b")),
            "1 bucket; missed: not countable on this kernel for kprobe:a, kprobe:b",
            False,
        ),
    ],
)
def test_the_counts_of_a_summary(counts: SumCounts, text: str, is_trouble: bool) -> None:  # noqa: FBT001
    assert (str(counts), counts.is_trouble) == (text, is_trouble)
