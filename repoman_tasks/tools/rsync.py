"""rsync: build its argv, parse its output."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum

from repoman_tasks.errors import ExitCode
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Excludes
from repoman_tasks.planning.names import SERVER_FOLDERS, with_parents

__all__ = [
    "METADATA_REFUSED",
    "Item",
    "Kind",
    "Preserved",
    "changed_while_read",
    "discards_rule",
    "everywhere",
    "exclude_path",
    "exit_code",
    "filters",
    "filters_of_all",
    "listing_argv",
    "misses_source",
    "only_rules",
    "parse_item",
    "parse_progress",
    "pass_argv",
    "refuses_metadata",
    "reports_max_delete",
    "reports_vanished",
    "share_lacks",
    "status_message",
    "target_fault",
    "unescaped",
]

_GIT_TRANSIENTS = (
    # Locks and temporary objects are not data; a lock in a restored repo would block it.
    "+ .git/**.lock/",
    "- .git/*.lock",
    "- .git/refs/**.lock",
    "- .git/worktrees/*/*.lock",
    "- .git/modules/**/refs/**.lock",
    *(f"- .git/modules/**/{name}.lock" for name in ("HEAD", "config", "index", "packed-refs")),
    "- .git/**/tmp_obj_*",
    "- .git/**/pack/tmp_*",
    "- .git/**/pack/.tmp-*",
)
_NEVER_COPIED = ("- .zfs/", *(f"- {name}/" for name in sorted(SERVER_FOLDERS)), "P .snapshot/")
"""Names that file servers put into folders. A repo may have a folder .snapshot, which is copied."""
_GIT_DIRS = ("/.git", "/.git/**", "/**/.git", "/**/.git/**")
_OUT_FORMAT = "--out-format=%i %l %n"
_WILD = re.compile(r"[*?\[\\]")


class Kind(StrEnum):
    """The kinds of change to an entry of the mirror."""

    NEW = "new"
    CHANGED = "changed"
    DELETED = "deleted"
    ATTRIBUTES = "attributes"


@dataclass(frozen=True, slots=True)
class Item:
    """One itemized change; `path` is relative to the transfer's root; folders end with /."""

    kind: Kind
    path: bytes
    size: int


@dataclass(frozen=True)
class Preserved:
    """The metadata of files that the share preserves."""

    owners: bool = False
    groups: bool = False
    nanoseconds: bool = True
    case: bool = True
    modes: bool = True
    times: bool = True
    links: bool = True
    """Hard links."""
    odd_seconds: bool = True


def filters(repo: str, excludes: Excludes) -> list[str]:
    """Return the filter rules for the repo at `repo`, relative to the transfer's root.

    Patterns have rsync's meaning; a leading / anchors one at the root of the repo.
    """
    return filters_of_all([(repo, excludes)])


def filters_of_all(repos: Iterable[tuple[str, Excludes]]) -> list[str]:
    """Return the filter rules for one transfer of several repos, each with its patterns.

    A plain name from the registry matches in all of them. A pattern that a repo requests matches
    in that repo only, and never in its git directories.
    """
    own: dict[str, None] = {}  # an ordered set
    desired: dict[str, None] = {}
    requested: list[str] = []
    for repo, excludes in repos:
        for path in with_parents(repo):  # no pattern may exclude the repo itself
            own[f"+ /{_escaped(path)}/"] = None
        for pattern in filter(None, excludes.own):
            desired.update({f"- {rule}": None for rule in _anchored(repo, pattern)})
        requested += _requested_rules(repo, excludes.requested)
    return [*own, *_NEVER_COPIED, *_GIT_TRANSIENTS, *desired, *requested]


def _requested_rules(repo: str, patterns: Sequence[str]) -> list[str]:
    """Return the rules for patterns that a repo requests; rsync takes the first match.

    Plain names are anchored, too: they must not match in another repo of the transfer.
    """
    kept = [_below(repo, path) for path in _GIT_DIRS if patterns]
    held = map(_with_contents, filter(None, patterns))
    left_out = [rule for pattern in held for rule in _in_repo(repo, pattern)]
    return [*(f"+ {rule}" for rule in kept), *(f"- {rule}" for rule in left_out)]


