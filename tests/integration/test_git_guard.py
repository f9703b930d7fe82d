"""The guard for git and its judge, with the real git and real attacks."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from repoman_tasks.guard import guard_script
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.tools.hazard_scan import find_hazards
from tests.support.estate import Result, isolate_environ, run
from tests.support.git_attacks import ATTACKS, Attack, git

SHELLS = tuple(
    shell for shell in (("dash",), ("busybox", "sh"), ("bash", "--posix")) if shutil.which(shell[0])
)


@dataclass(frozen=True)
class Guarded:
    """A guard on PATH, a guarded folder with a repo, and a folder that is not guarded."""

    base: Path
    environ: dict[str, str]

    @property
    def repos(self) -> Path:
        return self.base / "home/repos"

    @property
    def repo(self) -> Path:
        return self.repos / "isurus"

    @property
    def outside(self) -> Path:
        return self.base / "outside"

    @property
    def payload(self) -> Path:
        return self.base / "payload"

    @property
    def fired(self) -> bool:
        """Return True if the payload ran since this was asked last."""
        ran = (self.base / "fired").exists()
        (self.base / "fired").unlink(missing_ok=True)
        return ran

    @property
    def guard(self) -> Path:
        return self.base / "home/.local/share/repoman/bin/git"

    def git(self, *argv: str, cwd: Path | None = None) -> Result:
        """Run the git that PATH has, which is the guard."""
        return run(["git", *argv], self.environ, cwd=cwd or self.repo)

    def real_git(self, *argv: str, cwd: Path | None = None) -> Result:
        return run(
            ["git", *argv], {**self.environ, "PATH": os.environ["PATH"]}, cwd=cwd or self.repo
        )

    def hazards(self) -> list[str]:
        """Return what `status` would report of the repo."""
        hazards = find_hazards(LocalHost(self.environ), str(self.repo))
        return sorted(hazard.what for hazard in hazards if hazard.what != ".gitmodules")


@pytest.fixture
def guarded(tmp_path: Path) -> Guarded:
    home = tmp_path / "home"
    state = home / ".local/state/repoman"
    guard = home / ".local/share/repoman/bin/git"
    environ = isolate_environ(home)
    environ["PATH"] = f"{guard.parent}:{os.environ['PATH']}"
    made = Guarded(tmp_path, environ)
    for folder in (made.repo, made.outside, state / "guard", guard.parent):
        folder.mkdir(parents=True)
    (state / "guard/folders").write_text(f"{made.repos}\n")
    (state / "guard/names").write_text(f"{made.repo}\tisurus\n")
    guard.write_text(guard_script(str(state)))
    guard.chmod(0o755)
    made.payload.write_text(f"#!/bin/sh\ntouch {tmp_path}/fired\nexit 1\n")
    made.payload.chmod(0o755)
    for name in ("README.md", "more.txt"):
        git_init = [] if (made.repo / ".git").exists() else ["init", "--quiet", "-b", "main"]
        if git_init:
            git(made.repo, *git_init)
        (made.repo / name).write_text(f"{name}\n")
        git(made.repo, "add", name)
        git(made.repo, "commit", "--quiet", "-m", name)
    return made


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_that_works_on_git_is_refused_and_reported(
    guarded: Guarded, attack: Attack
) -> None:
    assert guarded.hazards() == []
    attack.plant(guarded.repo, guarded.payload)
    place = guarded.repo / attack.worktree
    guarded.fired  # noqa: B018 # what the real git ran while planting
    copy = guarded.base / "copy"
    shutil.copytree(guarded.repo, copy, symlinks=True)
    assert attack.reported in "\n".join(guarded.hazards())
    assert not guarded.fired, "the judge runs nothing"
    done = guarded.git(*attack.argv, cwd=place)
    assert not guarded.fired, done
    if attack.reported != ".git/hooks/pre-commit":  # switched off, and not refused
        assert done.code == 128, done
    shutil.rmtree(guarded.repo)
    copy.rename(guarded.repo)
    guarded.real_git(*attack.argv, cwd=place)
    assert guarded.fired, "where nothing holds it, it works"
