# SPDX-License-Identifier: GPL-2.0-only
"""The running sort: files -> lines with times -> runs, or windows -> merge -> file.

Imported when the command line is checked, see tcpio/cli/sort.py.
"""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

from tcpio.cli.progress import Progress
from tcpio.cli.say import say
from tcpio.cli.sort import SortOptions, Source
from tcpio.errors import RecordingError
from tcpio.output.lines import Chunk
from tcpio.output.sink import Sink
from tcpio.stream.agreement import Agreement
from tcpio.stream.inputs import Input, Unreadable
from tcpio.stream.lines import Lines, Text
from tcpio.stream.merge import Window, merge
from tcpio.stream.runs import Runs

_STDIN = 0
_MOST_AT_ONCE = 1 << 20  # bytes that are read before they are looked at
_SHARE_AT_ONCE = 8  # of the memory
_SHOWN = 60  # characters of a line that cannot be read


def run_sort(options: SortOptions) -> int:
    """Sort, and give the exit status.

    Raises:
        TcpioError: Something cannot be read or written.
    """
    with ExitStack() as stack:
        sort = _Sort(options)
        stack.callback(sort.tell)
        if options.window_ns is None:
            stack.enter_context(_ending_well())
            runs = stack.enter_context(Runs(options.temp, options.memory))
            sink = stack.enter_context(Sink(options.write, is_whole=True))
            progress = stack.enter_context(Progress(_count_bytes(options)))
            sort.write(sink, sort.all(runs, progress, sink))
            sink.finish()
        else:
            stack.enter_context(_outliving_the_writer())
            sort.write(stack.enter_context(Sink(options.write)), sort.as_it_comes(options.window_ns))
    return 0


class _Sort:
    def __init__(self, options: SortOptions) -> None:
        self._options = options
        self._agreement = Agreement(max(len(source.host) for source in options.sources))
        self._unreadable = Unreadable(is_dropped=options.drops_unreadable)
        self._windows: list[Window] = []

    def all(self, runs: Runs, progress: Progress, sink: Sink) -> Iterator[Text]:
        """Read all, then give it in order."""
        at_once = min(self._options.memory // _SHARE_AT_ONCE, _MOST_AT_ONCE)
        for source in self._options.sources:
            for lines in self._read(source, at_once):
                runs.add(lines)
                progress.add(len(lines.text), len(lines))
        if sink.is_terminal:
            progress.hide()
        for text in runs.merged():
            yield text
            progress.add(len(text))

    def as_it_comes(self, window_ns: int) -> Iterator[Text]:
        """Give what is nearly in order while it is read."""
        self._windows = [Window(window_ns) for _ in self._options.sources]
        streams = zip(self._windows, self._options.sources, strict=True)
        return merge([window(self._read(source, 1)) for window, source in streams])

    def _read(self, source: Source, at_once: int) -> Iterator[Lines]:
        with _opened(source) as fd:
            yield from Input(
                fd,
                source.name,
                host=source.host,
                agreement=self._agreement,
                unreadable=self._unreadable,
                at_once=at_once,
            ).read()

    def write(self, sink: Sink, texts: Iterable[Text]) -> None:
        """Write the header, which is known when there is a first line, and the lines."""
        has_begun = False
        for text in texts:
            if not has_begun:
                has_begun = True
                self._write_header(sink)
            sink.write([Chunk(text.tobytes(), 0)])
            if sink.is_closed_by_reader:
                return
        if not has_begun:
            self._write_header(sink)

    def _write_header(self, sink: Sink) -> None:
        if self._options.has_header:
            sink.write([Chunk(self._agreement.header, 0)])

    def tell(self) -> None:
        """Say what could not be read, and what came too late."""
        unreadable = self._unreadable
        for name, number, line in unreadable.first:
            say(f"tcpio: {name}: line {number} has no date and time: {_show(line)}")
        if unreadable.count:
            word = "line was" if unreadable.count == 1 else "lines were"
            say(f"tcpio: {unreadable.count} such {word} {'dropped' if unreadable.is_dropped else 'kept'}")
        if late := sum(window.late for window in self._windows):
            say(f"tcpio: {late} {'line' if late == 1 else 'lines'} came later than --window allows")


def _count_bytes(options: SortOptions) -> int | None:
    # What is read and written, as far as it is known.
    paths = [source.path for source in options.sources]
    if not all(path and path.is_file() for path in paths):
        return None
    return 2 * sum(path.stat().st_size for path in paths if path)


def _show(line: bytes) -> str:
    # Without what a terminal would take for a command.
    shown = repr(line.rstrip(b"\n")[:_SHOWN])[1:]
    return shown + "..." * (len(line) > _SHOWN + 1)


@contextmanager
def _opened(source: Source) -> Iterator[int]:
    if not source.path:
        yield _STDIN
        return
    try:
        fd = os.open(source.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise RecordingError(f"cannot read {source.path}: {error.strerror}") from error
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _ending_well() -> Iterator[None]:
    # Whoever is told to end removes what is half written.
    with _handling({signal.SIGTERM: signal.default_int_handler, signal.SIGHUP: signal.default_int_handler}):
        yield


@contextmanager
def _outliving_the_writer() -> Iterator[None]:
    # ^C ends the whole pipeline: what the trace still has to say when it ends is sorted as well. A second one ends it.
    def ignore(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    with _handling({signal.SIGINT: ignore}):
        yield


@contextmanager
def _handling(handlers: dict[signal.Signals, "signal._HANDLER"]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
