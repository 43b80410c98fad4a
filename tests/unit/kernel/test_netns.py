# SPDX-License-Identifier: GPL-2.0-only
"""Network namespaces by name, path or inode."""

import os
import subprocess
from pathlib import Path

import pytest

from tcpio.errors import UsageError
from tcpio.kernel import netns
from tcpio.kernel.netns import find_netns
from tests.unit.samples import open_fds

HINT = "'ip netns list' shows the names; all, self, a path and an inode are taken too"
OWN = Path("/proc/self/ns/net")


def refusal(text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        find_netns(text)
    return caught.value


def test_all_is_no_namespace() -> None:
    assert find_netns("all") is None


def test_self_is_that_of_this_process() -> None:
    assert OWN.stat().st_ino == find_netns("self")


def test_a_path_is_taken() -> None:
    assert OWN.stat().st_ino == find_netns(f"/proc/{os.getpid()}/ns/net")


def test_a_name_is_looked_up_where_ip_netns_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "web").symlink_to(OWN)
    monkeypatch.setattr("tcpio.kernel.netns.NAMED", tmp_path)

    assert OWN.stat().st_ino == find_netns("web")


@pytest.mark.parametrize("inode", [1, 4026531840, 0xFFFFFFFF])
def test_an_inode_is_taken(inode: int) -> None:
    assert inode == find_netns(str(inode))


@pytest.mark.parametrize("text", ["0", "4294967296", pytest.param("9" * 5000, id="5000 digits")])
def test_what_is_no_inode_is_refused(text: str) -> None:
    error = refusal(text)

    assert str(error) == f"{text} is no inode of a network namespace"
    assert error.hint == "see 'ls -Li /run/netns/NAME'"


def test_an_unknown_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tcpio.kernel.netns.NAMED", tmp_path)
    error = refusal("wbe")

    assert f"there is no network namespace 'wbe': {tmp_path}/wbe: No such file or directory" == str(error)
    assert error.hint == HINT


@pytest.mark.parametrize("text", ["", ".", ".."])
def test_a_folder_is_refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tcpio.kernel.netns.NAMED", tmp_path / "netns")
    (tmp_path / "netns").mkdir()

    assert str(refusal(text)).endswith(" is no namespace")


def test_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ns" / "net"
    path.parent.mkdir()
    path.write_text("")

    assert f"{path} is no namespace" == str(refusal(str(path)))


def test_a_mount_point_is_refused() -> None:
    assert str(refusal("/proc")) == "/proc is no namespace"


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    assert f"{path} is no namespace" == str(refusal(str(path)))


def test_another_kind_of_namespace_is_refused() -> None:
    path = f"/proc/{os.getpid()}/ns/uts"

    assert f"{path} is a namespace, but not of the network" == str(refusal(path))


def test_nothing_stays_open() -> None:
    before = open_fds()
    find_netns("self")
    refusal("/proc")

    assert before == open_fds()


def test_this_process_s_namespace_is_visible() -> None:
    own = netns.SELF.stat().st_ino

    assert netns.find_visible()[own] == netns.SELF


def test_names_and_processes_make_namespaces_visible(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("self", "named/web", "proc/1/ns/net", "proc/2/ns/net", "proc/sys/ns/net"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "proc/2/ns/net").unlink()
    (tmp_path / "proc/2/ns/net").symlink_to("gone")
    monkeypatch.setattr(netns, "SELF", tmp_path / "self")
    monkeypatch.setattr(netns, "NAMED", tmp_path / "named")
    monkeypatch.setattr(netns, "_PROCESSES", tmp_path / "proc")
    expected = [tmp_path / name for name in ("self", "named/web", "proc/1/ns/net")]

    assert netns.find_visible() == {path.stat().st_ino: path for path in expected}


@pytest.mark.skipif(os.geteuid() != 0, reason="not root: only root may enter namespaces")
def test_a_namespace_is_entered_and_left() -> None:
    before = open_fds()
    with subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; read line"], stdin=-1, stdout=-1) as other:
        assert other.stdout
        other.stdout.readline()
        path = Path(f"/proc/{other.pid}/ns/net")
        own, thread = netns.SELF.stat().st_ino, Path("/proc/thread-self/ns/net")
        with netns.entered(path):
            assert thread.stat().st_ino == path.stat().st_ino != own
        assert thread.stat().st_ino == own
        other.communicate(b"\n")
    assert open_fds() == before


@pytest.mark.parametrize(("name", "error"), [("missing", FileNotFoundError), ("/proc/self/ns/uts", OSError)])
def test_what_is_no_network_namespace_is_not_entered(name: str, error: type[OSError]) -> None:
    before = open_fds()
    with pytest.raises(error), netns.entered(Path(name)):
        pass

    assert open_fds() == before
