"""Secrets arrive in a container, and nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.conftest import ContainerEstate
from tests.support.json_schemas import find_schema_errors
from tests.support.processes import WAIT_SECONDS, list_processes

SECRET = "s3cret $(touch pwned) 'x' \\ \"y\""


@pytest.fixture
def secrets(isurus: ContainerEstate) -> Iterator[Path]:
    """Yield the file that the registry names for isurus."""
    file = isurus.home / "isurus.env"
    file.write_text(f"# a comment\n\nTOKEN={SECRET}\nexport OTHER='two words'\nEMPTY=\n")
    file.chmod(0o600)
    text = isurus.registry.read_text()
    line = 'name = "isurus"\nenv_file = "~/isurus.env"\n'
    isurus.registry.write_text(text.replace('name = "isurus"\n', line))
    yield file
    isurus.registry.write_text(text)
    file.unlink()


@pytest.mark.shared
@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("command", ["exec", "shell"])
def test_a_project_has_its_secrets_inside(isurus: ContainerEstate, command: str) -> None:
    script = 'printf "%s|%s|%s" "$TOKEN" "$OTHER" "$EMPTY"'
    done = isurus.run(command, "isurus", "--", "sh", "-c", script, code=0)
    assert done.out == f"{SECRET}|two words|"
    assert isurus.run(command, "isurus", "--", "cat", code=0, given="through").out == "through"
    assert isurus.exec_inside("isurus", "ls", "/run/repoman").out == "", (
        "what was carried in is gone"
    )
    assert list(isurus.base.rglob("pwned")) == []


@pytest.mark.shared
@pytest.mark.usefixtures("secrets")
def test_secrets_are_nowhere_else(isurus: ContainerEstate) -> None:
    """Not in Incus, the list of processes, the registry, or repoman's output."""
    argv = ["--debug", "exec", "isurus", "--", "sh", "-c", "echo up; cat"]
    pipe = subprocess.PIPE
    process = isurus.start(*argv, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)
    assert process.stdin is not None
    assert process.stdout is not None
    output = "".join(iter(lambda: process.stdout.readline().decode(), "up\n"))  # type: ignore[union-attr]
    assert not any(b"s3cret" in argument for _, typed in list_processes() for argument in typed)
    operations = json.dumps(isurus.api("operations?recursion=1"))
    process.stdin.close()
    output += process.stdout.read().decode() + operations
    process.wait(WAIT_SECONDS)
    output += json.dumps(isurus.instances()) + isurus.registry.read_text()
    for argv in (["list", "--json"], ["status", "--json"], ["--dry", "exec", "isurus", "--", "x"]):
        done = isurus.run(*argv)
        output += done.out + done.err
    assert "s3cret" not in output


@pytest.mark.shared
def test_a_file_of_secrets_that_others_can_read(isurus: ContainerEstate, secrets: Path) -> None:
    for mode in (0o644, 0o640, 0o604):
        secrets.chmod(mode)
        done = isurus.run("exec", "isurus", "--", "true", code=6)
        assert "can be read by others" in done.err


@pytest.mark.shared
def test_an_invalid_file_of_secrets(isurus: ContainerEstate, secrets: Path) -> None:
    for text in ("s3cret", "A B=s3cret", "=s3cret", "x" * 70_000):
        secrets.write_text(text)
        done = isurus.run("exec", "isurus", "--", "true", code=2)
        assert "s3cret" not in done.err
    secrets.unlink()
    assert "can't be read" in isurus.run("exec", "isurus", "--", "true", code=1).err
    for target in ("/etc/passwd", "/dev/zero"):
        secrets.symlink_to(target)
        assert isurus.run("exec", "isurus", "--", "true", code=6).err
        secrets.unlink()
    os.mkfifo(secrets, 0o600)
    assert "use a regular file" in isurus.run("exec", "isurus", "--", "true", code=6).err


@pytest.mark.usefixtures("secrets")
def test_no_secret_reaches_the_log_or_debug(isurus: ContainerEstate) -> None:
    """By each input: env_file, the registry, .repoman.toml, a URL, and typed arguments."""
    log = isurus.base / "changes.jsonl"
    isurus.client_variables["REPOMAN_LOG"] = str(log)
    repo_file = '[env]\nASKED = "s3cret-asked"\n'
    (isurus.local_repos / "isurus/.repoman.toml").write_text(repo_file)
    text = isurus.registry.read_text()
    isurus.registry.write_text(
        text.replace('name = "isurus"\n', 'name = "isurus"\nenv = { MINE = "s3cret-mine" }\n')
    )
    url = "http://dev:s3cret-url@127.0.0.1:1/x.git"
    output = ""
    for argv, code in (
        (["update", "isurus"], 0),
        (["exec", "isurus", "--", "true", "s3cret-typed"], 0),
        (["shell", "isurus", "--", "true", "s3cret-typed"], 0),
        (["restart", "isurus"], 0),
        (["status", "--repair", "--missing", "recreate"], 3),
        (["new", "x", "--clone", url], 1),
        (["remove", "isurus", "--yes"], 0),
        (["new", "isurus"], 0),
    ):
        done = isurus.run("--debug", *argv, code=code)
        gits = "fatal: " if argv[0] == "new" else "\0"
        lines = (done.out + done.err).splitlines()
        output += "\n".join(line for line in lines if not line.startswith(gits))
    found = [json.loads(line) for line in log.read_text().splitlines()]
    assert [find_schema_errors("log", line) for line in found] == [[]] * len(found)
    commands = [line["command"] for line in found if line["event"] == "begin"]
    assert commands == ["update", "exec", "shell", "restart", "new", "remove", "new"]
    steps = {line["step"] for line in found if line["event"] == "step"}
    assert steps >= {"change-container", "create-container", "delete-container", "arrange-user"}
    requests = {(line["method"], line["path"]) for line in found if line["event"] == "incus"}
    assert ("POST", f"/1.0/instances?project={isurus.project}") in requests
    assert ["incus", "exec", "isurus"] in [line.get("words") for line in found]
    inside = isurus.exec_inside("isurus", "env").out + json.dumps(isurus.instances())
    assert "s3cret-asked" in inside, "the container has it"
    assert "s3cret" not in output
    assert "s3cret" not in log.read_text()