def _with_contents(pattern: str) -> str:
    """Return a folder's pattern so that it matches the contents, too.

    Otherwise a file that replaces the folder in the repo would delete them from the mirror.
    """
    return f"{pattern}***" if pattern.endswith("/") else pattern


def everywhere(pattern: str) -> bool:
    """Return True if a pattern is a plain name, which matches at any depth in any repo."""
    return "/" not in pattern.rstrip("/")


def _anchored(repo: str, pattern: str) -> list[str]:
    """Return `pattern` as rules of a transfer in which `repo` is a folder.

    rsync would match a pattern with a slash against paths that start with the repo's name, too.
    """
    return [pattern] if everywhere(pattern) else _in_repo(repo, pattern)


def _in_repo(repo: str, pattern: str) -> list[str]:
    if pattern.startswith("/"):
        return [_below(repo, pattern)]
    return [_below(repo, f"/{pattern}"), _below(repo, f"/**/{_literal(pattern)}")]


def _literal(pattern: str) -> str:
    """Escape the \\ of a pattern without wildcards: rsync reads them literally only there."""
    return pattern if re.search(r"[*?\[]", pattern) else pattern.replace("\\", "\\\\")


def _below(repo: str, pattern: str) -> str:
    if re.search(r"[*?\[]", pattern):
        return f"/{_WILD.sub(_backslash, repo)}{pattern}"
    return _escaped(f"/{repo}{pattern}")


def exclude_path(path: str) -> str:
    """Return the rule that excludes exactly `path`, relative to the transfer's root."""
    return f"- /{_escaped(path)}"


def _escaped(path: str) -> str:
    """Return `path` as a literal pattern; rsync takes \\ as an escape only beside a wildcard."""
    return _WILD.sub(_backslash, path) if re.search(r"[*?\[]", path) else path


def _backslash(match: re.Match[str]) -> str:
    return "\\" + match[0]


def pass_argv(
    root: str,
    sources: Sequence[str],
    rules: Sequence[str],
    keeps: Preserved,
    *,
    delete: bool = True,
    max_delete: int | None = None,
    dry_run: bool = False,
    progress: bool = False,
    contents: bool = False,
    only: str = "",
    backup: str = "",
    target: str = ".",
) -> list[str]:
    """Return the argv that copies `sources`, paths relative to `root`, to the working folder.

    The working folder is the share's root. The target is `.`, so that rsync resolves no path of
    the share: it stays on the file system that was checked, whatever is mounted later. With
    `contents`, files are compared by checksum instead of size and time. What is replaced or
    deleted goes to the folder `backup`, if given. `only` is a file with further rules, each ended
    by NUL; see `only_rules`.
    """
    if not sources:
        raise ValueError("without a source rsync would list the share")
    argv = ["rsync", "--recursive", "--links", "--perms", "--times", "--sparse"]
    argv += ["--relative", "--whole-file", "--no-human-readable", _OUT_FORMAT]
    argv += _preserving(keeps)
    contents |= not keeps.times
    argv += _deleting(keeps, max_delete) if delete else []
    argv += ["--checksum"] * contents
    argv += ["--backup", f"--backup-dir={backup}", "--no-implied-dirs"] if backup else []
    argv += ["--dry-run"] * dry_run + ["--info=progress2"] * progress
    argv += [f"--filter={rule}" for rule in rules]
    argv += ["--from0", f"--filter=. {only}"] if only else []
    return [*argv, "--", *(f"{root.rstrip('/')}/./{source}" for source in sources), target]


