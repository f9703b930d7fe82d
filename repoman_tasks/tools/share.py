"""The backup share. Only children under a time limit touch it, so that a dead server can't
hold repoman."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from repoman_tasks.errors import Failed, TargetUnusable
from repoman_tasks.hosts.base import Argv, Future, Host, Pin, Result, Stalled, TimedOut
from repoman_tasks.planning.mirror.share_check import (
    MARKER,
    MARKER_NANOSECONDS,
    Marker,
    MountEntry,
    Probe,
    check_still_mounted,
    find_mount,
    marker_text,
    parse_marker,
    parse_mountinfo,
    writable_mount_points,
)
from repoman_tasks.planning.names import with_parents
from repoman_tasks.tools.file_tree import PRUNED

__all__ = ["Share", "mounted_shares", "open_share"]

_MOUNTINFO = "/proc/self/mountinfo"


@dataclass(frozen=True)
class Share:
    """The share, held in use so that it stays mounted, and what was found there."""

    host: Host
    pin: Pin
    probe: Probe
    timeout: float

    @property
    def root(self) -> str:
        """A path to the share's root that no later mount can redirect."""
        return self.pin.path

    def check(self) -> None:
        """`TargetUnusable` where the share is not mounted as it was when it was opened."""
        self.submit_check().result()

    def submit_check(self) -> Future[None]:
        """Ask for what `check` looks at; the result raises the same."""
        mountinfo = self.host.submit_file(_MOUNTINFO)
        return mountinfo.then(lambda found: check_still_mounted(self.probe, _mounts(found)))

    def survey(self, folders: Sequence[str]) -> dict[str, int]:
        """The mode (st_mode) of each of `folders`, relative to the share, that is there.

        So does each folder on the way to one of them. Links are not followed.
        """
        paths = sorted({path for folder in folders for path in with_parents(folder)})
        if not paths:
            return {}
        argv = ["stat", "--printf", "%f %n\\0", "--", *(f"{self.root}/{path}" for path in paths)]
        result = self._read(argv)
        if not all(map(_not_there, result.err.splitlines())):
            raise TargetUnusable(f"{self.probe.path} can't be looked at", result.complaint)
        found = result.text.split("\0")[:-1]
        entries = (entry.partition(" ") for entry in found)
        return {name.removeprefix(f"{self.root}/"): int(mode, 16) for mode, _, name in entries}

    def count(self, folder: str) -> int:
        """How many files the mirror at `folder` holds, loose git objects aside."""
        argv = ["find", f"{self.root}/{folder}"]
        for name in PRUNED:
            argv += ["-name", name.decode(), "-prune", "-o"]
        argv += ["-path", "*/objects/[0-9a-f][0-9a-f]/*", "-o", "!", "-type", "d", "-printf", "x"]
        counted = 0

        def add(line: bytes) -> None:
            nonlocal counted
            counted += len(line)

        complaints: list[bytes] = []
        patience = self.timeout * 6
        try:
            code = self.host.stream(
                argv, add, complaints.append, stall_seconds=patience, changes=False
            )
        except Stalled:
            raise _silent(self.probe.path, patience) from None
        if code:
            what = Result((), code, err=b"\n".join(complaints)).complaint
            raise TargetUnusable(f"{self.probe.path}/{folder} can't be counted", what)
        return counted

    def head_resolves(self, git_dir: str) -> bool:
        """Whether the branch that HEAD names in the mirrored `git_dir` is there too."""
        where = f"{self.root}/{git_dir}"
        head = self._read(["head", "-c", "4096", "--", f"{where}/HEAD"]).text
        branch = head.removeprefix("ref: ").strip()
        if branch == head.strip():  # a commit, not a branch
            return True
        if self._read(["test", "-e", f"{where}/{branch}"]).code == 0:
            return True
        argv = ["grep", "-qF", "-e", f" {branch}", "--", f"{where}/packed-refs"]
        return self._read(argv).code == 0

    def mark(self, estate: str, when: str) -> None:
        """Write the marker of the estate with that id. `Failed` where the share refuses it."""
        temporary, marker = f"{self.root}/{MARKER}.new", f"{self.root}/{MARKER}"
        text = marker_text(estate, when).encode()
        self._change(["dd", f"of={temporary}", "conv=fsync", "status=none"], text)
        self._change(["touch", "-d", f"@1700000000.{MARKER_NANOSECONDS:09}", "--", temporary])
        for group in sorted(self.probe.other_groups)[:1]:
            # Whether it can be given away is told by the group that it has afterwards.
            self.host.change(["chgrp", "--", str(group), temporary], timeout=self.timeout)
        self._change(["mv", "-fT", "--", temporary, marker])

    def _read(self, argv: Argv) -> Result:
        try:
            return self.host.read(argv, timeout=self.timeout)
        except TimedOut:
            raise _silent(self.probe.path, self.timeout) from None

    def _change(self, argv: Argv, given: bytes = b"") -> None:
        result = self.host.change(argv, timeout=self.timeout, given=given)
        if result.code:
            raise Failed(f"{self.probe.path} could not be marked", result.complaint)


