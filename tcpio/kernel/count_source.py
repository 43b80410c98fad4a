# SPDX-License-Identifier: GPL-2.0-only
"""From a choice of counters to the text of the eBPF programs that count them. Pure: nothing here touches the kernel."""

from collections.abc import Iterator, Sequence

from tcpio.kernel.btf import Btf
from tcpio.kernel.counting import FRAMED, PAIRS, READ_ALONE, TOLD, Choice, find_roles
from tcpio.kernel.hooks import Hook, Kind, Rung
from tcpio.kernel.source import Source, find_casts, join_source
from tcpio.schema.address import BITS, BYTES, IPV4_BITS, to_words
from tcpio.schema.bucket import ADDRESSES, PORTS, By, Part
from tcpio.schema.counters import COUNTERS, Counter

_TABLES = {"Ip": "ip_statistics", "Tcp": "tcp_statistics", "TcpExt": "net_statistics"}

NOWHERE = -1

CLOSING = Hook(Kind.RAW_TRACEPOINT, "inet_sock_set_state")
"""What sees a socket close."""


def make_count_source(
    btf: Btf, choice: Choice, by: By, wanted: str, *, rows: int, on_close: bool, may_follow_pointers: bool = True
) -> Source:
    """Give the programs that count.

    Args:
        btf: The kernel's types.
        choice: What is counted, and by which hooks.
        by: What makes a bucket.
        wanted: C that says of ``r``, a ``struct tcp_record *`` or a ``struct tcp_bucket *``, whether it is wanted.
        rows: How many buckets a CPU keeps near: a power of two, or 0.
        on_close: Whether a socket's bucket ends with the socket.
        may_follow_pointers: Whether programs may do without a helper's call for each read.

    Raises:
        UnsupportedKernel: The kernel's structs are not as bpf/kernel.h expects.
        MissingParameterError: A function's parameters are not as PARAMETERS expects.
    """
    framed = [counter for counter in choice.counters if counter.key in FRAMED and choice.rung is not Rung.TRACEPOINT]
    defines: dict[str, object] = {
        "TCPIO_WANTED(r)": f"({wanted})",
        "TCPIO_VALUES": max(len(choice.counters), 1),
        "TCPIO_BUCKETS": '"hash"' if by.is_socket else '"percpu_hash"',
        "TCPIO_BY(b)": f"do {{ {' '.join(_masks(by))} }} while (0)",
        "TCPIO_ROWS": rows,
        "TCPIO_ON_CLOSE": int(on_close),
        "TCPIO_STATES_ONLY": int(choice.rung is Rung.TRACEPOINT),
        "TCPIO_FRAMED": len(framed),
        "FRAMED(X)": " ".join(_words(btf, framed, choice.counters)),
    }
    keys = [counter.key for counter in choice.counters]
    for counter in COUNTERS:
        defines[f"SLOT_{counter.key}"] = _place(counter.key, keys)
        defines[f"FRAME_{counter.key}"] = _place(counter.key, [framed_one.key for framed_one in framed])
    tw_kill = btf.find_member("inet_timewait_sock", "tw_kill")
    defines["TW_KILL_BIT"] = tw_kill.bit_offset if tw_kill else 0
    for key, enumerator in (TOLD | READ_ALONE).items():
        value = btf.find_enumerator(enumerator)
        defines[f"MIB_{key}"] = NOWHERE if value is None else value
    roles = dict.fromkeys((function for pair in PAIRS for function in pair), "ONLY") | find_roles(choice.hooks)
    defines |= {f"ROLE_{function}": role for function, role in roles.items()}
    defines |= find_casts(btf) if may_follow_pointers else {}
    hooks = dict.fromkeys((*choice.hooks, *([CLOSING] if on_close else [])))
    return join_source(btf, tuple(hooks), defines, "summary.c")


def _place(key: str, keys: Sequence[str]) -> int:
    return keys.index(key) if key in keys else NOWHERE


def _words(btf: Btf, framed: Sequence[Counter], counters: Sequence[Counter]) -> Iterator[str]:
    # A counter that this kernel does not have is 0, as is the one at place 0 of each of its tables.
    for place, counter in enumerate(framed):
        mib = btf.find_enumerator(FRAMED[counter.key]) or 0
        yield f"X({place}, {counters.index(counter)}, {_TABLES[counter.block]}, {mib})"


def _masks(by: By) -> Iterator[str]:
    # C that leaves of the bucket that b points to only what makes one.
    names = by.names
    if "netns" not in names and not by.is_socket:
        yield "(b)->netns = 0;"
    for name in (*PORTS, *ADDRESSES):
        if name not in names:
            yield f"(b)->{name} = 0;" if name in PORTS else f"(b)->{name}[0] = (b)->{name}[1] = 0;"
    for part in by.parts:
        yield from _prefix(part)


def _prefix(part: Part) -> Iterator[str]:
    if part.name not in ADDRESSES or part == Part(part.name):
        return
    ipv4 = _and(part.name, BITS - IPV4_BITS + part.ipv4_bits)
    ipv6 = _and(part.name, part.ipv6_bits)
    yield f"if (is_ipv4((b)->{part.name})) {{ {ipv4} }} else {{ {ipv6} }}"


def _and(name: str, bits: int) -> str:
    mask = ((1 << bits) - 1 << BITS - bits).to_bytes(BYTES, "big")
    return " ".join(f"(b)->{name}[{index}] &= {word:#x}ULL;" for index, word in enumerate(to_words(mask)))
