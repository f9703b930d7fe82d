"""Replace the tokens in values of ssh_config, which `ssh -G` prints as they are written."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import field

from repoman_tasks.late_dataclass import dataclass

__all__ = ["Tokens", "split_command"]


@dataclass(frozen=True)
class Tokens:
    """The values of %h, ${NAME} and ~."""

    letters: Mapping[str, str]
    environ: Mapping[str, str] = field(repr=False)
    home: str

    def text(self, value: str) -> str:
        """Return `value` with the %-tokens replaced; one that is not known stays."""
        return re.sub(r"%(.)", lambda found: self.letters.get(found[1], found[0]), value)

    def path(self, value: str) -> str:
        """Return a path with the tokens replaced."""
        if value == "~" or value.startswith("~/"):
            value = self.home + value[1:]
        value = re.sub(r"\$\{(\w+)\}", lambda found: self.environ.get(found[1], found[0]), value)
        return os.path.expanduser(self.text(value))

    def paths(self, values: Iterable[str]) -> tuple[str, ...]:
        """Return the paths of a list of files, which may be `none`."""
        return tuple(self.path(value) for value in values if value and value.lower() != "none")

    def socket(self, value: str) -> str:
        """Return the socket of an agent: `value` is a path, or the name of a variable."""
        if value == "SSH_AUTH_SOCK":
            return self.environ.get(value, "")
        if re.fullmatch(r"\$\w+", value):
            return self.environ.get(value[1:], "")
        return self.path(value) if value else ""


_QUOTED = re.compile(r"""'[^']*'|"[^"$`\\]*\"""")
_FOR_A_SHELL = re.compile(r"[|&;<>()$`\n]|^\s*\w+=")


def split_command(line: str, tokens: Tokens) -> list[str]:
    """Return the argv of a ProxyCommand, which OpenSSH gives to a shell; empty if it needs one."""
    try:
        argv = shlex.split(line)
    except ValueError:
        argv = []
    if not argv or _FOR_A_SHELL.search(_QUOTED.sub("", line)):
        return []
    home = tokens.home
    argv = [home + word[1:] if word.startswith("~/") else word for word in argv]
    return [tokens.text(word) for word in argv]
