"""The backup share.

Only child processes with a timeout access it, so that a dead server can't block repoman.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Container, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial

from repoman_tasks.errors import Failed, TargetUnusable
from repoman_tasks.hosts.base import Argv, Future, Holder, Host, Result, Stalled, TimedOut
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Tally
from repoman_tasks.mountinfo import MountEntry, parse_mountinfo
from repoman_tasks.planning.mirror.known_mirrors import TOKEN
from repoman_tasks.planning.mirror.share_check import (
    ASIDE,
    BASELINES,
    MARKER,
    MARKER_NANOSECONDS,
    MARKER_SECONDS,
    REGISTRY_COPIES,
    Marker,
    Probe,
    check_still_mounted,
    find_mount,
    marker_text,
    parse_marker,
    writable_mount_points,
)
from repoman_tasks.planning.names import SERVER_FOLDERS, with_parents
from repoman_tasks.tools.file_tree import PRUNED
from repoman_tasks.tools.regular_file import head_argv
from repoman_tasks.tools.snapshot_names import SnapshotListing

__all__ = ["Share", "mounted_shares", "open_share"]

_MOUNTINFO = "/proc/self/mountinfo"
_DELETION_SECONDS = 3600.0
_MOST_BASELINE = 1 << 20
_MOST_COPIES = 100
"""The most copies of the registry to keep on the share, one of each day on which it changed."""
_MOST_REGISTRY = 16 << 20
"""The most bytes of a registry to read."""
_REGISTRY_COPY = f"{'[0-9]' * 4}-{'[0-9]' * 2}-{'[0-9]' * 2}.toml"
"""Pattern of find for the names of its copies."""
_ROOT = r"%y %i %T@ %C@\0%p\0"
_IDENTITY = r"%D %i %U %G %T@\0%p\0"
"""Formats for find to print of each path; see `_parse_listing`."""


@dataclass(frozen=True)
class Share:
    """The backup share, held open so that it stays mounted, and the probe made of it."""

    host: Host
    holder: Holder
    probe: Probe
    timeout: float
    listing: Future[Result]
    """The names of the folders in its root, which `folders` returns. They are asked for with the
    probe, which saves a round trip."""

    snapshots: SnapshotListing
    """The question for the names of its snapshots, which was asked with the probe, too."""

    @property
    def snapshot_names(self) -> Sequence[str]:
        """Return the names of the snapshots when the share was opened; none if it hangs."""
        try:
            return [name for name, _ in self.find_snapshots()]
        except (Failed, TargetUnusable):
            return []

    def find_snapshots(self) -> Sequence[tuple[str, str]]:
        """Return the name of each snapshot when the share was opened, and its path for the root.

        Raise TargetUnusable if the share does not answer.
        """
        top = self.probe.mount.target if self.probe.mount else self.probe.real
        try:
            return self.snapshots.find(self.probe.real.removeprefix(top).strip("/"))
        except TimedOut:
            raise _no_answer(self.probe.path, self.timeout) from None

    @property
    def folders(self) -> list[str]:
        """Return the names of the folders in the root as it was when the share was opened.

        None if it does not answer any more.
        """
        try:
            return self.listing.result().text.split("\0")[:-1]
        except Failed:
            return []

    @property
    def root(self) -> str:
        """Return a path to the share's root that no later mount can redirect."""
        return self.holder.path

    def check(self) -> None:
        """Raise TargetUnusable if the share is no longer mounted as it was when it was opened."""
        self.submit_check().result()

    def submit_check(self) -> Future[None]:
        """Ask if the share is still mounted as it was; the result raises TargetUnusable if not."""
        mountinfo = self.host.submit_file(_MOUNTINFO)
        return mountinfo.then(lambda text: check_still_mounted(self.probe, _mounts(text)))

    def submit_roots(self, folders: Sequence[str]) -> Future[dict[str, str]]:
        """Ask what identifies each of `folders`, and each of their parents, that exists.

        Paths are relative to the share. It is find's letter of the kind, inode and times, so that
        it changes with the folder; symlinks are not followed. It is asked by one listing of each
        folder that holds some of them, not for each.
        """
        paths = {path for folder in folders for path in with_parents(folder)}
        holding = sorted({f"{self.root}/{path.rpartition('/')[0]}" for path in paths})
        if not holding:
            return Future(dict)
        found = self.submit(_listing(holding))
        return Future(lambda: self._roots(found.result(), holding, paths))

    def _roots(
        self, result: Result, holding: Sequence[str], paths: Container[str]
    ) -> dict[str, str]:
        entries = _parse_listing(result)
        if result.code:
            # find has one exit status for what is missing, which is no error, and for all others.
            existing = [path for path in holding if path in entries]
            again = self.read(_listing(existing)) if existing else result
            if again.code:
                raise TargetUnusable(f"{self.probe.path} can't be read", again.complaint)
            entries = _parse_listing(again)
        cut = len(self.root) + 1
        return {path[cut:]: told for path, told in entries.items() if path[cut:] in paths}

    def make_aside(self, name: str) -> str:
        """Create a folder for what a repair of the mirror of the project `name` replaces.

        Return its path relative to the share. Nobody can put a link there before, since nobody
        knows its name.
        """
        folder = f"{ASIDE}.{name}.{secrets.token_hex(8)}"
        self._change(
            ["mkdir", "--", f"{self.root}/{folder}"], what="the folder for what is replaced"
        )
        return folder

    def drop_aside(self, folder: str) -> None:
        """Delete a folder of `make_aside`, if it is there. Raise Failed if that is impossible."""
        argv = ["rm", "-rf", "--one-file-system", "--", f"{self.root}/{folder}"]
        result = self.host.change(argv, timeout=_DELETION_SECONDS)
        if result.code:
            raise Failed(f"{self.probe.path}/{folder} was not deleted", result.complaint)

    def submit_token(self) -> Future[str]:
        """Ask for the token that the share has, "" if none."""
        found = self.submit(["head", "-c", "4096", "--", f"{self.root}/{TOKEN}"])
        return Future(lambda: found.result().text.strip())

    def put_token(self, token: str) -> None:
        """Replace the token; if that is impossible, as on a full share, remove it.

        Raise TargetUnusable if neither can be done: a share that keeps an old token would be
        taken for one that nobody wrote to.
        """
        new, path = f"{self.root}/{TOKEN}.new", f"{self.root}/{TOKEN}"
        try:
            self._change(_write_argv(new), f"{token}\n".encode())
            self._change(["mv", "-fT", "--", new, path])
        except TimedOut:
            raise _no_answer(self.probe.path, self.timeout) from None
        except Failed:
            argv = ["rm", "-f", "--", path, new]
            result = self.host.change(argv, timeout=self.timeout, stoppable=True)
            if result.code:
                raise TargetUnusable(
                    f"{TOKEN} on {self.probe.path} can't be written", result.complaint
                ) from None

    def put_registry(self, source: str, day: str) -> None:
        """Copy the file `source` of the host to the share, as the copy of the registry of `day`.

        Of the copies of other days the newest stay. Raise Failed or TargetUnusable if that fails.
        """
        self._put(source, REGISTRY_COPIES, f"{day}.toml", "the copy of the registry")
        folder = f"{self.root}/{REGISTRY_COPIES}"
        old = [f"{folder}/{name}" for name in self._copy_names()[_MOST_COPIES:]]
        if old:
            self._change(["rm", "-f", "--", *old], what="an old copy of the registry")

    def put_baseline(self, source: str, name: str) -> None:
        """Copy the file `source` of the host to the share, as the baseline of the project `name`.

        Raise Failed or TargetUnusable if that fails.
        """
        self._put(source, BASELINES, name, "the copy of the baseline")

    def submit_baseline(self, name: str) -> Future[bytes]:
        """Ask for the copy of the baseline of the project `name`, empty if there is none."""
        found = self.submit(head_argv(f"{self.root}/{BASELINES}/{name}", _MOST_BASELINE))
        return found.then(lambda result: result.out)

    def _put(self, source: str, inner: str, file: str, what: str) -> None:
        folder = f"{self.root}/{inner}"
        if self.read(["test", "-L", folder]).code == 0:
            raise Failed(f"{self.probe.path}/{inner} is a symlink", "remove it")
        target = f"{folder}/{file}"
        self._change(["install", "-D", "-m", "600", "--", source, f"{target}.new"], what=what)
        self._change(["mv", "-fT", "--", f"{target}.new", target], what=what)

    def _copy_names(self) -> list[str]:
        """Return the names of the copies of the registry, newest first."""
        argv = ["find", f"{self.root}/{REGISTRY_COPIES}", "-maxdepth", "1", "-type", "f"]
        answer = self.read([*argv, "-name", _REGISTRY_COPY, "-printf", r"%f\0"])
        return sorted(answer.text.split("\0")[:-1], reverse=True)

    def registry_copies(self) -> Iterator[tuple[str, str]]:
        """Yield the path and the text of each copy of the registry, newest first."""
        folder = f"{self.root}/{REGISTRY_COPIES}"
        for name in self._copy_names():
            text = self.read(["head", "-c", f"{_MOST_REGISTRY}", "--", f"{folder}/{name}"]).out
            yield f"{self.probe.path}/{REGISTRY_COPIES}/{name}", text.decode(errors="replace")

    def measure(self, folder: str) -> Tally:
        """Return the number of files in the mirror at `folder`, and their size.

        Loose git objects are counted apart. The size of a file with several names counts once.
        """
        argv = ["find", f"{self.root}/{folder}"]
        for name in [*map(bytes.decode, PRUNED), *sorted(SERVER_FOLDERS)]:
            argv += ["-name", name, "-prune", "-o"]
        argv += ["!", "-type", "d", "(", "-path", "*/objects/[0-9a-f][0-9a-f]/*"]
        argv += ["-printf", r"loose %s %n %i\n", "-o", "-printf", r"file %s %n %i\n", ")"]
        counts = {b"loose": 0, b"file": 0, b"bytes": 0}

        linked: set[bytes] = set()

        def add(line: bytes) -> None:
            kind, size, names, inode = line.split(b" ")
            counts[kind] += 1
            counts[b"bytes"] += 0 if inode in linked else int(size)
            if names != b"1":
                linked.add(inode)

        errors: list[bytes] = []
        stall = self.timeout * 6
        try:
            code = self.host.stream(argv, add, errors.append, stall_seconds=stall, changes=False)
        except Stalled:
            raise _no_answer(self.probe.path, stall) from None
        if code:
            complaint = Result((), code, err=b"\n".join(errors)).complaint
            raise TargetUnusable(
                f"the files in {self.probe.path}/{folder} can't be counted", complaint
            )
        return Tally(counts[b"file"], counts[b"loose"], bytes=counts[b"bytes"])

    def names_in(self, folder: str) -> list[str]:
        """Return the names of what is directly in `folder`."""
        argv = ["find", f"{self.root}/{folder}", "-mindepth", "1", "-maxdepth", "1"]
        return self.read([*argv, "-printf", r"%f\0", "-quit"]).text.split("\0")[:-1]

    def head_resolves(self, git_dir: str) -> bool:
        """Return True if the mirrored `git_dir` has the branch that its HEAD names.

        Links in it may lead to FIFOs of this host, which must not block.
        """
        path = f"{self.root}/{git_dir}"
        head = self.read(head_argv(f"{path}/HEAD", 4096)).text
        branch = head.removeprefix("ref: ").strip()
        if branch == head.strip():  # a commit, not a branch
            return True
        if self.read(["test", "-e", f"{path}/{branch}"]).code == 0:
            return True
        argv = ["grep", "-qF", "-D", "skip", "-e", f" {branch}", "--", f"{path}/packed-refs"]
        return self.read(argv).code == 0

    def mark(self, estate: str, when: str) -> None:
        """Write the marker of the estate with the ID `estate`; raise Failed if that fails."""
        temporary, marker = f"{self.root}/{MARKER}.new", f"{self.root}/{MARKER}"
        self._change(_write_argv(temporary), marker_text(estate, when).encode())
        if refuses := self._refused(temporary):
            self._change(_write_argv(temporary), marker_text(estate, when, refuses).encode())
        # Where touch can't, as that of uutils, syncs compare whole seconds.
        when_marked = f"@{MARKER_SECONDS}.{MARKER_NANOSECONDS:09}"
        self._try(["touch", "-d", when_marked, "--", temporary])
        for group in sorted(self.probe.other_groups)[:1]:
            # The group that the file has afterwards shows if the share allows chgrp at all.
            self._try(["chgrp", "--", str(group), temporary])
        self._change(["mv", "-fT", "--", temporary, marker])

    def _refused(self, path: str) -> list[str]:
        """Return what the share refuses of the file at `path`: "links", "modes", "times"."""
        changed = [self._try(["chmod", mode, "--", path]) for mode in ("750", "640")]
        found = self.read(["find", path, "-maxdepth", "0", "-printf", "%m"]).text
        modes = all(changed) and found == "640"  # FAT reports no error
        times = self._try(["touch", "-d", f"@{MARKER_SECONDS}", "--", path])
        links = self._try(["ln", "-f", "--", path, f"{path}.link"])
        if links:
            self._try(["rm", "-f", "--", f"{path}.link"])
        kept = {"links": links, "modes": modes, "times": times}
        return [name for name, is_kept in kept.items() if not is_kept]

    def _try(self, argv: Argv) -> bool:
        """Run a program that the share may refuse; return True if it did not."""
        return self.host.change(argv, timeout=self.timeout).code == 0

    def read(self, argv: Argv, timeout: float = 0) -> Result:
        """Run a program that looks at the share. Raise TargetUnusable if it does not answer.

        `timeout` is in seconds; 0 for the one of the share.
        """
        return self.submit(argv, timeout).result()

    def submit(self, argv: Argv, timeout: float = 0) -> Future[Result]:
        """Submit a program that looks at the share; see `read`."""
        timeout = timeout or self.timeout
        asked = self.host.submit(argv, timeout=timeout, stoppable=True)

        def result() -> Result:
            try:
                return asked.result()
            except TimedOut:
                raise _no_answer(self.probe.path, timeout) from None

        return Future(result)

    def _change(self, argv: Argv, given: bytes = b"", what: str = "the marker") -> None:
        result = self.host.change(argv, timeout=self.timeout, stdin=given, stoppable=True)
        if result.code:
            raise Failed(f"{what} on {self.probe.path} can't be written", result.complaint)


