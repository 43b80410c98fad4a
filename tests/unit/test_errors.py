# SPDX-License-Identifier: GPL-2.0-only
"""The tree of errors."""

import pytest

from tcpio import errors
from tcpio.errors import (
    CannotRun,
    FilterError,
    NotPermitted,
    OutputError,
    ProgramNotFound,
    TcpioError,
    UnsupportedKernel,
    UsageError,
)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (TcpioError, 1),
        (OutputError, 1),
        (UsageError, 2),
        (FilterError, 2),
        (ProgramNotFound, 127),
        (CannotRun, 126),
        (UnsupportedKernel, 3),
        (NotPermitted, 3),
    ],
)
def test_each_kind_has_its_status(kind: type[TcpioError], status: int) -> None:
    assert status == kind.exit_code


def test_a_hint_may_be_missing() -> None:
    assert (str(TcpioError("what")), TcpioError("what").hint) == ("what", "")
    assert TcpioError("what", hint="do this").hint == "do this"


def test_a_filter_error_says_where_for_people_who_count_from_one() -> None:
    error = FilterError("found 'x'", text="x:1-*:*", position=0)

    assert str(error) == "filter 'x:1-*:*': found 'x', at character 1"
    assert (error.text, error.position) == ("x:1-*:*", 0)


def test_the_tree_in_the_docstring_has_every_error() -> None:
    kinds = [name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)]

    assert [name for name in kinds if f" {name} " not in f" {errors.__doc__} "] == []
