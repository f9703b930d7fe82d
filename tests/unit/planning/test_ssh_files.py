"""Files by which ssh reaches containers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repoman_tasks.errors import Failed, UsageError
from repoman_tasks.planning.ssh_files import (
    SshFiles,
    Target,
    check_ssh_action,
    check_user,
    config_text,
    install_ssh_steps,
    known_hosts_with,
    parse_host_key,
    parse_target,
    remove_ssh_steps,
)
from repoman_tasks.planning.steps import DeleteFile, RunProgram, WriteFile

TEXT = config_text("/s/ssh", "dev", ["/opt/my tools/repoman%"])
NONE = SshFiles("/s/ssh", "/home/dev/.ssh/config", TEXT)
KEY = "ssh-ed25519 " + "A" * 68


def after(files: SshFiles, *, install: bool) -> SshFiles:
    """Return the files once the steps are done."""
    for step in install_ssh_steps(files) if install else remove_ssh_steps(files):
        if isinstance(step, RunProgram):
            assert step.argv[0] == "ssh-keygen"
            files = replace(files, keys=(files.key, f"{files.key}.pub"))
            continue
        assert isinstance(step, WriteFile | DeleteFile)
        data = step.text.encode(errors="surrogateescape") if isinstance(step, WriteFile) else None
        if step.path == files.user_config:
            files = replace(files, user_content=data)
        elif step.path == files.config:
            files = replace(files, content=data)
        else:
            files = replace(files, keys=tuple(key for key in files.keys if key != step.path))
    return files


@pytest.mark.parametrize(
    "before",
    [
        b"Host nas\n  Port 22\n",
        b"\xff\xfe no text\r\nHost *\r\n",
        b"Match all",
        b"\n\n# mine\n",
        b"Include other\x0cx\n",
    ],
)
def test_the_file_of_the_user_comes_back_as_it_was(before: bytes) -> None:
    files = after(replace(NONE, user_content=before), install=True)
    assert files.installed
    assert files.user_content == b'Include "/s/ssh/config"\n' + before
    assert install_ssh_steps(files) == []
    files = after(files, install=False)
    assert files.user_content == before
    assert (files.content, files.has_key) == (None, False)
    assert remove_ssh_steps(files) == []


def test_a_file_that_was_not_there_is_gone_again() -> None:
    assert after(after(NONE, install=True), install=False) == NONE


def test_only_what_is_missing_is_done() -> None:
    done = after(NONE, install=True)
    assert len(install_ssh_steps(replace(done, keys=()))) == 1
    half = replace(done, keys=done.keys[1:])
    assert [type(step) for step in install_ssh_steps(half)] == [DeleteFile, RunProgram]
    assert after(half, install=True) == done
    (step,) = install_ssh_steps(replace(done, content=b"old"))
    assert str(step) == "replace /s/ssh/config"
    moved = replace(done, user_content=b'Host nas\n  include /x\n  Include "/s/ssh/config"\n')
    assert install_ssh_steps(moved) == []


def test_what_the_configuration_says() -> None:
    assert TEXT.splitlines()[1] == "Host *.repoman"
    command = next(line for line in TEXT.splitlines() if "ProxyCommand" in line)
    expected = "'/opt/my tools/repoman%%' ssh-config connect '%r@%n' --no-input --host ''"
    assert command.strip() == f"ProxyCommand {expected}"
    assert "  ForwardAgent no\n" in TEXT
    assert '  IdentityFile "/s/ssh/key"\n' in TEXT


def test_a_folder_that_ssh_can_not_be_told() -> None:
    with pytest.raises(Failed, match="can't be named in ssh_config"):
        install_ssh_steps(replace(NONE, folder='/s"/ssh'))


def test_targets() -> None:
    near, far = "isurus.repoman", "isurus.nas.example.org.repoman"
    assert parse_target(near) == Target(near, "", "isurus", "")
    assert parse_target(f"dev@{near}") == Target(near, "dev", "isurus", "")
    assert parse_target(f"a@b@{far}") == Target(far, "a@b", "isurus", "nas.example.org")
    for bad in ("isurus", "dev@", "dev@.repoman", ".repoman", "repoman", "", ".nas.repoman"):
        with pytest.raises(UsageError, match="names no container"):
            parse_target(bad)


def test_the_user_of_the_container() -> None:
    for typed in ("dev@isurus.nas.repoman", "isurus.nas.repoman"):
        check_user(parse_target(typed), "dev")
    with pytest.raises(Failed, match="the user of isurus is bob, and not dev") as error:
        check_user(parse_target("dev@isurus.nas.repoman"), "bob")
    assert error.value.cure == "run `ssh bob@isurus.nas.repoman`"


def test_actions() -> None:
    for action in ("install", "remove", "show"):
        check_ssh_action(action, None)
    check_ssh_action("connect", "isurus.repoman")
    for action, name in (("instal", None), ("connect", None), ("install", "isurus")):
        with pytest.raises(UsageError, match="ssh-config"):
            check_ssh_action(action, name)


def test_host_keys() -> None:
    assert parse_host_key(f"{KEY} root@isurus\nmore".encode(), "isurus") == KEY
    for bad in (b"", b"\n", b"evil " + KEY.encode(), b"ssh-rsa AAAA", KEY.encode() + b"A"):
        with pytest.raises(Failed, match="has no usable host key"):
            parse_host_key(bad, "isurus")


def test_a_host_is_known_by_one_key() -> None:
    text = known_hosts_with(None, "Isurus.repoman", KEY)
    assert text == f"isurus.repoman {KEY}\n"
    both = known_hosts_with(text.encode(), "lamna.repoman", KEY)
    other = KEY.replace("A", "B")
    assert known_hosts_with(both.encode(), "isurus.repoman", other) == (
        f"lamna.repoman {KEY}\nisurus.repoman {other}\n"
    )
