# SPDX-License-Identifier: GPL-2.0-only
"""Which hooks see what the counters count: the table, and the choice for a kernel.

A row sees some places where counters are counted. A counter is counted if all its rows can be attached; it is exact if
all of them are.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tcpio.errors import UnsupportedKernel
from tcpio.kernel.btf import Btf
from tcpio.kernel.hooks import Ask, Hook, Kind, Rung
from tcpio.schema.counters import Counter
from tcpio.schema.support import Support

Condition = Callable[[Btf], bool]


def _always(_: Btf) -> bool:
    return True


def _has_out_transmits(btf: Btf) -> bool:
    # Since Linux kernel commit e4da8c78973c ("net: ipv4, ipv6: fix IPSTATS_MIB_OUTOCTETS increment duplicated") (in
    # v6.4) OutRequests is counted before the output's netfilter hook, and what leaves it apart.
    return btf.find_enumerator("IPSTATS_MIB_OUTREQUESTS") is not None


def _has_not_out_transmits(btf: Btf) -> bool:
    return not _has_out_transmits(btf)


def _counts_time_wait_at_its_end(btf: Btf) -> bool:
    # Before Linux 6.1, by what the socket has noted in tw_kill.
    return btf.find_member("inet_timewait_sock", "tw_kill") is not None


def _counts_time_wait_at_its_start(btf: Btf) -> bool:
    return not _counts_time_wait_at_its_end(btf)


def _has(function: str) -> Condition:
    return lambda btf: btf.find_parameters(function) is not None


@dataclass(frozen=True)
class Row:
    """Places where counters are counted, and how to see them.

    Args:
        counters: Their keys.
        ways: Hooks that together see all of it, best first.
        doubt: Why what they see is not exact; empty if it is.
        is_ipv6: Whether it exists only where IPv6 is built into the kernel.
        exists: Whether this kernel has these places.
    """

    counters: tuple[str, ...]
    ways: tuple[tuple[Hook, ...], ...]
    doubt: str = ""
    is_ipv6: bool = False
    exists: Condition = _always


def _entry(*functions: str) -> tuple[Hook, ...]:
    return tuple(Hook(Kind.FENTRY, function) for function in functions)


def _exit(*functions: str) -> tuple[Hook, ...]:
    return tuple(Hook(Kind.FEXIT, function) for function in functions)


def _around(*functions: str) -> tuple[Hook, ...]:
    return tuple(Hook(kind, function) for function in functions for kind in (Kind.FENTRY, Kind.FEXIT))


def _kprobe(function: str) -> tuple[Hook, ...]:
    return (Hook(Kind.KPROBE, function),)


def _tracepoint(*names: str) -> tuple[Hook, ...]:
    return tuple(Hook(Kind.RAW_TRACEPOINT, name) for name in names)


def _row(counters: str, *ways: tuple[Hook, ...]) -> Row:
    return Row(tuple(counters.split()), ways)


def _ipv6(row: Row) -> Row:
    return replace(row, is_ipv6=True)


def _of_tcp(row: Row) -> Row:
    return replace(row, is_ipv6=True, doubt="TCP's packets alone; ip -s and nstat count all")


_SENT = "TcpOutSegs TcpOutRsts TcpExtTCPOrigDataSent"
_LISTEN = "TcpExtListenOverflows TcpExtListenDrops"
_SKIPPED = " ".join(f"TcpExtTCPACKSkipped{why}" for why in ("SynRecv", "PAWS", "Seq", "FinWait2", "TimeWait"))

# Where fentry takes no more than six parameters (x86 before Linux 6.6), it cannot be at ip6_xmit().
_SENT_BY_IPV6 = (
    _entry("inet6_csk_xmit", "ip6_xmit"),
    _entry("tcp_v6_send_check", "inet6_csk_xmit"),
    _entry("inet6_csk_xmit"),
)

NEAR_ROWS = (
    # Segments, where TCP hands them to IP and back: see SITES in tcpio/kernel/hooks.py. For IPv6 not ip6_xmit() alone:
    # what finds no route is counted and does not get there.
    # Two hooks see what a socket sends, since programs in process context are skipped: see PAIRS.
    _row(_SENT, _entry("ip_queue_xmit", "__ip_queue_xmit"), _entry("ip_queue_xmit")),
    _row("TcpOutSegs", _entry("ip_build_and_send_pkt")),
    _row("TcpOutSegs TcpOutRsts", _entry("ip_send_unicast_reply"), _kprobe("ip_send_unicast_reply")),
    _ipv6(_row(_SENT, *_SENT_BY_IPV6)),
    _ipv6(_row("TcpOutSegs", _exit("tcp_make_synack"))),
    _ipv6(_row("TcpOutSegs TcpOutRsts", _entry("ip6_xmit"), _kprobe("tcp_v6_send_response"))),
    _row("TcpInSegs TcpInErrs", _entry("tcp_v4_rcv")),
    _ipv6(_row("TcpInSegs TcpInErrs", _entry("tcp_v6_rcv"))),
    _row("TcpInErrs TcpInCsumErrors", _tracepoint("tcp_bad_csum"), _exit("__skb_checksum_complete")),
    _row("TcpInErrs", _around("tcp_validate_incoming")),
    _row(
        "TcpRetransSegs TcpExtTCPSynRetrans",
        (*_around("tcp_retransmit_skb"), *_tracepoint("tcp_retransmit_synack")),
    ),
    _row("TcpRetransSegs", _around("tcp_send_loss_probe")),
    # Connections.
    _row("TcpActiveOpens", _exit("tcp_connect")),
    _row("TcpPassiveOpens", _exit("tcp_create_openreq_child")),
    _row("TcpAttemptFails", (*_entry("tcp_done"), *_around("tcp_check_req"))),
    _row("TcpEstabResets TcpCurrEstab", _tracepoint("inet_sock_set_state")),
    # The programs' calls.
    _row("SocketBytesSent SocketMessagesSent", _exit("tcp_sendmsg")),
    replace(_row("SocketBytesSent SocketMessagesSent", _exit("tcp_sendpage")), exists=_has("tcp_sendpage")),
    _row("SocketBytesReceived SocketMessagesReceived", _exit("tcp_recvmsg", "tcp_splice_read")),
    # IP.
    _row("IpInReceives", _entry("ip_rcv_core")),
    _row("IpInDelivers", (*_entry("tcp_v4_rcv"), *_around("ip_protocol_deliver_rcu"))),
    replace(_row("IpOutRequests", _entry("__ip_local_out")), exists=_has_out_transmits),
    replace(_row("IpOutRequests", _entry("ip_output", "ip_mc_output")), exists=_has_not_out_transmits),
    _ipv6(_row("Ip6InReceives", _entry("ip6_rcv_core"))),
    _of_tcp(_row("Ip6InDelivers", _entry("tcp_v6_rcv"))),
    _of_tcp(_row("Ip6OutRequests", *_SENT_BY_IPV6)),
    _of_tcp(_row("Ip6OutRequests", _exit("tcp_make_synack"))),
    _of_tcp(_row("Ip6OutRequests", _entry("ip6_xmit"), _kprobe("tcp_v6_send_response"))),
    # The rest by what the functions do.
    _row(
        "TcpExtTCPFastRetrans TcpExtTCPSlowStartRetrans",
        (*_exit("tcp_retransmit_skb"), *_around("tcp_retransmit_timer")),
    ),
    _row("TcpExtTCPOrigDataSent", _entry("tcp_event_new_data_sent")),
    _row("TcpExtTCPDelivered", _entry("tcp_newly_delivered")),
    _row("TcpExtTCPRcvCoalesce", _exit("tcp_try_coalesce"), _exit("skb_try_coalesce")),
    _row("TcpExtTCPLostRetransmit", _entry("tcp_mark_skb_lost")),
    _row("TcpExtTCPSpuriousRTOs", _entry("tcp_try_undo_loss")),
    _row("TcpExtTCPKeepAlive TcpExtTCPWinProbe", _entry("tcp_xmit_probe_skb")),
    _row(_SKIPPED, _exit("tcp_oow_rate_limited")),
    # The rest by what the functions count: see struct frame in bpf/summary.c.
    _row("TcpExtDelayedACKs", _around("tcp_delack_timer_handler")),
    _row(f"{_LISTEN} TcpExtSyncookiesSent TcpExtTCPFastOpenPassive", _around("tcp_v4_conn_request")),
    _ipv6(_row(f"{_LISTEN} TcpExtSyncookiesSent TcpExtTCPFastOpenPassive", _around("tcp_v6_conn_request"))),
    _row(f"{_LISTEN} TcpExtPAWSEstab", _around("tcp_check_req")),
    _row(f"{_LISTEN} TcpExtSyncookiesRecv TcpExtSyncookiesFailed", _around("cookie_v4_check")),
    _ipv6(_row(f"{_LISTEN} TcpExtSyncookiesRecv TcpExtSyncookiesFailed", _around("cookie_v6_check"))),
    _row("TcpExtPAWSEstab", _around("tcp_validate_incoming", "tcp_timewait_state_process")),
    _row("TcpExtTCPMemoryPressures", _around("tcp_enter_memory_pressure")),
    _row("TcpExtTCPTimeouts", (*_around("tcp_write_timer_handler"), *_entry("tcp_syn_ack_timeout"))),
    _row("TcpExtTCPAbortOnTimeout", (*_around("tcp_write_timer_handler", "tcp_keepalive_timer"), *_entry("tcp_done"))),
    _row("TcpExtTCPLossProbes", _around("tcp_write_timer_handler")),
    _row("TcpExtTCPSackRecovery TcpExtTCPRenoRecovery", _around("tcp_enter_recovery")),
    _row("TcpExtTCPBacklogDrop", _around("tcp_add_backlog")),
    replace(_row("TcpExtTW", _around("__inet_twsk_schedule")), exists=_counts_time_wait_at_its_start),
    replace(_row("TcpExtTW", _entry("tw_timer_handler")), exists=_counts_time_wait_at_its_end),
)
"""Where fentry or kprobes can be attached."""

PAIRS = (
    ("ip_queue_xmit", "__ip_queue_xmit"),
    ("tcp_v6_send_check", "inet6_csk_xmit"),
    ("inet6_csk_xmit", "ip6_xmit"),
    ("tcp_make_synack", "ip6_xmit"),
)
"""Functions of which the first passes a segment to the second, which both see: enum role in bpf/segments.c."""

_TAKES_MORE = "ip6_xmit"  # replies that have no socket, which nothing else sees


def find_roles(hooks: Collection[Hook]) -> dict[str, str]:
    """Find what the functions of PAIRS have to do with a segment, where both are attached: FIRST or SECOND."""
    targets = {hook.target for hook in hooks}
    pairs = [pair for pair in PAIRS if targets.issuperset(pair)]
    return {first: "FIRST" for first, _ in pairs} | {second: "SECOND" for _, second in pairs}


def find_made_up_for(hooks: Collection[Hook]) -> frozenset[Hook]:
    """Find the hooks of which another counts what the kernel skips: see is_left_out() in bpf/summary.c."""
    roles = find_roles(hooks)
    return frozenset(
        hook for hook in hooks if hook.kind is Kind.FENTRY and hook.target in roles and hook.target != _TAKES_MORE
    )


_STATES = _tracepoint("inet_sock_set_state")
_AT_DEVICES = "counted where devices are handed packets: what netfilter drops or rejects is counted otherwise"

TRACEPOINT_ROWS = (
    _row("TcpEstabResets TcpCurrEstab TcpPassiveOpens", _STATES),
    replace(_row("TcpActiveOpens", _STATES), doubt="counted when the attempt has failed or not"),
    replace(_row("TcpInSegs", _tracepoint("netif_receive_skb")), doubt=_AT_DEVICES),
    replace(_row("TcpOutSegs", _tracepoint("net_dev_queue")), doubt=_AT_DEVICES),
    _row(
        "TcpRetransSegs TcpExtTCPSynRetrans",
        (*_tracepoint("tcp_retransmit_skb", "tcp_retransmit_synack"), *_STATES),
    ),
    _row("TcpOutRsts", _tracepoint("tcp_send_reset")),
    _row("TcpInCsumErrors", _tracepoint("tcp_bad_csum")),
    replace(_row("TcpInErrs", _tracepoint("tcp_bad_csum")), doubt="bad checksums alone"),
    _row("SocketBytesSent SocketMessagesSent", _tracepoint("sock_send_length")),
    replace(
        _row("SocketBytesReceived SocketMessagesReceived", _tracepoint("sock_recv_length")),
        doubt="what splice(2) takes is not counted",
    ),
)
"""Where tracepoints alone can be attached."""

_SKIPPING = "the kernel skips a kprobe's program while another runs on the same CPU"

FRAMED = {
    "IpInDelivers": "IPSTATS_MIB_INDELIVERS",
    "TcpAttemptFails": "TCP_MIB_ATTEMPTFAILS",
    "TcpInErrs": "TCP_MIB_INERRS",
    "TcpExtDelayedACKs": "LINUX_MIB_DELAYEDACKS",
    "TcpExtListenOverflows": "LINUX_MIB_LISTENOVERFLOWS",
    "TcpExtListenDrops": "LINUX_MIB_LISTENDROPS",
    "TcpExtSyncookiesSent": "LINUX_MIB_SYNCOOKIESSENT",
    "TcpExtSyncookiesRecv": "LINUX_MIB_SYNCOOKIESRECV",
    "TcpExtSyncookiesFailed": "LINUX_MIB_SYNCOOKIESFAILED",
    "TcpExtTCPFastOpenPassive": "LINUX_MIB_TCPFASTOPENPASSIVE",
    "TcpExtPAWSEstab": "LINUX_MIB_PAWSESTABREJECTED",
    "TcpExtTCPMemoryPressures": "LINUX_MIB_TCPMEMORYPRESSURES",
    "TcpExtTCPTimeouts": "LINUX_MIB_TCPTIMEOUTS",
    "TcpExtTCPAbortOnTimeout": "LINUX_MIB_TCPABORTONTIMEOUT",
    "TcpExtTCPLossProbes": "LINUX_MIB_TCPLOSSPROBES",
    "TcpExtTCPSackRecovery": "LINUX_MIB_TCPSACKRECOVERY",
    "TcpExtTCPRenoRecovery": "LINUX_MIB_TCPRENORECOVERY",
    "TcpExtTW": "LINUX_MIB_TIMEWAITED",
}
"""Counters that are taken from the kernel's own around functions -> the kernel's enumerators for them."""

TOLD = {
    key: f"LINUX_MIB_{key.removeprefix('TcpExt').upper()}"
    for key in ("TcpExtTCPKeepAlive", "TcpExtTCPWinProbe", *_SKIPPED.split())
}
"""Counters of which functions are told by the kernel's enumerator -> that."""