def _preserving(keeps: Preserved) -> list[str]:
    """Return the options for what the share can keep of a file."""
    # A set-uid file of a container's root must not become one of the person; and the person, who
    # read it as another user, must be able to read the copy.
    argv = ["--hard-links"] * keeps.links + ["--chmod=Fug-s,Fu+r,Du+rx"] * (not keeps.owners)
    argv += ["--owner"] * keeps.owners + ["--group"] * keeps.groups
    argv += ["--modify-window=-1"] * keeps.nanoseconds
    argv += ["--modify-window=1"] * (not keeps.odd_seconds)
    return argv + ["--no-perms"] * (not keeps.modes) + ["--no-times"] * (not keeps.times)


def _deleting(keeps: Preserved, max_delete: int | None) -> list[str]:
    """Return the options that delete what is not in the source, at most `max_delete` entries."""
    # If case is lost, --delete-after would delete both after a rename of makefile to Makefile;
    # --delete-delay asks less, but deletes before an error in a later folder is known.
    argv = ["--delete-after" if keeps.case else "--delete-before"]
    return argv if max_delete is None else [*argv, f"--max-delete={max_delete}"]


def only_rules(repo: str, paths: Iterable[str], trees: Iterable[str]) -> list[str]:
    """Return the rules that limit a pass to `paths` in the repo, and to `trees` with all they hold.

    They come after those of the repo. With a list for --files-from, rsync would follow links in
    place of the folders above a path.
    """
    paths, trees = {f"{repo}/{path}" for path in paths}, {f"{repo}/{tree}" for tree in trees}
    above = {parent for path in paths | trees for parent in with_parents(path)[:-1]}
    rules = [f"+ /{_escaped(folder)}/" for folder in sorted(above)]
    rules += [f"+ /{_escaped(path)}" for path in sorted(paths | trees)]
    return [*rules, *(f"+ /{_WILD.sub(_backslash, tree)}/***" for tree in sorted(trees)), "- *"]


def listing_argv(root: str, repo: str, rules: Sequence[str]) -> list[str]:
    """Return the argv that itemizes all entries that a pass copies; it writes nothing."""
    argv = ["rsync", "--recursive", "--links", "--relative", "--dry-run", _OUT_FORMAT]
    argv += [f"--filter={rule}" for rule in rules]
    return [*argv, "--", f"{root.rstrip('/')}/./{repo}/", "/nonexistent/"]


_CHANGE = re.compile(rb"([<>ch.*])([\S ]{10}) (\d+) (.+)", re.DOTALL)
_PROGRESS = re.compile(rb"\s*([\d,]+)\s+(\d+)%")


def parse_item(line: bytes) -> Item | None:
    """Parse a line of output into the change that it itemizes, None if it is another line."""
    match = _CHANGE.fullmatch(line)
    if not match:
        return None
    first, flags, size, path = match.groups()
    if first == b"*":
        kind = Kind.DELETED
    elif flags.endswith(b"+++++++++"):
        kind = Kind.NEW
    elif first == b".":
        kind = Kind.ATTRIBUTES
    else:
        kind = Kind.CHANGED
    sent = int(size) if first in b"<>" else 0
    return Item(kind, unescaped(path), sent)


