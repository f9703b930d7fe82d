"""A project's life on a host without Python, by each package."""

from __future__ import annotations

import os

import pexpect  # type: ignore[import-untyped]

from repoman_tasks.commands import NAMES
from tests.packages.conftest import BareHost, RemoteFromBareHost, sudo
from tests.support.estate import run
from tests.support.terminals import spawn


def on_it(host: BareHost, *argv: str) -> str:
    done = run([*host.argv_prefix, *argv], host.environ)
    assert done.code == 0, done
    return done.out


def test_there_is_no_python(bare_host: BareHost) -> None:
    names = "python python3 python3.11 python3.12 python3.13 pypy3"
    assert on_it(bare_host, "sh", "-c", f"command -v {names} || echo none") == "none\n"
    argv = ("find", str(bare_host.root), "-xdev", "-name", "*python3*", "-type", "f")
    brought = [line.removeprefix(str(bare_host.root)) for line in sudo(*argv).splitlines()]
    assert [path for path in brought if not path.startswith("/usr/lib/repoman/")] == []


def test_the_life_of_a_project(bare_host: BareHost) -> None:
    host = bare_host
    assert host.run("--version", code=0).out.startswith("repoman ")
    host.setup()
    host.repo("isurus")
    host.run("new", "isurus", code=0)
    assert host.state("isurus") == "running"
    host.run("sync", code=0)
    assert (host.mirror("isurus") / "README.md").read_text() == "# isurus, version 1\n"
    (host.local_repos / "isurus/README.md").write_text("changed\n")
    assert "changed    README.md" in host.run("sync", "--dry-run", code=0).out
    done = host.run("shell", "isurus", "--", "sh", "-c", "pwd; id -un; exit 7")
    assert (done.code, done.out) == (7, f"{host.local_repos}/isurus\ndev\n")
    done = host.run("exec", "isurus", "--", "cat", given="from here\n", code=0)
    assert done.out == "from here\n"
    assert host.run("status", code=0).code == 0
    done = run([*host.argv_prefix, "git", "ls-remote", "repoman::isurus"], host.environ)
    assert "there is no git in isurus" in done.err, "the helper is found and runs"
    host.run("remove", "isurus", "--yes", code=0)
    assert host.instances() == {}
    assert (host.local_repos / "isurus/README.md").exists()
    assert host.mirror("isurus").exists()


def test_a_shell_is_a_terminal(bare_host: BareHost) -> None:
    bare_host.setup().new("isurus")
    child = spawn([*bare_host.argv, "shell", "isurus"], bare_host.environ, bare_host.home)
    child.expect(r"\$ ")
    child.sendline("stty size; tty >/dev/null && echo it-is-one; exit 3")
    child.expect("24 80")
    child.expect("it-is-one")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 3


def test_every_command_is_there(bare_host: BareHost) -> None:
    listed = bare_host.run("--list", code=0).out
    assert [name for name in NAMES if f"  {name} " not in listed] == []
    assert "Usage: repoman" in bare_host.run("--help", "new", code=0).out
    assert bare_host.run("lst").code == 2
    done = bare_host.run("completion", "install", "--shell", "zsh", code=0)
    assert "_repoman" in done.err


def test_another_host(remote_from_bare_host: RemoteFromBareHost) -> None:
    far = remote_from_bare_host
    far.setup()
    far.repo("isurus")
    far.run("new", "isurus", code=0)
    assert far.state("isurus") == "running"
    done = far.run("exec", "isurus", "--", "sh", "-c", "pwd; id -un", code=0)
    assert done.out == f"{far.local_repos}/isurus\ndev\n"
    far.run("sync", code=0)
    assert far.mirror("isurus").exists()
    assert "isurus" in far.run("list", code=0).out
    far.run("remove", "isurus", "--yes", code=0)
    assert far.instances() == {}


def test_a_host_that_nobody_knows_is_refused(remote_from_bare_host: RemoteFromBareHost) -> None:
    (remote_from_bare_host.laptop / ".ssh/known_hosts").write_text("")
    done = remote_from_bare_host.run("list")
    assert done.code == 6
    assert "is not known" in done.err


def test_the_pages_and_completions_are_in_their_folders(bare_host: BareHost) -> None:
    if bare_host.root.name != "deb":
        assert not os.path.exists(bare_host.root / "usr/share/man/man1/repoman.1.gz")
        return
    for path in (
        "bash-completion/completions/repoman",
        "zsh/vendor-completions/_repoman",
        "fish/vendor_completions.d/repoman.fish",
        "doc/repoman/copyright",
        "doc/repoman/changelog.gz",
    ):
        assert (bare_host.root / "usr/share" / path).is_file(), path
    told = on_it(bare_host, "dpkg", "--status", "repoman")
    assert "Status: install ok installed" in told
