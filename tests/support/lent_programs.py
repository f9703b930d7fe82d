"""Programs of this machine, copied into a container of the same Debian with their libraries."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.containers.conftest import ContainerEstate

__all__ = ["lend_programs", "lend_sshd"]

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_PARTS_OF_SSHD = ("/usr/lib/openssh/sshd-session", "/usr/lib/openssh/sshd-auth")
"""Of OpenSSH 9.8 and later."""


def lend_programs(estate: ContainerEstate, name: str, *programs: str) -> None:
    """Copy programs into a container."""
    paths = [Path(shutil.which(program, path=_PATH) or program) for program in programs]
    archive = estate.base / "programs.tar"
    with tarfile.open(archive, "w", dereference=True) as tar:
        for path in {one for program in paths for one in (program, *_libraries(program))}:
            tar.add(path, str(path.parent.resolve() / path.name), recursive=False)
    estate.incus("file", "push", str(archive), f"{name}/root/programs.tar")
    argv = ("tar", "-C", "/", "-xf", "/root/programs.tar", "--skip-old-files")
    done = estate.exec_inside(name, *argv)
    assert done.code == 0, done


def _libraries(program: Path) -> list[Path]:
    done = subprocess.run(["ldd", str(program)], capture_output=True, text=True)
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", done.stdout)]


def lend_sshd(estate: ContainerEstate, name: str) -> None:
    """Copy what the package openssh-server brings along, and rsync, into a container."""
    parts = [part for part in _PARTS_OF_SSHD if Path(part).exists()]
    lend_programs(estate, name, "sshd", "ssh-keygen", "scp", "rsync", *parts)
    user = "sshd:x:101:65534::/run/sshd:/usr/sbin/nologin"
    script = 'grep -q ^sshd: /etc/passwd || echo "$1" >>/etc/passwd'
    assert estate.exec_inside(name, "sh", "-c", script, "sh", user).code == 0
