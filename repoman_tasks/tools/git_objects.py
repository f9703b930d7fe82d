"""Reads git objects, of a mirror or of a repo, and checks them by their names, which are hashes.

The host's git does so with a repository of its own, which has no objects and a plain configuration:
of the other one it reads the objects only, and neither its configuration nor its hooks.
"""

from __future__ import annotations

import math
import posixpath
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import WALK_SECONDS, Host, Result, Sink
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.tools.share import Share

__all__ = ["GitStore", "check_objects", "open_store", "read_refs"]

_MOST_LINES = 20
"""The most complaints to keep."""
_NOT_FOUND = 127
_CLEAN = ("GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
_PLAIN = ("git", "-c", "core.multiPackIndex=false", "-c", "core.commitGraph=false")
"""Without files that only repeat what others say."""
_FSCK = ("fsck", "--full", "--no-dangling", "--no-reflogs", "--no-progress")
_IGNORED = ("error in ", "error: object directory ")
"""Complaints of fsck to ignore: of what git would not write today, but reads; and of a repo to
borrow objects from that is not here."""
_UNREACHABLE = 2
"""Bit of the exit status of fsck if an object is missing that a ref needs (builtin/fsck.c)."""
_AT_ONCE = 10_000
"""Number of objects to ask one git about."""
_MOST_READ = 64 << 20
"""The most bytes of refs to read."""


@dataclass(frozen=True)
class GitStore:
    """The objects of the git directory at `path` on `host`."""

    host: Host
    path: str
    own: str
    """Path of a repository of repoman's own; see `open_store`."""
    stall_seconds: float = 0
    until: float = math.inf
    """Time, of the monotonic clock, at which git is ended."""

    @property
    def objects(self) -> str:
        """Return the path of the folder of objects."""
        return posixpath.join(self.path, "objects")

    def fsck(self) -> tuple[list[str], bool]:
        """Check all objects; return git's complaints, and if a ref needs one that is missing."""
        found: list[bytes] = []

        def see(line: bytes) -> None:
            if line.startswith((b"error", b"fatal")) and len(found) < _MOST_LINES:
                found.append(line)

        code = self._stream([*_FSCK], see, see)
        lines = [line.decode(errors="replace") for line in found] if code else []
        told = [line for line in lines if not line.startswith(_IGNORED)]
        if code < 0 or code > 128:
            raise Failed(f"git ended with status {code}", "; ".join(told))
        return told, bool(code & _UNREACHABLE)

    def list_ids(self, see: Callable[[str, bool], object], *, kinds: bool) -> None:
        """Call `see` with the id of each object, and if it is a commit, unless not `kinds`.

        Without kinds, no object is read, only the indexes of packs.
        """
        form = "%(objectname) %(objecttype)" if kinds else "%(objectname)"

        def take(line: bytes) -> None:
            name, _, kind = line.decode(errors="replace").partition(" ")
            see(name, kind == "commit")

        errors: list[bytes] = []
        argv = ["cat-file", "--batch-all-objects", "--unordered", f"--batch-check={form}"]
        code = self._stream(argv, take, errors.append)
        if code:
            why = b"; ".join(errors[:_MOST_LINES]).decode(errors="replace")
            raise Failed(f"git objects in {self.path} can't be listed", why)

    def kinds(self, ids: Collection[str]) -> dict[str, str]:
        """Return the kinds of the objects `ids`, as git names them, or "missing"."""
        kinds: dict[str, str] = {}
        for names in _parts(sorted(ids)):
            argv = [*self._argv, "cat-file", "--batch-check=%(objectname) %(objecttype)"]
            stdin = "".join(f"{name}\n" for name in names).encode()
            found = self.host.change(argv, stdin=stdin, timeout=WALK_SECONDS, stoppable=True)
            if found.code:
                raise Failed(f"git objects in {self.path} can't be read", found.complaint)
            for line in found.text.splitlines():
                name, _, kind = line.partition(" ")
                kinds[name] = kind
        return kinds

    @property
    def _argv(self) -> list[str]:
        places = [f"GIT_DIR={self.own}", f"GIT_OBJECT_DIRECTORY={self.objects}"]
        return ["env", *_CLEAN, *places, *_PLAIN]

    def _stream(self, argv: list[str], out: Sink, err: Sink) -> int:
        left = self.until - time.monotonic()
        code = self.host.stream(
            [*self._argv, *argv],
            out,
            err,
            stall_seconds=self.stall_seconds,
            limit_seconds=max(0.001, left) if left < math.inf else 0,
            changes=False,
        )
        if code == _NOT_FOUND:
            raise _not_run(code, "", "")
        return code

    def blocking(self) -> str:
        """Return the path of a file in `objects` that git might read for ever, or ""."""
        argv = ["find", self.objects, "(", "-type", "p", "-o", "-type", "l", "(", "-false"]
        for kind in "pscb":
            argv += ["-o", "-xtype", kind]
        argv += [")", ")", "-printf", r"%p\n", "-quit"]
        return _read(self.host, argv).text.rstrip("\n")


def open_store(
    store: GitStore, ids: Collection[str] = (), shallow: Collection[str] = ()
) -> GitStore:
    """Make the repository of repoman's own for `store`, and return the store with it.

    `store.own` is the beginning of its path. It has refs to the objects `ids`, and history ends at
    those `shallow`. Raise Failed if git is not installed, or the repository can't be made.
    """
    sha256 = any(len(name) > 40 for name in ids) or _has_sha256(store)
    kind = "sha256" if sha256 else "sha1"
    own = f"{store.own}-{kind}.git"
    init = ["git", "init", "--quiet", "--bare", "--template=", f"--object-format={kind}", own]
    made = store.host.change(["env", *_CLEAN, *init])
    if made.code:
        raise _not_run(made.code, f"{own} can't be created", made.complaint)
    refs = "".join(f"{name} refs/needed/{name}\n" for name in sorted(ids))
    ends = "".join(f"{name}\n" for name in sorted(shallow))
    store.host.write_file(f"{own}/packed-refs", refs.encode(), noted=False)
    if ends:
        store.host.write_file(f"{own}/shallow", ends.encode(), noted=False)
    else:  # an empty file is not a shallow repository, but git looks at it
        store.host.change(["rm", "-f", "--", f"{own}/shallow"])
    return replace(store, own=own)


def _has_sha256(store: GitStore) -> bool:
    config = posixpath.join(store.path, "config")
    argv = ["grep", "-qiE", "-D", "skip", r"^\s*objectformat\s*=\s*sha256", "--", config]
    return _read(store.host, argv).code == 0


def _read(host: Host, argv: list[str]) -> Result:
    asked = host.submit(argv, timeout=WALK_SECONDS, max_bytes=_MOST_READ, stoppable=True)
    return asked.result()


def _parts(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), _AT_ONCE):
        yield names[start : start + _AT_ONCE]


