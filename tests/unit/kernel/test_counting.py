# SPDX-License-Identifier: GPL-2.0-only
"""Which hooks count what, on kernels that allow more or less."""

from collections.abc import Callable

import pytest

from tcpio.errors import UnsupportedKernel
from tcpio.kernel.counting import (
    FRAMED,
    NEAR_ROWS,
    TRACEPOINT_ROWS,
    Choice,
    choose,
    find_lacking,
    find_made_up_for,
    find_roles,
    rows_of,
)
from tcpio.kernel.hooks import Hook, Kind, Rung
from tcpio.schema.counters import COUNTERS, find_counters
from tcpio.schema.support import YES, Support, Verdict
from tests.unit.kernel.btf_blob import Kernel

KEYS = {counter.key for counter in COUNTERS if not counter.is_hosts}
BTF = Kernel().btf()
NEAR = (Kind.FENTRY, Kind.FEXIT, Kind.RAW_TRACEPOINT)


def allowing(*kinds: Kind, without: tuple[str, ...] = ()) -> Callable[[Hook], Verdict]:
    return lambda hook: YES if hook.kind in kinds and str(hook) not in without else Verdict(Support.NO, "no")


def chosen(counters: str, ask: Callable[[Hook], Verdict], rung: Rung | None = None, **options: bool) -> Choice:
    options = {"has_ipv6": True, "has_frames": True, **options}
    return choose(BTF, ask, find_counters(counters), rung=rung, **options)


def names(choice: Choice) -> list[str]:
    return [str(hook) for hook in choice.hooks]


def doubts(choice: Choice) -> dict[str, str]:
    return {counter.key: doubt for counter, doubt in choice.doubts.items()}


def test_every_counter_has_rows_and_every_row_has_counters() -> None:
    assert {key for row in NEAR_ROWS for key in row.counters} == KEYS
    assert {key for row in TRACEPOINT_ROWS for key in row.counters} <= KEYS
    assert set(FRAMED) <= KEYS


def test_only_what_is_needed_is_attached() -> None:
    assert names(chosen("TcpInSegs", allowing(*NEAR))) == ["fentry:tcp_v4_rcv", "fentry:tcp_v6_rcv"]
    assert names(chosen("TcpInSegs", allowing(*NEAR), has_ipv6=False)) == ["fentry:tcp_v4_rcv"]


def test_a_hook_for_two_counters_is_attached_once() -> None:
    both = names(chosen("TcpCurrEstab,TcpEstabResets", allowing(*NEAR)))

    assert both == ["tracepoint:inet_sock_set_state"]


def test_a_kprobe_stands_in_where_fentry_cannot() -> None:
    choice = chosen("TcpOutSegs", allowing(*Kind, without=("fentry:ip_send_unicast_reply", "fentry:ip6_xmit")))

    assert {"kprobe:ip_send_unicast_reply", "kprobe:tcp_v6_send_response"} <= set(names(choice))
    assert choice.doubts == {}


def test_what_cannot_be_seen_is_absent_with_the_reason() -> None:
    choice = chosen("TcpExtTCPDelivered,TcpInSegs", allowing(*NEAR, without=("fentry:tcp_newly_delivered",)))

    assert doubts(choice) == {"TcpExtTCPDelivered": "fentry:tcp_newly_delivered: no"}
    assert [counter.key for counter in choice.counters] == ["TcpInSegs"]


def test_kprobes_are_doubted_and_tracepoints_beside_them_are_not() -> None:
    choice = chosen("TcpInSegs,TcpCurrEstab,TcpActiveOpens", allowing(Kind.KPROBE, Kind.RAW_TRACEPOINT))

    assert choice.rung is Rung.KPROBE
    assert [counter.key for counter in choice.counters] == ["TcpCurrEstab", "TcpInSegs"]
    assert list(doubts(choice)) == ["TcpActiveOpens", "TcpInSegs"]


def test_tracepoints_serve_where_nothing_else_does() -> None:
    choice = chosen("TcpRetransSegs,TcpExtTW", allowing(Kind.RAW_TRACEPOINT))

    assert choice.rung is Rung.TRACEPOINT
    assert doubts(choice) == {"TcpExtTW": "no tracepoint shows it"}


def test_what_is_the_hosts_is_not_counted() -> None:
    assert doubts(chosen("IpReasmReqds", allowing(*NEAR))) == {"IpReasmReqds": "it belongs to no socket"}


def test_without_the_place_of_the_kernels_counters_nothing_is_taken_from_them() -> None:
    choice = chosen("TcpExtListenDrops,TcpExtTCPBacklogDrop,TcpExtTCPDelivered", allowing(*NEAR), has_frames=False)

    assert [counter.key for counter in choice.counters] == ["TcpExtTCPDelivered"]