READ_ALONE = {"TcpExtTCPBacklogDrop": "LINUX_MIB_TCPBACKLOGDROP"}
"""As FRAMED, of a function of its own that nothing comes in between of: on_tcp_add_backlog() in bpf/summary.c."""


@dataclass(frozen=True)
class Choice:
    """What was decided for a kernel.

    Args:
        rung: The way to attach as a whole.
        counters: What is counted, in the order it was asked for.
        hooks: What to attach for them, each once.
        doubts: What is not exact, or not counted at all -> why.
    """

    rung: Rung
    counters: tuple[Counter, ...]
    hooks: tuple[Hook, ...]
    doubts: dict[Counter, str]


def choose(
    btf: Btf, ask: Ask, counters: Sequence[Counter], *, rung: Rung | None, has_ipv6: bool, has_frames: bool
) -> Choice:
    """Choose how to count on this kernel.

    Args:
        btf: The kernel's types.
        ask: Tells whether this kernel lets a hook be attached.
        counters: What is to be counted.
        rung: Only this way to attach; None is the best one that can be used at all.
        has_ipv6: Whether the kernel has IPv6.
        has_frames: Whether the kernel tells where its counters are: see FRAMED.

    Raises:
        UnsupportedKernel: None of the counters can be counted.
    """
    refusals: list[str] = []
    for tried in [rung] if rung else Rung:
        verdict = ask(_TYPICAL[tried])
        if verdict.support is Support.YES:
            rows = [row for row in rows_of(tried) if has_ipv6 or not row.is_ipv6]
            return _choose(btf, ask, counters, _Table(tried, rows, has_frames))
        refusals.append(f"{_TYPICAL[tried]}: {verdict.reason}")
    raise UnsupportedKernel(
        f"cannot count: {'; '.join(refusals)}",
        hint="run 'tcpio doctor' to see what this kernel offers, or choose another --attach",
    )