def _not_run(code: int, what: str, why: str) -> Failed:
    if code == _NOT_FOUND:
        return Failed("git is not installed, so git objects can't be checked", "install git")
    return Failed(what, why)


def read_refs(host: Host, path: str, files: Collection[str] = ()) -> dict[str, list[bytes]]:
    """Return the lines of the ref files of the git directory at `path` that have an id or a name.

    It is by the files' paths in it; without `files`, all of them are read. No link in `refs` is
    followed, and no FIFO or device blocks.
    """
    places = [f"{path}/{file}" for file in files or ("HEAD", "packed-refs", "refs", "worktrees")]
    argv = ["grep", "-raHoZE", "-D", "skip", "-e", "^([0-9a-f]{40,64}( refs/.*)?|ref: .*)$"]
    found = _read(host, [*argv, "--", *places])
    refs: dict[str, list[bytes]] = {}
    for line in found.out.splitlines():
        name, _, text = line.partition(b"\0")
        refs.setdefault(name.decode(errors="surrogateescape")[len(path) + 1 :], []).append(text)
    return refs


def check_objects(share: Share, git_dir: str, folder: str, stall_seconds: float) -> list[str]:
    """Return git's complaints about objects of the git directory at `git_dir` on the share.

    `folder` is for repositories of repoman's own, on the same host. Raise Failed if git can't be
    run, Stalled after `stall_seconds` without progress.
    """
    path = posixpath.join(share.root, git_dir)
    store = GitStore(share.host, path, f"{folder}/objects", stall_seconds)
    if share.read(["test", "-d", store.objects]).code:
        return []  # excluded from the mirror
    blocking = store.blocking().removeprefix(f"{share.root}/")
    if blocking:
        return [f"objects not checked: {blocking} leads to a FIFO, socket or device"]
    found, _ = open_store(store).fsck()
    return [line.replace(f"{share.root}/", "") for line in found]