# --- logins -----------------------------------------------------------------------------------

LOGIN = "sk-ant-oat01-abcdefghijklmnopqrstuvwxyz-s3cret"
_PATTERN = "s3cre[t]"
"""Finds it, and not the search itself."""
_PLACES = ("/etc", "/home", "/root", "/run", "/tmp", "/usr", "/var", "/dev/shm")


@pytest.fixture
def logged_in(isurus: ContainerEstate) -> ContainerEstate:
    """Store a login, and give it to isurus."""
    argv = ("login", "claude", "--project", "isurus", "--stdin")
    isurus.run(*argv, given=f"{LOGIN}\n", code=0)
    return isurus


def holders(estate: ContainerEstate, name: str) -> list[str]:
    """Return the processes in a container whose environment has the login, but for the search."""
    script = (
        "for file in /proc/[0-9]*/environ; do"
        ' grep -q "$0" "$file" 2>/dev/null && cat "${file%environ}comm"; done'
    )
    return estate.exec_inside(name, "sh", "-c", script, _PATTERN).out.split()


def test_a_login_is_where_it_was_given_and_nowhere_else(logged_in: ContainerEstate) -> None:
    """`shell` and `exec` carry it for as long as they run; no other door does."""
    estate, script = logged_in.new("lamna"), 'printf %s "$CLAUDE_CODE_OAUTH_TOKEN"'
    for command in ("exec", "shell"):
        assert estate.run(command, "isurus", "--", "sh", "-c", script, code=0).out == LOGIN
        assert estate.run(command, "lamna", "--", "sh", "-c", script, code=0).out == ""
    pipe = subprocess.PIPE
    argv = ["--debug", "exec", "isurus", "--", "sh", "-c", "echo up; cat"]
    process = estate.start(*argv, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)
    assert process.stdin is not None
    assert process.stdout is not None
    output = "".join(iter(lambda: process.stdout.readline().decode(), "up\n"))  # type: ignore[union-attr]
    assert "cat" in holders(estate, "isurus"), "the control: the program has it"
    assert estate.incus("exec", "isurus", "--", "env").out.count("s3cret") == 0
    assert not any(b"s3cret" in word for _, argv in list_processes() for word in argv)
    output += json.dumps(estate.api("operations?recursion=1"))
    process.stdin.close()
    output += process.stdout.read().decode()
    process.wait(WAIT_SECONDS)
    for name in ("isurus", "lamna"):
        assert holders(estate, name) == [], "not the first process, nor any other"
        assert estate.exec_inside(name, "grep", "-rls", _PATTERN, *_PLACES).out == ""
    assert not any("s3cret" in path.read_text() for path in estate.local_repos.rglob("*.*"))
    output += json.dumps(estate.instances()) + estate.registry.read_text()
    for argv in (["login"], ["list", "--json"], ["status", "--json"], ["status", "--values"]):
        done = estate.run(*argv)
        output += done.out + done.err
    assert "s3cret" not in output


@pytest.mark.over_ssh("fabric")
def test_env_file_wins_over_a_login(logged_in: ContainerEstate) -> None:
    own = logged_in.home / "own.env"
    own.write_text("CLAUDE_CODE_OAUTH_TOKEN=mine\n")
    own.chmod(0o600)
    line = 'name = "isurus"\n'
    text = logged_in.registry.read_text().replace(line, f'{line}env_file = "{own}"\n')
    logged_in.registry.write_text(text)
    script = 'printf %s "$CLAUDE_CODE_OAUTH_TOKEN"'
    assert logged_in.run("exec", "isurus", "--", "sh", "-c", script, code=0).out == "mine"


def test_a_container_is_entered_without_a_login_that_is_missing(
    logged_in: ContainerEstate,
) -> None:
    logged_in.run("login", "claude", "--remove", "--project", "isurus", code=0)
    text = logged_in.registry.read_text().replace("logins = []", 'logins = ["claude"]')
    logged_in.registry.write_text(text)
    stored = logged_in.home / ".local/state/repoman/logins/claude.env"
    stored.unlink()
    done = logged_in.run("exec", "isurus", "--", "true", code=0)
    assert "claude is not logged in: run `repoman login claude" in done.err
    os.mkfifo(stored, 0o600)
    assert "use a regular file" in logged_in.run("exec", "isurus", "--", "true", code=6).err
