# SPDX-License-Identifier: GPL-2.0-only
"""The names of TCP states."""

from tcpio.schema.states import STATES


def test_states_have_the_kernels_numbers() -> None:
    # include/net/tcp_states.h
    assert STATES.index("ESTABLISHED") == 1
    assert STATES.index("SYN_SENT") == 2
    assert STATES.index("TIME_WAIT") == 6
    assert STATES.index("LISTEN") == 10
    assert STATES.index("NEW_SYN_RECV") == 12


def test_no_state_has_no_name() -> None:
    assert [0] == [number for number, name in enumerate(STATES) if not name]
