# SPDX-License-Identifier: GPL-2.0-only
"""Something that is being made in another thread."""

import threading

import pytest

from tcpio.cli.promise import Promise
from tcpio.errors import UnsupportedKernel


def test_the_result_is_what_the_function_gives() -> None:
    assert Promise(lambda: 7).result() == 7


def test_the_result_can_be_asked_for_again() -> None:
    promise = Promise(lambda: [1])

    assert promise.result() is promise.result()


def test_the_function_runs_meanwhile() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def make() -> str:
        begun.set()
        may_end.wait()
        return "made"

    promise = Promise(make)
    begun.wait()
    may_end.set()

    assert promise.result() == "made"


@pytest.mark.parametrize("error", [UnsupportedKernel("no"), ValueError("no"), KeyboardInterrupt()])
def test_an_error_is_raised_where_the_result_is_asked_for(error: BaseException) -> None:
    def fail() -> None:
        raise error

    promise = Promise(fail)
    with pytest.raises(type(error)) as caught:
        promise.result()

    assert caught.value is error
