# SPDX-License-Identifier: GPL-2.0-only
"""Read pcapng as tcpio writes it (output/as_pcapng.py). Where blocks begin is found one by one, the rest by numpy."""

import struct
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from io import BufferedIOBase
from typing import Any, TypeAlias

import numpy as np

from tcpio.errors import RecordingError
from tcpio.schema.address import V4_MAPPED
from tcpio.schema.arrays import NDArray
from tcpio.schema.batch import LAST_NS, Batch, parse_mark
from tcpio.schema.columns import COLUMNS, EVERY
from tcpio.schema.distinct import distinct
from tcpio.schema.pcapng import (
    APPLICATION,
    BYTE_ORDER,
    COMMENT,
    END_OF_OPTIONS,
    FAMILY_BYTES,
    HOP_BY_HOP,
    INTERFACE,
    INTERFACE_NAME,
    IPV4,
    IPV4_BYTES,
    IPV6,
    IPV6_BYTES,
    JUMBO_BYTES,
    NETNS,
    OUTBOUND,
    PACKET,
    PACKET_FLAGS,
    PACKET_HEAD,
    PACKET_OPTIONS,
    PACKET_QUEUE,
    SECTION,
    SECTION_APPLICATION,
    STATISTICS,
    TCP,
    TCP_BYTES,
    TCP_MOST,
    TCP_PROTOCOL,
)
from tcpio.schema.record import RECEIVE, RECORD, SEND, Records, no_records
from tcpio.stream.fields import word_values
from tcpio.stream.lines import items, windows
from tcpio.stream.recording import Recording, read_some

_READ = 1 << 22
_LONGEST = 1 << 17
_SHORTEST = 12
_FOUR = 4
_FACTS = ("version", "host", "kernel", "rung", "filter")
_COMMENTED = {column.name: column for column in COLUMNS}

Bytes: TypeAlias = NDArray[np.uint8]
Places: TypeAlias = NDArray[np.int64]


class _DamagedError(ValueError):
    # What is wrong, and which packet of those that were being read it is.
    def __init__(self, message: str, row: int = 0) -> None:
        super().__init__(message)
        self.row = row


def read_pcapng(file: BufferedIOBase, name: str, wanted: AbstractSet[str]) -> Recording:  # noqa: ARG001  as all readers
    """Open a pcapng file.

    Raises:
        RecordingError: tcpio has not written it.
    """
    blocks = _Blocks(file, name)
    facts = blocks.read_section()
    return Recording(frozenset(EVERY), _batches(blocks), facts)


