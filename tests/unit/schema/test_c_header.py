# SPDX-License-Identifier: GPL-2.0-only
"""The subset of C that is read, and what is refused."""

import pytest

from tcpio.schema.c_header import BPF_DIR, LayoutError, Member, parse_header, read_header


def test_members_are_read_as_declared() -> None:
    header = parse_header(
        "struct one {\n"
        "\tu64 ts_ns;\t/* ns, when */\n"
        "\n"
        "\t/* a comment of its own */\n"
        "\tu64 laddr[2];\n"
        "\tstruct sock *sk;\n"
        "\tunsigned long word;\n"
        "};\n",
        "one.h",
    )

    assert header.structs == {
        "one": (
            Member("ts_ns", "u64", is_pointer=False, count=0, comment="ns, when", declaration="u64 ts_ns"),
            Member("laddr", "u64", is_pointer=False, count=2, comment="", declaration="u64 laddr[2]"),
            Member("sk", "struct sock", is_pointer=True, count=0, comment="", declaration="struct sock *sk"),
            Member("word", "unsigned long", is_pointer=False, count=0, comment="", declaration="unsigned long word"),
        )
    }


def test_sizes_are_those_of_64_bit_machines() -> None:
    header = parse_header("struct s {\nu8 a;\nu16 b;\nvoid *c;\nunsigned long d;\nstruct t e;\n};\n", "s.h")

    assert [member.item_size for member in header.structs["s"]] == [1, 2, 8, 8, None]


def test_enums_are_read() -> None:
    header = parse_header("enum e {\n\tA = 0,\t/* first */\n\tB = 17,\n};\n", "e.h")

    assert header.enums == {"e": {"A": 0, "B": 17}}


def test_what_stands_outside_is_ignored() -> None:
    header = parse_header('#define X 1\n_Static_assert(1, "");\nint f(void);\nstruct s {\n\tu8 a;\n};\n', "s.h")

    assert ["s"] == list(header.structs)


@pytest.mark.parametrize(
    "line",
    [
        "u32 a : 3;",
        "u8 a, b;",
        "u8 a[2][2];",
        "u8 a[N];",
        "u8 **a;",
        "u8 a",
        "struct {",
        "int (*f)(void);",
        "const u8 a;",
        "#define X 1",
        "/* begins here and",
        "}",
    ],
)
def test_a_member_that_is_not_understood_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(LayoutError, match=r"^s\.h, line 3: not in the subset that is read: ") as caught:
        parse_header(f"struct s {{\n\tu8 first;\n\t{line}\n}};\n", "s.h")

    assert str(caught.value).endswith(f": {line}")


@pytest.mark.parametrize("line", ["A,", "A = 0x10,", "A = 1 << 2,", "A = -1,", "A = B,", "u8 a;"])
def test_an_enumerator_that_is_not_understood_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(LayoutError, match=r"^e\.h, line 2: not in the subset that is read: "):
        parse_header(f"enum e {{\n\t{line}\n}};\n", "e.h")


@pytest.mark.parametrize("text", ["struct s {\n\tu8 a;\n", "enum e {\n\tA = 1,\n"])
def test_what_never_ends_is_refused(text: str) -> None:
    with pytest.raises(LayoutError, match=r"^s\.h: ends in the middle of a struct or enum"):
        parse_header(text, "s.h")


def test_headers_come_from_the_folder_of_the_programs() -> None:
    assert (BPF_DIR / "trace.c").is_file()
    assert "tcp_record" in read_header("record.h").structs


def test_a_header_is_read_once() -> None:
    assert read_header("kernel.h") is read_header("kernel.h")
