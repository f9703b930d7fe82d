"""Programs on a real terminal: to talk with, and to look at."""

from __future__ import annotations

import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import pexpect  # type: ignore[import-untyped]

from tests.support.processes import PATIENCE, until

__all__ = ["Window", "spawn"]


def spawn(
    argv: Sequence[str],
    environ: Mapping[str, str],
    cwd: Path,
    *,
    columns: int = 80,
    **variables: str,
) -> pexpect.spawn[str]:
    """Start a program on a terminal of 24 lines; the caller closes it.

    `variables` come before `environ`.
    """
    child: pexpect.spawn[str] = pexpect.spawn(
        argv[0],
        list(argv[1:]),
        env={**environ, "TERM": "xterm-256color", **variables},
        cwd=str(cwd),
        dimensions=(24, columns),
        encoding="utf-8",
        timeout=PATIENCE,
    )
    child.delaybeforesend = None
    return child


class Window:
    """A terminal of tmux's in which a program runs, to be looked at as a person sees it.

    It is a context manager.
    """

    def __init__(
        self,
        argv: Sequence[str],
        environ: Mapping[str, str],
        cwd: Path,
        *,
        columns: int = 80,
        lines: int = 24,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="repoman-tmux-")
        self._environ = dict(environ)
        # tmux says itself which terminal it is; a test may want another one.
        term = [f"TERM={environ['TERM']}"] if environ.get("TERM") == "dumb" else []
        program = shlex.join(["env", *term, *argv])
        size = ("-x", str(columns), "-y", str(lines))
        shown = f"trap : INT; {program}; printf 'ended %s\\n' $?; exec sleep 600"
        self._written = Path(self._folder.name, "written")
        self._written.touch()
        self._tmux(
            *("-f", "/dev/null", "new-session", "-d", *size, "-c", str(cwd), shown, ";"),
            *("pipe-pane", f"exec cat >{shlex.quote(str(self._written))}"),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._tmux("kill-server")
        self._folder.cleanup()

    def _tmux(self, *argv: str) -> str:
        socket = f"{self._folder.name}/socket"
        done = subprocess.run(
            ["tmux", "-u", "-S", socket, *argv],
            env=self._environ,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def picture(self, *, painted: bool = False) -> list[str]:
        """The lines that are on the terminal now; with what paints them where that is asked."""
        shown = self._tmux("capture-pane", "-p", *(["-e"] if painted else []))
        return shown.rstrip("\n").split("\n")

    def await_picture(self, pattern: str) -> list[str]:
        """Return the lines, once `pattern` is found in one of them."""
        return self.await_lines(lambda lines: any(re.search(pattern, line) for line in lines))

    def await_lines(self, right: Callable[[list[str]], object]) -> list[str]:
        """Return the lines, once they are `right`; raise AssertionError if they never are."""
        deadline = time.monotonic() + PATIENCE
        while not right(lines := self.picture()):
            assert time.monotonic() < deadline, "\n".join(lines)
            time.sleep(0.05)
        return lines

    def await_written(self, text: str) -> None:
        """Wait until the program has written `text`, which need not be there any more."""
        until(lambda: text in self._written.read_text(errors="replace"))

    def ended(self) -> tuple[int, list[str]]:
        """The exit status of the program once it has ended, and the lines above that."""
        lines = self.await_picture(r"^ended \d+$")
        assert lines[-1].startswith("ended ")
        return int(lines[-1].split()[1]), lines[:-1]

    def resize(self, columns: int, lines: int) -> None:
        """Make the terminal another size."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def keys(self, *keys: str) -> None:
        """Press keys, by tmux's names of them."""
        self._tmux("send-keys", *keys)
