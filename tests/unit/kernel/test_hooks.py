# SPDX-License-Identifier: GPL-2.0-only
"""The choice among the ways to attach, for kernels that allow more or less."""

from collections.abc import Callable, Iterable

import pytest

from tcpio.errors import UnsupportedKernel
from tcpio.kernel.hooks import (
    PARAMETERS,
    RUNG_NOTES,
    SITES,
    Choice,
    Direction,
    Hook,
    Kind,
    Rung,
    choose,
    describe,
    hooks_of,
    rungs_of,
)
from tcpio.schema.support import YES, Support, Verdict

BOTH = tuple(Direction)
NO = Verdict(Support.NO, "no")

# Linux 6.1 on x86: fentry takes at most six parameters.
TOO_MANY = ("fentry:ip_send_unicast_reply", "fentry:ip6_xmit", "fentry:tcp_v6_send_response")

BEST = [
    "fentry:ip_queue_xmit",
    "fentry:ip_build_and_send_pkt",
    "fentry:ip_send_unicast_reply",
    "fentry:ip6_xmit",
    "fentry:tcp_v4_rcv",
    "fentry:tcp_v6_rcv",
]
KPROBES = [name.replace("fentry", "kprobe") for name in BEST]
DEVICE = ["tp_btf:net_dev_queue", "tp_btf:netif_receive_skb"]
DEVICE_WITHOUT_BTF = ["tracepoint:net_dev_queue", "tracepoint:netif_receive_skb"]


class Kernel:
    """A kernel that lets some hooks be attached, and remembers what it was asked."""

    def __init__(self, allows: Callable[[Hook], bool]) -> None:
        self._allows = allows
        self.asked: list[str] = []

    def __call__(self, hook: Hook) -> Verdict:
        self.asked.append(str(hook))
        return YES if self._allows(hook) else NO


def kernel_with(*kinds: Kind, without: Iterable[str] = ()) -> Kernel:
    return Kernel(lambda hook: hook.kind in kinds and str(hook) not in without)


EVERYTHING = tuple(Kind)
NEWER = (Kind.FENTRY, Kind.FEXIT)


def chosen(
    kernel: Kernel, rung: Rung | None = None, *, directions: tuple[Direction, ...] = BOTH, has_ipv6: bool = True
) -> list[str]:
    return [str(hook) for hook in hooks_of(choose(kernel, rung=rung, directions=directions, has_ipv6=has_ipv6))]


@pytest.mark.parametrize(
    ("kernel", "hooks"),
    [
        pytest.param(kernel_with(*EVERYTHING), BEST, id="everything"),
        pytest.param(
            kernel_with(*EVERYTHING, without=TOO_MANY),
            [
                "fentry:ip_queue_xmit",
                "fentry:ip_build_and_send_pkt",
                "kprobe:ip_send_unicast_reply",
                "fentry:inet6_csk_xmit",
                "fexit:tcp_make_synack",
                "kprobe:tcp_v6_send_response",
                "fentry:tcp_v4_rcv",
                "fentry:tcp_v6_rcv",
            ],
            id="fentry with six parameters",
        ),
        pytest.param(kernel_with(Kind.KPROBE), KPROBES, id="only kprobes"),
        pytest.param(kernel_with(Kind.BTF_TRACEPOINT), DEVICE, id="only tracepoints"),
        pytest.param(kernel_with(Kind.RAW_TRACEPOINT), DEVICE_WITHOUT_BTF, id="only raw tracepoints"),
        pytest.param(kernel_with(*NEWER), BEST, id="only fentry"),
        pytest.param(
            kernel_with(*NEWER, Kind.RAW_TRACEPOINT, without=TOO_MANY),
            ["tracepoint:net_dev_queue", "fentry:tcp_v4_rcv", "fentry:tcp_v6_rcv"],
            id="fentry with six parameters and no kprobes",
        ),
        pytest.param(
            kernel_with(*EVERYTHING, without=["fentry:tcp_v6_rcv", "kprobe:tcp_v6_rcv"]),
            [*BEST[:4], "tp_btf:netif_receive_skb"],
            id="one receiver cannot be attached",
        ),
        pytest.param(
            kernel_with(*EVERYTHING, without=["fentry:tcp_v6_rcv"]),
            [*BEST[:5], "kprobe:tcp_v6_rcv"],
            id="one receiver by kprobe",
        ),
        pytest.param(
            kernel_with(*EVERYTHING, without=[*TOO_MANY, "fexit:tcp_make_synack"]),
            [
                "fentry:ip_queue_xmit",
                "fentry:ip_build_and_send_pkt",
                "kprobe:ip_send_unicast_reply",
                "kprobe:ip6_xmit",
                "fentry:tcp_v4_rcv",
                "fentry:tcp_v6_rcv",
            ],
            id="no fexit",
        ),
    ],
)
def test_the_best_that_a_kernel_allows_is_chosen(kernel: Kernel, hooks: list[str]) -> None:
    assert hooks == chosen(kernel)


