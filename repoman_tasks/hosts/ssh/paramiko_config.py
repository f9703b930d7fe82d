"""Read ssh_config by Paramiko's parser, for a machine that has no ssh to ask."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from repoman_tasks.errors import Failed

__all__ = ["DEFAULT_KEYS", "read_files"]

_SYSTEM = "/etc/ssh/ssh_config"
DEFAULT_KEYS = [f"~/.ssh/{name}" for name in ("id_ed25519", "id_ecdsa", "id_rsa")]
_DEFAULTS = {
    "identityfile": DEFAULT_KEYS,
    "userknownhostsfile": ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"],
    "globalknownhostsfile": ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"],
}
_CRITERIA = {"all", "canonical", "final", "host", "originalhost", "user", "localuser"}
"""Criteria of Match that Paramiko evaluates; it takes any other for true."""
_ALONE = ("all", "canonical", "final")
"""Criteria without a value."""


def read_files(home: str, host: str) -> dict[str, list[str]]:
    """Return the values for `host` by keyword, with ssh's defaults."""
    from paramiko import SSHConfig
    from paramiko.ssh_exception import ConfigParseError, CouldNotCanonicalize

    parser = SSHConfig()
    path = ""
    try:
        for path in (f"{home}/.ssh/config", _SYSTEM):
            lines = _lines(path)
            _check_matches(lines)
            parser.parse(lines)
        found = dict(parser.lookup(host))
    except (ConfigParseError, CouldNotCanonicalize, KeyError, OSError, ValueError) as error:
        what = f"{path} can't be read without OpenSSH's ssh, {error}"
        raise Failed(what, "install openssh-client") from None
    return _as_lists({key: value for key, value in found.items() if value is not None})


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.readlines()
    except FileNotFoundError:
        return []


def _check_matches(lines: Sequence[str]) -> None:
    """Raise ValueError if a Match has a criterion that Paramiko does not look at."""
    for number, line in enumerate(lines, 1):
        keyword, _, rest = line.strip().partition(" ")
        if keyword.lower() == "match" and not set(_criteria(rest)) <= _CRITERIA:
            raise ValueError(f"line {number}: {line.strip()}")


def _criteria(text: str) -> Iterator[str]:
    parts = iter(shlex.split(text))
    for word in parts:
        criterion = word.removeprefix("!").lower()
        yield criterion
        if criterion not in _ALONE:
            next(parts, None)


def _as_lists(found: Mapping[str, str | list[str]]) -> dict[str, list[str]]:
    values = {key: [value] if isinstance(value, str) else value for key, value in found.items()}
    for keyword in ("userknownhostsfile", "globalknownhostsfile"):
        if keyword in values:
            values[keyword] = shlex.split(values[keyword][0])
    return {**_DEFAULTS, **values}
