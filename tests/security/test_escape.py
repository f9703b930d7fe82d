"""Escape from a container as its root, or into the fence by another client of Incus."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.containers.conftest import ContainerEstate
from tests.support.cures import paste_cure
from tests.support.processes import WAIT_SECONDS, wait_until


@pytest.mark.shared
def test_a_set_uid_file_of_root_is_nobodys_outside(isurus: ContainerEstate) -> None:
    repo = isurus.local_repos / "isurus"
    script = 'cp /bin/busybox "$1/x" && chmod 4755 "$1/x"'
    assert isurus.exec_inside("isurus", "sh", "-c", script, "sh", str(repo)).code == 0
    info = (repo / "x").stat()
    assert info.st_mode & stat.S_ISUID
    assert info.st_uid == 1_000_000, "root of the container is nobody of the host"
    assert info.st_uid not in (0, os.getuid())


@pytest.mark.shared
def test_root_inside_makes_no_device_and_takes_no_file_of_ours_for_its_own(
    isurus: ContainerEstate,
) -> None:
    repo = isurus.local_repos / "isurus"
    (repo / "mine").write_text("x")
    made = isurus.exec_inside("isurus", "busybox", "mknod", f"{repo}/sda", "b", "8", "0")
    assert made.code != 0
    assert not (repo / "sda").exists()
    isurus.exec_inside("isurus", "sh", "-c", f"chown 0:0 {repo}/mine; chmod 4777 {repo}/mine")
    assert (repo / "mine").stat().st_uid in (os.getuid(), 1_000_000)


def test_a_symlink_in_place_of_the_repo_is_not_followed(isurus: ContainerEstate) -> None:
    repo = isurus.local_repos / "isurus"
    isurus.incus("stop", "--force", "isurus")
    repo.rmdir()
    for target in ("/etc", str(isurus.home), str(isurus.home / ".claude")):
        repo.symlink_to(target)
        done = isurus.run("start", "isurus", code=6)
        assert "can't be started" in done.err
        assert isurus.incus("start", "isurus", check=False).code != 0, "nor does Incus itself"
        repo.unlink()


FORBIDDEN = {
    "/etc": ["source=/etc", "path=/mnt"],
    "the home": ["source=@home", "path=/mnt"],
    "up from a repo": ["source=@repos/../..", "path=/mnt"],
    "a socket": ["source=/run", "path=/mnt"],
    "shift": ["source=@repos", "path=/mnt", "shift=true"],
}


@pytest.mark.shared
def test_a_device_outside_of_the_fence_by_another_client(isurus: ContainerEstate) -> None:
    named = {"@home": str(isurus.home), "@repos": str(isurus.local_repos)}
    add = ("config", "device", "add", "isurus", "x", "disk")
    isurus.incus("stop", "--force", "isurus")
    for kind, device in FORBIDDEN.items():
        for short, path in named.items():
            device = [word.replace(short, path) for word in device]
        added = isurus.incus(*add, *device, check=False)
        assert added.code or isurus.incus("start", "isurus", check=False).code, kind
        assert isurus.instances()["isurus"]["status"] == "Stopped", kind
        isurus.incus("config", "device", "remove", "isurus", "x", check=False)
    isurus.incus("start", "isurus")


@pytest.mark.shared
def test_a_setting_that_weakens_by_another_client(isurus: ContainerEstate) -> None:
    weak = ("security.nesting=true", "security.privileged=true", "raw.lxc=x", "raw.idmap=both 0 0")
    for setting in weak:
        assert isurus.incus("config", "set", "isurus", setting, check=False).code != 0, setting


@pytest.mark.shared
def test_no_namespace_of_its_own_gives_it_more(isurus: ContainerEstate) -> None:
    """Root of a user namespace inside has no more rights outside."""
    repo = isurus.local_repos / "isurus"
    script = 'busybox unshare -Urm sh -c "touch $0/deep; mount -t tmpfs none $0" ; true'
    isurus.exec_inside("isurus", "sh", "-c", script, str(repo))
    made = repo / "deep"
    assert not made.exists() or made.stat().st_uid == 1_000_000
    assert str(repo) not in Path("/proc/mounts").read_text()


@pytest.mark.shared
def test_a_hard_link_to_a_file_of_the_host(isurus: ContainerEstate) -> None:
    """Only files of a mount can be linked, and the mount is the repo."""
    secret = isurus.home / "secret"
    secret.write_text("x")
    repo = isurus.local_repos / "isurus"
    for target in (secret, Path("/etc/shadow")):
        isurus.exec_inside("isurus", "ln", str(target), f"{repo}/link")
    links = [path for path in repo.iterdir() if path.name == "link"]
    assert all(path.stat().st_ino != secret.stat().st_ino for path in links)


@pytest.mark.shared
def test_the_devices_of_the_host(isurus: ContainerEstate) -> None:
    for device in ("/dev/sda", "/dev/vda", "/dev/mem", "/dev/kmsg", "/dev/loop-control"):
        assert isurus.exec_inside("isurus", "test", "-e", device).code != 0
    made = isurus.exec_inside("isurus", "busybox", "mknod", "/tmp/mem", "c", "1", "1")
    read = isurus.exec_inside("isurus", "dd", "if=/tmp/mem", "of=/dev/null", "bs=1", "count=1")
    assert made.code or read.code


@pytest.mark.shared
def test_the_processes_of_the_host(isurus: ContainerEstate) -> None:
    here = os.getpid()
    assert str(here) not in isurus.exec_inside("isurus", "ls", "/proc").out.split()
    isurus.exec_inside("isurus", "kill", "-9", str(here))
    isurus.exec_inside("isurus", "kill", "-9", "-1")
    os.kill(here, 0)


@pytest.mark.shared
def test_the_kernel_of_the_host(isurus: ContainerEstate) -> None:
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/swappiness"):
        before = Path(path).read_text() if "sysrq" not in path else ""
        isurus.exec_inside("isurus", "sh", "-c", 'echo "|/tmp/x" >"$0"', path)
        assert "sysrq" in path or Path(path).read_text() == before
    assert isurus.exec_inside("isurus", "busybox", "insmod", "/x.ko").code != 0


@pytest.mark.shared
def test_reading_the_registry_and_the_repo_of_another_project(isurus: ContainerEstate) -> None:
    isurus.new("lamna", "--no-container")
    (isurus.local_repos / "lamna/secret").write_text("x")
    for path in (
        isurus.registry,
        isurus.local_repos / "lamna/secret",
        isurus.home / ".local/state/repoman",
        isurus.share,
        Path(isurus.environ["INCUS_DIR"]),
    ):
        assert isurus.exec_inside("isurus", "test", "-e", str(path)).code != 0, path
        up = f"{isurus.local_repos}/isurus/../../../../../../../../..{path}"
        assert isurus.exec_inside("isurus", "test", "-e", up).code != 0, path
    assert isurus.exec_inside("isurus", "ls", str(isurus.local_repos)).out == "isurus\n"


@pytest.mark.shared
def test_the_socket_of_incus_itself(isurus: ContainerEstate) -> None:
    """The guest's API returns the container's configuration, and changes nothing."""
    before = isurus.instances()
    for path in ("/var/lib/incus/unix.socket", f"{isurus.environ['INCUS_DIR']}/unix.socket"):
        assert isurus.exec_inside("isurus", "test", "-e", path).code != 0
    ask = 'printf "PATCH /1.0 HTTP/1.0\\r\\n\\r\\n" | busybox nc local:/dev/incus/sock; true'
    isurus.exec_inside("isurus", "sh", "-c", ask)
    assert isurus.instances() == before
    assert "incus" not in isurus.findings()


# --- using up what the host has ---------------------------------------------------------------


@pytest.fixture
def two(isurus: ContainerEstate) -> ContainerEstate:
    """Return an estate with two containers, of which the other one has to go on."""
    return isurus.new("lamna")


def goes_on(estate: ContainerEstate) -> None:
    """Run some commands in the other container, which have to finish."""
    for _ in range(5):
        estate.incus("exec", "lamna", "--", "true")


def state(estate: ContainerEstate, name: str) -> dict[str, Any]:
    """Return Incus's state of a running container."""
    return dict(estate.api(f"instances/{name}/state"))


