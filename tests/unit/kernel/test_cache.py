# SPDX-License-Identifier: GPL-2.0-only
"""What is compiled once is not compiled again, and only what is ours is believed."""

from pathlib import Path

import pytest

from tcpio.kernel import cache
from tcpio.kernel.cache import make_key, start_compiling
from tcpio.kernel.compile import Compiled
from tcpio.kernel.source import Source
from tcpio.kernel.syscall import MapSpec

COMPILED = Compiled((MapSpec("events", 4, 4, 4, 2),), {"run": bytes(range(256))})
SOURCE = Source("int x;", ())


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Source]:
    """What was compiled; the cache is a folder that is not there yet."""
    compiled: list[Source] = []

    class Compilation:
        def __init__(self, source: Source) -> None:
            compiled.append(source)

        def result(self) -> Compiled:
            return COMPILED

    monkeypatch.setattr(cache, "Compilation", Compilation)
    monkeypatch.setenv("TCPIO_CACHE", str(tmp_path / "kept"))
    return compiled


def kept_file(tmp_path: Path) -> Path:
    """Give the one file that was kept."""
    (file,) = (tmp_path / "kept").iterdir()
    return file


def test_the_same_source_is_compiled_once(compilations: list[Source]) -> None:
    given = [start_compiling(SOURCE)() for _ in range(3)]

    assert given == [COMPILED] * 3
    assert compilations == [SOURCE]


def test_another_source_is_compiled(compilations: list[Source]) -> None:
    start_compiling(SOURCE)()
    start_compiling(Source("int y;", ()))()

    assert len(compilations) == 2


def test_the_headers_are_a_part_of_the_source(
    compilations: list[Source], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "record.h").write_text("int x;")
    monkeypatch.setattr(cache, "BPF_DIR", tmp_path)
    start_compiling(SOURCE)()
    (tmp_path / "record.h").write_text("int y;")
    start_compiling(SOURCE)()

    assert len(compilations) == 2


def test_a_key_depends_on_all_its_parts_and_where_they_end() -> None:
    parts = [(), ("",), ("ab",), ("a", "b"), ("b", "a"), ("ab", "")]

    assert len({make_key(*of) for of in parts}) == len(parts)


def test_nothing_is_kept_if_told_so(
    compilations: list[Source], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TCPIO_CACHE", "")
    start_compiling(SOURCE)()
    start_compiling(SOURCE)()

    assert len(compilations) == 2
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"maps": [[1]], "programs": {}}', '{"maps": []}'])
def test_what_is_damaged_is_compiled_anew(compilations: list[Source], tmp_path: Path, damage: str) -> None:
    start_compiling(SOURCE)()
    kept_file(tmp_path).write_text(damage)

    assert start_compiling(SOURCE)() == COMPILED
    assert len(compilations) == 2


def test_a_file_that_others_may_write_is_not_believed(compilations: list[Source], tmp_path: Path) -> None:
    start_compiling(SOURCE)()
    kept_file(tmp_path).chmod(0o666)
    start_compiling(SOURCE)()

    assert len(compilations) == 2


def test_a_link_is_not_followed(compilations: list[Source], tmp_path: Path) -> None:
    start_compiling(SOURCE)()
    file = kept_file(tmp_path)
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    start_compiling(SOURCE)()

    assert len(compilations) == 2


def test_a_folder_that_others_may_write_is_not_used(compilations: list[Source], tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir(mode=0o700)
    (tmp_path / "kept").chmod(0o777)
    start_compiling(SOURCE)()
    start_compiling(SOURCE)()

    assert len(compilations) == 2
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_done_without(
    compilations: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCPIO_CACHE", "/proc/nowhere/kept")
    start_compiling(SOURCE)()

    assert len(compilations) == 1


def test_only_so_many_are_kept(compilations: list[Source], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cache, "_MOST_FILES", 3)
    for number in range(5):
        start_compiling(Source(f"int x{number};", ()))()

    assert len(list((tmp_path / "kept").iterdir())) == 3
    assert len(compilations) == 5