def _write_argv(path: str) -> list[str]:
    """Return the argv that writes standard input to the file at `path`.

    Others may write the share: a symlink there is an error, and a FIFO can't block.
    """
    return ["dd", f"of={path}", "oflag=nofollow,nonblock", "conv=fsync", "status=none"]


def _no_answer(path: str, seconds: float) -> TargetUnusable:
    problem = f"{path} did not answer within {seconds:g} s"
    return TargetUnusable(problem, "check the file server and the network")


def _listing(folders: Sequence[str]) -> list[str]:
    """Return the argv that lists `folders` and their entries, for `_parse_listing`."""
    return ["find", *folders, "-maxdepth", "1", "-printf", _ROOT]


def _parse_listing(result: Result) -> dict[str, str]:
    """Return what identifies each path that was listed."""
    told, paths = result.text.split("\0")[0:-1:2], result.text.split("\0")[1::2]
    return dict(zip(paths, told, strict=False))


def _mounts(mountinfo: bytes | None) -> tuple[MountEntry, ...]:
    return parse_mountinfo((mountinfo or b"").decode(errors="surrogateescape"))


def mounted_shares(host: Host, fstypes: Sequence[str]) -> list[str]:
    """Return the mount points on `host` of shares of these file system types."""
    return writable_mount_points(_mounts(host.read_file(_MOUNTINFO)), fstypes)


