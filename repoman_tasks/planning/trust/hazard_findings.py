"""Findings about files in a repo that make programs on the host run commands. Pure.

Git hooks are an example. A container can write such files. Those that exist when a project is
created are mounted read-only over the repo; but root in the container can unmount them, so new
ones are reported, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.text.wording import plural

__all__ = ["PROTECTED", "Hazard", "config_hazards", "hazard_findings", "owner_finding"]

PROTECTED = (
    *(".git/hooks", ".git/config", ".git/info/attributes", ".husky", ".vscode", ".idea"),
    *(".envrc", ".repoman.toml"),
)
"""Paths relative to the repo. The hooks and config of each submodule are protected, too."""

_MAX_NAMED = 5
_SECTION = re.compile(r'\s*\[\s*([A-Za-z0-9.-]+)\s*(?:"((?:[^"\\]|\\.)*)")?\s*\]')
_SETTING = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*)\s*(?:=\s*(.*))?$")
_RUNS = re.compile(
    r"core\.(fsmonitor|hookspath|sshcommand|editor|pager|askpass|gitproxy|attributesfile|worktree)"
    r"|sequence\.editor|diff\.(.*\.)?(external|command|textconv)|merge\..*\.driver"
    r"|filter\..*\.(clean|smudge|process)|include(if)?\.(.*\.)?path|credential\.(.*\.)?helper"
    r"|gpg\.(.*\.)?program|remote\..*\.(uploadpack|receivepack|vcs)|protocol\.(.*\.)?allow"
    r"|(difftool|mergetool|browser|man|pager|interactive|guitool)\..*|uploadpack\..*hook"
    r"|extensions\.worktreeconfig|trailer\..*\.(command|cmd)|web\.browser|instaweb\..*"
)
"""Keys whose value git runs, or reads further configuration from (git-config(1))."""
_RUNS_AFTER_BANG = re.compile(r"alias\..*|submodule\..*\.update")
"""Keys whose value git runs if it begins with an exclamation mark."""


@dataclass(frozen=True)
class Hazard:
    """File or git setting that a program on the host may run."""

    what: str
    mark: str
    """Fingerprint that changes with its content."""


def config_hazards(text: str) -> list[str]:
    """Return the keys in the text of a git configuration that make git run commands."""
    section, keys = "", []
    for line in re.sub(r"\\\n", "", text).splitlines():
        match = _SECTION.match(line)
        if match:
            sub = re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else ""
            section = match[1].lower() + (f".{sub}" if sub else "")
            line = line[match.end() :]
        setting = _SETTING.match(line)
        if not setting or not section:
            continue
        key = f"{section}.{setting[1].lower()}"
        value = (setting[2] or "").strip().strip('"').strip()
        bang = _RUNS_AFTER_BANG.fullmatch(key) and value.startswith("!")
        if bang or _RUNS.fullmatch(key):
            keys.append(key)
    return sorted(set(keys))


def hazard_findings(
    name: str, path: str, hazards: Iterable[Hazard], seen: Mapping[str, str]
) -> list[Finding]:
    """Return a finding about hazards that are new or changed in the repo at `path`.

    `seen` maps the hazards that a person has seen to their marks.
    """
    new = sorted({hazard.what for hazard in hazards if seen.get(hazard.what) != hazard.mark})
    if not new:
        return []
    named = ", ".join(new[:_MAX_NAMED])
    more = f" and {len(new) - _MAX_NAMED} more" if len(new) > _MAX_NAMED else ""
    what = f"new in {path} since you last looked, and run by programs on this host: {named}{more}"
    cure = f"check it before using git or an editor there, then run `repoman status {name} --seen`"
    return [Finding(name, what, cure, kind="hazard")]


def owner_finding(name: str, path: str, files: int, ids: str, project: str) -> Finding:
    """Return a note on `files` in a repo that belong to root or another user of its container.

    `ids` is the person's UID:GID, `project` the Incus project.
    """
    entries = plural(files, "file or folder", "files and folders")
    belong = "belongs" if files == 1 else "belong"
    what = f"{entries} in {path} {belong} to other users of its container"
    command = f"find {path} ! -user {ids.partition(':')[0]} -exec chown -h {ids} {{}} +"
    cure = f"run `incus exec --project {project} {name} -- {command}`"
    return Finding(name, what, cure, problem=False, kind="owner")
