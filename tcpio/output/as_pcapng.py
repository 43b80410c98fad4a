# SPDX-License-Identifier: GPL-2.0-only
"""pcapng for Wireshark: packets rebuilt from the records (draft-ietf-opsawg-pcapng; block and option codes are its).

A packet has its IP and TCP header with what a record holds, and no payload: it is cut there, as by tcpdump -s. TCP's
options are not known; in their place is "end of option list" (RFC 9293, 3.2), so that lengths are true. What a packet
has no place for is a comment. Blocks are matrices of bytes of which each row uses a part, so that nothing is done for
each packet in Python.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from tcpio.output.cells import Cells, constant, digits, is_ipv4, join, squeeze, table
from tcpio.output.lines import Chunk, split, word_index
from tcpio.output.times import ToWall
from tcpio.schema.arrays import NDArray
from tcpio.schema.batch import Batch, Counted, Lost, Mark
from tcpio.schema.columns import COLUMNS, Column, Kind
from tcpio.schema.distinct import distinct, pack
from tcpio.schema.pcapng import (
    APPLICATION,
    BYTE_ORDER,
    COMMENT,
    END_OF_OPTIONS,
    FAMILY_BYTES,
    FAMILY_IPV4,
    FAMILY_IPV6,
    HOP_BY_HOP,
    IN_PACKET,
    INBOUND,
    INTERFACE,
    INTERFACE_DESCRIPTION,
    INTERFACE_FILTER,
    INTERFACE_NAME,
    INTERFACE_RESOLUTION,
    IPV4,
    IPV4_BYTES,
    IPV6,
    IPV6_BYTES,
    JUMBO_BYTES,
    LINKTYPE_NULL,
    NANOSECONDS,
    NETNS,
    OUTBOUND,
    PACKET,
    PACKET_FLAGS,
    PACKET_HEAD,
    PACKET_OPTIONS,
    PACKET_QUEUE,
    SECTION,
    SECTION_APPLICATION,
    SECTION_OS,
    STATISTICS,
    STATISTICS_DROPPED,
    TCP,
    TCP_BYTES,
    TCP_MOST,
    TCP_PROTOCOL,
)
from tcpio.schema.record import SEND, Records, take

_IP_LARGEST = 0xFFFF
_TTL = 64
_DONT_FRAGMENT = 0x4000
_JUMBO = (TCP_PROTOCOL, 0, 0xC2, 4)

Bytes: TypeAlias = NDArray[np.uint8]
Flags: TypeAlias = NDArray[np.bool_]
Numbers: TypeAlias = NDArray[np.int64]


class PcapngFormat:
    """From batches to blocks.

    Args:
        to_wall: From ts_ns to wall time.
        facts: What the section says of the whole recording.
    """

    pending = 0

    def __init__(self, to_wall: ToWall, facts: Mapping[str, str]) -> None:
        self._to_wall = to_wall
        self._facts = facts
        self._comments = tuple(column for column in COLUMNS if column.name not in IN_PACKET)
        self._interfaces: dict[int, int] = {}  # inode of the namespace -> number of the interface
        self._dropped = 0

    def header(self) -> bytes:
        """Give the section's header, and the interface that losses are told of, since they have no namespace."""
        self._interfaces = {}
        self._dropped = 0
        options = [
            (SECTION_OS, f"Linux {self._facts['kernel']}" if "kernel" in self._facts else "Linux"),
            (SECTION_APPLICATION, f"{APPLICATION} {self._facts.get('version', '')}".strip()),
            *((COMMENT, f"{name}: {text}") for name, text in self._facts.items() if text),
        ]
        body = struct.pack("=IHHq", BYTE_ORDER, 1, 0, -1)
        return _block(SECTION, body, options) + self._interface(APPLICATION, "all CPUs: tells what was lost")

    def _interface(self, name: str, description: str) -> bytes:
        options: list[tuple[int, str | bytes]] = [
            (INTERFACE_NAME, name),
            (INTERFACE_DESCRIPTION, description),
            (INTERFACE_RESOLUTION, bytes([NANOSECONDS])),
        ]
        if self._facts.get("filter"):
            options.append((INTERFACE_FILTER, b"\0" + self._facts["filter"].encode()))
        return _block(INTERFACE, struct.pack("=HHI", LINKTYPE_NULL, 0, 0), options)

    def chunks(self, batch: Batch) -> list[Chunk]:
        """Give the blocks of a batch, each mark at its place."""
        chunks: list[Chunk] = []
        for piece in split(batch):
            if isinstance(piece, np.ndarray):
                chunks += self._packets(piece)
            else:
                chunks.append(Chunk(self._statistics(piece), 0, is_lines=False))
        return chunks

    def end(self) -> list[Chunk]:
        """Give nothing: what was written is whole."""
        return []

    def _statistics(self, mark: Mark) -> bytes:
        self._dropped += mark.count if isinstance(mark, (Lost, Counted)) else 0
        wall_ns = int(self._to_wall(np.array([mark.ts_ns], np.uint64))[0])
        body = struct.pack("=III", 0, wall_ns >> 32, wall_ns & 0xFFFFFFFF)
        return _block(STATISTICS, body, [(COMMENT, str(mark)), (STATISTICS_DROPPED, struct.pack("=Q", self._dropped))])

    def _packets(self, records: Records) -> list[Chunk]:
        chunks: list[Chunk] = []
        new = [inode for inode in np.unique(records["netns"]).tolist() if inode not in self._interfaces]
        for inode in new:
            self._interfaces[inode] = len(self._interfaces) + 1
            block = self._interface(f"{NETNS}{inode}", "segments of this network namespace")
            chunks.append(Chunk(block, 0, is_lines=False))
        return [*chunks, Chunk(self._packet_blocks(records), len(records), is_lines=False)]

    def _packet_blocks(self, records: Records) -> bytes:
        packets, caught, lengths = _packet_bytes(records)
        comments, comment_lengths = self._comment_bytes(records)
        heads = np.zeros(len(records), PACKET_HEAD)
        padding = -caught % 4
        heads["type"] = PACKET
        heads["length"] = PACKET_HEAD.itemsize + caught + padding + PACKET_OPTIONS.itemsize + comment_lengths + 8
        heads["interface"] = self._interface_numbers(records)
        wall_ns = self._to_wall(records["ts_ns"])
        heads["high"], heads["low"] = wall_ns >> 32, wall_ns & 0xFFFFFFFF
        heads["cap"], heads["orig"] = caught, lengths
        options = np.zeros(len(records), PACKET_OPTIONS)
        options["flags_code"], options["flags_length"] = PACKET_FLAGS, 4
        options["flags"] = np.where(records["dir"] == SEND, OUTBOUND, INBOUND)
        options["queue_code"], options["queue_length"], options["queue"] = PACKET_QUEUE, 4, records["cpu"]
        tails = np.zeros((len(records), 2), np.uint32)  # the end of the options, and the length again
        tails[:, 1] = heads["length"]
        parts = [_to_bytes(heads), packets, _to_bytes(options), comments, tails.view(np.uint8)]
        used = [_used(packets, caught + padding), _used(comments, comment_lengths)]
        return _join_used(parts, [None, used[0], None, used[1], None])

    def _interface_numbers(self, records: Records) -> Numbers:
        inodes, index = np.unique(records["netns"], return_inverse=True)
        numbers: Numbers = np.array([self._interfaces[inode] for inode in inodes.tolist()], np.int64)[index]
        return numbers

    def _comment_bytes(self, records: Records) -> tuple[Bytes, Numbers]:
        # Few differ: each is made once.
        members = dict.fromkeys(["dir", *(column.source for column in self._comments)])
        first, number = distinct(pack(records, members))
        texts = squeeze([*_comment_cells(self._comments, take(records, first)), constant("\n", len(first))])
        options = [_option(COMMENT, text) if text else b"" for text in texts.split(b"\n")[:-1]]
        lengths = np.array([len(option) for option in options], np.int64)
        width = int(lengths.max(initial=0))
        rows = np.frombuffer(b"".join(option.ljust(width, b"\0") for option in options), np.uint8)
        return rows.reshape(len(options), width)[number], lengths[number]


