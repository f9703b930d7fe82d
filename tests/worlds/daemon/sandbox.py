"""Inside the namespaces: the users, the daemon with what it needs, and the command to run.

No process outlives the process namespace, and no mount the mount namespace.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from repoman_tasks.planning.fence.host_filter import filter_path, filter_unit
from repoman_tasks.planning.fence.kernel_limits import LIMITS
from tests.support.estate import CHECKOUT
from tests.support.processes import WAIT_SECONDS
from tests.worlds.daemon import lan
from tests.worlds.daemon.images import image

__all__ = [
    "ADMINS",
    "BRIDGES",
    "HIDDEN_FOLDERS",
    "PEOPLE",
    "POOL",
    "SHARED_BRIDGES",
    "DaemonError",
    "clean",
    "run",
    "running_daemon",
]

INCUSD = Path("/usr/libexec/incus/incusd")
ADMINS = "incus-admin"
POOL = "pool"
BRIDGES = ("rmbr0", "rmbr1", "rmbr2", "rmbr3")
"""One for each worker: on one bridge no two containers may have the same name."""
SHARED_BRIDGES = ("rmsh0", "rmsh1", "rmsh2", "rmsh3")
"""One more for each worker, for the estate that the tests of a module share."""
_ALL_BRIDGES = (*BRIDGES, *SHARED_BRIDGES)
PEOPLE = {"dev": (1000, 1000), "dee": (1001, 1002)}
"""Names with their uids and gids; `dev` runs the tests."""

_DATABASES: Mapping[str, str] = {
    "passwd": "root:x:0:0:root:/root:/bin/bash\n_dnsmasq:x:130:65534::/:/bin/false\n"
    "dnsmasq:x:131:65534::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n"
    + "".join(f"{n}:x:{u}:{g}:{n}:/home/{n}:/bin/bash\n" for n, (u, g) in PEOPLE.items()),
    "group": f"root:x:0:\nshadow:x:42:\n{ADMINS}:x:140:dev,dee\nnogroup:x:65534:\n"
    + "".join(f"{n}:x:{g}:\n" for n, (_, g) in PEOPLE.items()),
    "shadow": "root:*:19000::::::\n" + "".join(f"{n}:*:19000::::::\n" for n in PEOPLE),
    "subuid": "root:1000000:1000000000\nroot:1000:2\n",
    "subgid": "root:1000000:1000000000\nroot:1000:1\nroot:1002:1\n",
    "sudoers": "root ALL=(ALL:ALL) ALL\ndev ALL=(ALL:ALL) NOPASSWD:SETENV: ALL\n",
}
HIDDEN_FOLDERS = (Path("/etc/sysctl.d"), Path("/etc/systemd/system"))
"""Folders in which `setup` writes as root."""
_REACHED = (CHECKOUT, Path(sys.prefix), Path(sys.base_prefix))
_HANDED_ON = ("CI", "REPOMAN_TEST_NO_FORK", "REPOMAN_TEST_PACKAGES", "REPOMAN_TEST_SSH")
_MODES = {"shadow": 0o640, "sudoers": 0o440}


class DaemonError(Exception):
    """The daemon does not run here."""


def run(argv: Sequence[str], scratch: Path, images: Collection[str]) -> int:
    """Run `argv` as `dev` beside a daemon with a pool, bridges and the images.

    Without images it is the demo's: the small image, no bridge, no LAN, and no trace outside of
    `scratch`.
    """
    folder = scratch / "incus"
    try:
        _users(scratch)
        _network(scratch)
        _kernel(scratch)
        if images:
            _homes(scratch)
            lan.start()
            os.environ["SSL_CERT_FILE"] = _certificate(
                scratch
            )  # of the image server that the daemon downloads from
        else:
            _mount_tmpfs(Path("/var/cache"))  # for the image
    except (OSError, subprocess.CalledProcessError) as error:
        raise DaemonError(str(error)) from error
    with running_daemon(folder):
        _furnish(folder, images) if images else _furnish_small(folder)
        # Ctrl-C is for the program, which tidies up while the daemon is there.
        signal.signal(signal.SIGINT, lambda *_: None)
        return subprocess.run(_as_dev(argv, scratch, folder), cwd=CHECKOUT).returncode


def _homes(scratch: Path) -> None:
    """Make homes of our own, beside the checkout and its Python if they are in a home."""
    needed = [path for path in _REACHED if path.is_relative_to("/home")]
    held = {path: scratch / f"held-{number}" for number, path in enumerate(needed)}
    for path, place in held.items():
        _bind(path, place)
    _mount_tmpfs(Path("/home"))
    for name, (uid, gid) in PEOPLE.items():
        home = Path("/home") / name
        home.mkdir(mode=0o755)
        os.chown(home, uid, gid)
    for path in sorted(held):
        _bind(held[path], path)


def _bind(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "--rbind", str(source), str(target)], check=True)


def _users(scratch: Path) -> None:
    """Replace the machine's users by the tests' own, for this namespace only."""
    for name, text in _DATABASES.items():
        ours, theirs = scratch / name, Path("/etc") / name
        ours.write_text(text)
        ours.chmod(_MODES.get(name, 0o644))
        if theirs.exists():
            subprocess.run(["mount", "--bind", str(ours), str(theirs)], check=True)


def _kernel(scratch: Path) -> None:
    """Replace sysctl by one that has the settings in a file: this machine's must stay as they are.

    They are those of a host on which `setup` raised them.
    """
    settings, ours, theirs = scratch / "settings", scratch / "sysctl", Path("/sbin/sysctl")
    settings.write_text("".join(f"{name} = {value}\n" for name, value in LIMITS.items()))
    ours.write_text(f'#!/bin/sh\ncase $1 in -p) cp "$2" {settings} ;; *) cat {settings} ;; esac\n')
    ours.chmod(0o755)
    if theirs.exists():
        subprocess.run(["mount", "--bind", str(ours), str(theirs.resolve())], check=True)
    for folder in filter(Path.exists, HIDDEN_FOLDERS):
        _mount_tmpfs(folder)
    for path, text in ((Path(filter_path(bridge)), filter_unit(bridge)) for bridge in _ALL_BRIDGES):
        if path.parent.exists():
            path.write_text(text)


def _mount_tmpfs(folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(folder)], check=True)


def _network(scratch: Path) -> None:
    """Show the devices of this network namespace in /sys, where the daemon looks for its bridge."""
    kept = scratch / "cgroup"
    kept.mkdir()
    for argv in (
        ["mount", "--rbind", "/sys/fs/cgroup", str(kept)],
        ["mount", "-t", "sysfs", "sysfs", "/sys"],
        ["mount", "--rbind", str(kept), "/sys/fs/cgroup"],
        ["ip", "link", "set", "lo", "up"],
    ):
        subprocess.run(argv, check=True)


@contextmanager
def running_daemon(folder: Path, *sudo: str) -> Iterator[None]:
    """Run a daemon in `folder`. `sudo` is an argv prefix to become root, if this is not root."""
    folder.mkdir(mode=0o711, exist_ok=True)
    environ = {**os.environ, "INCUS_DIR": str(folder)}
    keep = f"INCUS_DIR={folder}"
    path = f"PATH={os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin"
    argv = [*sudo, "env", keep, path, "HOME=/root", str(INCUSD), "--group", ADMINS]
    with open(f"{folder}.log", "wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
    try:
        _await(folder, environ, process)
        yield
    finally:
        if sudo:  # the daemon is its child
            subprocess.run([*sudo, "pkill", "-KILL", "-P", str(process.pid)], check=False)
        else:
            process.kill()
        process.wait()


def _await(folder: Path, environ: Mapping[str, str], process: subprocess.Popen[bytes]) -> None:
    """Wait until a daemon answers and its networks are up.

    It starts a network again after a minute if two daemons of this host were in each other's way.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    argv = ["incus", "query", "local:/1.0/networks?recursion=1"]
    while True:
        done = subprocess.run(argv, env=environ, capture_output=True, text=True)
        if done.returncode == 0 and '"status": "Unavailable"' not in done.stdout:
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise DaemonError(Path(f"{folder}.log").read_text())
        time.sleep(0.05)


