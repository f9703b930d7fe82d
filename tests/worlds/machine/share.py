"""A network share for a test inside the machine, with the faults it can have."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from tests.support.processes import wait_until
from tests.worlds.machine import kernel, server

# Not below the mount point's parent, where a test would list them.
BENEATH = Path("/run/beneath")
MAPS = Path("/run/maps")
FILLER = ".filler"
MOUNT_OPTIONS = "vers=4.2,hard,addr=127.0.0.1,clientaddr=127.0.0.1"


class Share:
    """An export on a file system in memory, mounted by NFSv4.2 at `mount_point`.

    `size` is that file system's, as tmpfs takes it; `options` are exportfs's. `export` is the
    server's side, where a test can look and write behind the client's back.

    The mount is hard, so a program that touches it while the server is down waits until the
    server is back, and only SIGKILL ends it. That includes a test's own process: everything
    but the verbs here must then be done in a child under a time limit.
    """

    def __init__(self, *options: str, size: str = "64m") -> None:
        if "User Mode Linux" not in Path("/proc/cpuinfo").read_text():
            raise RuntimeError("a Share mounts and unmounts: it works inside the machine only")
        self.options = options or ("rw", "no_root_squash")
        self.size = size
        self.base = Path(tempfile.mkdtemp(prefix="share-"))
        self.mount_point = self.base / "mnt"
        self.mount_point.mkdir()
        self._exports: list[Path] = []
        self._automount: subprocess.Popen[bytes] | None = None
        self._delayed = False
        self._beneath = BENEATH / self.base.name
        self._beneath.mkdir(parents=True)
        # A view of the folder into which no later mount is carried.
        kernel.mount(str(self.base), self._beneath, flags=kernel.MS_BIND)
        self.export = self._new_export()
        self.mount()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cleanup()

    def _new_export(self) -> Path:
        name = uuid.uuid4()
        path = server.EXPORTS / str(name)
        path.mkdir()
        kernel.mount("tmpfs", path, "tmpfs", options=f"size={self.size},mode=755")
        self._exports.append(path)
        _export(path, self.options)
        return path

    # Facts

    def layers(self) -> list[str]:
        """Return the types of the file systems mounted at the mount point, the one in effect last.

        [] is a plain folder, ["autofs"] a trap that was not triggered. Never hangs.
        """
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        rows = [line.split() for line in lines]
        return [row[row.index("-") + 1] for row in rows if row[4] == str(self.mount_point)]

    def beneath(self) -> list[str]:
        """Return the content of the mount point's folder on the local disk, under all mounts.

        Sorted paths, relative to the mount point. Anything here missed the share.
        """
        root = self._beneath / self.mount_point.name
        return sorted(str(path.relative_to(root)) for path in root.rglob("*"))

    def rpcs(self) -> Counter[str]:
        """Return the number of calls of each kind by the client since the share was mounted.

        The difference of two is what was done between: ``share.rpcs() - before``.
        """
        return parse_mountstats(Path("/proc/self/mountstats").read_text(), self.mount_point)

    # The client

    def mount(self) -> None:
        """Mount the share; wait for the server if that is down."""
        self._mount(self.export)

    def _mount(self, export: Path) -> None:
        # By the system call: mount.nfs(8) does the same in ten times the time.
        kernel.mount(
            f"127.0.0.1:/{export.relative_to(server.EXPORTS)}",
            self.mount_point,
            "nfs4",
            options=MOUNT_OPTIONS,
        )

    def umount(self, *, lazy: bool = False) -> None:
        """Unmount what is on top. Raise OSError (EBUSY) if it is in use.

        With `lazy`, users keep what they have open. That works with a dead server too.
        """
        if not lazy:
            kernel.umount(self.mount_point)
            return
        depth = len(self.layers())
        # The mount disappears at once, but its last user, which may be this process, then
        # closes the session with the server, and waits until that is back.
        argv = (self.mount_point, kernel.MNT_DETACH)
        threading.Thread(target=kernel.umount, args=argv, daemon=True).start()
        wait_until(lambda: len(self.layers()) < depth)

    def remount(self, mode: Literal["ro", "rw"]) -> None:
        """Make the mounted share read-only, or writable again.

        Raise OSError (EBUSY) while a file on it is open for writing.
        """
        flags = kernel.MS_REMOUNT | (kernel.MS_RDONLY if mode == "ro" else 0)
        kernel.mount("", self.mount_point, "nfs4", flags, MOUNT_OPTIONS)

    def swap(self) -> Path:
        """Mount another, empty share at the same mount point; return its folder on the server.

        The first share is unmounted lazily if it is mounted. `umount` and `mount` bring it back.
        """
        other = self._new_export()
        if self.layers():
            self.umount(lazy=True)
        self._mount(other)
        return other

    def drop_caches(self) -> None:
        """Drop all that is cached of the share, so that the client has to ask again."""
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3")

    # The server and the way to it

    def stop_server(self) -> None:
        """Stop the server of all shares; `start_server` or `cleanup` start it again."""
        server.stop()

    def start_server(self) -> None:
        if not server.is_up():
            server.start()

    def reexport(self, *options: str) -> None:
        """Change the export's options under its clients: "ro" makes every write fail (EROFS).

        Unlike `remount` this works in the middle of a transfer.
        """
        _export(self.export, options)

    def withdraw(self) -> None:
        """End the export under its clients: they get ESTALE. `reexport` brings it back."""
        server.unexport(self.export)

    def fill(self, leave: int = 0) -> None:
        """Fill the export's space but for `leave` bytes; `unfill` frees it.

        A client reports ENOSPC late, and once more to the next process that opens that file.
        """
        room = os.statvfs(self.export)
        with open(self.export / FILLER, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - leave)

    def unfill(self) -> None:
        (self.export / FILLER).unlink()

    def delay(self, milliseconds: float) -> None:
        """Delay every packet on the loopback device; a round trip has two of them. 0 ends it.

        It applies to all shares.
        """
        if self._delayed:
            server.tool("tc", "qdisc", "delete", "dev", "lo", "root")
        if milliseconds:
            wait = f"{milliseconds}ms"
            server.tool("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", wait)
        self._delayed = milliseconds > 0

    # The automounter

    @contextmanager
    def automount(self, timeout: int = 300) -> Iterator[None]:
        """Mount the share on demand, by a direct autofs map, instead of permanently.

        At first there is the trap alone. `timeout` is in seconds of disuse; automount looks every
        quarter of it. At the end there is a plain folder.
        """
        if self.layers():
            self.umount()
        maps = MAPS / self.base.name
        maps.mkdir(parents=True, exist_ok=True)
        # After a failure it does not try again for the negative timeout; by default a minute.
        times = f"--timeout={timeout} --negative-timeout=1"
        (maps / "master").write_text(f"/- {maps}/direct {times}\n")
        # nobind: automount would see that the server is here and bind the folder instead.
        # port: it would ask rpcbind, which does not run.
        (maps / "direct").write_text(
            f"{self.mount_point} -fstype=nfs4,vers=4.2,hard,port=2049,nobind"
            f" 127.0.0.1:/{self.export.relative_to(server.EXPORTS)}\n"
        )
        self._automount = subprocess.Popen(
            ["automount", "--foreground", "--pid-file", maps / "pid", maps / "master"],
            env=server.TOOLS,
            stdin=subprocess.DEVNULL,
            # It does not start without a process group of its own.
            start_new_session=True,
        )
        try:
            wait_until(lambda: self.layers() == ["autofs"])
            yield
        finally:
            self.kill_automount()
            self.drop_trap()

    def kill_automount(self) -> None:
        """Kill automount by SIGKILL. What it mounted stays, and so does the trap, broken.

        What is mounted works on and never expires. With nothing mounted the first process to enter
        is ended by SIGPIPE, or gets ENOENT if it ignores that. From then on the trap is an empty
        folder of type autofs in which nobody, root included, can create anything (EACCES).
        """
        if self._automount is not None:
            # Its children too, among them a mount that waits for a dead server.
            with suppress(ProcessLookupError):
                os.killpg(self._automount.pid, signal.SIGKILL)
            self._automount.wait()
            self._automount = None

    def drop_trap(self) -> None:
        """Unmount the trap and what it mounted: the mount point is a plain folder then.

        It is also one after automount was ended normally while nobody used the mount.
        """
        while self.layers():
            self.umount(lazy=True)

    # The end

    def cleanup(self) -> None:
        """Undo everything, in any state; also with a dead server and with users.

        The server is up afterwards, and processes that waited for it continue, on a share that is
        gone.
        """
        self.kill_automount()
        self.start_server()
        self.drop_trap()
        self.delay(0)
        for export in self._exports:
            with suppress(subprocess.CalledProcessError):
                server.unexport(export)
            # Lazily: the server may still hold a file of a client that has not closed its session.
            kernel.umount(export, kernel.MNT_DETACH)
            export.rmdir()
        kernel.umount(self._beneath)
        self._beneath.rmdir()
        # Nothing is mounted below any more, so this stays on the local disk.
        shutil.rmtree(self.base)


def _export(path: Path, options: Sequence[str]) -> None:
    # An fsid of its own, so that no file handle of an earlier share is valid for this one.
    server.export(path, *options, f"fsid={path.name}")


def parse_mountstats(text: str, mount_point: Path) -> Counter[str]:
    """Return the calls by operation of the NFS mount at `mount_point`, the topmost of several.

    Raise LookupError if there is none. Operations that were never called are left out.
    """
    blocks = re.split(r"^device ", text, flags=re.MULTILINE)
    here = [block for block in blocks if f" on {mount_point} with fstype nfs" in block]
    operations = re.findall(r"^\s+([A-Z_]+): (\d+) ", here[-1].partition("per-op")[2], re.MULTILINE)
    return Counter({name: int(count) for name, count in operations if int(count)})
