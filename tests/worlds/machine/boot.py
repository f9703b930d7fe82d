"""Boot the machine from outside, pass on what it prints, and end it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.worlds.machine import kernel
from tests.worlds.machine.order import FAILURE, OUTPUT, STATUS, Order

CONSOLE = "console"
MODULES = Path("/usr/lib/uml/modules")
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# The Debian package of each program that the machine needs.
PACKAGES = {
    "linux": "user-mode-linux",
    "rpc.nfsd": "nfs-kernel-server",
    "rpc.mountd": "nfs-kernel-server",
    "exportfs": "nfs-kernel-server",
    "nfsdcld": "nfs-kernel-server",
    "automount": "autofs",
    "ip": "iproute2",
    "tc": "iproute2",
}

TIMED_OUT = 124


class MachineError(Exception):
    """The machine cannot be booted; the message is one line for the user."""


def run(argv: list[str], timeout: float, memory: str) -> int:
    """Run `argv` in a new machine, with its output on our stdout, and return its exit status.

    Return TIMED_OUT if it takes longer than `timeout` seconds, boot included. Raise MachineError if
    the machine itself does not work. Nothing of it is left, however this ends.
    """
    modules = find_modules()
    with tempfile.TemporaryDirectory(prefix="repoman-machine-") as name:
        folder = Path(name)
        (folder / OUTPUT).touch()
        order = Order(argv, os.getcwd(), environment(), str(modules), keep())
        order.write(folder)
        with booted(folder, memory) as machine:
            return follow(machine, folder, time.monotonic() + timeout)


def find_modules() -> Path:
    """Return the folder of the kernel's modules. MachineError names the missing package."""
    for program, package in PACKAGES.items():
        if shutil.which(program, path=SYSTEM_PATH) is None:
            raise MachineError(f"{program} is missing: install Debian's package {package}")
    argv = ["linux", "--version"]
    release = subprocess.check_output(argv, env={"PATH": SYSTEM_PATH}, text=True).strip()
    modules = MODULES / release
    if not (modules / "modules.dep").exists():
        raise MachineError(
            f"no kernel modules in {modules}: install Debian's package user-mode-linux"
        )
    return modules


def environment() -> dict[str, str]:
    """Return the environment of the command: our PATH, a home in memory, and no settings."""
    path = os.environ.get("PATH", SYSTEM_PATH)
    if sys.prefix != sys.base_prefix:
        # The same `python` inside as outside, also if the venv is not activated.
        path = f"{sys.prefix}/bin:{path}"
    return {
        "PATH": path,
        "HOME": "/tmp/home",
        "LANG": "C.UTF-8",
        "REPOMAN_TEST_MACHINE": "1",
        # The checkout is read-only inside, so pytest could only warn about its cache.
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
    }


def keep() -> list[str]:
    """Return the checkout and the interpreter, which may lie in /tmp, which the machine covers."""
    return list(dict.fromkeys((os.getcwd(), sys.prefix, sys.base_prefix)))


@contextmanager
def booted(folder: Path, memory: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the kernel in a process group of its own, which is killed at the end."""
    argv = [
        *("linux", f"mem={memory}", "rootfstype=hostfs", "rootflags=/", "ro"),
        *(f"uml_dir={folder}/", "con=null", "con0=null,fd:1", "quiet"),
        f"init={os.path.realpath(sys.executable)}",
        # The kernel passes what it does not know to PID 1: this in the environment, and what
        # follows the dashes as arguments. The quotes are for the kernel, which splits at spaces.
        f'PYTHONPATH="{os.getcwd()}"',
        *("--", "-S", "-m", "tests.worlds.machine.init", str(folder)),
    ]
    kernel.adopt_orphans()
    with open(folder / CONSOLE, "wb") as console:
        machine = subprocess.Popen(
            argv,
            env={"PATH": SYSTEM_PATH},
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
        )
    # If this process is killed, the pipe closes, and the kernel has to end too.
    guard = subprocess.Popen(
        ["sh", "-c", 'read -r _; kill -KILL "-$1"', "sh", str(machine.pid)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield machine
    finally:
        guard.kill()
        guard.wait()
        kill(machine)


def kill(machine: subprocess.Popen[bytes]) -> None:
    """Kill the kernel and all its processes; return when they are gone."""
    with suppress(ProcessLookupError):
        os.killpg(machine.pid, signal.SIGKILL)
    machine.wait()
    # The kernel's own children, which this process adopted when it died.
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-machine.pid, 0)


def follow(machine: subprocess.Popen[bytes], folder: Path, deadline: float) -> int:
    """Pass the output on as it comes until there is a status. Polling: hostfs cannot notify."""
    with open(folder / OUTPUT, "rb") as output:
        while True:
            # Polled before the output is read, so that no output can come after the last read.
            ended = machine.poll() is not None
            late = time.monotonic() > deadline
            status = read(folder / STATUS)
            failure = read(folder / FAILURE)
            sys.stdout.buffer.write(output.read())
            sys.stdout.buffer.flush()
            if status is not None:
                return int(status)
            if failure is not None:
                raise MachineError(f"not prepared:\n{read(folder / CONSOLE)}{failure}")
            if ended:
                raise MachineError(f"died:\n{read(folder / CONSOLE)}")
            if late:
                return TIMED_OUT
            time.sleep(0.02)


def read(path: Path) -> str | None:
    """Return the text of a file, or None if there is no such file."""
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return None
