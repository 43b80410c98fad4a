# SPDX-License-Identifier: GPL-2.0-only
"""Which CPUs there are."""

from pathlib import Path

import pytest

from tcpio.kernel.cpus import parse_cpus, read_online_cpus, read_possible_cpus


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("0\n", (0,)),
        ("0-3\n", (0, 1, 2, 3)),
        ("0-1,4,8-9\n", (0, 1, 4, 8, 9)),
        ("7", (7,)),
        ("\n", ()),
        ("", ()),
    ],
)
def test_lists_are_read(text: str, cpus: tuple[int, ...]) -> None:
    assert cpus == parse_cpus(text)


def test_the_kernels_list_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "online"
    path.write_text("0,2-3\n")
    monkeypatch.setattr("tcpio.kernel.cpus.ONLINE", path)

    assert read_online_cpus() == (0, 2, 3)


def test_this_machine_has_a_cpu() -> None:
    assert read_online_cpus()


def test_every_cpu_that_is_online_is_possible() -> None:
    assert set(read_online_cpus()) <= set(read_possible_cpus())