@pytest.mark.parametrize(("rung", "hooks"), [(Rung.FENTRY, BEST), (Rung.KPROBE, KPROBES), (Rung.TRACEPOINT, DEVICE)])
def test_a_rung_can_be_forced(rung: Rung, hooks: list[str]) -> None:
    assert hooks == chosen(kernel_with(*EVERYTHING), rung)


def test_a_forced_fentry_takes_the_kprobes_that_stand_beside_it() -> None:
    hooks = chosen(kernel_with(*EVERYTHING, without=TOO_MANY), Rung.FENTRY)

    assert [hook for hook in hooks if hook.startswith("kprobe")] == [
        "kprobe:ip_send_unicast_reply",
        "kprobe:tcp_v6_send_response",
    ]


@pytest.mark.parametrize("rung", [Rung.FENTRY, Rung.KPROBE])
def test_a_forced_rung_does_not_fall_back_to_the_device(rung: Rung) -> None:
    with pytest.raises(UnsupportedKernel):
        chosen(kernel_with(Kind.RAW_TRACEPOINT), rung)


def test_a_forced_tracepoint_asks_of_nothing_else() -> None:
    kernel = kernel_with(*EVERYTHING)
    chosen(kernel, Rung.TRACEPOINT)

    assert set(DEVICE) == set(kernel.asked)


def test_without_ipv6_its_sites_are_not_asked_for() -> None:
    kernel = kernel_with(*EVERYTHING)

    assert [hook for hook in BEST if "6" not in hook] == chosen(kernel, has_ipv6=False)
    assert [hook for hook in kernel.asked if "6" in hook] == []


def test_without_ipv6_a_missing_ipv6_hook_does_not_matter() -> None:
    without = [f"{kind}:{target}" for kind in ("fentry", "kprobe") for target in ("ip6_xmit", "tcp_v6_rcv")]
    kernel = kernel_with(*EVERYTHING, without=[*without, "fentry:inet6_csk_xmit"])

    assert [hook for hook in BEST if "6" not in hook] == chosen(kernel, has_ipv6=False)


@pytest.mark.parametrize(("direction", "hooks"), [(Direction.SEND, BEST[:4]), (Direction.RECEIVE, BEST[4:])])
def test_one_direction_has_its_own_hooks(direction: Direction, hooks: list[str]) -> None:
    assert hooks == chosen(kernel_with(*EVERYTHING), directions=(direction,))


@pytest.mark.parametrize("direction", BOTH)
@pytest.mark.parametrize("missing", range(4))
def test_the_device_is_taken_for_all_sites_of_a_direction_or_for_none(direction: Direction, missing: int) -> None:
    sites = [site for site in SITES if site.direction is direction]
    targets = {hook.target for way in sites[missing % len(sites)].ways for hook in way.hooks}
    kernel = Kernel(lambda hook: hook.kind is Kind.RAW_TRACEPOINT or hook.target not in targets)
    choices = choose(kernel, rung=None, directions=(direction,), has_ipv6=True)

    assert {Rung.TRACEPOINT} == {choice.way.rung for choice in choices if choice.way}
    assert len(choices) == len(sites)
    assert len(hooks_of(choices)) == 1


def test_a_better_way_that_its_neighbour_lacks_is_told_with_that_reason() -> None:
    kernel = kernel_with(Kind.FENTRY, Kind.RAW_TRACEPOINT, without=["fentry:tcp_v6_rcv"])
    ipv4, ipv6 = choose(kernel, rung=None, directions=(Direction.RECEIVE,), has_ipv6=True)

    assert [reason for _, reason in ipv4.refused] == [
        "fentry:tcp_v4_rcv: the device shows all of this direction or none, and it is needed for 'receive: IPv6'"
    ]
    assert [reason for _, reason in ipv6.refused] == [
        "fentry:tcp_v6_rcv: no",
        "kprobe:tcp_v6_rcv: no",
        "tp_btf:netif_receive_skb: no",
    ]


