# SPDX-License-Identifier: GPL-2.0-only
"""What inputs that are merged must have in common."""

from tcpio.errors import RecordingError
from tcpio.stream.dialects import HOST, Dialect, add_host_to_header
from tcpio.stream.stamps import ISO


class Agreement:
    """The format and the header that all inputs share.

    Args:
        host_width: Characters of the longest host; 0 is no column of hosts.

    Attributes:
        header: The line above all others, with the column of hosts; empty if no input had one.
    """

    def __init__(self, host_width: int) -> None:
        self.header = b""
        self.host_width = host_width
        self._dialect: tuple[Dialect, str] | None = None
        self._names: tuple[tuple[str, ...], str] | None = None

    def join(self, dialect: Dialect, name: str) -> None:
        """Note how an input is written.

        Raises:
            RecordingError: Others are written in another way.
        """
        self._dialect = self._dialect or (dialect, name)
        if self._dialect[0] is not dialect:
            raise RecordingError(
                f"{name} is {dialect.value}, but {self._dialect[1]} is {self._dialect[0].value}",
                hint="sort files of one format at a time",
            )

    def join_header(self, line: bytes, names: tuple[str, ...], name: str, dialect: Dialect, lead: int) -> None:
        """Note a header.

        Args:
            line: All of it.
            names: The columns that it names.
            name: The input's.
            dialect: How it is written.
            lead: Characters of the time that lines begin with.

        Raises:
            RecordingError: Others have other columns.
        """
        if self.host_width and HOST in names:
            raise RecordingError(
                f"{name} has a column of hosts already", hint="sort it without NAME= or --host-from-name"
            )
        if self._names is None:
            self._names = names, name
            is_first = names[0] == "time"
            width = self.host_width
            lead = (lead or ISO.width) if is_first else 0
            self.header = add_host_to_header(line, dialect, width, lead) if width else line
        if self._names[0] != names:
            raise RecordingError(
                f"{name} has other columns than {self._names[1]}", hint="merge what was recorded with the same columns"
            )
