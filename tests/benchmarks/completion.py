"""Measure TAB in each shell with 200 projects, compared with invoke's own completion."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pexpect  # type: ignore[import-untyped]

from tests.benchmarks.table import Row
from tests.support.estate import CHECKOUT, Estate

RUNS = 15
PROJECTS = (200, 1000)
FILES = {"bash": "repoman.bash", "zsh": "_repoman", "fish": "repoman.fish"}


def completion(estate: Estate) -> list[Row]:
    """Return the median time from TAB to the text on the screen, of ours and of invoke's."""
    rows = []
    for shell in FILES:
        if not shutil.which(shell):
            print(f"{shell} is not installed: not measured", file=sys.stderr)
            continue
        ours = _load(estate, shell, CHECKOUT / "completion" / FILES[shell], compinit=True)
        theirs = _load(estate, shell, _of_invoke(estate, shell), compinit=False)
        invoke_took = statistics.median(_tab(theirs, "repoman unt", "rust") for _ in range(RUNS))
        for count in PROJECTS:
            _write_names(estate, count)
            for what, line, rest in (
                ("a command", "repoman unt", "rust"),
                ("a name", "repoman shell isu", "rus"),
            ):
                took = statistics.median(_tab(ours, line, rest) for _ in range(RUNS))
                rows.append(Row(f"{shell}: TAB for {what}, {count} projects", took, invoke_took))
        ours.close(force=True)
        theirs.close(force=True)
    return rows


def _write_names(estate: Estate, count: int) -> None:
    """Have `list` write the names of a registry with so many projects."""
    names = ["isurus", *(f"project-{number}" for number in range(1, count))]
    estate.registry.write_text("".join(f'[[project]]\nname = "{name}"\n' for name in names))
    estate.run("list", code=0)


def show_completion(rows: list[Row]) -> None:
    """Print `rows` as a Markdown table, in milliseconds."""
    print("\nCompletion\n\n| job | repoman | invoke's | ratio |\n| --- | ---: | ---: | ---: |")
    for row in rows:
        ours, theirs = row.ours * 1000, row.theirs * 1000
        print(f"| {row.job} | {ours:.1f} ms | {theirs:.0f} ms | {row.ratio:.3f} |")


def _of_invoke(estate: Estate, shell: str) -> Path:
    """Return a file with invoke's own script, as `repoman` prints it."""
    words = [*estate.argv, "--print-completion-script", shell]
    done = subprocess.run(words, env=estate.environ, check=True, capture_output=True, text=True)
    file = estate.base / f"invoke.{shell}"
    file.write_text(done.stdout)
    return file


def _load(estate: Estate, shell: str, file: Path, *, compinit: bool) -> pexpect.spawn[str]:
    """Start a shell on a terminal that has loaded `file` and nothing else."""
    folder = estate.base / f"{shell}-{file.name}"
    folder.mkdir()
    rc = folder / (".zshrc" if shell == "zsh" else "rc")
    quiet = {
        "bash": "PS1='ready> '\nbind 'set enable-bracketed-paste off'\n",
        "zsh": "PS1='ready> '\nunset zle_bracketed_paste\n"
        + ("autoload -Uz compinit; compinit -u -D\n" if compinit else ""),
        "fish": "function fish_prompt; echo 'ready> '; end\nset -g fish_greeting\n"
        "set -g fish_autosuggestion_enabled 0\n",
    }
    rc.write_text(f"{quiet[shell]}source '{file}'\n")
    words = {
        "bash": ["bash", "--rcfile", str(rc), "-i"],
        "zsh": ["zsh", "-d", "-i"],
        "fish": ["fish", "--no-config", "-i", "-C", f"source {rc}"],
    }[shell]
    programs = f"{Path(sys.executable).parent}:{estate.environ['PATH']}"
    environ = {**estate.environ, "PATH": programs, "ZDOTDIR": str(folder), "TERM": "xterm"}
    child: pexpect.spawn[str] = pexpect.spawn(
        words[0],
        words[1:],
        env=environ,
        cwd=str(estate.home),
        dimensions=(24, 120),
        encoding="utf-8",
    )
    child.delaybeforesend = child.delayafterread = None
    child.expect_exact("ready> ")
    _tab(child, "repoman unt", "rust")  # which loads what is loaded at the first time
    return child


def _tab(child: pexpect.spawn[str], line: str, rest: str) -> float:
    """Return the seconds from TAB after `line` to `rest` on the screen, and clear the line."""
    child.send(line)
    child.expect_exact(line[-1])
    time.sleep(0.05)  # until it has painted all of it
    child.expect([r".+", pexpect.TIMEOUT], timeout=0)
    began = time.monotonic()
    child.send("\t")
    child.expect_exact(rest)
    took = time.monotonic() - began
    child.send("\x15")
    time.sleep(0.05)
    child.expect([r".+", pexpect.TIMEOUT], timeout=0)
    return took
