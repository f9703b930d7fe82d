"""Measure a fetch from a container, compared with one from the same folder on the host.

Runs beside a daemon: `python -m tests.worlds.daemon -- python -m tests.benchmarks.git`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from repoman_tasks.model import TRANSPORTS
from tests.benchmarks.containers import alternating
from tests.benchmarks.table import Row, show, timed
from tests.containers.conftest import ContainerEstate, RemoteContainerEstate
from tests.support.git_client import GitClient

FILES, SIZE = 5000, 20_000
"""Of the repo; their content can't be compressed."""


def fill(estate: ContainerEstate) -> Path:
    """Create a repo of 100 MB in one pack, with a container that has git."""
    repo = estate.repo("isurus")
    for number in range(FILES):
        path = repo / f"d{number // 100}" / f"f{number}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.urandom(SIZE))
    estate.git(repo, "add", "--all")
    estate.git(repo, "commit", "--quiet", "--message=large")
    estate.git(repo, "repack", "-q", "-a", "-d")
    estate.new("isurus", "--image=debian")
    return repo


class Fetches:
    """A person's git, which checks what it fetches, and a clock."""

    def __init__(self, estate: ContainerEstate, git: GitClient) -> None:
        self._git = git
        self._environ = git.environ
        self._known = git.folder / "known"
        git.run("clone", "--quiet", "--bare", str(estate.local_repos / "isurus"), str(self._known))

    def all(self, url: str) -> float:
        """Return the seconds that it takes to fetch everything into an empty repo."""
        with self._empty() as folder:
            return self._timed(folder, "fetch", "--quiet", url, "main")

    def nothing(self, url: str) -> float:
        """Return the seconds that it takes if there is nothing new."""
        return self._timed(self._known, "fetch", "--quiet", url, "main")

    def _timed(self, folder: Path, *argv: str) -> float:
        return timed(["git", *argv], env=self._environ, cwd=folder)

    @contextmanager
    def _empty(self) -> Iterator[Path]:
        folder = self._git.folder / "empty"
        self._git.run("init", "--quiet", "--bare", str(folder))
        yield folder
        shutil.rmtree(folder)


def rows(estate: ContainerEstate, where: str) -> list[Row]:
    """Measure both kinds of fetch."""
    git = GitClient(estate)
    path = str(fill(estate.setup()))
    fetches, url = Fetches(estate, git), git.url("isurus")
    megabytes = FILES * SIZE // 1_000_000
    return [
        Row(
            f"{where}: {megabytes} MB",
            *alternating(lambda: fetches.all(url), lambda: fetches.all(path)),
        ),
        Row(
            f"{where}: nothing new",
            *alternating(lambda: fetches.nothing(url), lambda: fetches.nothing(path)),
        ),
    ]


def main() -> None:
    """Measure and print the table."""
    with ContainerEstate(Path(tempfile.mkdtemp(prefix="bench-"))) as estate:
        measured = rows(estate, "this host")
    for transport in TRANSPORTS:
        with RemoteContainerEstate(Path(tempfile.mkdtemp(prefix="bench-")), transport) as far:
            measured += rows(far, f"over SSH on loopback, {transport}")
    show("`git fetch`", "repoman::", "path", measured)


if __name__ == "__main__":
    main()
