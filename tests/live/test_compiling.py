# SPDX-License-Identifier: GPL-2.0-only
"""Programs for ways to attach that this kernel may not have: what BCC makes of them fits into a program's stack."""

import pytest

from tcpio.filter.parse import parse_filter, to_expr
from tcpio.filter.to_c import to_c
from tcpio.kernel.compile import Compilation
from tcpio.kernel.count_source import make_count_source
from tcpio.kernel.counting import choose
from tcpio.kernel.hooks import FUNCTIONS, Rung
from tcpio.kernel.plan import read_kernel_types
from tcpio.schema.bucket import parse_by
from tcpio.schema.counters import COUNTERS
from tcpio.schema.support import YES

_COUNTED = tuple(counter for counter in COUNTERS if not counter.is_hosts)
_FILTER = to_c(to_expr((parse_filter("*:443-10.0.0.0/8:*"), parse_filter("*:*-[2001:db8::/32]:*"))))


@pytest.mark.parametrize(
    ("rung", "by", "on_close"),
    [(Rung.FENTRY, "tuple", True), (Rung.FENTRY, "tuple", False), (Rung.KPROBE, "laddr/16/48,raddr/24/64", False)],
    ids=["fentry-closing", "fentry-sockets", "kprobe-networks"],
)
def test_all_counters_can_be_compiled(rung: Rung, by: str, *, on_close: bool) -> None:
    btf = read_kernel_types(None, [*FUNCTIONS, "inet_timewait_sock"])
    choice = choose(btf, lambda _: YES, _COUNTED, rung=rung, has_ipv6=True, has_frames=True)
    source = make_count_source(btf, choice, parse_by(by), _FILTER, rows=0 if on_close else 16, on_close=on_close)

    compiled = Compilation(source).result()

    assert set(compiled.programs) == {program.name for program in source.programs}
    assert all(compiled.programs.values())
