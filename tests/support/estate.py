"""A throwaway estate: a home, repos on the disk, and a share on a file system of its own."""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from repoman_tasks.model import SCHEMA, Project
from repoman_tasks.planning.mirror.share_check import MARKER, MARKER_NANOSECONDS, marker_text
from repoman_tasks.planning.registry_edits import AddProject, Edit, SetKeys
from repoman_tasks.registry import edited
from tests.support import forkserver
from tests.support.json_schemas import check_json
from tests.support.processes import WAIT_SECONDS

__all__ = [
    "CHECKOUT",
    "INV",
    "Estate",
    "Result",
    "find_share_base",
    "hash_home",
    "hash_tree",
    "isolate_environ",
    "run",
]

CHECKOUT = Path(__file__).resolve().parents[2]
INV = Path(sys.executable).with_name("inv")
_SHM = Path("/dev/shm")
_ESTATE_ID = "11111111-2222-3333-4444-555555555555"
_LONG_AGO = "2026-01-01T00:00:00Z"
_INHERITED = (
    *("PATH", "TMPDIR", "TZ", "USER", "LOGNAME", "VIRTUAL_ENV", "CI"),
    *("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONSAFEPATH"),
)
"""The variables that a test inherits from whoever runs it; all others are left out."""
_INHERITED_PREFIXES = ("COVERAGE_", "COV_CORE_", "PYTEST_", "HYPOTHESIS_")