def _comment_cells(columns: Sequence[Column], records: Records) -> list[Cells]:
    # NAME=VALUE for all that there is to show, with a blank between.
    cells: list[Cells] = []
    for at, column in enumerate(columns):
        lead = f"{' ' * bool(at)}{column.name}="
        if column.kind is Kind.WORD:
            words = table([*(lead + word if word else "" for word in column.words), ""])
            cells.append(words[word_index(column, records)])
        else:
            cells += [constant(lead, len(records)), digits(records[column.source])]
    return cells


def _packet_bytes(records: Records) -> tuple[Bytes, Numbers, Numbers]:
    # The packets, how many bytes of each row are one's, and how long it was on the way.
    ipv4 = is_ipv4(records["laddr"]) & is_ipv4(records["raddr"])
    thlen: Numbers = np.clip(records["thlen"].astype(np.int64) // 4 * 4, TCP_BYTES, TCP_MOST)
    jumbo = ~ipv4 & (thlen + records["bytes"] > _IP_LARGEST)
    ip_bytes = np.where(ipv4, IPV4_BYTES, IPV6_BYTES + JUMBO_BYTES * jumbo)
    lengths: Numbers = ip_bytes + thlen + records["bytes"]
    families = np.where(ipv4, FAMILY_IPV4, FAMILY_IPV6).astype(np.uint32)
    packets = np.zeros((len(records), FAMILY_BYTES + IPV6.itemsize + TCP_MOST), np.uint8)
    packets[:, :FAMILY_BYTES] = families.view(np.uint8).reshape(-1, FAMILY_BYTES)
    tcp = _tcp_bytes(records, thlen)
    makers = ((ipv4, _ipv4_bytes), (~ipv4 & ~jumbo, _ipv6_bytes), (jumbo, _ipv6_bytes))
    for chosen, make in makers:
        if chosen.any():
            at = np.flatnonzero(chosen)
            size = int(ip_bytes[at[0]])
            behind = FAMILY_BYTES + size
            packets[at, FAMILY_BYTES:behind] = make(take(records, at), lengths[at])[:, :size]
            packets[at, behind : behind + TCP_MOST] = tcp[at]
    return packets, FAMILY_BYTES + ip_bytes + thlen, FAMILY_BYTES + lengths


def _ends(records: Records) -> tuple[Bytes, Bytes]:
    # Source and target addresses.
    is_sent = (records["dir"] == SEND)[:, np.newaxis]
    laddr, raddr = (_to_bytes(records[name]) for name in ("laddr", "raddr"))
    return np.where(is_sent, laddr, raddr), np.where(is_sent, raddr, laddr)


def _ipv4_bytes(records: Records, lengths: Numbers) -> Bytes:
    headers = np.zeros(len(records), IPV4)
    headers["version"] = 0x45
    # As the kernel does where it has no room: 0 (BIG TCP).
    headers["length"] = np.where(lengths > _IP_LARGEST, 0, lengths)
    headers["fragment"], headers["ttl"], headers["protocol"] = _DONT_FRAGMENT, _TTL, TCP_PROTOCOL
    source, target = _ends(records)
    headers["source"], headers["target"] = source[:, -4:], target[:, -4:]
    # RFC 1071: the ones' complement of the ones' complement sum.
    total = _to_bytes(headers).view(">u2").sum(axis=1, dtype=np.uint32)
    for _ in range(2):
        total = (total & 0xFFFF) + (total >> 16)
    headers["checksum"] = ~total & 0xFFFF
    return _to_bytes(headers)


def _ipv6_bytes(records: Records, lengths: Numbers) -> Bytes:
    headers = np.zeros(len(records), IPV6)
    headers["version"] = 6 << 28
    payload = lengths - IPV6_BYTES
    is_jumbo = payload > _IP_LARGEST
    headers["length"] = np.where(is_jumbo, 0, payload)
    headers["next"], headers["limit"] = np.where(is_jumbo, HOP_BY_HOP, TCP_PROTOCOL), _TTL
    headers["source"], headers["target"] = _ends(records)
    headers["option"], headers["jumbo"] = _JUMBO, payload
    return _to_bytes(headers)


def _tcp_bytes(records: Records, thlen: Numbers) -> Bytes:
    headers = np.zeros(len(records), TCP)
    is_sent = records["dir"] == SEND
    headers["source"] = np.where(is_sent, records["lport"], records["rport"])
    headers["target"] = np.where(is_sent, records["rport"], records["lport"])
    headers["seq"], headers["ack"], headers["win"] = records["seq"], records["ack"], records["win"]
    headers["flags"] = (thlen // 4 << 12) | (records["flags"] & 0xFFF)
    options = np.zeros((len(records), TCP_MOST - TCP_BYTES), np.uint8)
    return np.concatenate([_to_bytes(headers), options], axis=1)


def _to_bytes(rows: NDArray[np.void]) -> Bytes:
    return np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)


def _used(rows: Bytes, lengths: Numbers) -> Flags:
    return np.arange(rows.shape[1]) < lengths[:, np.newaxis]


def _join_used(parts: Sequence[Bytes], used: Sequence[Flags | None]) -> bytes:
    matrix = join(parts)
    chosen = np.ones(matrix.shape, np.bool_)
    at = 0
    for part, flags in zip(parts, used, strict=True):
        if flags is not None:
            chosen[:, at : at + part.shape[1]] = flags
        at += part.shape[1]
    return matrix[chosen].tobytes()


def _block(kind: int, body: bytes, options: Sequence[tuple[int, str | bytes]]) -> bytes:
    written = b"".join(_option(code, value) for code, value in options) + struct.pack("=I", END_OF_OPTIONS)
    length = struct.pack("=I", 12 + len(body) + len(written))
    return struct.pack("=I", kind) + length + body + written + length


def _option(code: int, value: str | bytes) -> bytes:
    data = value.encode(errors="replace") if isinstance(value, str) else value
    data = data[:0xFFFF]
    return struct.pack("=HH", code, len(data)) + data + bytes(-len(data) % 4)
