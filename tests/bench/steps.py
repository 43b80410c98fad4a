# SPDX-License-Identifier: GPL-2.0-only
"""``python3 -m tests.bench.steps``: do what tcpio does to begin, one step after the other, and say how long each took.

Prints as JSON when this began, the CPU time before that, and for each step the ms on the clock and of CPU time.
"""

import time

BEGAN_S, BEGAN_CPU_S = time.monotonic(), time.process_time()

import json  # noqa: E402  not before the clock was read
from collections.abc import Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402

_steps: dict[str, tuple[float, float]] = {}


@contextmanager
def _step(name: str) -> Iterator[None]:
    before_s, before_cpu_s = time.monotonic(), time.process_time()
    yield
    _steps[name] = ((time.monotonic() - before_s) * 1000, (time.process_time() - before_cpu_s) * 1000)


def _begin() -> None:
    # Imports are steps here, hence in the function.
    with _step("import tcpio.cli.main"):
        from tcpio.cli import main, trace  # noqa: PLC0415
    with _step("read the command line"):
        from tcpio.cli.options import default_ring_size, make_options  # noqa: PLC0415

        options = make_options(
            main._make_parser(main.DEFAULT, trace).parse_intermixed_args(["--attach", "tracepoint", "--netns", "self"])
        )
    with _step("read all of BTF"):
        from tcpio.kernel.btf import read_btf  # noqa: PLC0415

        read_btf([])
    with _step("or take what was kept of it, and ask the kernel"):
        from tcpio.kernel.plan import make_plan  # noqa: PLC0415

        plan = make_plan(None, rung=options.rung, directions=options.directions)
    with _step("make the source"):
        from tcpio.filter.to_c import to_c  # noqa: PLC0415

        source = plan.source(to_c(options.wanted))
    with _step("compile, in a process of its own"):
        from tcpio.kernel.compile import Compilation  # noqa: PLC0415

        compiled = Compilation(source).result()
    with _step("or take what was kept"):
        from tcpio.kernel.cache import start_compiling  # noqa: PLC0415

        start_compiling(source)()
    with _step("load"):
        from tcpio.kernel.load import Attached  # noqa: PLC0415

        attached = Attached(compiled, source.programs, plan.btf)
    with attached:
        with _step("import tcpio.cli.live"):
            import tcpio.cli.live  # noqa: F401, PLC0415
        with _step("open the rings"):
            from tcpio.cli.options import default_ring_size  # noqa: PLC0415
            from tcpio.kernel.cpus import read_online_cpus  # noqa: PLC0415
            from tcpio.kernel.ring import Rings  # noqa: PLC0415

            rings = Rings(default_ring_size(len(read_online_cpus())), attached.set_ring, read_online_cpus)
        with rings, _step("attach"):
            attached.attach()


if __name__ == "__main__":
    _begin()
    print(json.dumps([BEGAN_S, BEGAN_CPU_S, _steps]))  # noqa: T201  for tests/bench/start.py
