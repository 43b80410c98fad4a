# SPDX-License-Identifier: GPL-2.0-only
"""Versions of recordings."""

import pytest

from tcpio.schema import recording
from tcpio.schema.columns import EVERY
from tcpio.schema.recording import FIXUPS, MARKS, VERSION, current_names


def test_every_version_but_the_last_has_its_fixups() -> None:
    assert set(range(1, VERSION)) == set(FIXUPS)


def test_names_of_today_stay() -> None:
    assert current_names(["cpu", "lost"], VERSION) == ["cpu", "lost"]


def test_names_are_followed_through_all_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "VERSION", 3)
    monkeypatch.setattr(recording, "FIXUPS", {1: {"sport": "port"}, 2: {"port": "lport", "len": "bytes"}})

    assert current_names(["sport", "len", "cpu"], 1) == ["lport", "bytes", "cpu"]
    assert current_names(["sport", "len"], 2) == ["sport", "bytes"]


def test_marks_are_no_columns() -> None:
    assert set(EVERY).isdisjoint(MARKS)
