"""Measure the start-up of the packages, compared with the environment of the checkout."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.table import Row, timed
from tests.support.estate import Estate

__all__ = ["starts"]

RUNS = 11


def starts(estate: Estate) -> list[Row]:
    """Measure `list` of each package, alternating with the environment."""
    with tempfile.TemporaryDirectory(prefix="repoman-bench-", dir="/var/tmp") as folder:
        inv = Path(sys.executable).with_name("inv")
        argv = [str(inv), "dev.package", "--to", folder]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        (deb,) = Path(folder).glob("*.deb")
        subprocess.run(["dpkg-deb", "--extract", deb, f"{folder}/deb"], check=True)
        (single,) = Path(folder).glob("repoman-*-linux-*[!z]")
        return [
            _row("Debian package", f"{folder}/deb/usr/bin/repoman", estate),
            _row("single file", str(single), estate),
        ]


def _row(what: str, program: str, estate: Estate) -> Row:
    def one(repoman: str) -> float:
        return timed([repoman, "list"], env=estate.environ)

    in_venv = str(Path(sys.executable).with_name("repoman"))
    one(program)  # the first start unpacks
    both = [(one(program), one(in_venv)) for _ in range(RUNS)]
    ours, theirs = (statistics.median(side) for side in zip(*both, strict=True))
    return Row(f"`list`, 200 projects, {what}", ours, theirs)