_TYPICAL = {
    Rung.FENTRY: Hook(Kind.FENTRY, "tcp_v4_rcv"),
    Rung.KPROBE: Hook(Kind.KPROBE, "tcp_v4_rcv"),
    Rung.TRACEPOINT: Hook(Kind.RAW_TRACEPOINT, "inet_sock_set_state"),
}


@dataclass(frozen=True)
class _Table:
    rung: Rung
    rows: Sequence[Row]
    has_frames: bool


def _choose(btf: Btf, ask: Ask, counters: Sequence[Counter], table: _Table) -> Choice:
    hooks: list[Hook] = []
    doubts: dict[Counter, str] = {}
    counted: list[Counter] = []
    for counter in counters:
        rows = [row for row in table.rows if counter.key in row.counters]
        ways = [_choose_way(row, ask) for row in rows if row.exists(btf)]
        refusal = next((way.refusal for way in ways if way.refusal), "") or _find_refusal(counter, ways, table)
        doubt = refusal or next((row.doubt for row in rows if row.doubt), "")
        if doubt:
            doubts[counter] = doubt
        if not refusal:
            counted.append(counter)
            hooks += [hook for way in ways for hook in way.hooks]
    return Choice(table.rung, tuple(counted), tuple(dict.fromkeys(hooks)), doubts)


