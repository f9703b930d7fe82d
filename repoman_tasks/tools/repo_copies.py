"""Copies of repos in repoman's state, for `snapshot` and `undo`.

A copy may hold what a hostile container wrote: nothing in it is run or followed, and no git looks
at it. It counts once its file `about.json` is there, which is written last.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import WALK_SECONDS, Future, Host, Result, TimedOut
from repoman_tasks.planning.local_snapshots import Copy, is_id
from repoman_tasks.planning.text.strict_json import parse_json
from repoman_tasks.tools import rsync

__all__ = [
    "about_files",
    "copy_repo",
    "flush",
    "left_out_rules",
    "remove_copy",
    "remove_tree",
    "submit_copies",
    "submit_left",
    "submit_size",
    "write_copy",
]

_ABOUT = "about.json"
_LEFT_OUT = "left-out"
"""File with a rule for rsync about each entry that could not be copied, ended by NUL."""
_SCHEMA = 1
_SIZE_SECONDS = 60.0
_FLUSH_SECONDS = 600.0
_COPY_SECONDS = 24 * 3600.0


def submit_copies(host: Host, folder: str) -> Future[Mapping[str, Sequence[Copy]]]:
    """Ask for the complete copies below `folder`, by project, the oldest first."""
    argv = ["find", folder, "-mindepth", "3", "-maxdepth", "3", "-name", _ABOUT, "-size", "-4k"]
    show = ["-printf", r"%P\0", "-exec", "cat", "{}", ";", "-printf", r"\0"]
    return host.submit([*argv, "-type", "f", *show]).then(_parse_all)


def _parse_all(result: Result) -> Mapping[str, Sequence[Copy]]:
    words = result.text.split("\0")[:-1]
    found: dict[str, list[Copy]] = {}
    for path, text in sorted(zip(words[::2], words[1::2], strict=False)):
        name, id, _ = path.split("/")
        copy = _parse(id, text)
        if copy is not None:
            found.setdefault(name, []).append(copy)
    return found


def _parse(id: str, text: str) -> Copy | None:
    """Return the copy that `text` is about; None if it is of another version of repoman."""
    try:
        stored: dict[str, Any] = parse_json(text.encode())
        if stored.pop("schema") != _SCHEMA or not is_id(id):
            return None
        copy = Copy(**{**stored, "id": id, "parts": tuple(stored["parts"])})
    except (ValueError, KeyError, TypeError):
        return None
    return copy if isinstance(copy.bytes, int) and isinstance(copy.at, str) else None


def write_copy(host: Host, folder: str, copy: Copy) -> None:
    """Write what a copy, in its `folder`, is about; from then on it counts."""
    stored = {key: value for key, value in asdict(copy).items() if key != "id"}
    text = json.dumps({"schema": _SCHEMA, **stored})
    host.write_file(_about(folder), f"{text}\n".encode(), noted=False)


def _about(folder: str) -> str:
    return f"{folder}/{_ABOUT}"


def about_files(folder: str, copies: Sequence[Copy]) -> tuple[str, ...]:
    """Return the files by which these copies, of a project with that `folder`, count."""
    return tuple(_about(f"{folder}/{copy.id}") for copy in copies)


def submit_left(host: Host, folder: str) -> Future[tuple[str, ...]]:
    """Ask for the ids of the copies in `folder` that are not complete."""
    argv = ["find", folder, "-mindepth", "1", "-maxdepth", "1", "-type", "d"]
    without = ["!", "-exec", "test", "-e", f"{{}}/{_ABOUT}", ";", "-printf", r"%f\0"]
    names = host.submit([*argv, *without]).then(lambda result: result.text.split("\0")[:-1])
    return names.then(lambda found: tuple(sorted(filter(is_id, found))))


def submit_size(host: Host, path: str) -> Future[int | None]:
    """Ask for the space that the tree at `path` takes, in bytes; None if that takes too long."""
    asked = host.submit(["du", "-sk", "--", path], timeout=_SIZE_SECONDS)

    def wait() -> int | None:
        try:
            size = asked.result().text.partition("\t")[0]
        except TimedOut:
            return None
        return int(size) << 10 if size.isdecimal() else None

    return Future(wait)


def copy_repo(
    host: Host, repo: str, folder: str, *, may_copy: bool
) -> tuple[int, tuple[str, ...]] | None:
    """Copy the repo into `folder`; return its size in bytes, and the paths that can't be read.

    The copy shares its data with the repo where the file system can. If it can't, return None,
    unless `may_copy`. Raise Failed if anything else is missing in the copy.
    """
    parent = posixpath.dirname(folder)
    paths = {posixpath.dirname(parent): ["-p"], parent: ["-p"], folder: []}
    for path, options in paths.items():  # -m is for the last folder only; a copy is always new
        made = host.change(["mkdir", *options, "-m", "700", "--", path])
        if made.code:
            raise Failed(f"{path} can't be created", made.complaint)
    if not may_copy and not _shares(host, repo, folder):
        remove_copy(host, folder)
        return None
    how = "--reflink=auto" if may_copy else "--reflink=always"
    argv = ["cp", "-a", how, "--no-target-directory", "--", repo, f"{folder}/repo"]
    done = host.change(argv, timeout=_COPY_SECONDS)
    closed = _closed_paths(host, repo) if done.code else ()
    if done.code and not (closed and _has_all_but(host, repo, folder, closed)):
        raise Failed(f"{repo} can't be copied: {done.complaint}", "mend that, and take it again")
    flush(host, folder)
    return submit_size(host, f"{folder}/repo").result() or 0, closed


def _closed_paths(host: Host, repo: str) -> tuple[str, ...]:
    """Return the paths of files and folders in the repo that the user may not read.

    Nothing in such a folder is listed. If the repo itself is one, return none.
    """
    folder = ["-type", "d", "(", "!", "-readable", "-o", "!", "-executable", ")"]
    file = ["-type", "f", "!", "-readable"]
    argv = ["find", repo, "(", *folder, "-o", *file, ")", "-prune", "-printf", r"%P\0"]
    paths = tuple(host.read(argv, timeout=WALK_SECONDS).text.split("\0")[:-1])
    return () if "" in paths else paths


def _has_all_but(host: Host, repo: str, folder: str, closed: Sequence[str]) -> bool:
    """Return True if the copy in `folder` has all of the repo but `closed`; write rules for these.

    An error of `cp` does not tell that: the disk may have been full, too.
    """
    rules = "".join(f"{rsync.exclude_path(path)}\0" for path in closed)
    file = f"{folder}/{_LEFT_OUT}"
    host.write_file(file, rules.encode(errors="surrogateescape"), noted=False)
    argv = rsync.pass_argv(
        repo, [""], [], rsync.Preserved(), dry_run=True, only=file, target=f"{folder}/repo/"
    )
    done = host.read(argv, timeout=WALK_SECONDS)
    items = filter(None, map(rsync.parse_item, done.out.split(b"\n")))
    return not done.code and all(item.kind is rsync.Kind.ATTRIBUTES for item in items)


def left_out_rules(host: Host, folder: str) -> tuple[str, int]:
    """Return the file with the rules about what the copy in `folder` lacks, and their number.

    If the copy has all of the repo, the path is empty.
    """
    file = f"{folder}/{_LEFT_OUT}"
    rules = host.read_file(file)
    return (file, rules.count(b"\0")) if rules else ("", 0)


def flush(host: Host, folder: str) -> None:
    """Write what the file system of `folder` has in memory to its disk.

    So no copy that counts lacks data after a power cut.
    """
    done = host.change(["sync", "-f", "--", folder], timeout=_FLUSH_SECONDS)
    if done.code:
        raise Failed(f"{folder} can't be written to its disk", done.complaint.rpartition(": ")[2])


def _shares(host: Host, repo: str, folder: str) -> bool:
    """Return True if a file in `folder` can share its data with one of the repo."""
    argv = ["find", repo, "-xdev", "-type", "f", "-size", "+0", "-readable", "-print0", "-quit"]
    file = host.read(argv).text.rstrip("\0")
    probe = ["cp", "-P", "--reflink=always", "--", file, f"{folder}/probe"]
    return bool(file) and not host.change(probe).code


def remove_copy(host: Host, folder: str) -> Result:
    """Delete a copy; return what `rm` answers. If that is killed, the rest does not count."""
    return remove_tree(host, folder, first=[_about(folder)])


def remove_tree(host: Host, path: str, *, first: Sequence[str] = ()) -> Result:
    """Delete a folder with all that is in it, `first` these files; return what `rm` answers.

    The user's own folders in it may be read-only, as those of Go's module cache.
    """
    argv = ["rm", "-rf", "--one-file-system", "--", *first, path]
    done = host.change(argv, timeout=_COPY_SECONDS)
    if not done.code:
        return done
    closed = ["-type", "d", "-user", str(host.uid), "!", "-perm", "-u=rwx"]
    chmod = ["-exec", "chmod", "u+rwx", "--", "{}", ";"]
    host.change(["find", path, "-xdev", *closed, *chmod], timeout=_COPY_SECONDS)
    return host.change(argv, timeout=_COPY_SECONDS)
