# SPDX-License-Identifier: GPL-2.0-only
"""Where segments are seen: the table of sites and ways to attach, and the choice among them.

Three rungs, best first. *fentry* and *kprobe* stand where TCP hands a segment to IP and IP hands one to TCP;
*tracepoint* stands where a device is handed a packet, and serves kernels that have neither of the others.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from tcpio.errors import UnsupportedKernel
from tcpio.schema.support import Support, Verdict


class Kind(Enum):
    """A kind of eBPF program; the value is what doctor calls it.

    In programs at fentry, fexit and tp_btf the kernel's verifier knows the types of the arguments, and lets them follow
    pointers by themselves; the others have to call a helper for each read. Raw tracepoints are of both kinds: tp_btf
    wants a kernel with its own BTF.
    """

    FENTRY = "fentry"
    FEXIT = "fexit"
    KPROBE = "kprobe"
    BTF_TRACEPOINT = "tp_btf"
    RAW_TRACEPOINT = "tracepoint"


TYPED = frozenset({Kind.FENTRY, Kind.FEXIT, Kind.BTF_TRACEPOINT})
"""Kinds of programs of which the verifier knows the types of the arguments."""


class Rung(Enum):
    """A way to attach as a whole; the value is what ``--attach`` takes."""

    FENTRY = "fentry"
    KPROBE = "kprobe"
    TRACEPOINT = "tracepoint"


class Direction(Enum):
    """What ``--dir`` takes."""

    SEND = "send"
    RECEIVE = "receive"


class Hook(NamedTuple):
    """One program at one place.

    Args:
        kind: The kind of program.
        target: The kernel's function or tracepoint.
    """

    kind: Kind
    target: str

    @property
    def handler(self) -> str:
        """What takes it from there: ``on_HANDLER`` in bpf/*.c, which is named after the target."""
        return f"{self.target}{'_return' if self.kind is Kind.FEXIT else ''}"

    @property
    def btf_name(self) -> str:
        """What the kernel's BTF calls the type that the program's arguments are known by."""
        return f"btf_trace_{self.target}" if self.kind is Kind.BTF_TRACEPOINT else self.target

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.target}"


class Way(NamedTuple):
    """Hooks that together see all segments of a site, each once."""

    rung: Rung
    hooks: tuple[Hook, ...]


class Site(NamedTuple):
    """A place where segments leave or enter TCP.

    Args:
        name: What doctor calls it.
        direction: Sent or received.
        is_ipv6: Whether it exists only where IPv6 is built into the kernel.
        ways: How to see it, best first.
    """

    name: str
    direction: Direction
    is_ipv6: bool
    ways: tuple[Way, ...]


RETURN = "return"
"""In PARAMETERS: the pointer that the function returned."""

RETURN_INT = "return int"
"""In PARAMETERS: the number that the function returned."""

PARAMETERS = {
    "ip_queue_xmit": ("sk", "skb"),
    "ip_build_and_send_pkt": ("skb", "sk", "saddr", "daddr"),
    # orig_sk came with Linux 6.13 ("ipv4: tcp: give socket pointer to control skbs"); 0 before.
    "ip_send_unicast_reply": ("sk", "orig_sk?", "saddr", "daddr", "arg", "len"),
    "ip6_xmit": ("sk", "skb", "fl6"),
    "inet6_csk_xmit": ("sk", "skb"),
    "tcp_make_synack_return": ("req", RETURN),
    "tcp_v6_send_response": ("skb", "seq", "ack", "win", "tsecr", "rst"),
    "tcp_v4_rcv": ("skb",),
    "tcp_v6_rcv": ("skb",),
    "net_dev_queue": ("skb",),
    "netif_receive_skb": ("skb",),
    # The others are in bpf/summary.c.
    "__ip_queue_xmit": ("sk", "skb"),
    "tcp_v6_send_check": ("sk", "skb"),
    "inet_sock_set_state": ("sk", "oldstate", "newstate"),
    "tcp_bad_csum": ("skb",),
    "__skb_checksum_complete_return": ("skb", RETURN_INT),
    # Before Linux 6.10 (5cb2cb3eb8f0, "rstreason: make it work in trace world") not all resets pass here.
    "tcp_send_reset": ("sk", "skb", "reason"),
    "tcp_retransmit_skb": ("sk", "skb"),
    "tcp_retransmit_skb_return": ("sk", "skb", RETURN_INT),
    "tcp_retransmit_synack": ("sk", "req"),
    "sock_send_length": ("sk", "ret"),
    "sock_recv_length": ("sk", "ret", "flags"),
    "tcp_connect_return": ("sk", RETURN_INT),
    "tcp_create_openreq_child_return": ("req", RETURN),
    "tcp_done": ("sk",),
    "tcp_retransmit_timer": ("sk",),
    "tcp_retransmit_timer_return": ("sk",),
    "tcp_keepalive_timer": ("t",),
    "tcp_keepalive_timer_return": ("t",),
    "tcp_send_loss_probe": ("sk",),
    "tcp_send_loss_probe_return": ("sk",),
    "tcp_sendmsg_return": ("sk", RETURN_INT),
    "tcp_sendpage_return": ("sk", RETURN_INT),
    "tcp_recvmsg_return": ("sk", "flags", RETURN_INT),
    "tcp_splice_read_return": ("sock", RETURN_INT),
    "ip_rcv_core": ("skb", "net"),
    "ip6_rcv_core": ("skb", "net"),
    "__ip_local_out": ("net", "skb"),
    "ip_output": ("net", "skb"),
    "ip_mc_output": ("net", "skb"),
    "ip_protocol_deliver_rcu": ("net", "skb", "protocol"),
    "ip_protocol_deliver_rcu_return": ("net", "skb", "protocol"),
    "tcp_event_new_data_sent": ("sk", "skb"),
    "tcp_newly_delivered": ("sk", "prior_delivered"),
    "tcp_try_coalesce_return": ("sk", RETURN_INT),
    "skb_try_coalesce_return": ("to", RETURN_INT),
    "tcp_mark_skb_lost": ("sk", "skb"),
    "tcp_try_undo_loss": ("sk", "frto_undo"),
    "tcp_xmit_probe_skb": ("sk", "mib"),
    "tcp_oow_rate_limited_return": ("net", "skb", "mib_idx", RETURN_INT),
    "tcp_syn_ack_timeout": ("req",),
    "tcp_v4_conn_request": ("sk", "skb"),
    "tcp_v4_conn_request_return": ("sk", "skb"),
    "tcp_v6_conn_request": ("sk", "skb"),
    "tcp_v6_conn_request_return": ("sk", "skb"),
    "tcp_check_req": ("sk", "skb"),
    "tcp_check_req_return": ("sk", "skb"),
    "cookie_v4_check": ("sk", "skb"),
    "cookie_v4_check_return": ("sk", "skb"),
    "cookie_v6_check": ("sk", "skb"),
    "cookie_v6_check_return": ("sk", "skb"),
    "tcp_timewait_state_process": ("tw", "skb"),
    "tcp_timewait_state_process_return": ("skb",),
    "tcp_validate_incoming": ("sk",),
    "tcp_validate_incoming_return": ("sk",),
    "tcp_add_backlog": ("sk",),
    "tcp_add_backlog_return": ("sk",),
    "tcp_write_timer_handler": ("sk",),
    "tcp_write_timer_handler_return": ("sk",),
    "tcp_delack_timer_handler": ("sk",),
    "tcp_delack_timer_handler_return": ("sk",),
    "tcp_enter_recovery": ("sk",),
    "tcp_enter_recovery_return": ("sk",),
    "tcp_enter_memory_pressure": ("sk",),
    "tcp_enter_memory_pressure_return": ("sk",),
    "tw_timer_handler": ("t",),
    "__inet_twsk_schedule": ("tw",),
    "__inet_twsk_schedule_return": ("tw",),
}
"""The kernel's names of the parameters that each handler takes; ``?`` marks what a kernel may lack."""

FUNCTIONS = tuple(dict.fromkeys(handler.removesuffix("_return") for handler in PARAMETERS))
"""What the handlers are named after."""


def _fentry(*targets: str) -> Way:
    return Way(Rung.FENTRY, tuple(Hook(Kind.FENTRY, target) for target in targets))


def _kprobe(target: str) -> Way:
    return Way(Rung.KPROBE, (Hook(Kind.KPROBE, target),))


def _tracepoint(name: str) -> tuple[Way, ...]:
    return tuple(Way(Rung.TRACEPOINT, (Hook(kind, name),)) for kind in (Kind.BTF_TRACEPOINT, Kind.RAW_TRACEPOINT))


_DEVICE_SEND, _DEVICE_RECEIVE = _tracepoint("net_dev_queue"), _tracepoint("netif_receive_skb")

SITES = (
    Site(
        "send: IPv4, from a socket",
        Direction.SEND,
        is_ipv6=False,
        ways=(_fentry("ip_queue_xmit"), _kprobe("ip_queue_xmit"), *_DEVICE_SEND),
    ),
    Site(
        "send: IPv4, SYN-ACK",
        Direction.SEND,
        is_ipv6=False,
        ways=(_fentry("ip_build_and_send_pkt"), _kprobe("ip_build_and_send_pkt"), *_DEVICE_SEND),
    ),
    Site(
        "send: IPv4, RST or ACK without a socket",
        Direction.SEND,
        is_ipv6=False,
        ways=(
            _fentry("ip_send_unicast_reply"),
            # Nine parameters or more: x86 attaches fentry there since Linux 6.6 (473e3150e30a, "bpf, x86: allow
            # function arguments up to 12 for TRACING"). Before it a kprobe, which softirqs alone enter: see below.
            Way(Rung.FENTRY, (Hook(Kind.KPROBE, "ip_send_unicast_reply"),)),
            _kprobe("ip_send_unicast_reply"),
            *_DEVICE_SEND,
        ),
    ),
    Site(
        "send: IPv6",
        Direction.SEND,
        is_ipv6=True,
        ways=(
            _fentry("ip6_xmit"),
            # Seven parameters: the same commit. Before it, three hooks that share the work. The kernel skips a
            # kprobe's program while another runs on the same CPU, and a program in process context can be
            # interrupted: so no kprobe on ip6_xmit, where all segments pass, but on the replies alone.
            Way(
                Rung.FENTRY,
                (
                    Hook(Kind.FENTRY, "inet6_csk_xmit"),
                    Hook(Kind.FEXIT, "tcp_make_synack"),
                    Hook(Kind.KPROBE, "tcp_v6_send_response"),
                ),
            ),
            _kprobe("ip6_xmit"),
            *_DEVICE_SEND,
        ),
    ),
    Site(
        "receive: IPv4",
        Direction.RECEIVE,
        is_ipv6=False,
        ways=(_fentry("tcp_v4_rcv"), _kprobe("tcp_v4_rcv"), *_DEVICE_RECEIVE),
    ),
    Site(
        "receive: IPv6",
        Direction.RECEIVE,
        is_ipv6=True,
        ways=(_fentry("tcp_v6_rcv"), _kprobe("tcp_v6_rcv"), *_DEVICE_RECEIVE),
    ),
)

_DEVICE_RUNG = Rung.TRACEPOINT


class Choice(NamedTuple):
    """What was decided for a site.

    Args:
        site: The site.
        way: How it will be seen; None where it does not exist or cannot be seen.
        refused: Each better way, with the reason why not.
    """

    site: Site
    way: Way | None
    refused: tuple[tuple[Way, str], ...]


Ask = Callable[[Hook], Verdict]
"""Tells whether this kernel lets a hook be attached."""


def choose(ask: Ask, *, rung: Rung | None, directions: Sequence[Direction], has_ipv6: bool) -> tuple[Choice, ...]:
    """Choose for each site of these directions the first way that this kernel allows.

    The device's view of a direction sees all its sites at once: it is taken for all of them or for none.

    Args:
        ask: Asked only for what must be known.
        rung: Only this rung; None is the best one.
        directions: Which sites.
        has_ipv6: Whether the kernel has IPv6.
    """
    choices: list[Choice] = []
    for direction in directions:
        sites = [site for site in SITES if site.direction is direction and (has_ipv6 or not site.is_ipv6)]
        near = [_choose_way(site, ask, _near_ways(site, rung)) for site in sites]
        if all(choice.way for choice in near):
            choices += near
            continue
        device = [way for way in sites[0].ways if way.rung is _DEVICE_RUNG and rung in (None, _DEVICE_RUNG)]
        seen = _choose_way(sites[0], ask, device)
        blind = ", ".join(f"'{choice.site.name}'" for choice in near if choice.way is None)
        choices += [_take_device(choice, seen, blind) for choice in near]
    return tuple(choices)


def _take_device(choice: Choice, seen: Choice, blind: str) -> Choice:
    # For a site that cannot be seen otherwise, or for one that could be but for its neighbours.
    if choice.way is None:
        return Choice(choice.site, seen.way, choice.refused + seen.refused)
    if seen.way is None:
        return choice
    hooks = " + ".join(str(hook) for hook in choice.way.hooks)
    reason = f"{hooks}: the device shows all of this direction or none, and it is needed for {blind}"
    return Choice(choice.site, seen.way, (*choice.refused, (choice.way, reason)))


def _near_ways(site: Site, rung: Rung | None) -> list[Way]:
    return [way for way in site.ways if way.rung is not _DEVICE_RUNG and rung in (None, way.rung)]


def _choose_way(site: Site, ask: Ask, ways: Sequence[Way]) -> Choice:
    refused: list[tuple[Way, str]] = []
    for way in ways:
        reason = next(_refusals(way, ask), None)
        if reason is None:
            return Choice(site, way, tuple(refused))
        refused.append((way, reason))
    return Choice(site, None, tuple(refused))


def _refusals(way: Way, ask: Ask) -> Iterator[str]:
    for hook in way.hooks:
        verdict = ask(hook)
        if verdict.support is not Support.YES:
            yield f"{hook}: {verdict.reason}"


def hooks_of(choices: Sequence[Choice]) -> tuple[Hook, ...]:
    """Give the hooks of all choices, each once.

    Raises:
        UnsupportedKernel: A site cannot be seen.
    """
    for choice in choices:
        if choice.way is None:
            reasons = "; ".join(dict.fromkeys(reason for _, reason in choice.refused))
            raise UnsupportedKernel(
                f"cannot trace '{choice.site.name}': {reasons}",
                hint="run 'tcpio doctor' to see what this kernel offers, or choose another --attach",
            )
    return tuple(dict.fromkeys(hook for choice in choices if choice.way for hook in choice.way.hooks))


RUNG_OF = {
    Kind.FENTRY: Rung.FENTRY,
    Kind.FEXIT: Rung.FENTRY,
    Kind.KPROBE: Rung.KPROBE,
    Kind.BTF_TRACEPOINT: Rung.TRACEPOINT,
    Kind.RAW_TRACEPOINT: Rung.TRACEPOINT,
}
"""What the kinds of programs are for."""


def rungs_of(choices: Sequence[Choice]) -> tuple[Rung, ...]:
    """Give the rungs that the hooks in use belong to, best first."""
    used = {RUNG_OF[hook.kind] for choice in choices if choice.way for hook in choice.way.hooks}
    return tuple(rung for rung in Rung if rung in used)


def describe(choices: Sequence[Choice]) -> str:
    """Say what is used, in a few words: the rungs, and which kprobes stand beside fentry."""
    rungs = rungs_of(choices)
    if Rung.FENTRY not in rungs or Rung.KPROBE not in rungs:
        return " and ".join(rung.value for rung in rungs)
    hooks = [hook for choice in choices if choice.way for hook in choice.way.hooks]
    kprobes = ", ".join(dict.fromkeys(hook.target for hook in hooks if hook.kind is Kind.KPROBE))
    rest = [rung.value for rung in rungs if rung is not Rung.KPROBE]
    return f"{' and '.join(rest)} (kprobe for {kprobes})"


RUNG_NOTES = {
    Rung.FENTRY: "between TCP and IP; the kernel counts what it skips",
    Rung.KPROBE: "between TCP and IP; a program that interrupts another on the same CPU is skipped, "
    "which the kernel counts since Linux 6.7",
    Rung.TRACEPOINT: "where devices are handed packets: behind netfilter's output and before its input, so what the "
    "latter drops is shown as if it had arrived, and what they reject with a reset as if TCP had; forwarded segments "
    "show as received; what is for a VLAN's or ipvlan's device shows the network namespace of the device below; IPsec "
    "hides segments; of a segment in IP fragments the first is shown",
}
"""What is to be known of each rung, in the words of doctor and README."""


class Sight(NamedTuple):
    """What becomes of a segment that is not simply sent or received.

    Args:
        segment: Which.
        near: What fentry and kprobe show.
        device: What tracepoint shows.
    """

    segment: str
    near: str
    device: str


SIGHTS = (
    Sight("dropped by netfilter's output", "sent", "-"),
    Sight("dropped by a queue of the device", "sent", "sent"),
    Sight("dropped by netfilter's input", "-", "received"),
    Sight("with a bad checksum", "received", "received"),
    Sight("of another network namespace", "only without `--netns`", "only without `--netns`"),
    Sight("forwarded by IP", "-", "received"),
    Sight("sent by a packet socket", "-", "sent"),
    Sight("forwarded by a bridge, or for a macvlan device by the one below", "-", "-"),
    Sight("through stacked devices: bridge, VLAN, bond, macvlan", "once", "once"),
)
"""What the rungs show, in README's words; the recordings of tests/live hold them against it."""
