"""PID 1 of the machine: prepare it, run the command, and report its exit status.

Run by the kernel as ``python -m tests.worlds.machine.init FOLDER``. The root file system is the
host's, mounted read-only; FOLDER is the only part of the host that can be written.
"""

import os
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path

from tests.worlds.machine import kernel, server
from tests.worlds.machine.order import FAILURE, OUTPUT, STATUS, Order

HOST = Path("/run/host")
FOLDER = Path("/run/machine")
MODULES = ("nfsd", "nfsv4", "autofs4", "sch_netem")


def main(folder: str) -> None:
    """Run the order and never return: a kernel whose PID 1 ends panics."""
    try:
        prepare_files(folder)
        order = Order.read(FOLDER)
        uncover(order.keep)
        prepare_kernel(Path(order.modules))
        prepare_server()
        publish(STATUS, str(run(order)))
    except Exception:
        publish(FAILURE, traceback.format_exc())
    # The process that booted the machine kills it now. A proper halt would sync first, which
    # hangs if a test left a dead server behind.
    while True:
        signal.pause()


def prepare_files(folder: str) -> None:
    """Mount the usual file systems, and memory over all folders of the host that get written."""
    kernel.mount("proc", "/proc", "proc")
    kernel.mount("sysfs", "/sys", "sysfs")
    kernel.mount("tmpfs", "/run", "tmpfs", options="mode=755")
    FOLDER.mkdir()
    kernel.mount("none", FOLDER, "hostfs", options=folder)
    HOST.mkdir()
    kernel.mount("/", HOST, flags=kernel.MS_BIND)
    kernel.mount("tmpfs", "/tmp", "tmpfs", options="mode=1777")
    kernel.mount("tmpfs", "/var/lib/nfs", "tmpfs")
    Path("/dev/pts").mkdir()
    kernel.mount("devpts", "/dev/pts", "devpts", options="ptmxmode=666")
    Path("/dev/shm").mkdir()
    kernel.mount("tmpfs", "/dev/shm", "tmpfs", options="mode=1777")
    Path("/dev/fd").symlink_to("/proc/self/fd")


def uncover(folders: list[str]) -> None:
    """Show the host's folders again that the file systems in memory have hidden."""
    for folder in map(Path, folders):
        if not folder.exists():
            folder.mkdir(parents=True)
            kernel.mount(str(HOST / folder.relative_to("/")), folder, flags=kernel.MS_BIND)


def prepare_kernel(modules: Path) -> None:
    for name in MODULES:
        kernel.load_module(name, modules)
    socket.sethostname("machine")
    server.tool("ip", "link", "set", "lo", "up")


def prepare_server() -> None:
    """Start an NFSv4.2 server whose root is empty. Version 4 alone needs no rpcbind and no
    statd."""
    state = Path("/var/lib/nfs")
    (state / "etab").touch()
    (state / "rmtab").touch()
    kernel.mount("nfsd", "/proc/fs/nfsd", "nfsd")
    Path("/run/rpc_pipefs").mkdir()
    kernel.mount("rpc_pipefs", "/run/rpc_pipefs", "rpc_pipefs")
    # It tracks clients over a restart. Without it each start of the server waits a second for
    # it, and then ten for clients that never existed.
    server.tool("nfsdcld")
    server.EXPORTS.mkdir()
    server.export(server.EXPORTS, "ro", "fsid=0")
    server.start()
    server.tool("rpc.mountd", "-N", "3")


def run(order: Order) -> int:
    """Return the exit status of the command, or 128 + N if signal N ended it, as a shell does."""
    Path(order.environment["HOME"]).mkdir()
    with open(FOLDER / OUTPUT, "ab") as output:
        try:
            # PID 1 has no process group, and automount does not start without one.
            child = subprocess.Popen(
                order.argv,
                cwd=order.cwd,
                env=order.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except OSError as error:
            output.write(f"{order.argv[0]}: {error.strerror}\n".encode())
            return 127
    while True:
        # Any child: PID 1 has to reap orphans.
        pid, status = os.wait()
        if pid == child.pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def publish(name: str, text: str) -> None:
    """Write a file into FOLDER atomically."""
    draft = FOLDER / f"{name}.draft"
    draft.write_text(text)
    draft.rename(FOLDER / name)


if __name__ == "__main__":
    main(sys.argv[1])
