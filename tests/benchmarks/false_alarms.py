"""Count how often a sync refuses a repo that lost nothing, by replays of what people do.

Successive releases of public projects, from PyPI and npm, stand for the work of a day each: a sync
follows each, and then the baselines are made a day older. None of what is downloaded is run.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from tests.support.estate import Estate

__all__ = ["main"]

PYPI = ("flask", "requests", "click", "rich", "attrs")
NPM = ("express", "axios", "eslint")
_STYLES = ("--line-length=60", "--line-length=120", "--config=format.quote-style='single'")
_OF_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


class _Replay:
    """Replays the work on projects, and counts the syncs and what they refused."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._random = random.Random(7)
        self.syncs: Counter[str] = Counter()
        self.alarms: list[tuple[str, str, str]] = []

    def project(self, name: str, trees: list[Path]) -> None:
        """Replay the releases in `trees`: as folders, and as commits of a git repo."""
        self._as_folder(f"{name}-folder", trees)
        self._as_repo(f"{name}-git", trees)

    def _as_folder(self, name: str, trees: list[Path]) -> None:
        repo = self._new(name)
        for tree in trees:
            _replace(repo, tree)
            self._sync(name, "release")
        for style in _STYLES:
            self._format(repo, style)
            self._sync(name, "formatter")
        for tree in trees[-3::-1]:
            _replace(repo, tree)
            self._sync(name, "older release")

    def _as_repo(self, name: str, trees: list[Path]) -> None:
        repo = self._new(name)
        git = self._git(repo)
        git("init", "-q", "-b", "main")
        for number, tree in enumerate(trees):
            _replace(repo, tree)
            git("add", "-A")
            git("commit", "-q", "--allow-empty", "-m", f"release {number}")
            git("branch", f"r{number}")
            self._sync(name, "release in git")
        for _ in trees:
            git("checkout", "-q", f"r{self._random.randrange(len(trees))}")
            self._sync(name, "branch switch")
        for number in range(0, len(trees) - 2, 2):
            self._rebase(git, repo, number)
            self._sync(name, "rebase")
        for style in _STYLES:
            self._format(repo, style)
            git("commit", "-q", "--allow-empty", "-am", "format")
            self._sync(name, "formatter in git")
        for argv in (("gc", "-q"), ("repack", "-q", "-a", "-d", "-f"), ("gc", "-q", "--prune=now")):
            git(*argv)
            self._sync(name, "gc")

    def _rebase(self, git: Callable[..., None], repo: Path, number: int) -> None:
        git("checkout", "-q", "-f", "-B", "topic", f"r{number}")
        for step in range(5):
            (repo / f"topic-{step}").write_text(f"{number} {step}\n")
            git("add", "-A")
            git("commit", "-q", "-m", f"topic {step}")
        git("rebase", "-q", f"r{number + 1}")

    def node(self, versions: list[dict[str, str]]) -> None:
        """Replay `npm ci` with these dependencies, one after the other, each of them twice."""
        name = "node"
        repo = self._new(name)
        (repo / "src").mkdir()
        (repo / "src/index.js").write_text("require('express')\n")
        for wanted in versions:
            package = {"name": "replay", "version": "1.0.0", "dependencies": wanted}
            (repo / "package.json").write_text(json.dumps(package))
            quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
            _run(["npm", "install", "--package-lock-only", *quiet], cwd=repo)
            for _ in range(2):
                _run(["npm", "ci", *quiet], cwd=repo)
                self._sync(name, "npm ci")

    def _new(self, name: str) -> Path:
        repo = self._estate.local_repos / name
        repo.mkdir()
        self._estate.run("new", name, "--no-container", code=0)
        return repo

    def _git(self, repo: Path) -> Callable[..., None]:
        def git(*argv: str) -> None:
            self._estate.git(repo, *argv)

        return git

    def _format(self, repo: Path, style: str) -> None:
        _run([sys.executable, "-m", "ruff", "format", "-q", "--isolated", style, str(repo)])

    def _sync(self, name: str, what: str) -> None:
        self.syncs[what] += 1
        done = self._estate.run("sync", name)
        if done.code:
            self.alarms.append((name, what, done.err.strip()))
            self._estate.run("sync", name, "--force", "--yes", code=0)
        self._age_baselines()

    def _age_baselines(self) -> None:
        """Make all baselines a day older."""
        for path in self._estate.home.glob(".local/state/repoman/mirrors/*/manifests/*.baseline"):
            table = json.loads(path.read_text())
            for entry in [*table["days"], *table["anchors"]]:
                entry[0] = str(date.fromisoformat(entry[0]) - timedelta(days=1))
            path.write_text(json.dumps(table))


