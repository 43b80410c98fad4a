# SPDX-License-Identifier: GPL-2.0-only
"""The SSH session that tcpio may be running in: its segments carry the lines about its segments."""

from collections.abc import Mapping

import numpy as np

from tcpio.filter.ast import Expr
from tcpio.filter.pattern import MAX_PORT
from tcpio.filter.to_mask import to_mask
from tcpio.schema.address import from_text, to_words
from tcpio.schema.record import RECORD

_PARTS = 4


def find_own_session(environment: Mapping[str, str], filters: Expr) -> str:
    """Find the filter of the SSH session this process runs in; empty if there is none, or if it is left out already.

    Args:
        environment: SSH_CONNECTION is the client's address and port and the server's (sshd's and ssh(1)).
        filters: What is traced.
    """
    parts = environment.get("SSH_CONNECTION", "").split()
    if len(parts) != _PARTS:
        return ""
    raddr, rport, laddr, lport = parts
    try:
        record = np.zeros(1, RECORD)
        record["laddr"], record["raddr"] = to_words(from_text(laddr)), to_words(from_text(raddr))
        record["lport"], record["rport"] = _to_port(lport), _to_port(rport)
    except ValueError:
        return ""
    if not to_mask(filters, record)[0]:
        return ""
    return f"{_quote(laddr)}:{lport}-{_quote(raddr)}:{rport}"


def _to_port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= MAX_PORT:
        raise ValueError(text)
    return port


def _quote(address: str) -> str:
    return f"[{address}]" if ":" in address else address