def test_a_way_that_could_be_stays_where_the_device_cannot() -> None:
    kernel = kernel_with(Kind.FENTRY, without=["fentry:tcp_v6_rcv"])
    ipv4, ipv6 = choose(kernel, rung=None, directions=(Direction.RECEIVE,), has_ipv6=True)

    assert ipv4.way is not None
    assert ipv6.way is None


def test_what_cannot_be_told_is_not_taken() -> None:
    unsure = Verdict(Support.UNKNOWN, "not permitted")
    choices = choose(lambda _: unsure, rung=None, directions=BOTH, has_ipv6=True)

    assert [choice.way for choice in choices] == [None] * len(SITES)


def test_each_site_is_chosen_for_once_and_in_order() -> None:
    choices = choose(kernel_with(*EVERYTHING), rung=None, directions=BOTH, has_ipv6=True)

    assert list(SITES) == [choice.site for choice in choices]


def test_better_ways_that_were_refused_are_told_with_the_reason() -> None:
    choices = choose(kernel_with(Kind.KPROBE), rung=None, directions=(Direction.RECEIVE,), has_ipv6=False)
    (choice,) = choices

    assert [("fentry", "fentry:tcp_v4_rcv: no")] == [(way.rung.value, reason) for way, reason in choice.refused]


def test_the_best_way_was_refused_nothing() -> None:
    choices = choose(kernel_with(*EVERYTHING), rung=None, directions=BOTH, has_ipv6=True)

    assert [()] * len(SITES) == [choice.refused for choice in choices]


def test_nothing_that_can_be_attached_is_an_error_with_every_reason() -> None:
    with pytest.raises(UnsupportedKernel) as caught:
        chosen(kernel_with())

    assert str(caught.value) == (
        "cannot trace 'send: IPv4, from a socket': "
        "fentry:ip_queue_xmit: no; kprobe:ip_queue_xmit: no; tp_btf:net_dev_queue: no; "
        "tracepoint:net_dev_queue: no"
    )
    assert caught.value.hint == "run 'tcpio doctor' to see what this kernel offers, or choose another --attach"
    assert caught.value.exit_code == 3


def test_the_site_that_cannot_be_seen_is_named_and_no_other() -> None:
    kernel = kernel_with(Kind.KPROBE, without=["kprobe:ip6_xmit"])
    with pytest.raises(UnsupportedKernel) as caught:
        chosen(kernel, Rung.KPROBE)

    assert str(caught.value) == "cannot trace 'send: IPv6': kprobe:ip6_xmit: no"


@pytest.mark.parametrize("has_ipv6", [True, False])
def test_each_hook_is_attached_once(has_ipv6: bool) -> None:  # noqa: FBT001
    for kinds in (EVERYTHING, (Kind.KPROBE,), (Kind.RAW_TRACEPOINT,)):
        hooks = chosen(kernel_with(*kinds), has_ipv6=has_ipv6)

        assert len(hooks) == len(set(hooks))


def test_rungs_in_use_are_told_best_first() -> None:
    kernel = kernel_with(*EVERYTHING, without=["fentry:tcp_v6_rcv"])

    assert rungs_of(choose(kernel, rung=None, directions=BOTH, has_ipv6=True)) == (Rung.FENTRY, Rung.KPROBE)
    assert rungs_of(()) == ()


def test_what_cannot_be_seen_has_no_rung() -> None:
    assert rungs_of([Choice(SITES[0], None, ())]) == ()


@pytest.mark.parametrize(
    ("kernel", "text"),
    [
        (kernel_with(*EVERYTHING), "fentry"),
        (kernel_with(Kind.RAW_TRACEPOINT), "tracepoint"),
        (kernel_with(Kind.KPROBE), "kprobe"),
        (
            kernel_with(*EVERYTHING, without=TOO_MANY),
            "fentry (kprobe for ip_send_unicast_reply, tcp_v6_send_response)",
        ),
    ],
)
def test_what_is_used_is_told_in_a_few_words(kernel: Kernel, text: str) -> None:
    assert text == describe(choose(kernel, rung=None, directions=BOTH, has_ipv6=True))


def test_every_target_has_its_parameters() -> None:
    handlers = {hook.handler for site in SITES for way in site.ways for hook in way.hooks}

    assert handlers <= set(PARAMETERS)


def test_every_rung_is_explained() -> None:
    assert set(Rung) == set(RUNG_NOTES)


def test_every_site_has_every_rung() -> None:
    assert [site.name for site in SITES if {way.rung for way in site.ways} != set(Rung)] == []
