# SPDX-License-Identifier: GPL-2.0-only
"""What was compiled once is loaded again, without the compiler."""

from pathlib import Path

from tests.live.harness import run


def test_the_second_start_does_without_bcc(tmp_path: Path) -> None:
    (tmp_path / "bcc.py").write_text("raise ImportError('none here')\n")
    environment = {"TCPIO_CACHE": str(tmp_path / "kept")}
    first = run("--netns", "self", "--timeout", "0.1", **environment)
    second = run("--netns", "self", "--timeout", "0.1", PYTHONPATH=str(tmp_path), **environment)

    assert (first.returncode, second.returncode) == (0, 0), second.stderr
    assert "tracing by" in second.stderr