@dataclass(frozen=True)
class _Way:
    hooks: tuple[Hook, ...]
    refusal: str = ""


def _choose_way(row: Row, ask: Ask) -> _Way:
    refusals: list[str] = []
    for way in row.ways:
        refusal = next(_refusals(way, ask), None)
        if refusal is None:
            return _Way(way)
        refusals.append(refusal)
    return _Way((), refusals[0])


def _find_refusal(counter: Counter, ways: Sequence[_Way], table: _Table) -> str:
    if counter.is_hosts:
        return "it belongs to no socket"
    if not ways:
        return f"no {table.rung.value} shows it"
    if counter.key in {*FRAMED, *READ_ALONE} and table.rung is not Rung.TRACEPOINT and not table.has_frames:
        return "the kernel does not tell where its counters are (CONFIG_KALLSYMS_ALL)"
    return ""


def _refusals(way: Iterable[Hook], ask: Ask) -> Iterator[str]:
    for hook in way:
        verdict = ask(hook)
        if verdict.support is not Support.YES:
            yield f"{hook}: {verdict.reason}"


def rows_of(rung: Rung) -> tuple[Row, ...]:
    """Give the rows for a way to attach."""
    if rung is Rung.TRACEPOINT:
        return TRACEPOINT_ROWS
    return NEAR_ROWS if rung is Rung.FENTRY else tuple(map(_by_kprobes, NEAR_ROWS))


def _by_kprobes(row: Row) -> Row:
    # No kretprobes: they are skipped too, and their instances run out. What sees a function's return stays what it is.
    ways = tuple(
        tuple(hook._replace(kind=Kind.KPROBE) if hook.kind is Kind.FENTRY else hook for hook in way) for way in row.ways
    )
    is_skipped = any(hook.kind is Kind.KPROBE for way in ways for hook in way)
    return replace(row, ways=ways, doubt=row.doubt or (_SKIPPING if is_skipped else ""))


def find_lacking(missed: Mapping[Hook, int | None], choice: Choice) -> dict[Counter, int]:
    """Find the counters that may lack something, and at most how much, if programs were missed so often."""
    attached = set(choice.hooks)
    ways = [
        (row.counters, next((way for way in row.ways if attached.issuperset(way)), ())) for row in rows_of(choice.rung)
    ]
    lacking: dict[Counter, int] = {}
    for counter in choice.counters:
        hooks = {hook for keys, way in ways if counter.key in keys for hook in way}
        if count := sum(missed.get(hook) or 0 for hook in hooks):
            lacking[counter] = count
    return lacking
