"""A container has of the person: the time zone, the name in git, a terminal that works."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pytest

from tests.containers.conftest import ContainerEstate
from tests.support import terminals
from tests.support.estate import run

VIENNA = Path("/usr/share/zoneinfo/Europe/Vienna")


@pytest.mark.local_only("repoman runs in a namespace with files of its own")
def test_commits_have_the_name_and_the_time_zone_of_the_person(
    estate: ContainerEstate, tmp_path: Path
) -> None:
    own = tmp_path / "gitconfig"
    own.write_text('[user]\nname = "A \\"Real\\" Person"\nemail = a@person.example\n')
    unset = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")
    environ = {k: v for k, v in estate.environ.items() if k not in unset}
    environ["GIT_CONFIG_GLOBAL"] = str(own)
    estate.repo("isurus")
    script = 'mount --bind "$0" /etc/localtime && exec setpriv "$@"'
    ids = [f"--reuid={os.getuid()}", f"--regid={os.getgid()}", "--init-groups"]
    namespace = ["sudo", "-n", "unshare", "--mount", "sh", "-c", script, str(VIENNA), *ids]
    typed = [f"{key}={value}" for key, value in environ.items()]
    new = [*estate.argv, "new", "isurus", "--image", "debian"]
    assert run([*namespace, "env", "-i", *typed, *new], environ).code == 0
    estate.run("exec", "isurus", "--", "git", "commit", "--allow-empty", "-qm", "x", code=0)
    show = ["git", "log", "-1", "--format=%an <%ae> %ad", "--date=iso"]
    shown = estate.run("exec", "isurus", "--", *show, code=0).out
    assert shown.startswith('A "Real" Person <a@person.example> ')
    assert shown.endswith(("+0100\n", "+0200\n"))


def test_its_name_is_found_in_there(estate: ContainerEstate) -> None:
    """The image has the name of another host, and no /etc/hosts: sudo would ask name servers."""

    def names() -> str:
        asked = 'hostname; getent hosts "$(hostname)" localhost'
        done = estate.run("exec", "isurus", "--", "sudo", "sh", "-c", asked, code=0)
        assert done.err == ""
        return done.out

    estate.new("isurus", "--image", "debian")
    resolved = r"{0}\n127\.0\.1\.1\s+{0}\n\S+\s+localhost\n"
    assert re.fullmatch(resolved.format("isurus"), names())
    own = "echo own >/etc/hostname; rm /etc/hosts"
    assert estate.exec_inside("isurus", "sh", "-c", own).code == 0
    estate.run("restart", "isurus", "--force", code=0)
    assert re.fullmatch(resolved.format("own"), names()), "a name of the person's own stays"


def test_a_terminal_that_the_image_does_not_know(estate: ContainerEstate) -> None:
    estate.new("isurus", "--image", "debian")
    environ, folder = estate.prepare_client()
    shell = [*estate.argv, "shell", "isurus", "--", "sh", "-c", "echo term=$TERM."]
    for term, inside in {"xterm-kitty": "xterm-256color", "screen": "screen"}.items():
        child = terminals.spawn(shell, environ, folder, TERM=term)
        child.expect_exact(f"term={inside}.")
        child.expect(pexpect.EOF)
