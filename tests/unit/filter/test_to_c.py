# SPDX-License-Identifier: GPL-2.0-only
"""The C, against the numpy mask and the plain reading of the expression."""

import ctypes
import random
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tcpio.filter.ast import ALWAYS, NEVER, AllOf, AnyBit, AnyOf, Between, Expr, Masked, Not
from tcpio.filter.parse import parse_filter, to_expr
from tcpio.filter.to_c import MAX_COMPARISONS, count_comparisons, is_compilable, to_c
from tcpio.filter.to_mask import to_mask
from tcpio.schema.c_header import BPF_DIR
from tcpio.schema.record import Records
from tests.unit.filter.strategies import EXPRESSIONS, FILTERS, reads_true, records, unhurried

COMPILER = shutil.which("cc")

_SOURCE = """
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
#include "record.h"
{functions}
void evaluate(const struct tcp_record *records, long count, u8 *answers)
{{
	int (*const functions[])(const struct tcp_record *) = {{ {names} }};

	for (unsigned long f = 0; f < sizeof(functions) / sizeof(*functions); f++)
		for (long i = 0; i < count; i++)
			*answers++ = functions[f](&records[i]);
}}
"""
# As TCPIO_WANTED in bpf/segments.c, which is given &record in one place.
_FUNCTION = """
#define WANTED_{number}(r) ({expression})
static int wanted_{number}(const struct tcp_record *r) {{ return !!WANTED_{number}(&*r); }}
"""


def _evaluate(exprs: Sequence[Expr], batch: Records, folder: Path) -> list[list[bool]]:
    # What the C of each expression says of each record.
    assert COMPILER
    functions = "".join(_FUNCTION.format(number=number, expression=to_c(expr)) for number, expr in enumerate(exprs))
    names = ", ".join(f"wanted_{number}" for number in range(len(exprs)))
    source, library = folder / "filters.c", folder / "filters.so"
    source.write_text(_SOURCE.format(functions=functions, names=names))
    flags = ("-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", f"-I{BPF_DIR}", "-shared", "-fPIC")
    subprocess.run([COMPILER, *flags, "-o", library, source], check=True)
    answers = np.zeros((len(exprs), len(batch)), np.uint8)
    ctypes.CDLL(str(library)).evaluate(
        batch.ctypes.data_as(ctypes.c_void_p), ctypes.c_long(len(batch)), answers.ctypes.data_as(ctypes.c_void_p)
    )
    return [[bool(answer) for answer in row] for row in answers.tolist()]


_Drawn = TypeVar("_Drawn")


def _draw_many(strategy: st.SearchStrategy[_Drawn], count: int) -> list[_Drawn]:
    # One compilation serves all examples, so they are drawn beforehand.
    drawn: list[_Drawn] = []

    @settings(
        max_examples=count,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @given(strategy)
    def draw(example: _Drawn) -> None:
        drawn.append(example)

    draw()
    return drawn


@pytest.mark.skipif(COMPILER is None, reason="no C compiler: install cc to compare the C with the mask")
def test_c_and_mask_are_the_plain_reading_of_an_expression(tmp_path: Path) -> None:
    exprs: list[Expr] = [ALWAYS, NEVER]
    exprs += _draw_many(EXPRESSIONS, 120)
    exprs += _draw_many(st.lists(FILTERS, max_size=12).map(to_expr), 60)
    batch = np.concatenate(_draw_many(records(max_size=30), 30))
    batch = batch[random.Random(1).sample(range(len(batch)), min(len(batch), 400))]  # noqa: S311  not a secret

    answers = _evaluate(exprs, batch, tmp_path)

    for expr, answer in zip(exprs, answers, strict=True):
        assert [reads_true(expr, record) for record in batch] == answer, to_c(expr)
        assert to_mask(expr, batch).tolist() == answer, to_c(expr)
    assert 0.02 < np.mean(answers) < 0.98


@unhurried
@given(EXPRESSIONS)
def test_c_is_made_of_members_numbers_and_operators(expr: Expr) -> None:
    member = r"\(r\)->(laddr|raddr|lport|rport|netns|flags|dir)\b(\[[01]\])?"
    number = r"\b(0x[0-9a-f]+|[0-9]+)(ULL|U)?\b"
    rest = re.sub(rf"{member}|{number}|asm volatile\(\"\"\)", "", to_c(expr))

    assert set() == set(rest) - set(" (){};!&|=<>")


def test_record_may_be_any_pointer() -> None:
    assert to_c(Between("rport", 443, 443), "&x") == '({ asm volatile(""); (&x)->rport == 443U; })'


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (ALWAYS, "(1)"),
        (NEVER, "(0)"),
        (Not(NEVER), "(!(0))"),
        (Masked("laddr", bytes(16), bytes(16)), "1"),
        (Between("rport", 0, 65535), "1"),
        (Between("rport", 0, 7), '({ asm volatile(""); (r)->rport <= 7U; })'),
        (Between("rport", 7, 65535), '({ asm volatile(""); (r)->rport >= 7U; })'),
        (Between("netns", 1, 7), '({ asm volatile(""); (r)->netns >= 1U && (r)->netns <= 7U; })'),
        (AnyBit("flags", 6), '({ asm volatile(""); ((r)->flags & 0x6U) != 0; })'),
        (AllOf((AnyOf((Between("dir", 0, 0),)), Not(ALWAYS))), '((({ asm volatile(""); (r)->dir == 0U; })) && (!(1)))'),
        (
            Masked("raddr", bytes(8) + b"\xff" * 8, bytes(16)),
            '({ asm volatile(""); ((r)->raddr[1] & 0xffffffffffffffffULL) == 0x0ULL; })',
        ),
    ],
)
def test_expression_is_this_c(expr: Expr, expected: str) -> None:
    assert expected == to_c(expr)


@unhurried
@given(EXPRESSIONS)
def test_comparisons_are_counted_as_they_are_written(expr: Expr) -> None:
    assert len(re.findall(r"==|<=|>=|!=", to_c(expr))) == count_comparisons(expr)


def test_as_many_filters_are_compiled_as_was_measured() -> None:
    def ask(count: int) -> Expr:
        return to_expr(parse_filter(f"192.0.2.1:{port}-198.51.100.0/24:443") for port in range(count))

    assert count_comparisons(ask(32)) == MAX_COMPARISONS
    assert is_compilable(ask(32))
    assert not is_compilable(ask(33))
