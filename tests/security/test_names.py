"""Names that are options, shell, addresses or TOML, through every entrance."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.containers.conftest import Place

NAMES = {
    "shell": "$(touch pwned)",
    "shell's end": "x;touch pwned",
    "quotes": "x'\"x",
    "an option": "--project=default",
    "a short option": "-x",
    "a remote": "local:x",
    "up": "../x",
    "a path": "/etc",
    "a query": "x?project=default",
    "an encoded slash": "x%2f..%2fy",
    "a new line": "x\ny",
    "TOML": 'x"\n[defaults]\nnfs_repos = "/',
    "nothing": "",
    "a point": "..",
    "escapes": "x\x1b[2J",
    "NUL's picture": "x\\0",
}


def left_alone(place: Place) -> None:
    """Nothing was made, registered or run."""
    assert place.instances() == {}
    assert place.projects() == []
    assert list(place.base.rglob("pwned")) == []
    listed = place.incus("list", "--project", "default", "--format", "csv").out
    assert listed == ""


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_as_the_name_of_a_project(place: Place, name: str) -> None:
    for words in (["new", name, "--create"], ["new", name, "--no-container", "--create"]):
        done = place.run(*words)
        assert done.code in (2, 6), done
        assert "\x1b" not in done.err
    left_alone(place)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("flag", ["--image", "--profile", "--repo", "--clone"])
def test_as_the_value_of_a_flag(place: Place, flag: str, name: str) -> None:
    repo = place.local_repos / "isurus"
    if flag != "--clone":
        repo.mkdir()
    done = place.run("new", "isurus", f"{flag}={name}" if name.startswith("-") else flag, name)
    if not name and flag in ("--repo", "--clone", "--image"):  # an empty one was not given
        return
    assert done.code in (1, 2, 6), done
    assert "\x1b" not in done.err
    left_alone(place)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("flag", ["--host", "--storage-pool", "--network"])
def test_as_the_value_of_another_flag(place: Place, flag: str, name: str) -> None:
    if not name:
        return
    before = place.registry.read_text()
    done = place.run("setup", f"{flag}={name}")
    assert done.code in (1, 2), done
    assert place.registry.read_text() == before
    left_alone(place)


@pytest.mark.parametrize("key", ["name", "repo", "image"])
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_in_the_registry(place: Place, name: str, key: str) -> None:
    """A person's own file, but it may come from elsewhere: it is refused, with the line."""
    if not name:
        return
    text = name.encode("unicode_escape").decode().replace('"', '\\"').replace("\\x", "\\u00")
    values = {"name": "isurus", "repo": "isurus", "image": "busybox"} | {key: text}
    (place.local_repos / "isurus").mkdir()
    table = "".join(f'{k} = "{v}"\n' for k, v in values.items())
    with place.registry.open("a") as registry:
        registry.write(f"\n[[project]]\n{table}")
    for words in (["status", "--missing", "recreate"], ["list"], ["sync"]):
        done = place.run(*words, environ={"PATH": place.environ["PATH"]})
        assert "Traceback" not in done.err
        assert "\x1b" not in done.out + done.err
    assert list(place.base.rglob("pwned")) == []
    assert set(place.instances()) <= {"isurus"}
    assert place.incus("list", "--project", "default", "--format", "csv").out == ""


@pytest.mark.parametrize(
    "text",
    [
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
    ],
)
def test_in_a_repos_own_file(place: Place, text: str) -> None:
    repo = place.local_repos / "isurus"
    repo.mkdir()
    (repo / ".repoman.toml").write_text(text)
    for trust in ([], ["--trust"]):
        done = place.run("new", "isurus", *trust)
        assert done.code in (2, 6), done
        assert "Traceback" not in done.err
    left_alone(place)


def test_as_the_folder_of_a_repo(place: Place) -> None:
    """Which is found below local_repos; its name is only ever shown, or a word."""
    for name in ("$(touch pwned)", "-rf", "x\ny", "x\x1b[2J", "'; touch pwned; '"):
        (place.local_repos / name).mkdir()
    for words in (["status"], ["list"], ["sync"]):
        done = place.run(*words)
        assert done.code in (0, 3)
        assert "\x1b" not in done.out
    left_alone(place)


