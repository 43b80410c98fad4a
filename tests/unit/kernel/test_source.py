# SPDX-License-Identifier: GPL-2.0-only
"""From a choice of hooks to the text of the programs."""

import platform
import re
import subprocess
from pathlib import Path

import pytest

from tcpio.errors import UnsupportedKernel
from tcpio.filter.parse import parse_filter, to_expr
from tcpio.filter.to_c import to_c
from tcpio.kernel.btf import BtfFile
from tcpio.kernel.counting import NEAR_ROWS, TRACEPOINT_ROWS
from tcpio.kernel.hooks import PARAMETERS, RETURN, RETURN_INT, SITES, TYPED, Hook, Kind
from tcpio.kernel.source import (
    CAST,
    KFUNC,
    MissingParameterError,
    Program,
    arguments,
    find_parameters,
    make_source,
)
from tcpio.schema.c_header import BPF_DIR
from tests.unit.kernel.btf_blob import BYTES, KERNEL_PARAMETERS, Blob, Kernel, casting_btf

HOOKS = sorted({hook for site in SITES for way in site.ways for hook in way.hooks}, key=str)
TYPED_HOOKS = [hook for hook in HOOKS if hook.kind in TYPED]
COUNTING_HOOKS = {hook for row in (*NEAR_ROWS, *TRACEPOINT_ROWS) for way in row.ways for hook in way}
HANDLERS = {hook.handler for hook in (*HOOKS, *COUNTING_HOOKS)}
STUBS = Path(__file__).parent / "stub_bcc.h"
ON_TARGET = re.compile(r"^static __always_inline int on_(\w+)\(void \*ctx, ([^)]*)\)", re.MULTILINE)

needs_stack = pytest.mark.skipif(platform.machine() != "x86_64", reason="the seventh parameter is read on x86_64 only")


def find_handlers() -> list[tuple[str, str]]:
    return [found for name in ("segments.c", "summary.c") for found in ON_TARGET.findall((BPF_DIR / name).read_text())]


