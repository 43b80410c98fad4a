# SPDX-License-Identifier: GPL-2.0-only
"""The parts of pcapng that tcpio writes and reads (draft-ietf-opsawg-pcapng), and the headers in its packets."""

import numpy as np

SECTION, INTERFACE, STATISTICS, PACKET = 0x0A0D0D0A, 1, 5, 6
"""Types of blocks."""

BYTE_ORDER = 0x1A2B3C4D

END_OF_OPTIONS, COMMENT = 0, 1
SECTION_OS, SECTION_APPLICATION = 3, 4
INTERFACE_NAME, INTERFACE_DESCRIPTION, INTERFACE_RESOLUTION, INTERFACE_FILTER = 2, 3, 9, 11
PACKET_FLAGS, PACKET_QUEUE = 2, 6
STATISTICS_DROPPED = 5
"""Codes of options."""

INBOUND, OUTBOUND = 1, 2
"""Of PACKET_FLAGS, bits 0 and 1."""

LINKTYPE_NULL = 0
"""Before a packet stands its family. LINKTYPE_RAW would do without, but libpcap reads only one interface of it."""

FAMILY_BYTES = 4
FAMILY_IPV4, FAMILY_IPV6 = 2, 30
NANOSECONDS = 9

APPLICATION = "tcpio"
"""What SECTION_APPLICATION begins with."""

NETNS = "netns "
"""What the name of an interface begins with, before the namespace's inode."""

IN_PACKET = (
    *("time", "ts_ns", "cpu", "laddr", "lport", "dir", "raddr", "rport", "bytes", "flags", "seq", "ack", "win"),
    *("netns", "thlen"),
)
"""The columns for which a packet, its block or its interface has a place. Others are its comment."""

IPV4_BYTES, IPV6_BYTES, TCP_BYTES = 20, 40, 20
"""Of headers without options."""

JUMBO_BYTES = 8
TCP_MOST = 60
HOP_BY_HOP = 0
TCP_PROTOCOL = 6

PACKET_HEAD = np.dtype(
    [
        ("type", "u4"),
        ("length", "u4"),
        ("interface", "u4"),
        ("high", "u4"),
        ("low", "u4"),
        ("cap", "u4"),
        ("orig", "u4"),
    ]
)
"""What stands before a packet."""

PACKET_OPTIONS = np.dtype(
    [
        ("flags_code", "u2"),
        ("flags_length", "u2"),
        ("flags", "u4"),
        ("queue_code", "u2"),
        ("queue_length", "u2"),
        ("queue", "u4"),
    ]
)
"""What stands behind it; then there may be a comment."""

IPV4 = np.dtype(
    [
        ("version", "u1"),
        ("tos", "u1"),
        ("length", ">u2"),
        ("id", ">u2"),
        ("fragment", ">u2"),
        ("ttl", "u1"),
        ("protocol", "u1"),
        ("checksum", ">u2"),
        ("source", "u1", (4,)),
        ("target", "u1", (4,)),
    ]
)
IPV6 = np.dtype(
    [
        ("version", ">u4"),
        ("length", ">u2"),
        ("next", "u1"),
        ("limit", "u1"),
        ("source", "u1", (16,)),
        ("target", "u1", (16,)),
        ("option", "u1", (4,)),
        ("jumbo", ">u4"),
    ]
)
"""With the option that a payload of more than 64 KB needs (RFC 2675); others end before it."""
TCP = np.dtype(
    [
        ("source", ">u2"),
        ("target", ">u2"),
        ("seq", ">u4"),
        ("ack", ">u4"),
        ("flags", ">u2"),
        ("win", ">u2"),
        ("checksum", ">u2"),
        ("urgent", ">u2"),
    ]
)
