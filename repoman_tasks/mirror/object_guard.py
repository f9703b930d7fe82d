"""Keep a sync from destroying the history in a mirror: the objects of git, and its refs.

What a sync would replace or delete is known before (`planning.mirror.manifest`). Only if objects
are among that, git of the host looks at the repo's objects, by a repository of repoman's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial

from repoman_tasks.errors import Busy, Failed, Refused
from repoman_tasks.hosts.base import OutOfTime, Stalled
from repoman_tasks.mirror.rsync_pass import SyncContext, out_of_time
from repoman_tasks.model import Project
from repoman_tasks.planning.mirror.manifest import Losses
from repoman_tasks.planning.mirror.object_check import (
    GitLosses,
    check_any_ref,
    check_commits,
    check_kept_folder,
    check_refs,
    check_sound,
    losses_by_folder,
    ref_ids,
)
from repoman_tasks.tools.file_tree import git_state
from repoman_tasks.tools.git_objects import GitStore, open_store, read_refs

__all__ = ["ObjectGuard"]

_ATTEMPTS = 10
"""Limit of looks at a git directory that is being written to: git itself may be packing it."""
_MOST_FILES = 1000
"""Limit of ref files to name to one program."""


class ObjectGuard:
    """Checks what a sync of one project would do to the git objects in its mirror."""

    def __init__(self, context: SyncContext, project: Project, until: float) -> None:
        self._context = context
        self._host = context.host
        self._project = project
        self._until = until
        self._root = f"{context.local_repos}/{project.repo}"
        self._mirror = f"{context.share.root}/{project.repo}"
        self._both = self._root, self._mirror
        self.lost = 0
        """Number of commits that the sync takes from the mirror."""

    def check(
        self,
        losses: Losses,
        git_dirs: Collection[bytes],
        sent: Collection[bytes] = (),
        before: int = 0,
    ) -> None:
        """Raise Refused if a sync that takes `losses` would damage git objects, or lose history.

        `git_dirs` are the git directories in the repo, and `sent` the paths that are known to have
        changed; the mirror lost `before` commits in the last days. Raise Busy if the repo changes
        all the time.
        """
        self.lost = 0
        for found in losses_by_folder(losses):
            inner = found.folder.decode(errors="surrogateescape")
            if found.objects and self._is_there(inner):
                self._repeat(inner, partial(self._check_objects, inner, found, before))
            if found.folder in git_dirs:
                self._repeat(inner, partial(self._check_refs, inner, found, sent))

    def _is_there(self, inner: str) -> bool:
        """Return False if the git directory went with the folder that it was in."""
        path = _join(self._root, inner)
        there, parent = self._host.real_folders([path, path.rpartition("/")[0]])
        check_kept_folder(self._project.name, path, there=there is not None, parent=bool(parent))
        return there is not None

    def _repeat(self, inner: str, check: Callable[[], None]) -> None:
        """Run `check` on a git directory; do so again if that changed meanwhile."""
        folder = [inner.encode(errors="surrogateescape")]
        before = None
        for _ in range(_ATTEMPTS):
            try:
                return check()
            except OutOfTime:
                raise out_of_time(self._context) from None
            except Stalled:
                raise
            except (Refused, Failed):  # git fails, too, if a pack goes while it reads
                after = git_state(self._host, self._root, folder)
                if before == after:
                    raise
                before = after
        raise Busy(
            f"{_join(self._root, inner)} changed during each of {_ATTEMPTS} checks",
            "sync again when nothing writes to it",
        )

    def _check_objects(self, inner: str, found: GitLosses, before: int) -> None:
        name, path = self._project.name, _join(self._root, inner)
        store = self._store(path, "repo")
        blocking = store.blocking()
        check_sound(name, path, [f"{blocking} would block git"] if blocking else [], broken=False)
        was_shallow, was_partial = self._mirror_is(inner)
        refs = read_refs(self._host, path)
        ends = read_refs(self._host, path, ["shallow"]) if was_shallow else {}
        store = open_store(store, _ids_of(refs), _ids_of(ends))
        complaints, broken = store.fsck()
        if was_partial:  # what it has not fetched is missing, rightly
            complaints = [line for line in complaints if "invalid sha1 pointer" not in line]
        check_sound(name, path, complaints, broken=broken and not was_partial)
        if found.fewer:
            self._check_history(inner, store, before)

    def _mirror_is(self, inner: str) -> tuple[bool, bool]:
        """Return if the mirror is a shallow clone, and if it is a partial one."""
        share, path = self._context.share, _join(self._mirror, inner)
        shallow = share.submit(["test", "-s", f"{path}/shallow"])
        argv = ["find", f"{path}/objects/pack", "-maxdepth", "1", "-name", "*.promisor"]
        promised = share.submit([*argv, "-printf", "x", "-quit"])
        return shallow.result().code == 0, bool(promised.result().out)

    def _check_history(self, inner: str, store: GitStore, before: int) -> None:
        """Raise Refused if too many commits that the mirror has are not in `store`."""
        held: set[bytes] = set()
        mirror = open_store(self._store(_join(self._mirror, inner), "mirror"))
        mirror.list_ids(lambda name, _: held.add(bytes.fromhex(name)), kinds=False)
        kept = 0

        def see(name: str, is_commit: bool) -> None:  # as list_ids calls it
            nonlocal kept
            known = bytes.fromhex(name)
            if known in held:
                held.discard(known)
                kept += is_commit

        store.list_ids(see, kinds=True)
        if not held:
            return
        kinds = mirror.kinds([name.hex() for name in held])
        lost = sum(kind == "commit" for kind in kinds.values())
        limit = self._context.registry.defaults.max_shrink
        check_commits(self._project.name, store.path, lost, kept, limit, before)
        self.lost += lost

    def _check_refs(self, inner: str, found: GitLosses, sent: Collection[bytes]) -> None:
        """Raise Refused if a ref that the mirror has would come to lead to nothing."""
        path = _join(self._root, inner)
        cut = len(found.folder) + 1 if found.folder else 0
        files = [name[cut:].decode(errors="surrogateescape") for name in sorted(found.refs)]
        files = [file for file in files if "\n" not in file]
        if found.fewer_refs:
            now, before = (
                _ids_of(read_refs(self._host, _join(root, inner))) for root in self._both
            )
            check_any_ref(self._project.name, path, len(now), len(before))
        if not files:
            return
        told = read_refs(self._host, path, files if len(files) < _MOST_FILES else ())
        new = (name for name in _ids_of(told) if _loose_path(found.folder, name) not in sent)
        missing = self._missing(path, frozenset(new))
        if missing:
            missing -= self._known_to_mirror(inner)
        broken = {
            (line.partition(b" ")[2].decode(errors="replace") or file)
            for file, lines in told.items()
            for line in lines
            if ref_ids([line]) & missing
        }
        broken |= {file for file in files if file not in told and self._is_garbage(path, file)}
        check_refs(self._project.name, path, broken)

    def _is_garbage(self, path: str, file: str) -> bool:
        """Return True if a ref file that holds neither an id nor a name is still there."""
        return file != "packed-refs" and self._host.read(["test", "-f", f"{path}/{file}"]).code == 0

    def _missing(self, path: str, ids: Collection[str]) -> set[str]:
        if not ids:
            return set()
        kinds = open_store(self._store(path, "repo")).kinds(ids)
        return {name for name in ids if kinds.get(name, "missing") == "missing"}

    def _known_to_mirror(self, inner: str) -> set[str]:
        """Return the ids that refs of the mirror have, also those that lead to nothing there."""
        return set(_ids_of(read_refs(self._host, _join(self._mirror, inner))))

    def _store(self, path: str, what: str) -> GitStore:
        own = f"{self._context.manifest_path(self._project.name)}.{what}"
        stall = self._context.registry.defaults.stall_seconds
        until = self._until if self._until > time.monotonic() else time.monotonic()
        return GitStore(self._host, path, own, stall, until)


def _ids_of(refs: Mapping[str, Iterable[bytes]]) -> frozenset[str]:
    """Return the ids in the lines of ref files."""
    return ref_ids(line for lines in refs.values() for line in lines)


def _loose_path(folder: bytes, name: str) -> bytes:
    """Return the path in the repo of the object `name` if it is loose."""
    path = f"objects/{name[:2]}/{name[2:]}".encode()
    return folder + b"/" + path if folder else path


def _join(root: str, inner: str) -> str:
    return f"{root}/{inner}" if inner else root