def attack(estate: ContainerEstate, script: str) -> subprocess.Popen[bytes]:
    argv = ["incus", "exec", "isurus", "--project", estate.project, "--", "sh", "-c", script]
    return subprocess.Popen(
        argv, env=estate.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def test_a_fork_bomb(two: ContainerEstate) -> None:
    two.incus("profile", "set", "default", "limits.processes=200")
    two.run("restart", "isurus", "--force", code=0)
    # Shells that fork each other end one another; sleeps stay, so the number only grows.
    process = attack(two, "while :; do sleep 600 & done")
    try:
        wait_until(lambda: state(two, "isurus")["processes"] > 150)
        goes_on(two)
    finally:
        two.incus("stop", "--force", "isurus", check=False)
        process.kill()
        process.wait()
    two.incus("profile", "set", "default", "limits.processes=4096")
    two.run("start", "isurus", code=0)


def test_a_memory_hog(two: ContainerEstate) -> None:
    text = two.registry.read_text()
    two.registry.write_text(text.replace("[defaults]\n", '[defaults]\nmemory = "128MiB"\n'))
    two.run("setup", "--repair", code=0)
    two.run("restart", "isurus", "--force", code=0)
    process = attack(two, "exec tail /dev/zero")
    try:
        goes_on(two)
        assert process.wait(WAIT_SECONDS) != 0, "the kernel ended it"
    finally:
        process.kill()
        process.wait()
    assert state(two, "isurus")["memory"]["usage_peak"] < 160 << 20
    goes_on(two)


def test_the_memory_of_several_containers(two: ContainerEstate) -> None:
    """Two idle ones of 128 MiB may run; a third one would exceed the bound, by any command."""
    text, limits = two.registry.read_text(), 'memory = "128MiB"\nmemory_total = "300MiB"\n'
    two.registry.write_text(text.replace("[defaults]\n", f"[defaults]\n{limits}"))
    two.run("setup", "--repair", code=0)
    for name in ("isurus", "lamna"):
        two.run("restart", name, "--force", code=0)
    (two.local_repos / "mako").mkdir()
    done = two.run("new", "mako", code=6)
    assert "mako may take 0.1 GiB of memory and the running containers 0.2 GiB" in done.err
    assert two.projects() == ["isurus", "lamna"]
    two.run("stop", "lamna", code=0)
    two.run("new", "mako", code=0)
    for command in (("start", "lamna"), ("shell", "lamna"), ("exec", "lamna", "--", "true")):
        assert "more than memory_total" in two.run(*command, code=6).err
    assert two.state("lamna") == "stopped"
    two.incus("start", "lamna")  # as after a restart of the host
    paste_cure(two, "memory")
    two.run("stop", "--all", code=0)
    two.run("exec", "lamna", "--", "true", code=0)


def test_a_disk_filler(two: ContainerEstate) -> None:
    text = two.registry.read_text()
    two.registry.write_text(text.replace("[defaults]\n", '[defaults]\ndisk = "100MiB"\n'))
    two.run("setup", "--repair", code=0)
    two.run("restart", "isurus", "--force", code=0)
    # Btrfs leaves its counts as inconsistent, and holds to none, after others deleted much.
    pool = f"{two.environ['INCUS_DIR']}/storage-pools/{two.environ['REPOMAN_STORAGE_POOL']}"
    subprocess.run(["sudo", "-n", "btrfs", "quota", "rescan", "-w", pool], check=True)
    done = two.exec_inside("isurus", "dd", "if=/dev/urandom", "of=/big", "bs=1M", "count=200")
    synced = two.exec_inside("isurus", "busybox", "sync")
    assert done.code or synced.code
    size = two.exec_inside("isurus", "stat", "-c", "%s", "/big").out.strip()
    assert int(size or 0) < 110 << 20
    goes_on(two)
    assert two.exec_inside("lamna", "dd", "if=/dev/zero", "of=/x", "bs=1M", "count=20").code == 0