def unescaped(path: bytes) -> bytes:
    """Return a name as on disk; rsync prints bytes beyond ASCII as \\#ooo."""
    return re.sub(rb"\\#([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), path)


def parse_progress(line: bytes) -> tuple[int, int] | None:
    """Parse a progress line into (bytes so far, percent), None if it is another line."""
    match = _PROGRESS.match(line)
    return (int(match[1].replace(b",", b"")), int(match[2])) if match else None


def reports_max_delete(line: bytes) -> bool:
    """Return True if a line of standard error reports that --max-delete was reached."""
    return line.startswith(b"Deletions stopped due to --max-delete")


def changed_while_read(complaint: str) -> bool:
    """Return True if a line of stderr only reports a file that changed while it was read."""
    return (
        ("read errors mapping" in complaint and complaint.endswith("No data available (61)"))
        or "failed verification -- update " in complaint
        or complaint.startswith(("rsync error:", "file has vanished:"))
    )


def misses_source(complaint: str) -> bool:
    """Return True if a line of stderr only reports that a named source is not there any more."""
    missing = "No such file or directory (2)"
    of_sender = complaint.startswith("rsync: [sender] link_stat ") and complaint.endswith(missing)
    return of_sender or complaint.startswith("rsync error:")


def discards_rule(line: bytes) -> bool:
    """Return True if a line of standard error reports a rule that is too long; rsync exits with 0.

    More is copied or deleted without it, or less.
    """
    return line.startswith(b"discarding over-long ")


def reports_vanished(line: bytes) -> bool:
    """Return True if a line of standard error reports a file that vanished."""
    return line.startswith((b"file has vanished:", b"directory has vanished:"))


_TARGET_FAULTS = {
    "No space left on device (28)": "the share is full",
    "Disk quota exceeded (122)": "the quota on the share is used up",
    "Read-only file system (30)": "the share is read-only",
    "Stale file handle (116)": "the file server no longer knows the share",
}


METADATA_REFUSED = (
    "the share refused to change modes or times of files in the mirror",
    "on the file server, give the mirror to the user who syncs, and remove its ACLs",
)
"""The error if nothing else failed, and its cure."""


def refuses_metadata(complaint: str) -> bool:
    """Return True if a line of stderr only reports that a mode or time could not be set."""
    return (
        "failed to set permissions on" in complaint or "failed to set times on" in complaint
    ) and (complaint.endswith("Operation not permitted (1)"))


_SHARE_LACKS = {
    r'(mkstemp|mkdir|mknod|symlink|link|open) ".*failed: Invalid argument \(22\)$': (
        "the share does not allow a name"
    ),
    r'\] (symlink|link_stat) ".*failed: Operation not (permitted \(1\)|supported \(95\))$': (
        "the share has no symlinks"
    ),
    r"failed: File name too long \(36\)$": "a name is too long for the share",
}


def share_lacks(complaint: str) -> str:
    """Return what the share can't hold, by a line of stderr of the writing side, "" if nothing."""
    if not complaint.startswith(("rsync: [receiver]", "rsync: [generator]")):
        return ""
    return next((lack for text, lack in _SHARE_LACKS.items() if re.search(text, complaint)), "")


def target_fault(complaint: str) -> str:
    """Return the fault of the share that the writing side reports, "" if none."""
    if not complaint.startswith(("rsync: [receiver]", "rsync: [generator]")):
        return ""
    return next((fault for text, fault in _TARGET_FAULTS.items() if text in complaint), "")


_STATUS_MESSAGES = {
    1: "rsync did not understand its options; version 3.2 or newer is needed",
    2: "the two rsync processes do not speak the same protocol",
    3: "files or folders could not be selected",
    5: "the transfer could not be started",
    10: "a connection failed",
    11: "reading or writing a file failed",
    12: "the transfer broke off",
    13: "rsync failed to report an error",
    14: "one rsync process could not talk to the other",
    20: "rsync was interrupted",
    21: "an rsync process failed to wait for another",
    22: "rsync ran out of memory",
    23: "some files could not be copied",
    24: "some files vanished while they were being copied",
    25: "more would be deleted than max_delete allows; the rest stays in the mirror",
    30: "the transfer timed out",
    35: "the connection timed out",
}


def status_message(code: int) -> str:
    """Return the meaning of rsync's exit status (rsync(1), EXIT VALUES)."""
    if code < 0 or code > 128:
        return f"rsync was killed by signal {-code if code < 0 else code - 128}"
    return _STATUS_MESSAGES.get(code, f"rsync failed with status {code}")


def exit_code(code: int) -> ExitCode:
    """Return repoman's exit code for a project whose rsync exited with `code`."""
    if code in (0, 24):
        return ExitCode.OK
    return ExitCode.REFUSED if code == 25 else ExitCode.SOME_FAILED
