"""The estate of the pictures, in folders that look like a person's, and a terminal to type in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from repoman_tasks.planning.registry_edits import SetKeys
from repoman_tasks.registry import edited
from tests.support.estate import CHECKOUT, isolate_environ, run
from tests.worlds.daemon.sandbox import BRIDGES, POOL

__all__ = ["MOUNTED", "Stage", "alone", "change", "in_the_way", "prepare"]

_HOME, _SHARE = Path("/mnt/home"), Path("/srv/repos")
_SHOWN: Mapping[str, str] = {str(_HOME): "/home/dev", str(_SHARE): "/nfs/repos"}
"""Places of the namespace, and what a picture calls them: as long, so that columns stay."""

MOUNTED = {_HOME.parent: "1g", _SHARE.parent: "1900g"}
_REPOS = ("isurus", "lamna", "notes", "thesis", "website")
_NO_CONTAINER = ("notes", "thesis")
_AGO = {"isurus": {"hours": 3}, "lamna": {"hours": 3}, "thesis": {"days": 4}}
_IMAGE = "debian/12"


@dataclass(frozen=True)
class Stage:
    """The folders and the user of the pictures."""

    daemon: str
    """The folder of the tests' daemon; empty where there is none."""

    @property
    def environ(self) -> dict[str, str]:
        """Return the environment of the user there."""
        own = {
            "INCUS_DIR": self.daemon or f"{_HOME}/no-incus",
            "DEFAULT_IMAGE": f"local:{_IMAGE}",
            "REPOMAN_STORAGE_POOL": POOL if self.daemon else "",
            "REPOMAN_BRIDGE": BRIDGES[0],
            "REPOMAN_NFS_FSTYPES": "tmpfs",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        return {**isolate_environ(_HOME), **own}

    def run(self, *argv: str) -> str:
        """Run a command to its end and return its output; raise an error if it fails."""
        done = run(argv, self.environ, cwd=_HOME)
        if done.code:
            raise RuntimeError(f"{' '.join(argv)}: {done}")
        return done.out

    def typed(self, line: str, columns: int, code: int = 0) -> str:
        """Return the screen of a terminal in which `line` was typed, with the prompt and colours.

        Raise an error if the line does not exit with `code`.
        """
        # One of its own: the server of the last one may still be about to end.
        socket = f"{tempfile.mkdtemp(prefix='.tmux-', dir=_HOME)}/socket"
        tmux = ["tmux", "-f", "/dev/null", "-S", socket]
        script = f"{line}; echo $? >.code; tmux -S {socket} wait-for -S done; exec sleep 600"
        size = ["-x", str(columns), "-y", "50"]
        colours = ["set", "-g", "default-terminal", "tmux-256color", ";"]
        begin = ["set", "-g", "status", "off", ";", *colours, "new-session", "-d", *size]
        self.run(*tmux, *begin, "sh", "-c", script)
        try:
            self.run(*tmux, "wait-for", "done")
            shown = self.run(*tmux, "capture-pane", "-e", "-p")
        finally:
            self.run(*tmux, "kill-server")
        if (_HOME / ".code").read_text() != f"{code}\n":
            raise RuntimeError(f"{line}: {shown}")
        return _as_shown(f"\x1b[1m$ {line}\x1b[0m\n{shown.rstrip()}\n")


def in_the_way() -> str:
    """Return what the stage would hide although it is needed; empty if there is nothing."""
    needed = (CHECKOUT, Path(sys.prefix), Path(sys.base_prefix))
    return next((f"{p}" for p in needed if any(p.is_relative_to(m) for m in MOUNTED)), "")


def _as_shown(text: str) -> str:
    """Return `text` with the paths that a picture shows, also if they are shortened."""
    for path, shown in _SHOWN.items():
        text = text.replace(path, shown)
        for length in range(len(path), 1, -1):
            text = text.replace(f"{path[:length]}…", f"{shown[:length]}…")
    return text


def alone() -> list[str]:
    """Return an argv prefix that runs a command where it may mount, with no daemon beside it."""
    user = ["--user", "--map-root-user"] if os.geteuid() else []
    return ["unshare", *user, "--mount"]


def prepare(daemon: str) -> Stage:
    """Create an estate with a past: mirrors of several ages, one container lost, one stopped."""
    stage = Stage(daemon)
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    for path, size in MOUNTED.items():
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=777", "fileserver", str(path)]
        subprocess.run([*sudo, *mount], check=True)
    for folder in (_HOME, _SHARE, _HOME / ".claude"):
        folder.mkdir()
    for name in _REPOS:
        _make_repo(stage, name)
    (_HOME / "repos/scratch").mkdir()
    if daemon:
        image = json.loads(stage.run("incus", "query", "local:/1.0/images/aliases/debian"))
        stage.run("incus", "image", "alias", "create", _IMAGE, image["target"])
    paths = ("--local-repos", f"{_HOME}/repos", "--nfs-repos", str(_SHARE))
    stage.run("repoman", "setup", *paths, "--yes")
    for name in _REPOS:
        without = not daemon or name in _NO_CONTAINER
        stage.run("repoman", "new", name, "--yes", *(["--no-container"] if without else []))
    stage.run("repoman", "sync")
    if daemon:
        stage.run("repoman", "stop", "website", "--yes")
        stage.run("incus", "delete", "--force", "--project", "repoman", "lamna")
    _age()
    return stage


def change() -> None:
    """Make the changes of a day."""
    repos = _HOME / "repos"
    (repos / "notes/todo.txt").write_text("water the plants\nmirror the repos\n")
    (repos / "isurus/src/old.py").unlink()
    for number in range(40):
        (repos / f"isurus/src/module_{number}.py").write_text("print('hello')\n" * 400)


def _make_repo(stage: Stage, name: str) -> None:
    path = _HOME / "repos" / name
    (path / "src").mkdir(parents=True)
    stage.run("git", "init", "--quiet", "--template=", "--initial-branch=main", str(path))
    (path / "README.md").write_text(f"# {name}\n")
    (path / "src/main.py").write_text("print('hello')\n")
    (path / "src/old.py").write_text("print('bye')\n")
    stage.run("git", "-C", str(path), "add", "--all")
    stage.run("git", "-C", str(path), "commit", "--quiet", "--message=Begin")


def _age() -> None:
    registry = _HOME / ".config/repoman/repoman.toml"
    text = registry.read_text()
    for name, ago in _AGO.items():
        when = (datetime.now(UTC) - timedelta(**ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
        text = edited(text, [SetKeys({"last_sync": when}, project=name)])
    registry.write_text(text)
