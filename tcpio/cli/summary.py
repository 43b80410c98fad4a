# SPDX-License-Identifier: GPL-2.0-only
"""``tcpio summary``: counters for each socket, or each group of sockets."""

import argparse
from pathlib import Path

from tcpio.cli.program import find_program
from tcpio.cli.summary_options import make_summary_options, require_counted
from tcpio.kernel.buckets import Summing
from tcpio.kernel.features import require_privileges
from tcpio.output.report import REPORT_FORMATS
from tcpio.schema.counters import COUNTERS

_EPILOG = """\
filters:
  A socket is counted if it matches one of them: LADDR:LPORT-RADDR:RPORT, as in 'tcpio --help'. Quote them.
  What tcpipstat.stp took in front of its filters is taken too:
    tcpio summary index=lport timeout=60 nozeros=1 onclose=1 '*.*.*.*:80-*.*.*.*:*'

buckets, for --by:
  tuple           each socket (default)
  laddr, lport, raddr, rport, netns, and lists of these: laddr,rport
  raddr/24        the first 24 bits of IPv4 addresses; raddr/64 of IPv6's; raddr/24/64 of both

counters, for --counters, as nstat(8) calls them; a block's name is all of it (Tcp), and what is in front may be left
out where that is clear (InSegs):
{counters}

  Those with * belong to no socket: they are the kernel's own, of the network namespace and of all protocols.
  A counter with ~ is not exact by this way to attach; the report says why.

signals:
  INT, TERM and HUP end it, and the report is printed; a second one ends it at once. With a COMMAND they are passed on
  to it, and the report is printed when it has ended. USR1 prints a report so far.

memory:
  8 bytes * counters * buckets, and that for each CPU unless each socket has a bucket. --max-buckets and --counters
  bound it; what finds no room is counted in 'other', and the report says so.

exit status:
  0 done, or that of COMMAND (128 and the signal's number if one ended it); 1 failed while running, 2 usage, 3 the
  kernel or its set-up lacks something, 126 or 127 COMMAND cannot be run

examples:
  tcpio summary --timeout 60                          each socket, for a minute
  tcpio summary --by raddr '*:80-*:*'                 who talks to the web server
  tcpio summary --by rport '*:*-192.168.1.103:*'      which services of that host are used
  tcpio summary --by raddr '*:*-9.*.*.*:*'            which hosts of that network
  tcpio summary --by lport                            which services here are busy
  tcpio summary '*:*-192.0.2.8:*' -- netperf -H 192.0.2.8      one run of a program
  tcpio summary --by raddr/24 --interval 5 -f jsonl   differences, every five seconds
"""


def _counters() -> str:
    rows = [(f"{one.key}{'*' * one.is_hosts}", f"{one.unit} {one.help}") for one in COUNTERS]
    return "\n".join(f"  {key:<30}{text}" for key, text in rows)


EPILOG = _EPILOG.format(counters=_counters())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options and the filters."""
    parser.add_argument("filters", nargs="*", metavar="FILTER", help="which sockets; see below. Default: all")
    parser.usage = "tcpio summary [OPTION...] [FILTER...] [-- COMMAND...]"
    _add_selection(parser.add_argument_group("what is counted"))
    _add_times(parser.add_argument_group("when it is shown"))
    _add_presentation(parser.add_argument_group("how it is shown"))
    _add_counting(parser.add_argument_group("how it is counted"))


def _add_selection(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--by", default="tuple", metavar="LIST", help="what makes a bucket; see below (default: tuple)")
    group.add_argument(
        "--counters", metavar="LIST", help="only these, and only the programs that they need; see below (default: all)"
    )
    group.add_argument(
        "--netns",
        default="all",
        metavar="NS",
        help="only this network namespace: all, self, a name of 'ip netns', a path or an inode (default: all)",
    )
    group.add_argument(
        "--audit", action="store_true", help="at the end, compare with the kernel's own counters of the namespace"
    )


def _add_times(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--interval", metavar="SECONDS", help="print the differences so often (default: once, at the end)"
    )
    group.add_argument(
        "--on-close", action="store_true", help="print a socket when it closes, and forget it; not what is still open"
    )
    group.add_argument("--timeout", metavar="SECONDS", help="end so long after counting began")


def _add_presentation(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-f",
        "--format",
        default="text",
        metavar="FORMAT",
        help=f"output format: {', '.join(REPORT_FORMATS)} (default: text)",
    )
    group.add_argument(
        "-w", "--write", type=Path, metavar="FILE", help="write to a file (default: the standard output)"
    )
    group.add_argument("--zeros", action="store_true", help="show counters that are 0 too")
    group.add_argument(
        "--tz", default="", metavar="ZONE", help="time zone: UTC, Europe/Berlin, ... (default: the local one)"
    )
    group.add_argument("-q", "--quiet", action="store_true", help="say nothing on standard error but errors and losses")


def _add_counting(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--max-buckets",
        metavar="N",
        help="room for so many buckets; more are counted in 'other' (default: 65536, or fewer in 64 MB)",
    )
    group.add_argument(
        "--attach",
        choices=("auto", "fentry", "kprobe", "tracepoint"),
        default="auto",
        help="how to watch the kernel; auto is the best that it offers, see 'tcpio doctor' (default: auto)",
    )
    group.add_argument(
        "--btf", type=Path, metavar="FILE", help="type information of the running kernel, if it has none (or TCPIO_BTF)"
    )
    group.add_argument("--print-bpf", action="store_true", help="print the eBPF programs, in C, and end")


def run(args: argparse.Namespace) -> int:
    """Count until told to end, and give the exit status: the program's if one was run."""
    options = make_summary_options(args)
    if options.program:
        find_program(options.program)
    if options.prints_bpf:
        print(Summing(options.counting).source.text)  # noqa: T201  the output that was asked for
        return 0
    require_privileges()
    summing = Summing(options.counting)
    if not options.host:
        require_counted(summing, options.counting.counters)
    from tcpio.cli.counting import run_counting  # noqa: PLC0415  meanwhile the programs are compiled

    return run_counting(options, summing)
