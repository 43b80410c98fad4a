# SPDX-License-Identifier: GPL-2.0-only
"""From a choice of counters to the text of the programs."""

import platform
import re
import subprocess
from pathlib import Path

import pytest

from tcpio.filter.parse import parse_filter, to_expr
from tcpio.filter.to_c import to_c
from tcpio.kernel.count_source import make_count_source
from tcpio.kernel.counting import choose
from tcpio.kernel.hooks import Rung
from tcpio.kernel.source import CAST
from tcpio.schema.bucket import parse_by
from tcpio.schema.c_header import BPF_DIR
from tcpio.schema.counters import COUNTERS, find_counters
from tcpio.schema.support import YES
from tests.unit.kernel.btf_blob import BYTES, casting_btf

STUBS = Path(__file__).parent / "stub_bcc.h"
ALL = ",".join(counter.key for counter in COUNTERS if not counter.is_hosts)


def source_of(
    counters: str, rung: Rung, by: str, *, wanted: str = "1", on_close: bool = False, may_follow: bool = True
) -> str:
    btf = casting_btf(CAST, BYTES)
    choice = choose(btf, lambda _: YES, find_counters(counters), rung=rung, has_ipv6=True, has_frames=True)
    rows = 0 if on_close else 64
    return make_count_source(
        btf, choice, parse_by(by), wanted, rows=rows, on_close=on_close, may_follow_pointers=may_follow
    ).text


def value_of(macro: str, text: str) -> str:
    found = re.search(rf"^#define {re.escape(macro)} (.*)$", text, re.MULTILINE)
    assert found
    return found[1]


def test_counters_have_places_in_the_order_they_were_asked_for() -> None:
    text = source_of("TcpInSegs,TcpExtListenDrops", Rung.FENTRY, "tuple")

    assert value_of("TCPIO_VALUES", text) == "2"
    assert [value_of(f"SLOT_{key}", text) for key in ("TcpInSegs", "TcpExtListenDrops", "TcpOutSegs")] == [
        "0",
        "1",
        "-1",
    ]
    assert value_of("FRAME_TcpExtListenDrops", text) == "0"
    assert value_of("FRAMED(X)", text) == "X(0, 1, net_statistics, 0)"


def test_functions_have_roles_where_two_see_the_same() -> None:
    functions = ("ip_queue_xmit", "__ip_queue_xmit", "inet6_csk_xmit", "ip6_xmit", "tcp_v6_send_check")
    sent, received = (source_of(counter, Rung.FENTRY, "tuple") for counter in ("TcpOutSegs", "TcpInSegs"))

    assert [value_of(f"ROLE_{name}", sent) for name in functions] == ["FIRST", "SECOND", "FIRST", "SECOND", "ONLY"]
    assert {value_of(f"ROLE_{name}", received) for name in functions} == {"ONLY"}


def test_every_counter_in_c_is_in_the_table() -> None:
    named = set(re.findall(r"(?:SLOT_|ADD_CHARGED\(\w+, )(\w+)", (BPF_DIR / "summary.c").read_text()))

    assert named - {counter.key for counter in COUNTERS} <= {"counter"}


@pytest.mark.parametrize(("by", "kind"), [("tuple", '"hash"'), ("raddr", '"percpu_hash"'), ("tuple,netns", '"hash"')])
def test_sockets_have_one_copy_and_groups_one_for_each_cpu(by: str, kind: str) -> None:
    assert value_of("TCPIO_BUCKETS", source_of("TcpInSegs", Rung.FENTRY, by)) == kind


def test_what_makes_no_bucket_is_0() -> None:
    masks = value_of("TCPIO_BY(b)", source_of("TcpInSegs", Rung.FENTRY, "laddr,rport"))

    assert masks == "do { (b)->netns = 0; (b)->lport = 0; (b)->raddr[0] = (b)->raddr[1] = 0; } while (0)"


@pytest.mark.parametrize(
    ("by", "address", "bucket"),
    [
        ("raddr/24", "::ffff:c000:0209", "::ffff:c000:0200"),
        ("raddr/24", "2001:db8::1:2", "2001:db8::1:2"),
        ("raddr/64", "2001:db8:1:2:3::4", "2001:db8:1:2::"),
        ("raddr/8/32", "2001:db8:1:2:3::4", "2001:db8::"),
        ("raddr/8/32", "::ffff:c000:0209", "::ffff:c000:0"),
        ("raddr/0/0", "::ffff:c000:0209", "::ffff:0:0"),
    ],
)
def test_prefixes_leave_what_matters_of_an_address(tmp_path: Path, by: str, address: str, bucket: str) -> None:
    masks = value_of("TCPIO_BY(b)", source_of("TcpInSegs", Rung.FENTRY, by))
    program = tmp_path / "mask.c"
    program.write_text(f"""
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
struct bucket {{ unsigned long long laddr[2], raddr[2]; unsigned netns; unsigned short lport, rport; }};
static int is_ipv4(void *address) {{ return !memcmp(address, "\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\xff\\xff", 12); }}
#define TCPIO_BY(b) {masks}
int main(void)
{{
	struct bucket bucket = {{}};
	char text[64];
	inet_pton(AF_INET6, "{address}", bucket.raddr);
	TCPIO_BY((&bucket));
	inet_ntop(AF_INET6, bucket.raddr, text, sizeof(text));
	puts(text);
}}
""")
    subprocess.run(["cc", "-o", str(tmp_path / "mask"), str(program)], check=True)
    found = subprocess.run([str(tmp_path / "mask")], check=True, capture_output=True, text=True).stdout
    wanted = subprocess.run(
        ["python3", "-c", f"import socket as s; print(s.inet_ntop(10, s.inet_pton(10, {bucket!r})))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert wanted == found


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the seventh parameter is read on x86_64 only")
@pytest.mark.parametrize("rung", list(Rung))
@pytest.mark.parametrize(
    ("by", "flags"), [("tuple", {"on_close": True}), ("tuple", {"may_follow": False}), ("raddr/24/64,netns", {})]
)
@pytest.mark.parametrize("counters", [ALL, "TcpInSegs"])
def test_the_programs_are_c(tmp_path: Path, rung: Rung, by: str, flags: dict[str, bool], counters: str) -> None:
    wanted = to_c(to_expr([parse_filter("10.0.0.0/8:80..90-*:*")]))
    text = source_of(counters, rung, by, wanted=wanted, **flags)
    source = tmp_path / "programs.c"
    source.write_text(f'#include "{STUBS}"\n{text}')
    includes = ["-nostdinc", f"-I{BPF_DIR}", f"-I{BPF_DIR}/include"]
    command = ["cc", "-std=gnu11", "-fsyntax-only", "-Wall", "-Wno-unknown-pragmas", "-Werror", *includes, str(source)]
    found = subprocess.run(command, check=False, capture_output=True, text=True)

    assert found.stderr == ""
