"""Small projects, a clock, and a table of two sides, for all benchmarks."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """The seconds of both sides, for one job."""

    job: str
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """Return the ratio of our time to theirs."""
        return self.ours / self.theirs


def show(title: str, ours: str, theirs: str, rows: list[Row]) -> None:
    """Print `rows` as a Markdown table."""
    print(f"\n{title}\n\n| job | {ours} | {theirs} | ratio |\n| --- | ---: | ---: | ---: |")
    for row in rows:
        print(f"| {row.job} | {row.ours:.2f} s | {row.theirs:.2f} s | {row.ratio:.2f} |")


def fill(folder: Path, files: int) -> None:
    """Create a small project: folders of ten files."""
    for number in range(files):
        path = folder / f"d{number // 10}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n" * 20)


def timed(argv: list[str], *, check: bool = True, **options: object) -> float:
    """Return the seconds that a program takes; with `check`, it has to succeed."""
    began = time.monotonic()
    subprocess.run(
        argv, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
    )  # type: ignore[call-overload]
    return time.monotonic() - began
