# SPDX-License-Identifier: GPL-2.0-only
"""What the runs on other kernels are chosen and judged by."""

from types import SimpleNamespace
from typing import Any, Literal

import pytest

from tests.kernels.apt import newest_of
from tests.kernels.kernels import KERNELS, RUNGS, chosen_kernels, to_record
from tests.kernels.outcomes import Outcomes
from tests.live.selection import Place

OLDEST, NEWEST = KERNELS[0].name, KERNELS[-1].name


def outcomes(*found: tuple[str, str, Literal["passed", "failed", "skipped"]]) -> Outcomes:
    plugin = Outcomes()
    for kernel, rung, outcome in found:
        item = SimpleNamespace(
            callspec=SimpleNamespace(params={"recorded": (Place(kernel, rung, bool), None)}), user_properties=[]
        )
        plugin.pytest_itemcollected(item)  # type: ignore[arg-type]
        longrepr: Any = ("file", 1, "Skipped: no disk") if outcome == "skipped" else None
        plugin.pytest_runtest_logreport(
            pytest.TestReport(
                "a test", ("file", 1, "a test"), {}, outcome, longrepr, "call", user_properties=item.user_properties
            )
        )
    return plugin


def status_of(plugin: Outcomes) -> pytest.ExitCode:
    session = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    plugin.pytest_sessionfinish(session)  # type: ignore[arg-type]
    return pytest.ExitCode(session.exitstatus)


def test_by_default_the_oldest_a_middle_and_the_newest_kernel_are_booted() -> None:
    assert {OLDEST, "6.1", NEWEST} <= {kernel.name for kernel in chosen_kernels("")}


def test_by_default_each_way_to_attach_is_tried_on_a_kernel_that_is_booted() -> None:
    assert all({rung for rung, _ in to_record(kernel, "")} == set(RUNGS) for kernel in chosen_kernels(""))


def test_by_default_each_way_to_attach_is_overloaded_on_one_kernel() -> None:
    shares = [pair for kernel in KERNELS for pair in kernel.share]

    assert sorted(rung for rung, name in shares if name == "overload") == sorted(RUNGS)


def test_all_kernels_have_the_same_recordings() -> None:
    assert chosen_kernels("all") == list(KERNELS)
    assert len({to_record(kernel, "all") for kernel in KERNELS}) == 1


def test_a_kernel_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"--kernels: 4\.9 is none of 5\.10, "):
        chosen_kernels("5.10,4.9")


def test_the_newest_is_told_by_numbers_and_by_nothing_else_in_a_name() -> None:
    versions = ("6.12.9+deb13", "6.12.115+deb13", "6.12.115+deb13.1", "6.12.200-0.deb12.1", "6.12.300-rc1", "6.12.99-7")
    names = [f"linux-image-{version}-cloud-amd64" for version in versions]

    assert newest_of([*names, "linux-image-6.12.400-amd64"], "linux-image-6.12.", "-cloud-amd64") == names[2]
    assert newest_of(names, "linux-image-6.18.", "-cloud-amd64") is None


def test_the_table_shows_each_kernel_and_way_to_attach() -> None:
    plugin = outcomes(
        (OLDEST, "fentry", "passed"),
        (OLDEST, "fentry", "passed"),
        (OLDEST, "kprobe", "passed"),
        (OLDEST, "kprobe", "failed"),
        (NEWEST, "fentry", "passed"),
        (NEWEST, "fentry", "skipped"),
        ("", "tracepoint", "failed"),
    )
    header, *rows = plugin.table()

    assert ["kernel", *RUNGS] == header.split()
    assert [kernel.name for kernel in KERNELS] == [row.split()[0] for row in rows]
    assert rows[0].split(maxsplit=1)[1].split("  ")[0] == "passed: 2"
    assert rows[0].endswith("  FAILED: 1 of 2  not run")
    assert "passed: 1, skipped: 1 (no disk)" in rows[-1]
    assert status_of(plugin) == pytest.ExitCode.OK


def test_a_way_to_attach_that_was_skipped_has_failed() -> None:
    plugin = outcomes((OLDEST, "kprobe", "skipped"), (OLDEST, "fentry", "passed"))

    assert plugin.tell(OLDEST, "kprobe") == "FAILED: skipped (no disk)"
    assert status_of(plugin) == pytest.ExitCode.TESTS_FAILED
