"""Run all benchmarks and print their ratios: `inv dev.bench`.

Nothing is judged here. docs/benchmarks.md has the tables, each with its command.
"""

from __future__ import annotations

import argparse
import compileall
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from repoman_tasks.model import Excludes
from repoman_tasks.tools.rsync import Preserved, filters, pass_argv
from tests.benchmarks.completion import completion, show_completion
from tests.benchmarks.guard import guard, show_guard
from tests.benchmarks.packages import starts
from tests.benchmarks.table import Row, fill, show, timed
from tests.support.estate import CHECKOUT, Estate

RUNS = 9
_WORLDS = {
    "containers": ["tests.worlds.daemon"],
    "far": ["tests.worlds.daemon"],
    "git": ["tests.worlds.daemon"],
    "many": [],
    "nfs": ["tests.worlds.machine", "--timeout=900"],
    "size": [],
}
"""Benchmarks that are programs of their own, and the world that each of them needs."""
MEASURE = """\
import sys
from repoman_tasks.entry import main
try:
    main()
finally:
    with open("/proc/self/status") as file:
        peak = next(line.split()[1] for line in file if line.startswith("VmHWM"))
    print(peak, file=sys.stderr)
"""
"""Not `ru_maxrss`: that keeps the peak of the process that started this one, through exec."""


def median(measure: Callable[[], float]) -> float:
    """Return the median of some runs, after one to warm up."""
    measure()
    return statistics.median(measure() for _ in range(RUNS))


def overhead(estate: Estate) -> list[Row]:
    """Measure a sync of one unchanged project of 300 files, compared with the bare rsync of it."""
    fill(estate.local_repos / "isurus", 300)
    estate.run("new", "isurus", "--no-container", code=0)
    argv = pass_argv(
        str(estate.local_repos),
        ["isurus"],
        filters("isurus", Excludes()),
        Preserved(True, True, True),
    )
    estate.run("sync", "isurus", code=0)
    ours = median(lambda: timed([*estate.argv, "sync", "isurus"], env=estate.environ))
    theirs = median(lambda: timed(argv, cwd=estate.share))
    return [Row("nothing to do, 1 project x 300 files", ours, theirs)]


def register(estate: Estate, count: int) -> None:
    """Register that many projects."""
    with estate.registry.open("a") as registry:
        for number in range(count):
            (estate.local_repos / f"p{number}").mkdir()
            registry.write(f'\n[[project]]\nname = "p{number}"\ncontainer = false\n')


def listing(estate: Estate) -> list[Row]:
    """Measure `list` with 200 projects, compared with a Python that only imports invoke."""
    register(estate, 200)
    ours = median(lambda: timed([*estate.argv, "list"], env=estate.environ))
    theirs = median(lambda: timed([sys.executable, "-c", "import invoke"], env=estate.environ))
    return [Row("`list`, 200 projects", ours, theirs)]


def memory(estate: Estate, files: int) -> None:
    """Measure Python's peak memory while a sync changes many files."""
    repo = estate.local_repos / "many"
    fill(repo, files)
    estate.run("new", "many", "--no-container", code=0)
    print(f"\n| sync of one project with {files} files | peak memory of Python |")
    print("| --- | ---: |")
    for what, argv in {
        "all new": ("sync", "many"),
        "all changed, as a dry run": ("sync", "many", "--dry-run"),
        "all changed": ("sync", "many"),
    }.items():
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *argv],
            env=estate.environ,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        print(f"| {what} | {int(done.stderr.split()[-1]) / 1024:.0f} MB |")
        if what == "all new":
            for path in repo.rglob("f*"):
                os.utime(path, (1, 1))


def main() -> None:
    """Run the benchmarks that were requested."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    known = ["local", "packages", "completion", "guard", "memory", *_WORLDS]
    parser.add_argument("only", nargs="*", choices=[*known, []])
    parser.add_argument("--files", type=int, default=200_000)
    arguments = parser.parse_args()
    requested = arguments.only or known
    # An installation is compiled; the user of the worlds can't write into this checkout.
    compileall.compile_dir(CHECKOUT / "repoman_tasks", quiet=1)
    base = Path(tempfile.mkdtemp(prefix="repoman-bench-", dir="/var/tmp"))
    try:
        with Estate(base) as estate:
            estate.setup()
            if "local" in requested:
                show("A share in memory", "repoman", "bare rsync", overhead(estate))
                show("Start-up", "repoman", "import invoke", listing(estate))
            if "packages" in requested:
                if "local" not in requested:
                    register(estate, 200)
                show("Packages", "package", "environment", starts(estate))
            if "completion" in requested:
                show_completion(completion(estate))
            if "guard" in requested:
                show_guard(guard(estate))
            if "memory" in requested:
                memory(estate, arguments.files)
    finally:
        shutil.rmtree(base)
    in_worlds(requested)


def in_worlds(requested: Sequence[str]) -> None:
    """Run those that are programs of their own, in their worlds."""
    for name, world in _WORLDS.items():
        if name in requested:
            outside = [sys.executable, "-m", *world, "--"] if world else []
            inside = [sys.executable, "-m", f"tests.benchmarks.{name}"]
            subprocess.run([*outside, *inside], check=True)


if __name__ == "__main__":
    main()
