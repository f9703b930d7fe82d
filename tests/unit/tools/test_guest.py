"""The script that enters a container, run on this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.model import Person
from repoman_tasks.tools.guest import GuestHandle, enter_argv
from repoman_tasks.tools.incus import Incus


def enter(tmp_path: Path, user: str, uid: int, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Enter `folder` as a user with secrets staged below `tmp_path`, which has /run/repoman."""
    (tmp_path / "staged").write_text("TOKEN=s3cret\n")
    person = Person(user, uid, uid, user, str(tmp_path), "/bin/sh")
    handle = GuestHandle(Incus(LocalHost(dict(os.environ)), "repoman"), "isurus", person)
    command = ["printenv", "TOKEN"]
    argv = enter_argv(
        handle, str(folder), command, login=False, terminal="", lang="", secrets="staged"
    )
    inner = argv[argv.index("sh") :]
    inner[2] = inner[2].replace("/run/repoman", str(tmp_path))
    return subprocess.run(inner, capture_output=True)


@pytest.mark.parametrize(
    ("user", "uid", "folder"),
    [
        pytest.param("nobody-here", 4242, ".", id="no such user"),
        pytest.param("root", 0, "gone", id="no such folder"),
    ],
)
def test_no_secret_stays_if_entering_fails(
    tmp_path: Path, user: str, uid: int, folder: str
) -> None:
    assert enter(tmp_path, user, uid, tmp_path / folder).returncode == 125
    assert not (tmp_path / "staged").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="not here: only root becomes a user")
def test_secrets_are_read_before_they_are_removed(tmp_path: Path) -> None:
    assert enter(tmp_path, "root", 0, tmp_path).stdout == b"s3cret\n"
    assert not (tmp_path / "staged").exists()
