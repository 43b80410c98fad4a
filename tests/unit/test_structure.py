# SPDX-License-Identifier: GPL-2.0-only
"""How the sources are arranged."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "tcpio").rglob("*.py"))

PACKAGES = ("schema", "filter", "kernel", "stream", "output", "cli", "api")
"""In the order of the pipeline: each may import from those before it."""

FORBIDDEN = {("stream", "kernel"), ("output", "kernel")}
"""Beyond that: these know nothing of a kernel, since recordings have none."""

SPDX = "SPDX-License-Identifier: GPL-2.0-only"

UNTESTED = {
    "tcpio/__init__.py": "the version and names, which tests/unit/cli/test_main.py and tests/unit/api use",
    "tcpio/schema/sums.py": "declarations alone",
    "tcpio/__main__.py": "one call of main(), which tests/live makes",
    **{f"tcpio/{package}/__init__.py": "a docstring alone" for package in PACKAGES},
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield f"{node.module}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages_of(names: Iterator[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("tcpio.")} & set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    allowed = set(PACKAGES[: PACKAGES.index(package) + 1]) - {other for one, other in FORBIDDEN if one == package}
    wrong = {
        name_of(path): extra
        for path in sorted((ROOT / "tcpio" / package).glob("*.py"))
        if (extra := packages_of(imports_of(path)) - allowed)
    }

    assert wrong == {}


def test_nothing_else_lies_among_the_packages() -> None:
    assert sorted([*PACKAGES, "__init__.py", "__main__.py", "errors.py", "py.typed"]) == sorted(
        path.name for path in (ROOT / "tcpio").iterdir() if path.name not in ("__pycache__", "bpf")
    )


def test_errors_import_nothing_of_tcpio() -> None:
    assert [name for name in imports_of(ROOT / "tcpio" / "errors.py") if name.startswith("tcpio")] == []


def test_only_one_module_imports_bcc() -> None:
    importers = {
        (name_of(path), name) for path in SOURCES for name in imports_of(path) if name.partition(".")[0] == "bcc"
    }

    assert importers == {("tcpio/kernel/compile.py", "bcc")}


def test_every_source_file_has_its_test_file() -> None:
    tests = {name_of(path) for path in (ROOT / "tests" / "unit").rglob("test_*.py")}
    without = {
        name_of(path)
        for path in SOURCES
        if name_of(path.parent / f"test_{path.name}").replace("tcpio", "tests/unit", 1) not in tests
    }

    assert set(UNTESTED) == without


@pytest.mark.parametrize("folder", ["tcpio", "bpf", "tests"])
def test_every_file_begins_with_its_license(folder: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".c", ".h")]
    without = [name_of(path) for path in files if SPDX not in path.read_text().partition("\n")[0]]

    assert files
    assert without == []
