# SPDX-License-Identifier: GPL-2.0-only
"""``tcpio trace``: one line per segment."""

import argparse
from pathlib import Path

from tcpio.cli.options import DEFAULT_DELAY, DEFAULT_RING, make_options
from tcpio.cli.showing import add_presentation, describe_presentation
from tcpio.filter.to_c import to_c
from tcpio.kernel.features import require_privileges
from tcpio.kernel.plan import make_plan
from tcpio.schema.flags import FLAGS

_EPILOG = """\
filters:
  A segment is printed if it matches one of them. The form is LADDR:LPORT-RADDR:RPORT; the local end comes
  first whatever the direction. Quote them: the shell knows * and ! too.
    '*:22-*:*'                      local port 22
    '*:*-192.0.2.0/24:443'          to and from port 443 of a network
    '9.*.*.*:*-*:8000..8080'        octets and port ranges
    '[2001:db8::/32]:*-*:*'         IPv6, in brackets
    '!*:22-*:*'                     everything but this; exclusions win

{tables}

sorting:
  Text with the time in front sorts as time does: tcpio -t --no-header >f; LC_ALL=C sort f. Not so where the zone's
  offset changes (summer time ends) or differs between files: 'tcpio sort' is right there, and merges files.

signals:
  INT, TERM and HUP end it: what has been read is printed, then the counts, on the standard error. A second one ends
  it at once. USR1 prints the counts so far.

counts:
  printed, not printed (by --count, or the output failed), filtered (by more filters than the kernel takes), counted
  (by --on-overload summary, before such filters), lost (a ring was full: a line '# N segments lost on CPU C' says
  where), missed (the kernel did not run a program), late (came too late to be printed in order), unreadable (without
  a whole TCP header).
  printed + not printed + filtered + counted + lost is all that the programs submitted.

exit status:
  0 done, 1 failed while running, 2 usage, 3 the kernel or its set-up lacks something

examples:
  tcpio                             all segments of this host
  tcpio -t '*:*-*:443'              with times, one remote port
  tcpio --flags SYN,FIN,RST         only how connections begin and end
  tcpio -c 20 --netns web           twenty segments of the namespace that 'ip netns' calls web
"""


EPILOG = _EPILOG.format(tables=describe_presentation())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options and the filters."""
    parser.add_argument("filters", nargs="*", metavar="FILTER", help="which segments; see below. Default: all")
    _add_selection(parser.add_argument_group("which segments"))
    shown = parser.add_argument_group("how they are shown")
    add_presentation(shown)
    shown.add_argument("-q", "--quiet", action="store_true", help="say nothing on standard error but errors and losses")
    shown.add_argument(
        "-S",
        "--summary",
        action="store_true",
        help="at the end, on standard error: the counters of each socket, as 'tcpio summary' has them; what lines lose "
        "is counted all the same, and --dir, --flags and --count do not limit it",
    )
    _add_tracing(parser.add_argument_group("how they are traced"))


def _add_selection(group: argparse._ArgumentGroup) -> None:
    group.add_argument("-c", "--count", metavar="N", help="print N segments and end")
    group.add_argument("--timeout", metavar="SECONDS", help="end so long after tracing began")
    group.add_argument(
        "--netns",
        default="all",
        metavar="NS",
        help="only this network namespace: all, self, a name of 'ip netns', a path or an inode (default: all)",
    )
    group.add_argument("--dir", choices=("send", "receive"), help="only one direction (default: both)")
    group.add_argument(
        "--flags",
        metavar="LIST",
        help=f"only segments with any of these flags: {','.join(FLAGS)}; chosen in the kernel",
    )


def _add_tracing(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--attach",
        choices=("auto", "fentry", "kprobe", "tracepoint"),
        default="auto",
        help="how to watch the kernel; auto is the best that it offers, see 'tcpio doctor' (default: auto)",
    )
    group.add_argument(
        "-B",
        "--buffer-size",
        metavar="SIZE",
        help=f"ring of each CPU, rounded up to a power of two of pages; more loses less (default: {DEFAULT_RING})",
    )
    group.add_argument(
        "--on-overload",
        choices=("lines", "summary"),
        default="lines",
        help="when the rings are full: lines prints what finds room again and says what was lost; summary counts "
        "segments, bytes and flags instead, without loss, until the output has caught up (default: lines)",
    )
    group.add_argument(
        "--delay",
        metavar="MS",
        help=f"how long to wait for other CPUs so that lines come in order (default: {DEFAULT_DELAY})",
    )
    group.add_argument("--no-order", action="store_true", help="print segments as they are read, CPU by CPU")
    group.add_argument(
        "--btf", type=Path, metavar="FILE", help="type information of the running kernel, if it has none (or TCPIO_BTF)"
    )
    group.add_argument("--print-bpf", action="store_true", help="print the eBPF programs, in C, and end")


def run(args: argparse.Namespace) -> int:
    """Trace until told to end, and give the exit status."""
    options = make_options(args)
    if not options.prints_bpf:
        require_privileges()
    plan = make_plan(options.btf, rung=options.rung, directions=options.directions)
    wanted = to_c(options.wanted)
    if options.prints_bpf:
        print(plan.source(wanted, counts_overload=options.counts_overload).text)  # noqa: T201  the output that was asked for
        return 0
    load = plan.start_loading(wanted, counts_overload=options.counts_overload)
    from tcpio.cli.live import run_live  # noqa: PLC0415  meanwhile: numpy and all that stands on it

    return run_live(options, plan, load())