@pytest.fixture
def x86(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


def test_fentry_reads_its_context_by_index() -> None:
    hook = Hook(Kind.FENTRY, "ip_queue_xmit")

    assert arguments(hook, ("sk", "skb", "fl")) == ("(void *)ctx[0]", "(void *)ctx[1]")


def test_parameters_are_found_by_name_and_not_by_place() -> None:
    hook = Hook(Kind.FENTRY, "ip_queue_xmit")

    assert arguments(hook, ("net", "skb", "sk")) == ("(void *)ctx[2]", "(void *)ctx[1]")


def test_fexit_reads_what_was_returned_behind_the_parameters() -> None:
    hook = Hook(Kind.FEXIT, "tcp_make_synack")

    assert arguments(hook, KERNEL_PARAMETERS["tcp_make_synack"]) == ("(void *)ctx[2]", "(void *)ctx[6]")


def test_kprobe_reads_registers() -> None:
    hook = Hook(Kind.KPROBE, "ip_build_and_send_pkt")

    assert arguments(hook, KERNEL_PARAMETERS["ip_build_and_send_pkt"]) == (
        "(void *)PT_REGS_PARM1(ctx)",
        "(void *)PT_REGS_PARM2(ctx)",
        "(u32)PT_REGS_PARM3(ctx)",
        "(u32)PT_REGS_PARM4(ctx)",
    )


@pytest.mark.usefixtures("x86")
def test_kprobe_reads_the_seventh_parameter_and_on_from_the_stack() -> None:
    hook = Hook(Kind.KPROBE, "tcp_v6_send_response")

    assert arguments(hook, KERNEL_PARAMETERS["tcp_v6_send_response"]) == (
        "(void *)PT_REGS_PARM2(ctx)",
        "(u32)PT_REGS_PARM3(ctx)",
        "(u32)PT_REGS_PARM4(ctx)",
        "(u32)PT_REGS_PARM5(ctx)",
        "(u32)read_stack(PT_REGS_SP(ctx), 8)",
        "(u32)read_stack(PT_REGS_SP(ctx), 24)",
    )


def test_what_is_not_in_a_register_is_refused_where_the_stack_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    hook = Hook(Kind.KPROBE, "tcp_v6_send_response")
    with pytest.raises(MissingParameterError, match=r"^its parameter tsecr is not in a register$"):
        arguments(hook, KERNEL_PARAMETERS["tcp_v6_send_response"])


def test_a_raw_tracepoint_reads_its_arguments_whether_btf_names_them_or_not() -> None:
    hook = Hook(Kind.RAW_TRACEPOINT, "net_dev_queue")

    assert arguments(hook, None) == ("(void *)ctx->args[0]",)
    assert arguments(hook, ("other", "skb")) == ("(void *)ctx->args[1]",)


def test_a_typed_tracepoint_reads_its_arguments_as_fentry_does() -> None:
    assert arguments(Hook(Kind.BTF_TRACEPOINT, "net_dev_queue"), None) == ("(void *)ctx[0]",)


@pytest.mark.parametrize(
    ("kinds", "follows"),
    [
        ((Kind.FENTRY, Kind.FEXIT, Kind.BTF_TRACEPOINT), True),
        ((Kind.FENTRY, Kind.KPROBE), False),
        ((Kind.RAW_TRACEPOINT,), False),
    ],
)
def test_pointers_are_followed_where_all_types_are_known(kinds: tuple[Kind, ...], follows: bool) -> None:  # noqa: FBT001
    targets = {
        Kind.FEXIT: "tcp_make_synack",
        Kind.BTF_TRACEPOINT: "net_dev_queue",
        Kind.RAW_TRACEPOINT: "net_dev_queue",
    }
    hooks = tuple(Hook(kind, targets.get(kind, "tcp_v4_rcv")) for kind in kinds)
    source = make_source(Kernel().btf(), hooks, "1")
    cautious = make_source(Kernel().btf(), hooks, "1", may_follow_pointers=False)

    assert (source.follows_pointers, "#define TCPIO_TYPED 1\n" in source.text) == (follows, follows)
    assert (cautious.follows_pointers, "#define TCPIO_TYPED 1\n" in cautious.text) == (False, False)


@pytest.mark.parametrize("kind", [Kind.BTF_TRACEPOINT, Kind.RAW_TRACEPOINT])
@pytest.mark.parametrize(
    ("parts", "may_follow", "casts"),
    [((CAST, BYTES), True, True), ((CAST, BYTES), False, False), ((BYTES,), True, False), ((CAST,), True, False)],
)
def test_addresses_are_cast_where_the_kernel_can(
    parts: tuple[str, ...],
    may_follow: bool,  # noqa: FBT001
    casts: bool,  # noqa: FBT001
    kind: Kind,
) -> None:
    btf = casting_btf(*parts)
    source = make_source(btf, (Hook(kind, "net_dev_queue"),), "1", may_follow_pointers=may_follow)

    assert ("#define TCPIO_RDONLY_CAST " in source.text) == casts
    assert source.follows_pointers == (casts or (may_follow and kind in TYPED))
    if casts:
        assert f"#define TCPIO_RDONLY_CAST {(btf.find_id(CAST) or 0) + KFUNC}\n" in source.text
        assert f"#define TCPIO_NEW_UTSNAME {btf.find_id(BYTES)}\n" in source.text
        assert f"#define TCPIO_SK_BUFF {btf.find_id('sk_buff')}\n" in source.text


def test_a_tracepoints_arguments_are_named_by_what_calls_its_programs() -> None:
    blob = Blob()
    blob.function("__traceiter_tcp_send_reset", ("__data", "sk", "skb__nullable", "reason"), blob.pointer())
    btf = BtfFile(blob.build(), "made-up kernel", ["__traceiter_tcp_send_reset"])

    assert find_parameters(Hook(Kind.RAW_TRACEPOINT, "tcp_send_reset"), btf) == ("sk", "skb", "reason")
    assert find_parameters(Hook(Kind.RAW_TRACEPOINT, "net_dev_queue"), btf) is None


def test_what_was_returned_is_a_number_where_it_is_one() -> None:
    assert arguments(Hook(Kind.FEXIT, "tcp_connect"), ("sk",)) == ("(void *)ctx[0]", "(int)ctx[1]")


@pytest.mark.usefixtures("x86")
def test_what_a_kernel_may_lack_is_0() -> None:
    hook = Hook(Kind.KPROBE, "ip_send_unicast_reply")
    older = ("sk", "skb", "sopt", "daddr", "saddr", "arg", "len", "hash", "txtime")

    assert arguments(hook, older) == (
        "(void *)PT_REGS_PARM1(ctx)",
        "0",
        "(u32)PT_REGS_PARM5(ctx)",
        "(u32)PT_REGS_PARM4(ctx)",
        "(void *)PT_REGS_PARM6(ctx)",
        "(u32)read_stack(PT_REGS_SP(ctx), 8)",
    )


def test_what_a_kernel_may_lack_is_read_where_it_has_it() -> None:
    hook = Hook(Kind.FENTRY, "ip_send_unicast_reply")

    assert arguments(hook, KERNEL_PARAMETERS["ip_send_unicast_reply"]) == (
        "(void *)ctx[0]",
        "(void *)ctx[1]",
        "(u32)ctx[5]",
        "(u32)ctx[4]",
        "(void *)ctx[6]",
        "(u32)ctx[7]",
    )


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (("sk", "skb", "sopt", "daddr", "saddr", "arg", "len"), {"orig_sk": "0", "saddr": "(u32)ctx[4]"}),
        (
            ("sk", "orig_sk", "skb", "sopt", "daddr", "saddr", "arg", "len"),
            {"orig_sk": "(void *)ctx[1]", "saddr": "(u32)ctx[5]"},
        ),
    ],
    ids=["older", "newer"],
)
def test_places_of_parameters_are_those_of_the_kernels_btf(names: tuple[str, ...], places: dict[str, str]) -> None:
    target = "ip_send_unicast_reply"
    blob = Blob()
    blob.function(target, names, blob.pointer())
    found = arguments(Hook(Kind.FENTRY, target), BtfFile(blob.build(), "made-up", [target]).find_parameters(target))
    wanted = [name.removesuffix("?") for name in PARAMETERS[target]]

    assert {name: found[wanted.index(name)] for name in places} == places