def isolate_environ(home: Path) -> dict[str, str]:
    """Return an environment for a user at `home` without any settings."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }
    return {
        **inherited,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "INCUS_DIR": str(home / "no-incus"),
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_AUTHOR_NAME": "A Tester",
        "GIT_AUTHOR_EMAIL": "tester@example.org",
        "GIT_COMMITTER_NAME": "A Tester",
        "GIT_COMMITTER_EMAIL": "tester@example.org",
    }


@dataclass(frozen=True)
class Result:
    """The exit status and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Parse standard output, which has to be exactly one JSON value."""
        return json.loads(self.out)


def run(
    argv: Sequence[str | bytes],
    environ: Mapping[str, str],
    *,
    cwd: Path | str = "/",
    given: str = "",
    timeout: float = WAIT_SECONDS,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
) -> Result:
    """Run a program to its end, with `given` as all of its standard input."""
    if stdout == stderr == subprocess.PIPE and forkserver.can_fork(argv, environ):
        return _result(*forkserver.run(argv, environ, cwd, given.encode(), timeout))
    process = subprocess.Popen(
        argv,
        env=dict(environ),
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(given.encode(), timeout)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return _result(process.returncode, out or b"", err or b"")


def _result(code: int, out: bytes, err: bytes) -> Result:
    texts = (text.decode(errors="surrogateescape") for text in (out, err))
    return Result(code, *texts)


class Estate:
    """An estate below `base`, with a share in /dev/shm, which is a file system of its own.

    A context manager: the share is removed at the end.
    """

    def __init__(self, base: Path) -> None:
        self._created = [Path(tempfile.mkdtemp(prefix="repoman-share-", dir=find_share_base()))]
        self.share = self._created[0]
        self.base = self._choose_base(base)
        self.home = self.base / "home"
        self.local_repos = self.home / "repos"
        self.registry = self.home / ".config/repoman/repoman.toml"
        self.names = self.names_of(self.registry)
        self.local_repos.mkdir(parents=True)
        self.environ = {
            **isolate_environ(self.home),
            "REPOMAN_NFS_FSTYPES": "tmpfs",
            "REPOMAN_MIN_FREE_MIB": "1",
            "REPOMAN_MAX_SIZE_GIB": "100000",  # tests use files that are all hole
            "REPOMAN_PROBE_SECONDS": f"{WAIT_SECONDS:.0f}",
        }

    def _choose_base(self, base: Path) -> Path:
        """Return `base`, or a new folder elsewhere if `base` is on the share's file system too."""
        share = self.share.stat().st_dev
        if base.stat().st_dev != share:
            return base
        for folder in (Path("/var/tmp"), Path("/tmp"), Path.home(), CHECKOUT):
            if folder.is_dir() and os.access(folder, os.W_OK) and folder.stat().st_dev != share:
                self._created.append(Path(tempfile.mkdtemp(prefix="repoman-estate-", dir=folder)))
                return self._created[-1]
        self.close()
        raise RuntimeError(
            f"{base}, /var/tmp and /tmp are all on the file system of /dev/shm, so repos and "
            "share would be on the same one: set TMPDIR to a folder on a disk"
        )

    def close(self) -> None:
        """Remove what the estate created outside of `base`."""
        for folder in self._created:
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # Repos

    def names_of(self, registry: Path | str) -> Path:
        """The file of names that the shells complete from, of a registry or of `images`."""
        return self.home / ".local/state/repoman/names" / str(registry).replace("/", "%")

    def repo(self, name: str, *, commits: int = 2) -> Path:
        """Create a git repo below local_repos, or in an empty folder there, with some commits."""
        path = self.local_repos / name
        if (name, commits) not in _REPOS:
            template = Path(_folder_for_repos(), str(len(_REPOS)))
            template.mkdir()
            self._make_repo(template, name, commits)
            _REPOS[name, commits] = template
        shutil.copytree(_REPOS[name, commits], path, symlinks=True, dirs_exist_ok=True)
        return path

    def _make_repo(self, path: Path, name: str, commits: int) -> None:
        self.git(path, "init", "--quiet", "--initial-branch=main")
        for number in range(commits):
            (path / f"file-{number}.txt").write_text(f"{name} {number}\n" * 10)
            (path / "README.md").write_text(f"# {name}, version {number}\n")
            self.git(path, "add", "--all")
            self.git(path, "commit", "--quiet", f"--message=commit {number}")

    def git(self, path: Path, *argv: str) -> str:
        """Run git in the repo at `path` and return its output."""
        argv = ("git", "-c", "gc.auto=0", "-C", str(path), *argv)
        done = run(argv, self.environ)
        if done.code:
            raise RuntimeError(f"{' '.join(argv)}: {done.err}")
        return done.out

    def mirror(self, name: str) -> Path:
        """Return the path of the mirror of the repo called `name`."""
        return self.share / name

    # Commands

    host_flag = ""
    """The flag that messages add to a command they suggest, if the estate is remote."""

    @property
    def client_variables(self) -> dict[str, str]:
        """The variables of whoever types commands, not those of a remote estate."""
        return self.environ

    def prepare_client(self) -> tuple[dict[str, str], Path]:
        """Return the environment and the folder in which a command is typed."""
        return self.environ, self.home

    @property
    def argv(self) -> tuple[str, ...]:
        """The argv that starts `repoman`."""
        return forkserver.REPOMAN

    def run(
        self,
        *argv: str | bytes,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        given: str = "",
        timeout: float = WAIT_SECONDS,
        code: int | None = None,
    ) -> Result:
        """Run `repoman` with these arguments; fail unless it exits with `code`, if that is
        given."""
        done = run(
            [*self.argv, *argv],
            {**self.environ, **(environ or {})},
            cwd=cwd or self.home,
            given=given,
            timeout=timeout,
        )
        assert code is None or done.code == code, f"{argv}: {done}"
        check_json(argv, done.out)
        return done

    def start(
        self,
        *argv: str,
        stdin: int | None = subprocess.DEVNULL,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start `repoman` with these arguments, in a session of its own, and let it run."""
        environ, folder = self.prepare_client()
        return subprocess.Popen(
            [*self.argv, *argv],
            env=environ,
            cwd=folder,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )

    def inv(self, *argv: str, environ: Mapping[str, str] | None = None) -> Result:
        """Run `inv` in the checkout with these arguments."""
        return run([str(INV), *argv], {**self.environ, **(environ or {})}, cwd=CHECKOUT)

    def setup(self) -> Self:
        """Run `setup`, which creates the paths, the registry and the marker."""
        paths = ("--local-repos", str(self.local_repos), "--nfs-repos", str(self.share))
        self.run("setup", *paths, code=0)
        return self

    def prepare(self, *names: str) -> Self:
        """Create what `setup`, and `new` for each of `names`, create, without running them."""
        paths = {"local_repos": str(self.local_repos), "nfs_repos": str(self.share)}
        edits: list[Edit] = [
            SetKeys({"schema": SCHEMA, "id": _ESTATE_ID}, "estate"),
            SetKeys(paths),
        ]
        self.registry.parent.mkdir(parents=True)
        self.registry.write_text(edited("", edits))
        marker = self.share / MARKER
        marker.write_text(marker_text(_ESTATE_ID, _LONG_AGO))
        os.utime(marker, ns=(MARKER_NANOSECONDS, MARKER_NANOSECONDS))
        for name in names:
            self.repo(name, commits=1)
        return self.register(*names)

    def register(self, *names: str) -> Self:
        """Write what `new` writes for each of `names`, without running it."""
        projects = [Project(name, name, created=_LONG_AGO, container=False) for name in names]
        text = edited(self.registry.read_text(), [AddProject(project) for project in projects])
        self.registry.write_text(text)
        return self

    def make_second_share(self) -> Path:
        """Create another empty share on the same file system as the first."""
        self._created.append(Path(tempfile.mkdtemp(prefix="repoman-share-", dir=find_share_base())))
        return self._created[-1]

    def add(self, *names: str, commits: int = 1) -> Self:
        """Create repos and register them as projects."""
        for name in names:
            self.repo(name, commits=commits)
            self.run("new", name, "--no-container", code=0)
        return self

    def hash_files(self) -> dict[str, str]:
        """Return the hashes of all files: the home with repos and registry, and the share."""
        return {**hash_home(self.home), **hash_tree(self.share)}


_REPOS: dict[tuple[str, int], Path] = {}
"""Repos to copy, by name and number of commits: a copy is much faster than git."""


@functools.cache
def _folder_for_repos() -> str:
    folder = tempfile.mkdtemp(prefix="repoman-repos-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def find_share_base() -> Path:
    """Return /dev/shm; raise an error with the cure if it is not a file system in memory."""
    if not _SHM.is_mount() or not os.access(_SHM, os.W_OK):
        raise RuntimeError(f"{_SHM} is not a writable mount: `mount -t tmpfs tmpfs {_SHM}`")
    return _SHM


def hash_home(home: Path) -> dict[str, str]:
    """Return the `hash_tree` of a home, without what Incus's client, the completion and the guard
    cache."""
    caches = (home / ".cache", *(home / ".local/state/repoman" / n for n in ("guard", "names")))
    above = {
        folder for path in caches for folder in (path, *path.parents)
    }  # their times change too
    ignored = {f"{folder}{end}" for folder in above for end in ("", "/.")}
    inside = tuple(f"{path}/" for path in caches)
    return {
        k: v for k, v in hash_tree(home).items() if k not in ignored and not k.startswith(inside)
    }


def hash_tree(root: Path) -> dict[str, str]:
    """Return the kind, mode, time and content of each path below `root`."""
    hashes = {}
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files, "."]:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            content = ""
            if stat.S_ISREG(info.st_mode):
                with open(path, "rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest()
            elif stat.S_ISLNK(info.st_mode):
                content = os.readlink(path)
            hashes[path] = f"{info.st_mode:o} {info.st_mtime_ns} {info.st_size} {content}"
    return hashes
