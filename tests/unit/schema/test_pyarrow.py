# SPDX-License-Identifier: GPL-2.0-only
"""With pyarrow, and without."""

import sys
from typing import cast

import pytest

from tcpio.errors import UsageError
from tcpio.schema.pyarrow import import_pyarrow


def test_without_pyarrow_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cast("dict[str, object]", sys.modules), "pyarrow", None)
    with pytest.raises(UsageError, match="Arrow and Parquet want pyarrow: ") as caught:
        import_pyarrow()

    assert "pip install 'tcpio[arrow]'" in caught.value.hint
    assert "\n" not in f"{caught.value}{caught.value.hint}"


def test_with_pyarrow_it_is_given() -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not there; tests/run installs it")

    assert import_pyarrow() is pyarrow
