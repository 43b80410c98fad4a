# SPDX-License-Identifier: GPL-2.0-only
"""How large a super-segment a device takes: one segment, or more than 64 KB (BIG TCP)."""

import errno
import os
import socket
import struct

from tests.live.namespaces import Namespace, run

_BIG = 200_000  # bytes; TCP builds 64 KB by default
MTU = 1500
"""Of devices that carry super-segments."""

# include/uapi/linux/rtnetlink.h, netlink.h, if_link.h: iproute2 6.1 has no words for the last one
_RTM_NEWLINK = 16
_NLM_F_REQUEST_ACK = 5
_IFLA_GSO_IPV4_MAX_SIZE = 63


def forbid_super_segments(namespace: Namespace, device: str) -> None:
    """Let every segment be a packet: TCP builds super-segments whatever the device can do, but for this limit."""
    namespace.ip(f"link set dev {device} gso_max_segs 1")
    if device != "lo":
        with namespace.entered():
            run(*f"ethtool -K {device} tso off gso off gro off".split())


def allow_big_super_segments(namespace: Namespace, device: str) -> None:
    """Let TCP build packets of which IPv4's header cannot say the length, and IPv6's only by an option."""
    namespace.ip(f"link set dev {device} mtu {MTU}")
    try:
        namespace.ip(f"link set dev {device} gso_max_size {_BIG}")
    except RuntimeError:
        return  # before Linux 5.19 there is no BIG TCP: super-segments have up to 64 KB
    with namespace.entered(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        link = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, socket.if_nametoindex(device), 0, 0)
        limit = struct.pack("=HHI", 8, _IFLA_GSO_IPV4_MAX_SIZE, _BIG)
        size = 16 + len(link) + len(limit)
        netlink.send(struct.pack("=IHHII", size, _RTM_NEWLINK, _NLM_F_REQUEST_ACK, 1, 0) + link + limit)
        error = -struct.unpack_from("=i", netlink.recv(4096), 16)[0]
    # Before Linux 6.3 there is no such limit, nor IPv4's BIG TCP.
    if error not in (0, errno.EINVAL, errno.EOPNOTSUPP):
        raise OSError(error, os.strerror(error))
