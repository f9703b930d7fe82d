"""Names that are options, shell, addresses or TOML, by every input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pytest

from repoman_tasks.planning.container.agents import volume_variables
from tests.containers.conftest import ContainerEstate
from tests.support import terminals

NAMES = [
    "$(touch pwned)",
    "x;touch pwned",
    "x'\"x",
    "--project=default",
    "-x",
    "local:x",
    "../x",
    "/etc",
    "x?project=default",
    "x%2f..%2fy",
    "x\ny",
    'x"\n[defaults]\nnfs_repos = "/',
    "",
    "..",
    "x\x1b[2J",
    "x\\0",
]


def in_default(estate: ContainerEstate) -> list[str]:
    """Return the content of Incus' default project, except what another test adopts from there."""
    names = estate.incus("list", "--project", "default", "--format", "csv", "--columns", "n").out
    return [name for name in names.split() if not name.startswith("old")]


def left_alone(estate: ContainerEstate) -> None:
    """Check that nothing was created, registered or run."""
    assert estate.instances() == {}
    assert estate.projects() == []
    assert list(estate.base.rglob("pwned")) == []
    assert in_default(estate) == []


@pytest.mark.shared
@pytest.mark.parametrize("more", [[], ["--no-container"]], ids=["container", "backup only"])
def test_as_the_name_of_a_project(estate: ContainerEstate, more: list[str]) -> None:
    for name in NAMES:
        done = estate.run("new", name, "--create", *more)
        assert done.code in (2, 6), (name, done)
        assert "\x1b" not in done.err
    left_alone(estate)


@pytest.mark.shared
@pytest.mark.parametrize("flag", ["--image", "--profile", "--repo", "--clone"])
def test_as_the_value_of_a_flag(estate: ContainerEstate, flag: str) -> None:
    repo = estate.local_repos / "isurus"
    if flag not in ("--clone", "--repo"):
        repo.mkdir()
    for name in filter(None, NAMES):
        done = estate.run("new", "isurus", f"{flag}={name}")
        assert done.code in (1, 2, 6), (name, done)
        assert "\x1b" not in done.err
        assert estate.projects() == [], name
    left_alone(estate)
    if repo.exists():
        repo.rmdir()


@pytest.mark.shared
@pytest.mark.parametrize("flag", ["--host", "--storage-pool", "--network"])
def test_as_the_value_of_a_flag_of_setup(estate: ContainerEstate, flag: str) -> None:
    before = estate.registry.read_text()
    for name in filter(None, NAMES):
        done = estate.run("setup", f"{flag}={name}")
        assert done.code in (1, 2), (name, done)
    assert estate.registry.read_text() == before
    left_alone(estate)


@pytest.mark.parametrize("key", ["name", "repo", "image"])
def test_in_the_registry(estate: ContainerEstate, key: str) -> None:
    """A user's own file, but it may come from elsewhere: its values are only ever arguments."""
    (estate.local_repos / "isurus").mkdir()
    before = estate.registry.read_text()
    for name in filter(None, NAMES):
        values = {"name": "isurus", "repo": "isurus", "image": "busybox"} | {key: name}
        table = "".join(f"{k} = {json.dumps(v)}\n" for k, v in values.items())
        estate.registry.write_text(f"{before}\n[[project]]\n{table}")
        for argv in (["status", "--missing", "recreate"], ["list"], ["sync"]):
            done = estate.run(*argv)
            assert "Traceback" not in done.err
            assert "\x1b" not in done.out + done.err
        assert list(estate.base.rglob("pwned")) == []
        assert in_default(estate) == []
    assert set(estate.instances()) <= {"isurus"}


TEXTS = [
    'image = "--project=default"',
    'image = "$(touch pwned)"',
    'image = "x\\ny"',
    'profiles = ["default", "--x"]',
    'profiles = ["../default"]',
    '[env]\n"A=B" = "x"',
    '[env]\n"LD_PRELOAD;touch pwned" = "x"',
    '[env]\nA = "x\\u0000y"',
    '[[mount]]\nsource = "/x,shift=true"\npath = "/y"',
    '[[mount]]\nsource = "/x"\npath = "/y\\u0000"',
    '[[mount]]\nsource = "-x"\npath = "/y"',
    'exclude = [".git"]',
    'exclude = ["*"]',
    'exclude = ["/../lamna"]',
    'exclude = ["x\\n+ /etc"]',
    f"exclude = {json.dumps(['x'] * 101)}",
    "nesting = true",
    '[limits]\nmemory = "64GiB"',
    '[raw]\nlxc = "x"',
    "privileged = true",
    'ports = ["80:80"]',
    'network = "open"',
    'allow = ["192.168.1.1"]',
    "protect = false",
    'env_file = "/etc/shadow"',
    "a." * 3000 + "b = 1",
    "x = " + "[" * 20000,
    "x = '" + "y" * 70000 + "'",
]


@pytest.mark.shared
def test_in_a_repos_own_file(estate: ContainerEstate) -> None:
    repo = estate.local_repos / "isurus"
    repo.mkdir()
    for text in TEXTS:
        (repo / ".repoman.toml").write_text(text)
        for trust in ([], ["--trust"]):
            done = estate.run("new", "isurus", *trust)
            assert done.code in (2, 6), (text[:80], done)
            assert "Traceback" not in done.err
        assert estate.projects() == [], text[:80]
    left_alone(estate)
    shutil.rmtree(repo)