def open_share(
    host: Host, path: str, local_repos: str, timeout: float, snapshots: str = ""
) -> AbstractContextManager[Share]:
    """Return a context that holds the share at `path` open and has probed it.

    If the share is usable is decided by `share_check`. A remote host starts at once (see
    `Host.pin`). `timeout` is in seconds for each access, `snapshots` the path of one by the
    registry. To enter the context raises TargetUnusable if the share can't be entered or does not
    answer.
    """
    # Only a process inside the share triggers an automount, so it is entered before it is probed.
    entering = host.hold_folder(path, timeout=timeout)
    return _open(host, entering, path, local_repos, timeout, snapshots)


@contextlib.contextmanager
def _open(
    host: Host,
    entering: AbstractContextManager[Holder],
    path: str,
    local_repos: str,
    timeout: float,
    pattern: str,
) -> Iterator[Share]:
    with contextlib.ExitStack() as stack:
        try:
            holder = stack.enter_context(entering)
            argv = ["find", f"{holder.path}/.", "-mindepth", "1", "-maxdepth", "1", "-type", "d"]
            listing = host.submit([*argv, "-printf", r"%f\0"], timeout=timeout)
            snapshots = SnapshotListing(host, holder.path, path, pattern, timeout)
            probe = _probe(host, path, local_repos, holder, timeout)
            share = Share(host, holder, probe, timeout, listing, snapshots)
        except TimedOut:
            raise _no_answer(path, timeout) from None
        except Failed as error:
            raise TargetUnusable(
                f"{error.what} ({error.cure})", "mount the share, or set nfs_repos in [defaults]"
            ) from None
        yield share