def test_where_there_is_no_better_way_the_next_one_serves() -> None:
    without = ("tracepoint:tcp_bad_csum", "fexit:tcp_try_coalesce")
    choice = chosen("TcpInCsumErrors,TcpExtTCPRcvCoalesce", allowing(*NEAR, without=without))

    assert names(choice) == ["fexit:__skb_checksum_complete", "fexit:skb_try_coalesce"]
    assert doubts(choice) == {}


def test_time_wait_is_counted_where_the_kernel_counts_it() -> None:
    old = Kernel(bits={"inet_timewait_sock": "tw_kill"}).btf()
    counters = find_counters("TcpExtTW")
    at_its_end = choose(old, allowing(*NEAR), counters, rung=None, has_ipv6=True, has_frames=True)

    assert names(chosen("TcpExtTW", allowing(*NEAR))) == ["fentry:__inet_twsk_schedule", "fexit:__inet_twsk_schedule"]
    assert names(at_its_end) == ["fentry:tw_timer_handler"]


def test_a_kernel_that_allows_nothing_is_told() -> None:
    with pytest.raises(UnsupportedKernel, match=r"^cannot count: fentry:tcp_v4_rcv: no; kprobe:"):
        chosen("Tcp", allowing())


def test_a_way_to_attach_that_was_asked_for_is_the_only_one() -> None:
    with pytest.raises(UnsupportedKernel):
        chosen("Tcp", allowing(Kind.RAW_TRACEPOINT), Rung.FENTRY)


def test_what_a_socket_sends_is_seen_twice_so_that_nothing_is_skipped() -> None:
    hooks = chosen("TcpOutSegs", allowing(*NEAR)).hooks

    assert find_roles(hooks) == {
        "ip_queue_xmit": "FIRST",
        "__ip_queue_xmit": "SECOND",
        "inet6_csk_xmit": "FIRST",
        "tcp_make_synack": "FIRST",
        "ip6_xmit": "SECOND",
    }
    # What ip6_xmit() shows besides has no second.
    assert {hook.target for hook in find_made_up_for(hooks)} == {"ip_queue_xmit", "__ip_queue_xmit", "inet6_csk_xmit"}


def test_where_ip6_xmit_has_too_many_parameters_another_function_comes_before() -> None:
    hooks = chosen("TcpOutSegs", allowing(*Kind, without=("fentry:ip6_xmit",))).hooks

    assert find_roles(hooks) == {
        "ip_queue_xmit": "FIRST",
        "__ip_queue_xmit": "SECOND",
        "tcp_v6_send_check": "FIRST",
        "inet6_csk_xmit": "SECOND",
    }
    assert {hook.target for hook in find_made_up_for(hooks)} == set(find_roles(hooks))


def test_a_kernel_with_one_function_of_two_has_that_one() -> None:
    hooks = chosen("TcpOutSegs", allowing(*NEAR, without=("fentry:__ip_queue_xmit",))).hooks

    assert "ip_queue_xmit" in {hook.target for hook in hooks}
    assert "ip_queue_xmit" not in find_roles(hooks)


def test_what_ipv6_sends_is_counted_by_the_same_hooks_in_both_places() -> None:
    for without in ((), ("fentry:__ip_queue_xmit",), ("fentry:ip6_xmit",)):
        hooks = chosen("Ip6OutRequests", allowing(*NEAR, Kind.KPROBE, without=without)).hooks

        assert set(hooks) < set(chosen("TcpOutSegs", allowing(*NEAR, Kind.KPROBE, without=without)).hooks)


def test_a_program_that_was_not_run_may_be_lacking_in_what_it_counts() -> None:
    choice = chosen("TcpInSegs,TcpOutSegs,TcpRetransSegs,TcpExtTCPSynRetrans", allowing(*NEAR))
    missed = {
        Hook(Kind.FENTRY, "tcp_v6_rcv"): 2,
        Hook(Kind.FEXIT, "tcp_retransmit_skb"): 3,
        Hook(Kind.FENTRY, "tcp_send_loss_probe"): 5,
        Hook(Kind.FENTRY, "ip6_xmit"): 7,  # of what sockets send, and of replies
        Hook(Kind.FENTRY, "ip_build_and_send_pkt"): None,
    }
    lacking = {counter.key: count for counter, count in find_lacking(missed, choice).items()}

    assert lacking == {"TcpInSegs": 2, "TcpOutSegs": 7, "TcpRetransSegs": 8, "TcpExtTCPSynRetrans": 3}


def test_rows_for_kprobes_have_no_fentry() -> None:
    kinds = {hook.kind for row in rows_of(Rung.KPROBE) for way in row.ways for hook in way}

    assert Kind.FENTRY not in kinds