def _certificate(scratch: Path) -> str:
    """Create a certificate for loopback with its key in one file, for an image server."""
    key, made = scratch / "key.pem", scratch / "certificate.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    argv += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    argv += ["-keyout", str(key), "-out", str(made)]
    subprocess.run(argv, check=True, stderr=subprocess.DEVNULL)
    made.write_text(made.read_text() + key.read_text())
    return str(made)


def _furnish(folder: Path, images: Collection[str]) -> None:
    _incus(folder, "storage", "create", POOL, "btrfs", "size=6GiB")  # btrfs copies without delay
    for number, name in enumerate(_ALL_BRIDGES):
        address = f"ipv4.address=10.83.{57 + number}.1/24"
        address6 = f"ipv6.address=fd42:83:{57 + number}::1/64"
        _incus(folder, "network", "create", name, address, address6, "ipv6.nat=true")
    for name in images:
        _incus(folder, "image", "import", str(image(name)), "--alias", name)


def _furnish_small(folder: Path) -> None:
    """Make a pool and an image, and try whether a container starts at all."""
    _incus(folder, "storage", "create", POOL, "dir")
    _incus(folder, "image", "import", str(image("busybox")), "--alias", "busybox")
    _incus(folder, "launch", "busybox", "probe", "--storage", POOL)
    _incus(folder, "delete", "--force", "probe")


def _incus(folder: Path, *argv: str) -> None:
    environ = {**os.environ, "INCUS_DIR": str(folder)}
    done = subprocess.run(["incus", *argv], env=environ, capture_output=True, text=True)
    if done.returncode:
        raise DaemonError(f"incus {argv[0]}: {done.stderr.strip()}")


def _as_dev(argv: Sequence[str], scratch: Path, folder: Path) -> list[str]:
    """Return an argv that runs `argv` as `dev`, who can reach the checkout and its Python."""
    uid, gid = PEOPLE["dev"]
    tmp = scratch / "tmp"
    tmp.mkdir()
    os.chown(tmp, uid, gid)
    python = Path(sys.executable).parent
    environ = [
        f"PATH={python}:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
        *("HOME=/home/dev", "USER=dev", "LOGNAME=dev", "PYTHONDONTWRITEBYTECODE=1"),
        f"TMPDIR={tmp}",
        f"HYPOTHESIS_STORAGE_DIRECTORY={tmp}/hypothesis",
        f"REPOMAN_TEST_INCUS_DIR={folder}",
        f"REPOMAN_TEST_CERTIFICATE={scratch}/certificate.pem",
        f"TERM={os.environ.get('TERM', 'dumb')}",
        *(f"{name}={os.environ[name]}" for name in _HANDED_ON if name in os.environ),
    ]
    reach = [sys.executable, "-m", "dev.open_folders", str(scratch / "held")]
    ids = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--init-groups", "--inh-caps=-all"]
    return [*reach, *map(str, _REACHED), "--", *ids, "env", "-i", *environ, *argv]


def clean(scratch: Path) -> None:
    """Remove what the namespaces leave on the disk."""
    shutil.rmtree(scratch, ignore_errors=True)
