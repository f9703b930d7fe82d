"""Measure `list`, `status` and a sync with nothing to do, with a thousand tiny projects.

The shortest of several runs counts, and the processor time of each with its child processes: both
vary less on a busy machine than a mean does.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from tests.benchmarks.table import timed
from tests.support.estate import Estate

PROJECTS = 1000
RUNS = 9


def measure(estate: Estate, *argv: str) -> tuple[float, float]:
    """Return the seconds and the processor seconds that a command takes at best."""
    found = []
    for _ in range(RUNS):
        before = os.times()
        seconds = timed([*estate.argv, *argv], check=False, env=estate.environ)
        after = os.times()
        used = sum(after[2:4]) - sum(before[2:4])  # of the children
        found.append((seconds, used))
    return min(wall for wall, _ in found), min(used for _, used in found)


def main() -> None:
    """Measure and print the table."""
    base = Path(tempfile.mkdtemp(prefix="repoman-bench-", dir="/var/tmp"))
    try:
        with Estate(base) as estate:
            estate.setup()
            with estate.registry.open("a") as registry:
                for number in range(PROJECTS):
                    repo = estate.local_repos / f"p{number}"
                    repo.mkdir()
                    (repo / "file").write_text(f"{number}\n")
                    registry.write(f'\n[[project]]\nname = "p{number}"\ncontainer = false\n')
            print(f"\n| {PROJECTS} projects | time | processor time |\n| --- | ---: | ---: |")
            estate.run("sync", code=0)
            for what, command in (
                ("`list`", "list"),
                ("`status`", "status"),
                ("`sync`, nothing to do", "sync"),
            ):
                wall, used = measure(estate, command)
                print(f"| {what} | {wall:.2f} s | {used:.2f} s |", flush=True)
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