def _probe(host: Host, path: str, local_repos: str, holder: Holder, timeout: float) -> Probe:
    inside, marker = f"{holder.path}/.", f"{holder.path}/{MARKER}"
    submit = partial(host.submit, timeout=timeout)
    real, mountinfo = holder.submit_real(), host.submit_file(_MOUNTINFO)
    # find, since stat of uutils (Ubuntu since 25.10) prints no exact nanoseconds.
    folders = [inside, f"{path}/."]
    other = f"{holder.path}/{MARKER.upper()}"
    stat = submit(["find", *folders, marker, other, "-maxdepth", "0", "-printf", _IDENTITY])
    text = submit(["head", "-c", "4096", "--", marker])
    writable = submit(["test", "-w", inside])
    space = submit(["stat", "-f", "-c", "%a %S", inside])
    local = host.submit_folders([local_repos])

    root, mounts = real.result(), _mounts(mountinfo.result())
    identities = _parse_listing(stat.result())
    pinned, current = (_device_inode(identities.get(folder, "")) for folder in folders)
    can_be_written, free = writable.result().code == 0, space.result().text.split()
    return Probe(
        path=path,
        real=root,
        mount=find_mount(mounts, root),
        local_mount=find_mount(mounts, local.result()[0] or local_repos),
        # `path` led to the pinned folder before and after the mounts were read, so the mount
        # that was found for the path is the one that is pinned.
        still_there=bool(pinned) and pinned == current,
        writable=can_be_written,
        free_mib=int(free[0]) * int(free[1]) >> 20 if len(free) == 2 else 0,
        marker=_parse_marker(identities.get(marker, ""), text),
        uid=host.uid,
        other_groups=host.other_groups,
        folds_case=bool(_device_inode(identities.get(marker, "")))
        and _device_inode(identities.get(marker, "")) == _device_inode(identities.get(other, "")),
        mounts=mounts,
    )


def _device_inode(identity: str) -> str:
    return " ".join(identity.split()[:2])


def _parse_marker(identity: str, text: Future[Result]) -> Marker | None:
    if not identity:
        return None
    _, _, owner, group, mtime = identity.split()
    content = text.result().out.decode(errors="replace")
    seconds, _, fraction = mtime.partition(".")
    nanoseconds = int(fraction[:9] or 0)
    return parse_marker(content, int(owner), nanoseconds, int(group), int(seconds))
