# SPDX-License-Identifier: GPL-2.0-only
"""An expression as C, to be compiled into the eBPF programs."""

from collections.abc import Iterator

from tcpio.filter.ast import LIMITS, AllOf, AnyBit, AnyOf, Between, Expr, Masked, Not

MAX_COMPARISONS = 192
"""What is compiled at most: 32 filters that name two IPv4 addresses and two ports.

The verifier follows every path through the comparisons and gives up after 1 000 000 instructions (E2BIG). With 17
kinds of expressions it followed at most 56 000 for 192 comparisons and 620 000 for 384 on Linux 6.18, 7 000 and
11 000 on 6.1, as compiled by BCC 0.26 with LLVM 14; the worst are filters that each leave out other parts. Each
comparison costs some 0.4 ms to compile into each program.
"""

# Without it LLVM computes short comparisons side by side, whether needed or not, and joins what they gave: then the
# verifier cannot forget a comparison once it is passed. 32 ranges of ports already were too many. LLVM does not move
# what must not be moved, even if it is nothing.
_BARRIER = 'asm volatile("");'


def to_c(expr: Expr, record: str = "r") -> str:
    """Give a C expression that is not 0 if ``expr`` is true of a ``struct tcp_record *``.

    It is made of names from the record and of integers, whatever a user has written.

    Args:
        expr: What is asked.
        record: C that points to the record.
    """
    match expr:
        case AllOf(terms):
            return f"({' && '.join(to_c(term, record) for term in terms) or '1'})"
        case AnyOf(terms):
            return f"({' || '.join(to_c(term, record) for term in terms) or '0'})"
        case Not(term):
            return f"(!{to_c(term, record)})"
        case Masked() | Between() | AnyBit():
            # The record is in parentheses since a macro's argument may be more than a name.
            comparisons = " && ".join(_comparisons(expr, f"({record})->{expr.field}"))
            return f"({{ {_BARRIER} {comparisons}; }})" if comparisons else "1"


def count_comparisons(expr: Expr) -> int:
    """Count the comparisons in the C of an expression."""
    match expr:
        case AllOf(terms) | AnyOf(terms):
            return sum(map(count_comparisons, terms))
        case Not(term):
            return count_comparisons(term)
        case Masked() | Between() | AnyBit():
            return len(list(_comparisons(expr, "")))


def is_compilable(expr: Expr) -> bool:
    """Tell whether an expression is small enough to be compiled into the eBPF programs."""
    return count_comparisons(expr) <= MAX_COMPARISONS


def _comparisons(leaf: Masked | Between | AnyBit, member: str) -> Iterator[str]:
    # What is always true is left out: the compiler would warn of it.
    match leaf:
        case Masked():
            for index, mask, value in leaf.words():
                yield f"({member}[{index}] & {mask:#x}ULL) == {value:#x}ULL"
        case Between(_, low, high) if low == high:
            yield f"{member} == {low:d}U"
        case Between(field, low, high):
            if low:
                yield f"{member} >= {low:d}U"
            if high < LIMITS[field]:
                yield f"{member} <= {high:d}U"
        case AnyBit(_, bits):
            yield f"({member} & {bits:#x}U) != 0"
