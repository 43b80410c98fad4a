# SPDX-License-Identifier: GPL-2.0-only
"""Files that do not go together."""

import pytest

from tcpio.errors import RecordingError
from tcpio.stream.agreement import Agreement
from tcpio.stream.dialects import Dialect

NAMES = ("time", "cpu")


def join(agreement: Agreement, line: bytes = b"TIME CPU\n", names: tuple[str, ...] = NAMES, lead: int = 0) -> None:
    agreement.join_header(line, names, "file", Dialect.TEXT, lead)


def test_without_a_header_there_is_none() -> None:
    agreement = Agreement(0)
    agreement.join(Dialect.TEXT, "one")
    agreement.join(Dialect.TEXT, "two")

    assert agreement.header == b""


def test_the_first_header_stays() -> None:
    agreement = Agreement(0)
    join(agreement, b"TIME      CPU\n")
    join(agreement, b"TIME CPU\n")

    assert agreement.header == b"TIME      CPU\n"


def test_files_of_two_dialects_are_refused() -> None:
    agreement = Agreement(0)
    agreement.join(Dialect.CSV, "one")
    with pytest.raises(RecordingError, match=r"^two is JSON Lines, but one is CSV$"):
        agreement.join(Dialect.JSONL, "two")


def test_files_with_other_columns_are_refused() -> None:
    agreement = Agreement(0)
    join(agreement)
    with pytest.raises(RecordingError, match=r"^file has other columns than file$"):
        join(agreement, names=("time", "cpu", "flags"))


@pytest.mark.parametrize("lead", [20, 35])
def test_hosts_are_named_behind_the_time(lead: int) -> None:
    agreement = Agreement(3)
    join(agreement, f"{'TIME':<{lead}} CPU\n".encode(), lead=lead)

    assert agreement.header.decode() == f"{'TIME':<{lead}} HOST CPU\n"


def test_hosts_are_named_behind_a_time_of_which_there_is_no_line() -> None:
    agreement = Agreement(3)
    join(agreement, f"{'TIME':<35} CPU\n".encode())

    assert agreement.header.decode() == f"{'TIME':<35} HOST CPU\n"


def test_hosts_are_named_first_where_the_time_is_not() -> None:
    agreement = Agreement(3)
    join(agreement, b" CPU TIME\n", names=("cpu", "time"))

    assert agreement.header == b"HOST  CPU TIME\n"


def test_a_second_column_of_hosts_is_refused() -> None:
    with pytest.raises(RecordingError, match=r"^file has a column of hosts already$"):
        join(Agreement(3), names=("time", "host", "cpu"))


def test_a_column_of_hosts_stays() -> None:
    agreement = Agreement(0)
    join(agreement, b"TIME HOST CPU\n", names=("time", "host", "cpu"))

    assert agreement.header == b"TIME HOST CPU\n"