def _silent(path: str, seconds: float) -> TargetUnusable:
    what = f"{path} did not answer within {seconds:g} s"
    return TargetUnusable(what, "check the file server and the network")


def _not_there(complaint: bytes) -> bool:
    return complaint.endswith((b": No such file or directory", b": Not a directory"))


def _mounts(mountinfo: bytes | None) -> tuple[MountEntry, ...]:
    return parse_mountinfo((mountinfo or b"").decode(errors="surrogateescape"))


def mounted_shares(host: Host, fstypes: Sequence[str]) -> list[str]:
    """The places of `host` where a share of one of these types is mounted now."""
    return writable_mount_points(_mounts(host.read_file(_MOUNTINFO)), fstypes)


def open_share(
    host: Host, path: str, local_repos: str, timeout: float
) -> AbstractContextManager[Share]:
    """Hold the share at `path` and look at it; what it is worth is judged elsewhere.

    A host that is far away begins at once to enter it, as `Host.pin` has it. `timeout` in seconds
    for each question to it. `TargetUnusable` if it can't be entered or does not answer.
    """
    # Entering it triggers an automount; a question to it from outside would not.
    return _opened(host, host.pin(path, timeout=timeout), path, local_repos, timeout)


@contextlib.contextmanager
def _opened(
    host: Host,
    entering: AbstractContextManager[Pin],
    path: str,
    local_repos: str,
    timeout: float,
) -> Iterator[Share]:
    with contextlib.ExitStack() as stack:
        try:
            pin = stack.enter_context(entering)
            share = Share(host, pin, _look(host, path, local_repos, pin, timeout), timeout)
        except TimedOut:
            raise _silent(path, timeout) from None
        except Failed as error:
            raise TargetUnusable(
                f"{error.what} ({error.cure})", "mount the share, or set nfs_repos in [defaults]"
            ) from None
        yield share


def _look(host: Host, path: str, local_repos: str, pin: Pin, timeout: float) -> Probe:
    inside, marker = f"{pin.path}/.", f"{pin.path}/{MARKER}"
    submit = partial(host.submit, timeout=timeout)
    real, mountinfo = pin.submit_real(), host.submit_file(_MOUNTINFO)
    stat = submit(["stat", "-c", "%d:%i %u %g %.9Y", "--", inside, f"{path}/.", marker])
    text = submit(["head", "-c", "4096", "--", marker])
    writable = submit(["test", "-w", inside])
    space = submit(["stat", "-f", "-c", "%a %S", inside])
    local = host.submit_folders([local_repos])

    where, mounts = real.result(), _mounts(mountinfo.result())
    here, there, found = _identities(stat.result(), text)
    can_be_written, free = writable.result().code == 0, space.result().text.split()
    return Probe(
        path=path,
        real=where,
        mount=find_mount(mounts, where),
        local_mount=find_mount(mounts, local.result()[0] or local_repos),
        # The pinned folder is what `path` led to before and after the mounts were read,
        # so the mount that was found for the path is the one that is pinned.
        still_there=here == there,
        writable=can_be_written,
        free_mib=int(free[0]) * int(free[1]) >> 20 if len(free) == 2 else 0,
        marker=found,
        uid=host.uid,
        other_groups=host.other_groups,
    )


def _identities(stat: Result, text: Future[Result]) -> tuple[str, str, Marker | None]:
    """Identity of the pinned folder and of what its path leads to now, and the marker."""
    lines = [line.split() for line in stat.text.splitlines()]
    if len(lines) < 2:
        return "here", "gone", None
    (here, *_), (there, *_) = lines[:2]
    if len(lines) < 3:
        return here, there, None
    _, owner, group, when = lines[2]
    said = text.result().out.decode(errors="replace")
    nanoseconds = int(when.partition(".")[2] or 0)
    return here, there, parse_marker(said, int(owner), nanoseconds, int(group))
