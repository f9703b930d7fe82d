"""Measure the mirror on real NFS, 1 ms away, compared with rsync run once per project.

Runs inside the machine: `python -m tests.worlds.machine -- python -m tests.benchmarks.nfs`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from repoman_tasks.model import Excludes
from repoman_tasks.tools.rsync import Preserved, filters, pass_argv
from tests.benchmarks.table import Row, fill, show, timed
from tests.worlds.machine.share import Share

NETEM_MILLISECONDS = 0.5
"""Each way: a round trip takes about 1.2 ms."""


class Bench:
    """Two shares side by side: repoman writes to one and bare rsync to the other."""

    def __init__(self, projects: int, files: int) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="bench-"))
        self.repos = self.base / "repos"
        self.names = [f"project{number}" for number in range(projects)]
        for name in self.names:
            fill(self.repos / name, files)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.base / "home"),
            "REPOMAN_MIN_FREE_MIB": "1",
        }

    def repoman(self, *argv: str) -> float:
        """Return the seconds that a repoman command takes."""
        command = [sys.executable, "-m", "repoman_tasks", *argv]
        return timed(command, env=self.environment)

    def rsyncs(self, share: Share) -> float:
        """Return the seconds that rsync takes, project after project."""
        began = time.monotonic()
        for name in self.names:
            rules = filters(name, Excludes())
            argv = pass_argv(str(self.repos), [name], rules, Preserved(True, True, True))
            timed(argv, cwd=share.mount_point)
        return time.monotonic() - began


def measure(projects: int, files: int, jobs: str) -> list[Row]:
    """Measure the first mirror, a run without changes, and a single project, with cold caches."""
    bench = Bench(projects, files)
    with Share(size="512m") as ours, Share(size="512m") as bare:
        bench.repoman("setup", f"--local-repos={bench.repos}", f"--nfs-repos={ours.mount_point}")
        for name in bench.names:
            bench.repoman("new", name, "--no-container")
        ours.delay(NETEM_MILLISECONDS)
        rows = []
        for what in ("first mirror", "nothing to do", "nothing to do, again"):
            sides = []
            ours.drop_caches()
            sides.append(bench.repoman("sync", f"--jobs={jobs}"))
            ours.drop_caches()
            sides.append(bench.rsyncs(bare))
            rows.append(Row(f"{what}, {projects} projects x {files} files", *sides))
        ours.drop_caches()
        one = bench.repoman("sync", bench.names[0])
        ours.drop_caches()
        argv = pass_argv(
            str(bench.repos),
            bench.names[:1],
            filters(bench.names[0], Excludes()),
            Preserved(True, True, True),
        )
        rows.append(Row("nothing to do, 1 project", one, timed(argv, cwd=bare.mount_point)))
        rows.append(
            Row(
                "python starts and imports invoke",
                timed([sys.executable, "-c", "import invoke"]),
                timed(["true"]),
            )
        )
    shutil.rmtree(bench.base)
    return rows


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--projects", type=int, default=20)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--jobs", default="8")
    given = parser.parse_args()
    show("NFS 4.2, round trip 1.2 ms, cold caches", "repoman", "rsync", measure(**vars(given)))


if __name__ == "__main__":
    main()
