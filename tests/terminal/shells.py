"""A real bash, zsh or fish on a terminal, in which a test types and presses TAB."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pytest

from tests.support.processes import WAIT_SECONDS

__all__ = ["SHELLS", "Shell", "each_shell"]

SHELLS = ("bash", "zsh", "fish")
each_shell = pytest.mark.parametrize(
    "shell",
    [
        pytest.param(
            name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"not here: {name}")
        )
        for name in SHELLS
    ],
)

# `repoman` and `inv` are functions here, which show the words that they were given.
_POSIX = """
__show() { local word; for word in "$@"; do printf '⟦%s⟧' "$word"; done; printf '⟦END⟧\\n'; }
repoman() { __show "$@"; }
inv() { __show "$@"; }
"""
_RC: Mapping[str, str] = {
    "bash": _POSIX + "PS1='ready> '\nbind 'set enable-bracketed-paste off'\n",
    "zsh": _POSIX + "PS1='ready> '\nunset zle_bracketed_paste\nLISTMAX=1000\n",
    "fish": """
function __show; for word in $argv; printf '⟦%s⟧' $word; end; printf '⟦END⟧\\n'; end
function repoman; __show $argv; end
function inv; __show $argv; end
function fish_prompt; echo 'ready> '; end
set -g fish_greeting
set -g fish_autosuggestion_enabled 0
""",
}


class Shell:
    """A running shell that has loaded `rc`; `home` is the user's."""

    def __init__(
        self,
        name: str,
        home: Path,
        environ: Mapping[str, str],
        rc: str,
        within: Sequence[str] = (),
    ) -> None:
        """Start it. `within` is an argv prefix."""
        self.name = name
        place = home / f"rc-{name}"
        place.mkdir(exist_ok=True)
        words, extra = ["bash", "--rcfile", str(place / "rc"), "-i"], {}
        file = place / "rc"
        if name == "zsh":
            words, extra, file = ["zsh", "-i", "-d"], {"ZDOTDIR": str(place)}, place / ".zshrc"
        elif name == "fish":
            words = ["fish", "-i"]
            file = home / ".config/fish/config.fish"
            file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_RC[name] + rc)
        words = [*within, *words]
        self.child: pexpect.spawn[str] = pexpect.spawn(
            words[0],
            words[1:],
            env={**environ, **extra, "TERM": "xterm-256color"},
            cwd=str(home),
            dimensions=(40, 200),
            encoding="utf-8",
            timeout=WAIT_SECONDS,
        )
        self.child.delaybeforesend = None
        self.child.expect_exact("ready> ")

    def type(self, keys: str) -> list[str]:
        r"""Return the argv that `repoman` or `inv` gets from a line, in which each \t is TAB."""
        self.child.send(keys + "\r")
        self.child.expect_exact("⟦END⟧")
        shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.child.before or "")
        return re.findall(r"⟦([^⟧]*)⟧", shown)

    def run(self, line: str) -> None:
        """Run another command in the shell."""
        self.child.send(line + "; repoman done\r")
        self.child.expect_exact("⟦done⟧⟦END⟧")

    def close(self) -> None:
        self.child.close(force=True)
