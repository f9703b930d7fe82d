"""Use up what the kernel counts for the containers and the host together.

Each attack also runs at the limits of a kernel that nobody set up, where it is felt outside: by all
tests of this machine, so this control is left to the tier `nightly`, which runs alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from repoman_tasks.planning.fence.kernel_limits import LIMITS
from tests.containers.conftest import ContainerEstate
from tests.support.cures import paste_cure
from tests.support.processes import WAIT_SECONDS, find_processes, find_sleeps, wait_until

_SET_PIPE_SIZE = 1031
"""F_SETPIPE_SZ (fcntl(2))."""
_ADD_KEY = {"x86_64": 248, "aarch64": 217}
_INOTIFY_INIT1 = {"x86_64": 294, "aarch64": 26}
SUDO = ("sudo", "-n")
INOTIFY, EPOLL = "fs.inotify.max_user_instances", "fs.epoll.max_user_watches"
FELT = (pytest.mark.nightly, pytest.mark.alone)
"""Marks of a control that all programs of this machine feel."""


@pytest.fixture
def debian(estate: ContainerEstate) -> ContainerEstate:
    """Return an estate with the project isurus, whose image has Perl."""
    made = "isurus" in estate.projects()
    return estate if made else estate.new("isurus", "--image", "debian")


@contextlib.contextmanager
def kernel_setting(name: str, value: int) -> Iterator[None]:
    """Change a setting of this machine for a while, which the tests' own sysctl does not."""
    path = Path("/proc/sys", *name.split("."))
    before = path.read_text()
    try:
        write(path, str(value))
        yield
    finally:
        write(path, before)


def write(path: Path | str, text: str) -> None:
    """Write a file as root."""
    done = subprocess.run(
        [*SUDO, "tee", path], input=text.encode(), capture_output=True, check=True
    )
    assert done.stdout == text.encode()


@contextlib.contextmanager
def attack(estate: ContainerEstate, uid: int, script: str, marker: str) -> Iterator[None]:
    """Run a script in the container as `uid`, which shows by a sleep that it has all it takes."""
    ids = [f"--user={uid}", f"--group={uid}"]
    begin = ["incus", "exec", "isurus", "--project", estate.project, *ids, "--", "sh", "-c"]
    process = subprocess.Popen(
        [*begin, f"{script}; exec sleep {marker}"],
        env=estate.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: find_sleeps(marker))
        yield
    finally:
        for pid in find_sleeps(marker):
            subprocess.run([*SUDO, "kill", "-9", str(pid)], check=False)
        process.kill()
        process.wait(WAIT_SECONDS)
        wait_until(lambda: not find_processes(marker))  # Incus's own, too


# --- inotify: of all users of a container for root ------------------------------------------

_INSTANCES = (
    "ulimit -n 1024; "
    """exec perl -e 'for (1 .. 300) { syscall(NUMBER, 0) } exec "sleep", shift' """
)
"""They stay open in the sleep."""
_ONE_INSTANCE = "import ctypes, sys; sys.exit(ctypes.CDLL(None).inotify_init() < 0)"


def root_can_watch() -> bool:
    """Return True if root of the host gets an inotify instance."""
    argv = [*SUDO, sys.executable, "-c", _ONE_INSTANCE]
    return subprocess.run(argv, check=False).returncode == 0


@pytest.mark.shared
@pytest.mark.parametrize("limit", [LIMITS[INOTIFY], pytest.param(128, marks=FELT)])
@pytest.mark.parametrize("uid", [0, 1000])
def test_inotify_instances(debian: ContainerEstate, marker: str, uid: int, limit: int) -> None:
    script = _INSTANCES.replace("NUMBER", str(_INOTIFY_INIT1[platform.machine()]))
    with attack(debian, uid, f"{script}{marker}", marker), kernel_setting(INOTIFY, limit):
        assert root_can_watch() == (limit != 128), "the control: as many as it gets inside"


# --- pipes, epoll watches and keys: of one user inside and outside --------------------------

_PIPES = """\
ulimit -n 4096
exec perl -e '$^F = 9999; for (1 .. 1200) { pipe(my $r, my $w); push @p, $r, $w }
    exec "sleep", shift'\
"""


def pipe_can_grow() -> bool:
    """Return True if a pipe of this user can have a MiB."""
    ends = os.pipe()
    try:
        return fcntl.fcntl(ends[0], _SET_PIPE_SIZE, 1 << 20) == 1 << 20
    except PermissionError:
        return False
    finally:
        for end in ends:
            os.close(end)