SPELLINGS = {
    "the root": "/",
    "the root twice": "//",
    "etc": "/etc",
    "etc with points": "/usr/../etc",
    "etc with a slash": "/etc/",
    "processes": "/proc/self/root",
    "devices": "/dev",
    "shared memory": "/dev/shm",
    "kernel": "/sys/kernel",
    "run": "/run",
    "run by its old name": "/var/run",
    "a user's runtime": "/run/user/1000",
    "docker": "/var/run/docker.sock",
    "incus": "@incus",
    "in incus": "@incus/storage-pools",
    "above incus": "@incus/..",
    "the home": "~",
    "the home with a slash": "~/",
    "the home with points": "~/repos/..",
    "above the home": "~/..",
    "keys": "~/.ssh",
    "keys with points": "~/.gnupg/../.ssh",
    "keys by a link": "@link",
    "gnupg": "~/.gnupg",
    "the registry": "~/.config/repoman",
    "above the registry": "~/.config",
    "approvals": "~/.local/state/repoman",
    "above approvals": "~/.local",
    "the share": "@share",
    "a mirror": "@share/isurus",
    "in another repo": "@repos/lamna/sub",
}


@pytest.mark.parametrize("source", SPELLINGS.values(), ids=SPELLINGS)
def test_what_is_never_mounted_by_any_spelling(place: Place, source: str) -> None:
    """Not even where a person approves it."""
    for name in (".ssh", ".gnupg", ".local/state/repoman"):
        (place.home / name).mkdir(parents=True, exist_ok=True)
    link = place.home / "link"
    link.symlink_to(place.home / ".ssh")
    place.new("lamna")
    (place.local_repos / "lamna/sub").mkdir()
    short = {
        "@incus": place.environ["INCUS_DIR"],
        "@share": str(place.share),
        "@repos": str(place.local_repos),
        "@link": str(link),
    }
    for word, path in short.items():
        source = source.replace(word, path)
    repo = place.local_repos / "isurus"
    repo.mkdir()
    (repo / ".repoman.toml").write_text(f'[[mount]]\nsource = "{source}"\npath = "/mnt"\n')
    done = place.run("new", "isurus", "--trust")
    assert done.code in (2, 6), done
    assert "isurus" not in place.projects()
    assert list(place.instances()) == ["lamna"]
    assert not list((place.home / ".local/state/repoman").glob("approvals/*"))


@pytest.mark.parametrize("source", ["/etc", "~/.ssh", "~/.config/repoman"])
def test_nor_by_the_registry(place: Place, source: str) -> None:
    """The one place where a device is added looks at each of them."""
    (place.home / ".ssh").mkdir()
    place.new("isurus")
    mount = f'mounts = [{{source = "{source}", path = "/mnt"}}]\n'
    text = place.registry.read_text().replace('name = "isurus"\n', f'name = "isurus"\n{mount}')
    place.registry.write_text(text)
    done = place.run("update", "isurus", code=6)
    assert "is not mounted" in done.err
    assert "mount-1" not in place.instances()["isurus"]["devices"]


def test_an_approval_race(place: Place) -> None:
    """The file that is changed between the question and the answer is not what was approved."""
    import pexpect  # type: ignore[import-untyped]

    tools, secret = place.home / "tools", place.home / "secret"
    tools.mkdir()
    secret.mkdir()
    place.new("isurus")
    file = place.local_repos / "isurus/.repoman.toml"
    file.write_text(f'[[mount]]\nsource = "{tools}"\npath = "/mnt"\n')
    words = [*place.words, "trust", "isurus"]
    child = pexpect.spawn(
        words[0], words[1:], env=place.environ, cwd=str(place.home), encoding="utf-8", timeout=20
    )
    child.expect_exact("Approve it? [y/N] ")
    file.write_text(f'[[mount]]\nsource = "{secret}"\npath = "/mnt"\n')
    child.send("y\r")
    child.expect(pexpect.EOF)
    place.run("update", "isurus", code=6)
    assert "mount-1" not in place.instances()["isurus"]["devices"]


def test_the_environment_of_the_host_stays_there(place: Place) -> None:
    place.new("isurus")
    secrets = {
        "AWS_SECRET_ACCESS_KEY": "s3cret",
        "SSH_AUTH_SOCK": "/run/agent",
        "MY_TOKEN": "s3cret",
    }
    said = place.run("exec", "isurus", "--", "env", environ=secrets, code=0).out
    assert "s3cret" not in said
    names = {line.partition("=")[0] for line in said.splitlines()}
    assert names <= {
        *("HOME", "USER", "LOGNAME", "SHELL", "LANG", "PATH", "PWD", "SHLVL", "TERM", "OLDPWD"),
        *("container", "_"),
    }
    assert not Path("/run/agent").exists()
