"""`ssh-config` changes one line of the user's configuration, and takes it away again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.estate import Estate, run

MINE = b"# mine \xff\nHost nas\n  Port 2222\nHost *\n  ForwardAgent yes\n  User other"


@pytest.fixture
def config(estate: Estate) -> Path:
    path = estate.home / ".ssh/config"
    path.parent.mkdir(mode=0o700)
    path.write_bytes(MINE)
    path.chmod(0o640)
    return path


@pytest.mark.local_only("ssh is the client's")
def test_the_life_of_the_line(estate: Estate, config: Path) -> None:
    folder = estate.home / ".local/state/repoman/ssh"
    done = estate.run("ssh-config", code=0)
    assert (done.out, "ssh-config install" in done.err) == (
        "ssh does not know the containers\n",
        True,
    )
    done = estate.run("ssh-config", "install", "--dry-run", code=0)
    assert f"would add a line to {config}" in done.out
    assert (config.read_bytes(), folder.exists()) == (MINE, False)
    estate.run("ssh-config", "install", "--yes", code=0)
    assert config.read_bytes() == f'Include "{folder}/config"\n'.encode() + MINE
    assert config.stat().st_mode & 0o777 == 0o640
    assert (folder / "key").stat().st_mode & 0o077 == 0
    key = (folder / "key").read_bytes()
    assert "nothing to do" in estate.run("ssh-config", "install", "--yes", code=0).out
    assert (folder / "key").read_bytes() == key
    assert "Host *.repoman\n" in estate.run("ssh-config", "show", code=0).out
    estate.run("ssh-config", "remove", "--yes", code=0)
    assert config.read_bytes() == MINE
    assert not (folder / "key").exists()


@pytest.mark.local_only("ssh is the client's")
def test_what_ssh_makes_of_it(estate: Estate, config: Path) -> None:
    """The user's `Host *` changes nothing of it, and it changes nothing for other hosts."""
    before = run(["ssh", "-G", "-F", str(config), "nas"], estate.environ).out
    estate.run("ssh-config", "install", "--yes", code=0)
    said = run(["ssh", "-G", "-F", str(config), "isurus.repoman"], estate.environ)
    found = dict(line.split(" ", 1) for line in said.out.splitlines() if " " in line)
    assert found["forwardagent"] == "no"
    assert found["user"] != "other"
    assert found["userknownhostsfile"].endswith("/repoman/ssh/known_hosts")
    assert found["stricthostkeychecking"] in ("yes", "true")
    assert "ssh-config connect '%r@%n'" in found["proxycommand"]
    assert run(["ssh", "-G", "-F", str(config), "nas"], estate.environ).out == before


@pytest.mark.local_only("ssh is the client's")
def test_a_link_without_a_file_and_uninstall(estate: Estate) -> None:
    estate.setup()
    real = estate.home / "dotfiles"
    real.write_text("Host nas\n")
    link = estate.home / ".ssh/config"
    link.parent.mkdir()
    link.symlink_to(real)
    estate.run("ssh-config", "install", "--yes", code=0)
    assert link.is_symlink()
    assert real.read_text().endswith('config"\nHost nas\n')
    assert f"remove the line from {link}" in estate.run("uninstall", "--dry-run", code=0).out
    estate.run("uninstall", "--yes", code=0)
    assert (link.is_symlink(), real.read_text()) == (True, "Host nas\n")
    assert not (estate.home / ".local/state/repoman").exists()


@pytest.mark.local_only("ssh is the client's")
def test_what_is_refused(estate: Estate) -> None:
    done = estate.run("ssh-config", "instal", code=2)
    assert "ssh-config has no action 'instal': did you mean install?" in done.err
    assert "takes no name" in estate.run("ssh-config", "install", "isurus", code=2).err
    done = estate.run("ssh-config", "connect", "isurus.repoman", code=1)
    assert "there is no key for containers: run `repoman ssh-config install`" in done.err
