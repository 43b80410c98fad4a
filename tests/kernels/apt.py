# SPDX-License-Identifier: GPL-2.0-only
"""Packages of other releases of Debian, by an apt configuration of its own: the machine's is read, never changed."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

_FRESH_S = 6 * 3600
_ARCHITECTURE = "amd64"

# Any release's packages count alike: the newest version wins. What was signed long ago is still what Debian made.
_SETTINGS = """
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "{folder}/preferences";
Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "{architecture}";
APT::Architectures "{architecture}";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Acquire::Retries "3";
"""
_PREFERENCES = "Package: *\nPin: release *\nPin-Priority: 500\n"
_SOURCE = f"deb [arch={_ARCHITECTURE} target=Packages signed-by={KEYRING}] {{mirror}} {{suite}} main\n"
_TARGETS = "$(RELEASE) $(REPO_URI)"


class NotObtainable(Exception):
    """A package cannot be had: no mirror, or the mirror does not have it."""


def cache_folder() -> Path:
    """Give the folder where what tests fetch is kept between runs, outside of the checkout."""
    given = os.environ.get("TCPIO_TEST_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "tcpio-tests"


def find_mirror(suite: str) -> str:
    """Give the address of the mirror that has a suite: the one that this machine's own apt uses for its own release.

    Raises:
        NotObtainable: Its apt has none.
    """
    own = re.search(r"^VERSION_CODENAME=(\S+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    kind = "-security" if suite.endswith("-security") else ""
    targets = _run(["apt-get", "indextargets", "--format", _TARGETS, "Created-By: Packages"]).splitlines()
    mirrors = dict(target.split() for target in targets if len(target.split()) == 2)
    wanted = f"{own[1] if own else 'stable'}{kind}"
    if wanted not in mirrors:
        raise NotObtainable(f"no mirror for Debian's {suite}: this machine's apt has no source with the suite {wanted}")
    return mirrors[wanted]


def newest_of(names: Iterable[str], prefix: str, suffix: str) -> str | None:
    """Give the name with the highest version of those that have nothing else between prefix and suffix."""
    # 5.10.0-46, 6.12.117+deb13.1; but not 6.1.0-0.deb11.52, which is rebuilt, nor 7.3-rc7
    named = re.compile(rf"{re.escape(prefix)}([\d.]*(?:-\d+)?(?:\+deb[\d.]+)?){re.escape(suffix)}")
    versions = [match[1] for match in map(named.fullmatch, names) if match]
    newest = max(versions, key=lambda version: [int(number) for number in re.findall(r"\d+", version)], default=None)
    return None if newest is None else f"{prefix}{newest}{suffix}"


def _run(command: list[str], folder: Path | None = None, cwd: Path | None = None) -> str:
    environment = {**os.environ, "LC_ALL": "C", **({"APT_CONFIG": str(folder / "apt.conf")} if folder else {})}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment)
    if done.returncode:
        said = " ".join(line for line in done.stderr.splitlines() if line.startswith("E:"))
        raise NotObtainable(f"{' '.join(command)}: {said or done.stderr.strip() or f'status {done.returncode}'}")
    return done.stdout


class Suites:
    """Some of Debian's suites, whose lists are read anew when they are some hours old.

    Args:
        suites: As sources.list has them.

    Raises:
        NotObtainable: The lists cannot be read.
    """

    def __init__(self, *suites: str) -> None:
        self._folder = cache_folder() / "apt" / "+".join(suites)
        for name in ("state/lists/partial", "cache/archives/partial"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        sources = "".join(_SOURCE.format(mirror=find_mirror(suite), suite=suite) for suite in suites)
        (self._folder / "sources.list").write_text(sources)
        (self._folder / "preferences").write_text(_PREFERENCES)
        (self._folder / "apt.conf").write_text(_SETTINGS.format(folder=self._folder, architecture=_ARCHITECTURE))
        (self._folder / "status").touch()
        self._update()

    def _update(self) -> None:
        mark = self._folder / "updated"
        if not mark.exists() or time.time() - mark.stat().st_mtime > _FRESH_S:
            _run(["apt-get", "update"], self._folder)
            mark.touch()

    def newest(self, prefix: str, suffix: str) -> str:
        """Give the name of the newest package whose name has only a version between these two.

        Raises:
            NotObtainable: There is none.
        """
        names = _run(["apt-cache", "pkgnames", prefix], self._folder).split()
        found = newest_of(names, prefix, suffix)
        if found is None:
            raise NotObtainable(f"no package {prefix}*{suffix} in Debian's {self._folder.name}")
        return found

    def depends(self, package: str) -> list[str]:
        """Give what a package depends on, by name."""
        said = _run(["apt-cache", "depends", package], self._folder)
        return re.findall(r"^ [ |]Depends: ([^<\s]+)$", said, re.MULTILINE)

    def unpack(self, packages: list[str], to: Path) -> Path:
        """Fetch packages and unpack them into a folder, if it is not there yet; give it.

        Raises:
            NotObtainable: They cannot be fetched.
        """
        if to.exists():
            return to
        to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=to.parent, prefix=".") as scratch:
            root = Path(scratch, "root")
            _run(["apt-get", "download", *packages], self._folder, Path(scratch))
            for archive in Path(scratch).glob("*.deb"):
                _run(["dpkg-deb", "-x", str(archive), str(root)])
            self._finish(root)
            shutil.move(root, to)
        return to

    @staticmethod
    def _finish(root: Path) -> None:
        # virtme-ng loads only modules that are not compressed.
        packed = [str(path) for path in root.rglob("*.ko.xz")]
        if packed:
            subprocess.run(["xargs", "-0", "-P2", "-n50", "xz", "-d"], input="\0".join(packed), text=True, check=True)
