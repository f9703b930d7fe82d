"""The images of the tests, made from Debian's packages and kept between runs.

Run as a module, it makes those that it is given the names of, or `USUAL`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["IMAGES", "USUAL", "image"]

_CACHE = Path("/var/cache/repoman-tests")

_PACKAGES = (
    *("systemd", "systemd-sysv", "udev", "dbus", "iproute2", "sudo", "git", "less"),
    *("ca-certificates", "passwd"),
)
_METADATA = """\
architecture: "{machine}"
creation_date: 1700000000
properties:
  description: {name} for the tests of repoman
{templates}"""
_SEED = "/var/lib/cloud/seed/nocloud-net"
_TEMPLATES = f"""\
templates:
  {_SEED}/meta-data:
    when: [create, copy, start]
    template: meta.tpl
  {_SEED}/user-data:
    when: [create, copy, start]
    template: user.tpl
"""
_TEMPLATE_FILES = {
    "meta.tpl": "instance-id: {{ container.name }}\nlocal-hostname: {{ container.name }}\n",
    "user.tpl": '{{ config_get("cloud-init.user-data", properties.default) }}',
}
"""As in images for Incus with cloud-init (see distrobuilder's generators)."""

_NEEDLESS_UNITS = (
    *("console-getty", "e2scrub_reap", "modprobe@", "systemd-hostnamed", "systemd-journal-flush"),
    *("systemd-modules-load", "systemd-sysctl", "systemd-update-utmp"),
    "systemd-update-utmp-runlevel",
)
"""Services that take half of the time in which a container starts."""
_TRIGGER = "[Service]\nExecStart=\nExecStart=-udevadm trigger --type=all --subsystem-match=net\n"
"""systemd-networkd needs only network devices; the others are all those of the host."""
_NETWORK = "[Match]\nName=eth0\n[Network]\nDHCP=ipv4\n"

_INIT = """\
#!/bin/busybox sh
export PATH=/usr/bin:/bin:/usr/sbin:/sbin
trap 'exit 0' TERM PWR
ip link set lo up
while :; do sleep 600 & wait $!; done
"""
"""PID 1 of the small image: it reaps, and ends when Incus stops the container."""

_APPLETS = (
    *("adduser", "addgroup", "awk", "cat", "chmod", "chown", "cp", "cut", "date", "dd", "env"),
    *("false", "find", "getopt", "grep", "head", "hostname", "id", "install", "ip", "kill", "ln"),
    *("ls", "mkdir", "mv", "ps", "rm", "rmdir", "sed", "sh", "sleep", "stat", "stty", "su"),
    *("tail", "test", "touch", "tr", "true", "tty", "uname", "vi", "wc", "which", "yes"),
)


def _run(argv: Sequence[str | Path]) -> None:
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, argv))}: {done.stdout[-2000:]}{done.stderr}")


def _suite() -> tuple[str, str]:
    """Return the suite of Debian that apt is configured for, and its URL."""
    output = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\n")
    suites = [line.split() for line in output if line.startswith(("bookworm ", "trixie "))]
    if not suites:
        raise RuntimeError(
            "apt is configured for neither Debian 12 nor 13, so no image can be made"
        )
    return suites[0][0], suites[0][1]


def _debian(root: Path) -> None:
    suite, uri = _suite()
    include = f"--include={','.join(_PACKAGES)}"
    _run(["mmdebstrap", "--quiet", "--variant=minbase", include, suite, root, uri])
    (root / "etc/systemd/network/eth0.network").write_text(_NETWORK)
    _run(["chroot", root, "systemctl", "enable", "systemd-networkd"])
    units = (f"{name}.service" for name in _NEEDLESS_UNITS)
    _run(["chroot", root, "systemctl", "mask", *units])
    trigger = root / "etc/systemd/system/systemd-udev-trigger.service.d/tests.conf"
    trigger.parent.mkdir()
    trigger.write_text(_TRIGGER)
    _lighten(root)


def _cloud(root: Path) -> None:
    """Create Debian with cloud-init, and with a user of uid 1000, as Ubuntu's image has."""
    _run(["tar", "-C", root.parent, "-xf", image("debian"), "rootfs"])
    environ = ["env", "DEBIAN_FRONTEND=noninteractive", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    _run(["chroot", root, *environ, "apt-get", "-qq", "update"])
    get = ["apt-get", "-qq", "install", "--yes", "--no-install-recommends", "cloud-init"]
    _run(["chroot", root, *environ, *get])
    conf = root / "etc/cloud/cloud.cfg.d/90_tests.cfg"
    conf.write_text(
        "datasource_list: [NoCloud, None]\nnetwork: {config: disabled}\nlocale: false\n"
        "apt_preserve_sources_list: true\n"
    )
    make = ["useradd", "--create-home", "--shell", "/bin/bash", "--uid", "1000", "ubuntu"]
    _run(["chroot", root, *make])
    _lighten(root)


def _lighten(root: Path) -> None:
    for name in ("usr/share/doc", "usr/share/locale", "usr/share/man", "var/lib/apt/lists"):
        shutil.rmtree(root / name, ignore_errors=True)
    for package in (root / "var/cache/apt/archives").glob("*.deb"):
        package.unlink()
    (root / "etc/machine-id").write_text("")


def _busybox(root: Path) -> None:
    for name in ("bin", "dev", "etc", "proc", "root", "sbin", "sys", "tmp", "usr/bin", "home"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for name in _APPLETS:
        (root / "bin" / name).symlink_to("busybox")
    init = root / "sbin/init"
    init.write_text(_INIT)
    init.chmod(0o755)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/shadow").write_text("root:*:19000:0:99999:7:::\n")
    (root / "etc/shadow").chmod(0o640)
    (root / "etc/profile").write_text("export FROM_PROFILE=yes\n")


IMAGES: dict[str, Callable[[Path], None]] = {
    "busybox": _busybox,
    "debian": _debian,
    "debian-cloud": _cloud,
}
USUAL = ("busybox", "debian")
"""The images that every daemon has. The other takes long to make, and one case needs it."""


def image(name: str) -> Path:
    """Return the tarball of the image; create it unless the cache has one of this recipe."""
    key = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    made = _CACHE / f"{name}-{key}.tar.gz"
    if not made.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        with open(_CACHE / f"{name}.lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another process may need it at the same time
            if not made.exists():
                _make_anew(name, made)
    return made


def _make_anew(name: str, made: Path) -> None:
    for old in _CACHE.glob(f"{name}-????????????.tar.gz"):
        old.unlink()
    with tempfile.TemporaryDirectory(prefix="repoman-image-") as folder:
        _make(name, Path(folder), made)


def _make(name: str, folder: Path, made: Path) -> None:
    root = folder / "rootfs"
    root.mkdir(mode=0o755)
    IMAGES[name](root)
    cloud = name.endswith("-cloud")
    metadata = _METADATA.format(
        machine=os.uname().machine, name=name, templates=_TEMPLATES if cloud else ""
    )
    (folder / "metadata.yaml").write_text(metadata)
    (folder / "templates").mkdir()
    for file, text in _TEMPLATE_FILES.items():
        (folder / "templates" / file).write_text(text)
    part = made.with_suffix(".part")
    members = ["metadata.yaml", "templates", "rootfs"]
    _run(["tar", "--numeric-owner", "-C", folder, "-I", "gzip -1", "-cf", part, *members])
    part.rename(made)


if __name__ == "__main__":
    for each in sys.argv[1:] or USUAL:
        image(each)