class _Blocks:
    # The file in pieces of whole blocks.

    def __init__(self, file: BufferedIOBase, name: str) -> None:
        self.name = name
        self.offset = 0  # of what is held
        self.interfaces: list[int] = []  # inode of each
        self._file = file
        self._held = b""

    def _fill(self) -> bool:
        data = read_some(self._file, self.name, _READ)
        self._held += data
        return bool(data)

    def read_section(self) -> Mapping[str, str]:
        kind, length, order = struct.unpack("=III", self._need(_SHORTEST)[:_SHORTEST])
        if kind != SECTION or order != BYTE_ORDER:
            raise self.damaged("the section was written on a machine of the other byte order")
        if length % _FOUR or not 28 <= length <= _LONGEST:  # noqa: PLR2004  the header's own
            raise self.damaged(f"the section's header cannot have {length} bytes")
        self._need(length)
        try:
            return _to_facts(list(_options(self._held[24 : length - 4])))
        except _DamagedError as error:
            raise self.damaged(str(error)) from error

    def _need(self, count: int) -> bytes:
        # So many bytes at least, which may be written while they are read.
        while len(self._held) < count:
            if not self._fill():
                raise self.damaged("the section's header is not whole")
        return self._held

    def damaged(self, what: str, offset: int | None = None) -> RecordingError:
        return RecordingError(f"{self.name}: {what}, at byte {self.offset if offset is None else offset}")

    def pieces(self) -> Iterator[tuple[bytes, list[int]]]:
        # Bytes, and where in them each block begins; the end is the last.
        while True:
            starts = self._starts()
            if len(starts) > 1:
                yield self._held, starts
                self._held = self._held[starts[-1] :]
                self.offset += starts[-1]
            elif not self._fill():
                break
        if self._held:
            raise self.damaged("it ends in the middle of a block")

    def _starts(self) -> list[int]:
        held, end = self._held, len(self._held)
        words = memoryview(held[: end // 4 * 4]).cast("I")
        starts = [0]
        at = 0
        while at + _SHORTEST <= end:
            length = words[at // 4 + 1]
            if length % _FOUR or not _SHORTEST <= length <= _LONGEST:
                if len(starts) > 1:
                    break  # what stands before it comes first
                raise self.damaged(f"a block cannot have {length} bytes")
            at += length
            if at > end:
                break
            starts.append(at)
        return starts


def _batches(blocks: _Blocks) -> Iterator[Batch]:
    for data, starts in blocks.pieces():
        kinds = np.frombuffer(data[: starts[-1]], np.uint32)[np.array(starts[:-1]) // 4]
        changes = np.flatnonzero(np.diff(kinds)) + 1
        for first, end in zip([0, *changes.tolist()], [*changes.tolist(), len(kinds)], strict=True):
            if kinds[first] == PACKET:
                yield from _packets(blocks, data, starts[first : end + 1])
            else:
                for at in range(first, end):
                    yield from _other(blocks, int(kinds[at]), data[starts[at] : starts[at + 1]], starts[at])


def _other(blocks: _Blocks, kind: int, block: bytes, start: int) -> Iterator[Batch]:
    try:
        if kind == SECTION:
            blocks.interfaces.clear()  # those of the next one are its own
        elif kind == INTERFACE:
            blocks.interfaces.append(_inode(dict(_options(block[16:-4])).get(INTERFACE_NAME, b"")))
        elif kind == STATISTICS:
            high, low = struct.unpack_from("=II", block, 12)
            for code, value in _options(block[20:-4]):
                mark = parse_mark(value.decode(errors="replace"), high << 32 | low) if code == COMMENT else None
                if mark:
                    yield Batch(no_records(), (mark,))
    except (_DamagedError, struct.error) as error:
        raise blocks.damaged(f"a block of type {kind}: {error}", blocks.offset + start) from error


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _FOUR <= len(data):
        code, length = struct.unpack_from("=HH", data, at)
        if code == END_OF_OPTIONS:
            return
        at += _FOUR
        if at + length > len(data):
            raise _DamagedError("an option that is longer than its block")
        yield code, data[at : at + length]
        at += length + -length % _FOUR


def _to_facts(options: list[tuple[int, bytes]]) -> Mapping[str, str]:
    if not any(code == SECTION_APPLICATION and value.startswith(APPLICATION.encode()) for code, value in options):
        raise _DamagedError("tcpio has not written it, and packets alone do not tell what a segment is")
    texts = [value.decode(errors="replace").partition(": ") for code, value in options if code == COMMENT]
    return {name: text for name, _, text in texts if name in _FACTS}


def _inode(name: bytes) -> int:
    text = name.decode(errors="replace").removeprefix(NETNS)
    return int(text) if text.isascii() and text.isdecimal() and int(text[:11]) < 1 << 32 else 0


def _packets(blocks: _Blocks, data: bytes, starts: list[int]) -> Iterator[Batch]:
    places = np.array(starts, np.int64)
    # What is looked at is no longer than a block, and may begin in the last one.
    text = np.frombuffer(data + bytes(int(np.diff(places).max())), np.uint8)
    good = len(places) - 1
    error: _DamagedError | None = None
    while good:
        try:
            yield Batch(_to_records(blocks.interfaces, text, places[:good], places[1 : good + 1]))
            break
        except _DamagedError as found:
            error, good = found, found.row
    if error:
        raise blocks.damaged(f"a packet {error}", blocks.offset + starts[good]) from error


def _to_records(interfaces: list[int], text: Bytes, starts: Places, ends: Places) -> Records:
    lengths = ends - starts
    _require(lengths >= PACKET_HEAD.itemsize + IPV4_BYTES + TCP_BYTES + PACKET_OPTIONS.itemsize + 8, "is too short")
    heads = _view(text, starts, PACKET_HEAD)
    caught = heads["cap"].astype(np.int64)
    behind = starts + PACKET_HEAD.itemsize + caught + -caught % _FOUR  # where the options are
    _require(heads["interface"] < len(interfaces), "is of an interface that is not there")
    _require(behind + PACKET_OPTIONS.itemsize + 8 <= ends, "is longer than its block")
    records = np.zeros(len(starts), RECORD)
    records["ts_ns"] = (heads["high"].astype(np.uint64) << np.uint64(32)) | heads["low"]
    _require(records["ts_ns"] <= np.uint64(LAST_NS), "is of a time that cannot be")
    records["netns"] = np.array(interfaces, np.uint32)[heads["interface"]]
    _fill_options(records, _view(text, behind, PACKET_OPTIONS))
    lengths = heads["orig"].astype(np.int64) - FAMILY_BYTES
    _fill_packet(records, text, starts + PACKET_HEAD.itemsize + FAMILY_BYTES, caught - FAMILY_BYTES, lengths)
    _fill_comments(records, text, behind + PACKET_OPTIONS.itemsize, ends - 8)
    return records


def _require(is_good: NDArray[np.bool_], message: str) -> None:
    if not is_good.all():
        raise _DamagedError(message, int(np.argmin(is_good)))


def _view(text: Bytes, places: Places, dtype: np.dtype[Any]) -> Records:
    found: Records = items(text, dtype.itemsize)[places].view(dtype)
    return found


def _fill_options(records: Records, options: Records) -> None:
    codes = (options["flags_code"] == PACKET_FLAGS) & (options["queue_code"] == PACKET_QUEUE)
    lengths = (options["flags_length"] == _FOUR) & (options["queue_length"] == _FOUR)
    _require(codes & lengths, "has no direction")
    _require(options["queue"] <= np.iinfo(RECORD["cpu"]).max, "has a queue that is no CPU")
    records["dir"] = np.where(options["flags"] & 3 == OUTBOUND, SEND, RECEIVE)
    records["cpu"] = options["queue"]


def _fill_packet(records: Records, text: Bytes, places: Places, caught: Places, lengths: Places) -> None:
    version = text[places] >> 4
    is_ipv4 = version == 4  # noqa: PLR2004  as the next: IP's
    _require(is_ipv4 | (version == 6), "is neither IPv4 nor IPv6")  # noqa: PLR2004
    ipv4, ipv6 = _view(text, places, IPV4), _view(text, places, IPV6)
    is_jumbo = ~is_ipv4 & (ipv6["next"] == HOP_BY_HOP)
    size = np.where(is_ipv4, IPV4_BYTES, IPV6_BYTES + JUMBO_BYTES * is_jumbo)
    _require(caught >= size + TCP_BYTES, "is too short")
    protocol = np.where(is_jumbo, ipv6["option"][:, 0], ipv6["next"])
    _require(np.where(is_ipv4, ipv4["protocol"], protocol) == TCP_PROTOCOL, "is not TCP")
    tcp = _view(text, places + size, TCP)
    thlen = (tcp["flags"].astype(np.int64) >> 12) * 4
    payload = lengths - size - thlen
    _require((payload >= 0) & (thlen >= TCP_BYTES), "is shorter than its headers")
    ends = [_addresses(is_ipv4, ipv4[end], ipv6[end]) for end in ("source", "target")]
    is_sent = records["dir"] == SEND
    for name, here, there in (("laddr", 0, 1), ("raddr", 1, 0)):
        records[name] = np.where(is_sent[:, np.newaxis], ends[here], ends[there])
    records["lport"] = np.where(is_sent, tcp["source"], tcp["target"])
    records["rport"] = np.where(is_sent, tcp["target"], tcp["source"])
    for name in ("seq", "ack", "win"):
        records[name] = tcp[name]
    records["flags"] = tcp["flags"] & 0x1FF
    records["bytes"], records["thlen"] = payload, np.minimum(thlen, TCP_MOST)


def _addresses(is_ipv4: NDArray[np.bool_], four: Bytes, sixteen: Bytes) -> NDArray[np.uint64]:
    mapped = np.concatenate([np.tile(np.frombuffer(V4_MAPPED, np.uint8), (len(four), 1)), four], axis=1)
    chosen = np.where(is_ipv4[:, np.newaxis], mapped, sixteen)
    return np.ascontiguousarray(chosen).view(np.uint64)


def _fill_comments(records: Records, text: Bytes, starts: Places, ends: Places) -> None:
    # Few differ: each is read once.
    width = int((ends - starts).max(initial=1))
    width += -width % 8
    cells = windows(text, starts, width)
    cells[np.arange(width) >= (ends - starts)[:, np.newaxis]] = 0
    first, number = distinct(cells.view(np.uint64))
    # As many columns as tcpio's comments have.
    found = [_to_values(row.tobytes(), at) for row, at in zip(cells[first], first.tolist(), strict=True)]
    for name in {name for values in found for name in values}:
        column = _COMMENTED[name]
        values = np.array([values.get(name, 0) for values in found], RECORD[column.source])
        records[column.source] = values[number]


def _to_values(options: bytes, row: int) -> dict[str, int]:
    values: dict[str, int] = {}
    try:
        comments = [value.decode("ascii") for code, value in _options(options) if code == COMMENT]
        for name, _, text in (word.partition("=") for comment in comments for word in comment.split()):
            column = _COMMENTED.get(name)
            if column:
                values[name] = word_values(column)[text] if column.words else int(text)
                if not 0 <= values[name] <= np.iinfo(RECORD[column.source]).max:
                    raise ValueError(text)  # noqa: TRY301  as all that is wrong here
    except (ValueError, KeyError) as error:
        raise _DamagedError("has a comment that is not tcpio's", row) from error
    return values
