"""Measure the guard for git, beside the real git and a shell that does nothing."""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks.table import timed
from tests.support.estate import Estate

RUNS = 100


def guard(estate: Estate) -> dict[str, dict[str, float]]:
    """Return the median seconds of each program, by the place and the command of git.

    The programs run in turn, so that a busy machine slows all of them.
    """
    estate.run("git-guard", "install", code=0)
    program = str(estate.home / ".local/share/repoman/bin/git")
    real = shutil.which("git") or "git"
    plain = estate.repo("plain")
    outside = estate.base / "outside"
    shutil.copytree(plain, outside)
    parent = estate.repo("parent")
    estate.git(parent, "-c", "protocol.file.allow=always", "submodule", "add", str(outside), "sub")
    for name in (".git/config", ".git/modules/sub/config", ".gitmodules"):
        file = parent / name
        file.write_text(file.read_text().replace(str(outside), "https://example.org/x"))
    places = {
        "not guarded, `git status`": (outside, ["status"]),
        "guarded, `git status`": (plain, ["status"]),
        "guarded, one submodule, `git status`": (parent, ["status"]),
    }
    return {
        place: _medians(
            {"guard": [program, *argv], "git": [real, *argv], "sh": ["sh", "-c", ":"]},
            folder,
            estate.environ,
        )
        for place, (folder, argv) in places.items()
    }


def _medians(
    programs: Mapping[str, Sequence[str]], folder: Path, environ: Mapping[str, str]
) -> dict[str, float]:
    took: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(RUNS):
        for name, argv in programs.items():
            took[name].append(timed(list(argv), cwd=folder, env={**os.environ, **environ}))
    return {name: statistics.median(times) for name, times in took.items()}


def show_guard(rows: Mapping[str, Mapping[str, float]]) -> None:
    """Print `rows` as a Markdown table, in milliseconds."""
    print("\nGit\n\n| job | guard | git | `sh -c :` | guard / git | guard / sh |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for place, row in rows.items():
        figures = " | ".join(f"{row[name] * 1000:.1f} ms" for name in ("guard", "git", "sh"))
        ratios = f"{row['guard'] / row['git']:.1f} | {row['guard'] / row['sh']:.1f}"
        print(f"| {place} | {figures} | {ratios} |")