def test_as_the_folder_of_a_repo(estate: ContainerEstate) -> None:
    """It is found below local_repos; its name is only ever shown, or an argument."""
    for name in ("$(touch pwned)", "-rf", "x\ny", "x\x1b[2J", "'; touch pwned; '"):
        (estate.local_repos / name).mkdir()
    for argv in (["status"], ["list"], ["sync"]):
        done = estate.run(*argv)
        assert done.code in (0, 3)
        assert "\x1b" not in done.out
    left_alone(estate)


SPELLINGS = [
    "/",
    "//",
    "/etc",
    "/usr/../etc",
    "/etc/",
    "/proc/self/root",
    "/dev",
    "/dev/shm",
    "/sys/kernel",
    "/run",
    "/var/run",
    "/run/user/1000",
    "/var/run/docker.sock",
    "@incus",
    "@incus/storage-pools",
    "@incus/..",
    "~",
    "~/",
    "~/repos/..",
    "~/..",
    "~/.ssh",
    "~/.gnupg/../.ssh",
    "@link",
    "~/.gnupg",
    "~/.config/repoman",
    "~/.config",
    "~/.local/state/repoman",
    "~/.local",
    "~/.claude",
    "~/.local/share/opencode/log",
    "~/.local/share/repoman/claude-login",
    "@share",
    "@share/isurus",
    "@repos/lamna/sub",
]


def test_what_is_never_mounted_by_any_spelling(estate: ContainerEstate) -> None:
    """Not even if a person approves it."""
    for name in (".ssh", ".gnupg", ".local/state/repoman"):
        (estate.home / name).mkdir(parents=True, exist_ok=True)
    link = estate.home / "link"
    link.symlink_to(estate.home / ".ssh")
    estate.new("lamna", "--no-container")
    (estate.local_repos / "lamna/sub").mkdir()
    short = {
        "@incus": estate.environ["INCUS_DIR"],
        "@share": str(estate.share),
        "@repos": str(estate.local_repos),
        "@link": str(link),
    }
    repo = estate.local_repos / "isurus"
    repo.mkdir()
    for source in SPELLINGS:
        for word, path in short.items():
            source = source.replace(word, path)
        (repo / ".repoman.toml").write_text(f'[[mount]]\nsource = "{source}"\npath = "/mnt"\n')
        done = estate.run("new", "isurus", "--trust")
        assert done.code in (2, 6), (source, done)
        assert estate.projects() == ["lamna"], source
    assert estate.instances() == {}
    assert not list((estate.home / ".local/state/repoman").glob("approvals/*"))


NEVER = ["/etc", "~/.ssh", "~/.config/repoman", "~/.claude", "~/.codex/prompts", "~/.claude.json"]


def test_nor_by_the_registry(isurus: ContainerEstate) -> None:
    """The only function that adds a device checks each of them."""
    (isurus.home / ".ssh").mkdir()
    text = isurus.registry.read_text()
    for source in NEVER:
        mount = f'mounts = [{{source = "{source}", path = "/mnt"}}]\n'
        added = text.replace('name = "isurus"\n', f'name = "isurus"\n{mount}')
        isurus.registry.write_text(added)
        assert "can't be mounted" in isurus.run("update", "isurus", code=6).err, source
        assert "mount-1" not in isurus.instances()["isurus"]["devices"], source


def test_an_approval_race(estate: ContainerEstate) -> None:
    """A file that is changed between the question and the answer is not approved."""
    tools, secret = estate.home / "tools", estate.home / "secret"
    tools.mkdir()
    secret.mkdir()
    estate.new("isurus")
    file = estate.local_repos / "isurus/.repoman.toml"
    file.write_text(f'[[mount]]\nsource = "{tools}"\npath = "/mnt"\n')
    child = terminals.spawn([*estate.argv, "trust", "isurus"], *estate.prepare_client())
    child.expect_exact("Approve it? [y/N] ")
    file.write_text(f'[[mount]]\nsource = "{secret}"\npath = "/mnt"\n')
    child.send("y\r")
    child.expect(pexpect.EOF)
    estate.run("update", "isurus", code=6)
    assert "mount-1" not in estate.instances()["isurus"]["devices"]


def test_the_environment_of_the_host_stays_there(estate: ContainerEstate) -> None:
    estate.new("isurus")
    secrets = {
        "AWS_SECRET_ACCESS_KEY": "s3cret",
        "SSH_AUTH_SOCK": "/run/agent",
        "MY_TOKEN": "s3cret",
    }
    said = estate.run("exec", "isurus", "--", "env", environ=secrets, code=0).out
    assert "s3cret" not in said
    names = {line.partition("=")[0] for line in said.splitlines()}
    assert names <= {
        *("HOME", "USER", "LOGNAME", "SHELL", "LANG", "PATH", "PWD", "SHLVL", "TERM", "OLDPWD"),
        *("container", "_"),
        *volume_variables(),
    }
    assert not Path("/run/agent").exists()
