"""Run programs on a real terminal and read its screen."""

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

from tests.support.processes import WAIT_SECONDS, wait_until

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

    `environ` overrides `variables`.
    """
    child: pexpect.spawn[str] = pexpect.spawn(
        argv[0],
        list(argv[1:]),
        env={**environ, "TERM": "xterm-256color", **variables},
        cwd=str(cwd),
        dimensions=(24, columns),
        encoding="utf-8",
        timeout=WAIT_SECONDS,
    )
    child.delaybeforesend = None
    return child


class Window:
    """A tmux window that runs a program, to read the screen as a person sees it.

    A context manager.
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
        # tmux sets TERM itself; a test may need another one.
        term = [f"TERM={environ['TERM']}"] if environ.get("TERM") == "dumb" else []
        program = shlex.join(["env", *term, *argv])
        size = ("-x", str(columns), "-y", str(lines))
        script = f"trap : INT; {program}; printf 'ended %s\\n' $?; exec sleep 600"
        self._written = Path(self._folder.name, "written")
        self._written.touch()
        self._tmux(
            *("-f", "/dev/null", "new-session", "-d", *size, "-c", str(cwd), script, ";"),
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

    def read_screen(self, *, painted: bool = False) -> list[str]:
        """Return the lines on the screen, with escape sequences if `painted`."""
        screen = self._tmux("capture-pane", "-p", *(["-e"] if painted else []))
        return screen.rstrip("\n").split("\n")

    def wait_for_line(self, pattern: str) -> list[str]:
        """Return the lines on the screen, once one of them matches `pattern`."""
        return self.wait_for_lines(lambda lines: any(re.search(pattern, line) for line in lines))

    def wait_for_lines(self, right: Callable[[list[str]], object]) -> list[str]:
        """Return the lines, once `right` accepts them; raise AssertionError if it never does."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not right(lines := self.read_screen()):
            assert time.monotonic() < deadline, "\n".join(lines)
            time.sleep(0.05)
        return lines

    def wait_for_output(self, text: str) -> None:
        """Wait until the program has written `text`, even if it is overwritten by now."""
        wait_until(lambda: text in self._written.read_text(errors="replace"))

    def wait_for_exit(self) -> tuple[int, list[str]]:
        """Return the exit status of the program once it has ended, and the lines above that."""
        lines = self.wait_for_line(r"^ended \d+$")
        assert lines[-1].startswith("ended ")
        return int(lines[-1].split()[1]), lines[:-1]

    def resize(self, columns: int, lines: int) -> None:
        """Resize the terminal."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def press(self, *keys: str) -> None:
        """Press keys, by their names in tmux."""
        self._tmux("send-keys", *keys)
