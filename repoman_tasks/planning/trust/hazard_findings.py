"""What in a repo makes programs of the host run something: git, editors, shells. Pure.

All of it can be written from inside the container. What is there when a project is made is
mounted read-only on top of the repo; root inside can take such a mount away, so what is new is
told of, too.
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
"""Relative to the repo; with the hooks and config of each submodule in .git/modules."""

_MOST_NAMED = 5
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
"""Keys of a git configuration whose value git runs, or reads more configuration from
(git-config(1))."""
_RUNS_WITH_MARK = re.compile(r"alias\..*|submodule\..*\.update")
"""Those that git runs where the value begins with an exclamation mark."""


@dataclass(frozen=True)
class Hazard:
    """Something that a program of the host may run; `mark` changes when it does."""

    what: str
    mark: str


def config_hazards(text: str) -> list[str]:
    """The keys in the text of a git configuration that make git run something."""
    section, found = "", []
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
        marked = _RUNS_WITH_MARK.fullmatch(key) and value.startswith("!")
        if marked or _RUNS.fullmatch(key):
            found.append(key)
    return sorted(set(found))


def hazard_findings(
    name: str, path: str, there: Iterable[Hazard], seen: Mapping[str, str]
) -> list[Finding]:
    """What is new, or changed, in the repo of a project since a person last looked."""
    new = sorted({hazard.what for hazard in there if seen.get(hazard.what) != hazard.mark})
    if not new:
        return []
    shown = ", ".join(new[:_MOST_NAMED])
    more = f" and {len(new) - _MOST_NAMED} more" if len(new) > _MOST_NAMED else ""
    what = f"new in {path} since you last looked, and run by programs here: {shown}{more}"
    cure = f"look at it before you use git or an editor there, then `repoman status {name} --seen`"
    return [Finding(name, what, cure, kind="hazard")]


def owner_finding(name: str, path: str, files: int, ids: str, project: str) -> Finding:
    """Files in a repo that belong to root of its container, or to another user in it."""
    entries = plural(files, "file or folder", "files and folders")
    belong = "belongs" if files == 1 else "belong"
    what = f"{entries} in {path} {belong} to other users of its container"
    inside = f"find {path} ! -user {ids.partition(':')[0]} -exec chown -h {ids} {{}} +"
    cure = f"`incus exec --project {project} {name} -- {inside}` makes them yours"
    return Finding(name, what, cure, problem=False, kind="owner")