def test_what_a_kernel_must_have_is_missed() -> None:
    with pytest.raises(MissingParameterError, match=r"^it has no parameter skb$"):
        arguments(Hook(Kind.FENTRY, "ip_queue_xmit"), ("sk", "fl"))


def test_a_function_that_is_not_described_is_refused() -> None:
    with pytest.raises(MissingParameterError, match=r"^the kernel's BTF does not describe this function$"):
        arguments(Hook(Kind.FENTRY, "ip_queue_xmit"), None)


@pytest.mark.parametrize("handler", sorted(HANDLERS))
def test_every_target_has_its_hook_in_c_with_as_many_parameters(handler: str) -> None:
    found = dict(find_handlers())

    assert handler in found
    names = [re.sub(r".*\W", "", parameter) for parameter in found[handler].split(",")]
    wanted = ["returned" if name in (RETURN, RETURN_INT) else name.removesuffix("?") for name in PARAMETERS[handler]]
    assert wanted == names


def test_every_hook_in_c_is_in_the_table() -> None:
    found = [name for name, _ in find_handlers()]

    assert sorted(HANDLERS) == sorted(found) == sorted(PARAMETERS)


@pytest.mark.usefixtures("x86")
def test_each_hook_becomes_a_program() -> None:
    hooks = (Hook(Kind.FENTRY, "tcp_v4_rcv"), Hook(Kind.RAW_TRACEPOINT, "net_dev_queue"))
    source = make_source(Kernel().btf(), hooks, "1")

    assert source.programs == (
        Program(hooks[0], "run_fentry_tcp_v4_rcv"),
        Program(hooks[1], "run_tracepoint_net_dev_queue"),
    )
    assert source.text.endswith(
        "\n/* fentry:tcp_v4_rcv */\n"
        "int run_fentry_tcp_v4_rcv(unsigned long long *ctx)\n"
        "{\n"
        "\treturn on_tcp_v4_rcv(ctx, (void *)ctx[0]);\n"
        "}\n"
        "\n\n/* tracepoint:net_dev_queue */\n"
        "int run_tracepoint_net_dev_queue(struct bpf_raw_tracepoint_args *ctx)\n"
        "{\n"
        "\treturn on_net_dev_queue(ctx, (void *)ctx->args[0]);\n"
        "}\n"
    )


def test_the_filter_enters_by_its_hole() -> None:
    source = make_source(Kernel().btf(), (), "((r)->lport == 80U)")

    assert "\n#define TCPIO_WANTED(r) (((r)->lport == 80U))\n" in source.text
    assert source.programs == ()


def test_what_overload_takes_is_compiled_only_when_asked_for() -> None:
    texts = [make_source(Kernel().btf(), (), "1", counts_overload=counts).text for counts in (False, True)]

    assert ["\n#define TCPIO_COUNTS_OVERLOAD 1\n" in text for text in texts] == [False, True]


def test_programs_have_names_of_their_own() -> None:
    names = [program.name for program in make_source(Kernel().btf(), HOOKS, "1").programs]

    assert len(names) == len(set(names))


def test_a_missing_function_is_told() -> None:
    btf = Kernel(without=["tcp_v6_rcv"]).btf()
    with pytest.raises(MissingParameterError):
        make_source(btf, (Hook(Kind.KPROBE, "tcp_v6_rcv"),), "1")


def test_a_missing_member_is_told() -> None:
    with pytest.raises(UnsupportedKernel, match=r"^this kernel's struct sk_buff has no member dev$"):
        make_source(Kernel(without=["sk_buff.dev"]).btf(), (), "1")


@needs_stack
@pytest.mark.parametrize(
    ("hooks", "filters", "counts_overload"),
    [
        (HOOKS, [], False),
        (HOOKS, ["10.0.0.0/8:80..90-*:*", "!*:22-[2001:db8::1]:*"], False),
        (HOOKS, [], True),
        (TYPED_HOOKS, [], False),
    ],
    ids=["all", "filters", "overload", "typed"],
)
def test_the_programs_are_c(tmp_path: Path, hooks: list[Hook], filters: list[str], counts_overload: bool) -> None:  # noqa: FBT001  a parameter's value
    wanted = to_c(to_expr(map(parse_filter, filters)))
    programs = make_source(casting_btf(CAST, BYTES), hooks, wanted, counts_overload=counts_overload)
    source = tmp_path / "programs.c"
    source.write_text(f'#include "{STUBS}"\n{programs.text}')
    includes = ["-nostdinc", f"-I{BPF_DIR}", f"-I{BPF_DIR}/include"]
    command = ["cc", "-std=gnu11", "-fsyntax-only", "-Wall", "-Wno-unknown-pragmas", "-Werror", *includes, str(source)]
    found = subprocess.run(command, check=False, capture_output=True, text=True)

    assert found.stderr == ""