def _replace(repo: Path, tree: Path) -> None:
    """Put the files of `tree` in place of those of the repo; what is the same stays."""
    argv = ["rsync", "-a", "--checksum", "--no-times", "--delete", "--exclude=/.git"]
    subprocess.run([*argv, f"{tree}/", f"{repo}/"], check=True)


def _run(argv: list[str], cwd: Path | None = None) -> str:
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode and "ruff" not in argv:  # what it can't parse it leaves as it is
        raise RuntimeError(f"{argv}: {done.stderr}")
    return done.stdout


def _python_releases(cache: Path, name: str, count: int) -> list[Path]:
    """Return the unpacked wheels of the last releases, the oldest first."""
    told = _run([*_OF_PIP, "index", "versions", name])
    versions = told.partition("Available versions: ")[2].split("\n")[0].split(", ")[:count]
    trees = []
    for version in reversed(versions):
        tree = cache / f"{name}-{version}"
        if not tree.exists():
            folder = cache / f"wheel-{name}-{version}"
            argv = [*_OF_PIP, "download", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
            try:
                _run([*argv, f"{name}=={version}"])
            except RuntimeError:  # it has no wheel
                continue
            with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
                wheel.extractall(tree)
        trees.append(tree)
    return trees


def _node_versions(name: str, count: int) -> list[str]:
    found = json.loads(_run(["npm", "view", name, "versions", "--json"]))
    return [version for version in found if "-" not in version][-count:]


def _node_releases(cache: Path, name: str, count: int) -> list[Path]:
    trees = []
    for version in _node_versions(name, count):
        tree = cache / f"npm-{name}-{version}"
        if not tree.exists():
            tree.mkdir()
            argv = ["npm", "pack", "--silent", "--ignore-scripts", f"{name}@{version}"]
            packed = _run(argv, cwd=tree).split()[-1]
            with tarfile.open(tree / packed) as archive:
                archive.extractall(tree, filter="data")
            (tree / packed).unlink()
        trees.append(tree)
    return trees


def _replay_one(replay: _Replay, name: str, cache: Path, count: int) -> None:
    if name == "node":
        pairs = zip(*(_node_versions(one, count) for one in ("express", "axios")), strict=True)
        replay.node([{"express": one, "axios": other} for one, other in pairs])
    else:
        releases = _python_releases if name in PYPI else _node_releases
        replay.project(name, releases(cache, name, count))


def main() -> None:
    """Replay the projects; print the counts, and each alarm."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.false_alarms")
    parser.add_argument("--cache", type=Path, default=Path("/var/tmp/repoman-releases"))
    parser.add_argument("--releases", type=int, default=10)
    parser.add_argument("only", nargs="*", choices=[*PYPI, *NPM, "node", []])
    arguments = parser.parse_args()
    cache: Path = arguments.cache
    cache.mkdir(parents=True, exist_ok=True)
    base = Path(tempfile.mkdtemp(prefix="repoman-alarms-", dir="/var/tmp"))
    try:
        with Estate(base) as estate:
            estate.setup()
            replay = _Replay(estate)
            for name in arguments.only or (*PYPI, *NPM, "node"):
                _replay_one(replay, name, cache, arguments.releases)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    print("| step | syncs | refused |\n| --- | ---: | ---: |")
    refused = Counter(what for _, what, _ in replay.alarms)
    for what, count in replay.syncs.items():
        print(f"| {what} | {count} | {refused[what]} |")
    print(f"| all | {replay.syncs.total()} | {len(replay.alarms)} |")
    for name, what, error in replay.alarms:
        print(f"{name}, {what}: {error}")


if __name__ == "__main__":
    main()