@pytest.mark.alone
@pytest.mark.shared
@pytest.mark.parametrize("uid", [0, 1000])
def test_pipes(debian: ContainerEstate, marker: str, uid: int) -> None:
    """1024 pipes of 64 KiB are what the kernel gives a user; root inside has its own."""
    name = "fs.pipe-user-pages-soft"
    with attack(debian, uid, f"{_PIPES} {marker}", marker):
        with kernel_setting(name, 16_384):
            assert pipe_can_grow() == (uid == 0), "the control: those of uid 1000 are ours"
        with kernel_setting(name, LIMITS[name]):
            assert pipe_can_grow()


_EPOLL = {"x86_64": (291, 233, 290, "LQ"), "aarch64": (20, 21, 19, "Lx4Q")}
"""The numbers of epoll_create1, epoll_ctl and eventfd2, and Perl's form of an epoll_event."""
_WATCHES = """\
ulimit -n 1024
exec perl -e '($create, $ctl, $eventfd, $form) = splice @ARGV, 0, 4; $event = pack $form, 1, 0;
    push @files, syscall($eventfd, 0, 0) for 1 .. 300;
    for (1 .. 400) { $e = syscall($create, 0); syscall($ctl, $e, 1, $_, $event) for @files }
    exec "sleep", shift' \
"""


def can_watch_files() -> bool:
    """Return True if this user gets an epoll watch."""
    ends = os.pipe()
    error = 0
    with select.epoll() as epoll:
        try:
            epoll.register(ends[0])
        except OSError as problem:
            error = problem.errno or 0
    for end in ends:
        os.close(end)
    assert error in (0, errno.ENOSPC)
    return not error


@pytest.mark.shared
@pytest.mark.parametrize("limit", [LIMITS[EPOLL], pytest.param(100_000, marks=FELT)])
@pytest.mark.parametrize("uid", [0, 1000])
def test_epoll_watches(debian: ContainerEstate, marker: str, uid: int, limit: int) -> None:
    """120,000 of them, at a limit of 100,000: a machine of 1 GiB has twice as many."""
    words = " ".join(map(str, _EPOLL[platform.machine()]))
    with attack(debian, uid, f"{_WATCHES} {words} {marker}", marker), kernel_setting(EPOLL, limit):
        felt = limit == 100_000 and uid == 1000
        assert can_watch_files() == (not felt), "the control: those of uid 1000 are ours"


_KEY = 'syscall(NUMBER, my $t = "user", my $d = "key$_", my $p = "x", 1, -4)'


def add_key() -> int:
    """Add a key to the keyring of this user; return 0 or the error's number."""
    libc = ctypes.CDLL(None, use_errno=True)
    number, keyring = _ADD_KEY[platform.machine()], ctypes.c_int(-4)
    added = libc.syscall(number, b"user", b"repoman", b"x", 1, keyring)
    return 0 if added > 0 else ctypes.get_errno()


@pytest.mark.shared
@pytest.mark.parametrize("uid", [0, 1000])
def test_keys(debian: ContainerEstate, uid: int) -> None:
    """No program inside gets one, so none is counted for the user outside."""
    assert add_key() == 0, "the control: this kernel has keys"
    key = _KEY.replace("NUMBER", str(_ADD_KEY[platform.machine()]))
    program = f"$n = 0; for (1 .. 300) {{ $n++ if {key} > 0 }} print $n, q( ), $! + 0"
    ids = (f"--user={uid}", f"--group={uid}")
    said = debian.incus("exec", "isurus", *ids, "--", "sh", "-c", f"sleep 0.1; perl -e '{program}'")
    assert said.out == f"0 {errno.ENOSYS}"
    assert add_key() == 0


# --- what `setup` and `status` tell ---------------------------------------------------------


def test_a_limit_that_is_too_low_is_noted_and_raised(isurus: ContainerEstate) -> None:
    """By the tests' own sysctl, which has the settings in a file."""
    low = "".join(f"{name} = {value}\n" for name, value in LIMITS.items() if "inotify" not in name)
    settings = Path(isurus.environ["INCUS_DIR"]).parent / "settings"
    write(settings, f"{low}fs.inotify.max_user_instances = 128\n")
    said = isurus.run("status").out
    assert "limits of this host's kernel: fs.inotify.max_user_instances = 128\n" in said
    told = isurus.run("setup", "--dry-run", code=0)
    assert "would run as root `sh -c " in told.out
    assert "needs root" in isurus.run("setup", code=0).err
    assert "= 128\n" in settings.read_text(), "nothing was done silently"
    paste_cure(isurus, "kernel")
    assert f"fs.inotify.max_user_instances = {LIMITS['fs.inotify.max_user_instances']}\n" in (
        settings.read_text()
    )
    assert Path("/etc/sysctl.d/60-repoman.conf").read_text() == settings.read_text()
    assert "kernel" not in isurus.run("status").out
    assert isurus.run("setup", code=0).out == "nothing to do\n"
