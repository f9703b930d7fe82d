"""Measure a sync at the size that people have, compared with rsync.

Requests are counted on a share that answers after a millisecond: `tests/benchmarks/slow_share.py`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from tests.benchmarks.slow_share import slow_share
from tests.benchmarks.table import fill, timed
from tests.support.estate import Estate

__all__ = ["main"]

_SECONDS = 0.001
_FORGET_SECONDS = 3
"""Time after which the kernel has forgotten what it knew of the share, and a walk trusts ctimes."""
_SNAPSHOTS = 1000
_RSYNC = ("rsync", "-aH", "--delete")

Count = Callable[[Callable[[], float]], tuple[float, int | None]]


@dataclass(frozen=True)
class _Side:
    """Seconds that a command takes, and the requests that it sends to the share."""

    name: str
    seconds: float
    requests: int | None


def _uncounted(run: Callable[[], float]) -> tuple[float, None]:
    return run(), None


class _Bench:
    """Projects and their mirrors."""

    def __init__(self, estate: Estate, projects: int, files: int, count: Count) -> None:
        self.estate = estate
        self.names = [f"p{number}" for number in range(projects)]
        self.jobs = 8
        self.title = f"{projects} projects x {files} files"
        self._count = count
        for name in self.names:
            fill(estate.local_repos / name, files)
        time.sleep(_FORGET_SECONDS)

    def sync(self, *options: str) -> float:
        """Return the seconds that a sync of all takes."""
        argv = [*self.estate.argv, "sync", f"--jobs={self.jobs}", *options]
        return timed(argv, env=self.estate.environ)

    def rsync(self, names: list[str]) -> float:
        """Return the seconds that one rsync of these takes."""
        sources = [str(self.estate.local_repos / name) for name in names]
        return timed([*_RSYNC, *sources, f"{self.estate.share}/"])

    def rsyncs(self, jobs: int) -> float:
        """Return the seconds that an rsync for each project takes, `jobs` at once."""
        began = time.monotonic()
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(lambda name: self.rsync([name]), self.names))
        return time.monotonic() - began

    def change(self, projects: int, files: int) -> list[str]:
        """Write to so many files in each of the first projects; return their paths."""
        paths = [f"{name}/d0/f{n}" for name in self.names[:projects] for n in range(files)]
        for path in paths:
            (self.estate.local_repos / path).write_text(f"{time.time_ns()}\n")
        return paths

    def rsync_files(self, paths: list[str]) -> float:
        """Return the seconds that one rsync of these files takes, which compares nothing else."""
        argv = [*_RSYNC[:2], "--relative", "--files-from=-", f"{self.estate.local_repos}/"]
        began = time.monotonic()
        given = "\n".join(paths)
        subprocess.run([*argv, f"{self.estate.share}/"], input=given, text=True, check=True)
        return time.monotonic() - began

    def measure(self, job: str, sides: dict[str, Callable[[], float]]) -> None:
        """Print a row for each side."""
        for name, run in sides.items():
            time.sleep(_FORGET_SECONDS)
            seconds, requests = self._count(run)
            counted = "" if requests is None else f"{requests:,}"
            print(f"| {job}, {self.title} | {name} | {seconds:.2f} s | {counted} |", flush=True)


def _measure_slow(base: Path, projects: int, files: int) -> None:
    with Estate(base) as estate, slow_share(base) as share:
        estate.share = share.mount_point
        estate.environ["REPOMAN_NFS_FSTYPES"] = "fuse"
        bench = _Bench(estate, projects, files, share.count)
        estate.prepare().register(*bench.names)
        for name in bench.names:
            subprocess.run(["cp", "-a", estate.local_repos / name, share.behind], check=True)
        bench.sync()
        share.delay(_SECONDS)
        both = {"repoman": bench.sync, "8 rsyncs at once": lambda: bench.rsyncs(8)}
        bench.measure("nothing to do", both)
        bench.change(3, 1)
        bench.measure("three files changed", {"repoman": bench.sync})
        bench.change(20, 3)
        bench.measure("three files changed in each of 20", {"repoman": bench.sync})
        paths = bench.change(20, 3)
        one = {"one rsync of these": lambda: bench.rsync_files(paths)}
        bench.measure("three files changed in each of 20", one)
        whole = {"one rsync": lambda: bench.rsync(bench.names)}
        bench.measure("all compared", {"repoman": lambda: bench.sync("--full"), **whole})


def _measure_history(base: Path, _projects: int, _files: int) -> None:
    """Measure the newest page of a thousand snapshots of a project, and one with all of them."""
    with Estate(base) as estate, slow_share(base) as share:
        estate.share = share.mount_point
        estate.environ["REPOMAN_NFS_FSTYPES"] = "fuse"
        estate.prepare("isurus")
        fill(estate.local_repos / "isurus", 30)
        timed([*estate.argv, "sync"], env=estate.environ)
        for number in range(_SNAPSHOTS):
            day = date(2024, 1, 1) + timedelta(days=number)
            folder = share.behind / f".zfs/snapshot/auto-{day}_03-00"
            folder.mkdir(parents=True)
            subprocess.run(["cp", "-a", share.behind / "isurus", folder], check=True)
            (folder / "isurus/README.md").write_text(f"{number}\n" * number)
        share.delay(_SECONDS)
        for what, argv in {
            "newest page": ["isurus"],
            "newest page, one file": ["isurus", "README.md"],
            "all, one file": ["isurus", "README.md", "--limit", "0"],
        }.items():
            time.sleep(_FORGET_SECONDS)
            words = [*estate.argv, "history", *argv]
            seconds, requests = share.count(partial(timed, words, env=estate.environ))
            print(f"| {what} | repoman | {seconds:.2f} s | {requests:,} |", flush=True)


def _measure_first(base: Path, _projects: int, _files: int) -> None:
    """Measure first mirrors of 20 projects x 300 files; rsync needs too long for more."""
    with Estate(base) as estate, slow_share(base) as share:
        estate.share = share.mount_point
        estate.environ["REPOMAN_NFS_FSTYPES"] = "fuse"
        bench = _Bench(estate, 20, 300, share.count)
        estate.prepare().register(*bench.names)
        share.delay(_SECONDS)
        bench.measure("first mirror", {"rsync, in a row": lambda: bench.rsyncs(1)})
        for name in bench.names:
            shutil.rmtree(share.behind / name)
        bench.measure("first mirror", {"repoman": bench.sync})


def _measure_memory(base: Path, projects: int, files: int) -> None:
    with Estate(base) as estate:
        bench = _Bench(estate, projects, files, _uncounted)
        estate.prepare().register(*bench.names)
        bench.measure("first mirror", {"repoman": bench.sync})
        sides = {"repoman": bench.sync, "one rsync": lambda: bench.rsync(bench.names)}
        bench.measure("nothing to do", sides)


_MEASURES = {
    "first": ("First mirrors on a share that answers after 1 ms", _measure_first),
    "slow": ("A share that answers after 1 ms", _measure_slow),
    "memory": ("A share in memory", _measure_memory),
    "history": (f"`history` of {_SNAPSHOTS} snapshots, 1 ms", _measure_history),
}


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.size")
    parser.add_argument("--projects", type=int, default=100)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--only", choices=_MEASURES)
    given = parser.parse_args()
    for name, (title, measure) in _MEASURES.items():
        if given.only in (None, name):
            print(f"\n{title}\n\n| job | | time | requests |\n| --- | --- | ---: | ---: |")
            base = Path(tempfile.mkdtemp(prefix="repoman-bench-", dir="/var/tmp"))
            try:
                measure(base, given.projects, given.files)
            finally:
                shutil.rmtree(base)


if __name__ == "__main__":
    main()
