"""Real agents in containers: logged in by `login`, in front of the tests' own API."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.conftest import ContainerEstate, RemoteContainerEstate
from tests.support.estate import run
from tests.support.fake_api import ANSWER, FakeApi
from tests.support.guest_tmux import collect_tmux, install_tmux
from tests.support.package_server import PackageServer
from tests.support.processes import find_processes, wait_until
from tests.support.terminals import Window
from tests.worlds.daemon.agents import AGENT_PACKAGES, agent_folder
from tests.worlds.daemon.lan import HOST
from tests.worlds.daemon.packages import packed_folder

TOKEN = "sk-ant-oat01-abcdefghijklmnopqrstuvwxyz-S3cret"
API_KEY = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz-S3cret"
OPENAI_KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz-S3cret"
GEMINI_KEY = "AIzaabcdefghijklmnopqrstuvwxyz-S3cret1"
PACKAGES = "/opt/agents"
SETTINGS = "/var/lib/repoman/claude/.claude.json"


def package(name: str) -> Path:
    """Return the folder of an agent's package; skip the test if it is not here."""
    folder = agent_folder(name)
    if not folder.exists():
        pytest.skip(f"not here: `python -m tests.worlds.daemon --agent {name}`, with npm")
    return folder


def program(name: str, pattern: str) -> str:
    """Return the path inside a container of the program of an agent."""
    folder = package(name)
    processor = {"x86_64": "x64", "aarch64": "arm64"}[platform.machine()]
    found = next((folder / "node_modules").glob(pattern.format(processor)))
    return f"{PACKAGES}/{found.relative_to(folder.parent)}"


def claude() -> str:
    return program("claude", "@anthropic-ai/claude-code-linux-{}/claude")


@pytest.fixture
def api(tmp_path: Path) -> Iterator[FakeApi]:
    with FakeApi(tmp_path) as api:
        yield api


@pytest.fixture
def server() -> Iterator[PackageServer]:
    """Yield a server of the packages that Claude Code needs."""
    folder = packed_folder("claude")
    if not folder.exists():
        pytest.skip("not here: `python -m tests.worlds.daemon --pack claude`, with npm")
    with PackageServer(folder, HOST) as server:
        yield server


@pytest.fixture
def estate(
    fresh_estate: ContainerEstate, api: FakeApi, request: pytest.FixtureRequest
) -> ContainerEstate:
    """Return an estate whose containers reach the API, and the server of packages if it is used."""
    reached = [f"{HOST}:{api.port}"]
    if "server" in request.fixturenames:
        reached.append(request.getfixturevalue("server").address)
    fresh_estate.environ["REPOMAN_ALLOW"] = ",".join(reached)
    return fresh_estate.setup()


def make(
    estate: ContainerEstate,
    api: FakeApi,
    *names: str,
    start: tuple[str, str] = ("--image", "debian"),
) -> None:
    """Create projects whose containers have the agents' packages, and a network.

    Those that `start` from a template have what is in that.
    """
    packages = agent_folder("claude").parent
    mounts = f'mounts = [{{source = "{packages}", path = "{PACKAGES}"}}]'
    if start[0] == "--template":
        mounts = ""
    for name in names:
        estate.new(name, *start)
        certificate = estate.local_repos / name / "ca.pem"
        shutil.copy(api.certificate, certificate)
        trusted = dict.fromkeys(("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"), str(certificate))
        variables = {**api.environ(HOST), **trusted}
        env = ", ".join(f'{key} = "{value}"' for key, value in variables.items())
        line = f'name = "{name}"\n'
        text = estate.registry.read_text()
        estate.registry.write_text(text.replace(line, f"{line}env = {{{env}}}\n{mounts}\n"))
        estate.run("update", name, code=0)
    for name in names:
        wait_for_address(estate, name)


def wait_for_address(estate: ContainerEstate, name: str) -> None:
    show = ("ip", "-4", "-o", "address", "show", "dev", "eth0")
    wait_until(lambda: estate.exec_inside(name, *show).out)


def log_in(estate: ContainerEstate, agent: str, secret: str, *argv: str) -> None:
    estate.run("login", agent, "--stdin", *argv, given=f"{secret}\n", code=0)


def test_claude_with_a_token_asks_nothing_and_answers(
    estate: ContainerEstate, api: FakeApi
) -> None:
    binary = claude()
    make(estate, api, "isurus")
    log_in(estate, "claude", TOKEN)
    done = estate.run("exec", "isurus", "--", binary, "-p", "hi", code=0)
    assert ANSWER in done.out
    assert api.secrets("/v1/messages") == {("api.anthropic.com", TOKEN)}
    settings = json.loads(estate.exec_inside("isurus", "cat", SETTINGS).out)
    assert settings["userID"], "the agent keeps its state on the volume"
    # The first start on a terminal, with a new volume
    estate.exec_inside("isurus", "rm", "-rf", "/var/lib/repoman/claude")
    estate.run("restart", "isurus", code=0)
    wait_for_address(estate, "isurus")
    starts_without_a_question(estate, binary)
    # Positive control: without the settings of a first start it asks. It writes them as it ends
    wait_until(lambda: not find_processes(binary))
    estate.exec_inside("isurus", "rm", SETTINGS)
    with window(estate, binary) as shown:
        shown.wait_for_line("Choose the text style")


def window(estate: ContainerEstate, *argv: str) -> Window:
    environ, folder = estate.prepare_client()
    command = [*estate.argv, "shell", "isurus", "--", *argv]
    return Window(command, environ, folder, columns=100, lines=40)


def starts_without_a_question(estate: ContainerEstate, binary: str) -> None:
    with window(estate, binary, "--dangerously-skip-permissions") as shown:
        lines = shown.wait_for_line("bypass permissions on")
        assert not any("?" in line and "shortcuts" not in line for line in lines), lines
        shown.press("h", "i", "Enter")
        shown.wait_for_line(ANSWER)


@pytest.mark.nightly
def test_claude_with_an_api_key_asks_nothing_and_answers(
    estate: ContainerEstate, api: FakeApi
) -> None:
    binary = claude()
    make(estate, api, "isurus")
    log_in(estate, "claude", API_KEY)
    starts_without_a_question(estate, binary)
    assert api.secrets("/v1/messages") == {("api.anthropic.com", API_KEY)}
    kept = [
        estate.exec_inside("isurus", "grep", "-rl", text, "/var/lib/repoman").out
        for text in (API_KEY[-20:], API_KEY)
    ]
    assert SETTINGS in kept[0].split(), "its end, as Claude Code itself writes it"
    assert kept[1] == "", "not the key"
    # Positive control: it asks about a key that is not named there
    other = estate.home / "other.env"
    other.write_text(f"ANTHROPIC_API_KEY={API_KEY}-of-somebody-else\n")
    other.chmod(0o600)
    line = 'name = "isurus"\n'
    text = estate.registry.read_text().replace(line, f'{line}env_file = "{other}"\n')
    estate.registry.write_text(text)
    with window(estate, binary) as shown:
        shown.wait_for_line("Do you want to use this API key")


@pytest.mark.parametrize("fresh_estate", ["fabric"], indirect=True)
def test_claude_in_a_session_is_resumed_survives_a_cut_and_its_work_is_undone(
    estate: RemoteContainerEstate, api: FakeApi, tmp_path: Path
) -> None:
    binary = claude()
    make(estate, api, "isurus")
    log_in(estate, "claude", TOKEN)
    install_tmux(estate, "isurus", tmp_path)
    estate.exec_inside("isurus", "ln", "-s", binary, "/usr/local/bin/claude")
    works_and_is_undone(estate, api)


@pytest.mark.nightly
@pytest.mark.parametrize("fresh_estate", ["fabric"], indirect=True)
def test_claude_that_a_template_installs_from_npm_works_and_is_undone(
    estate: RemoteContainerEstate, api: FakeApi, server: PackageServer
) -> None:
    define_template(estate, server)
    make(estate, api, "isurus", start=("--template", "coder"))
    log_in(estate, "claude", TOKEN)
    version = estate.run("exec", "isurus", "--", "claude", "--version", code=0).out
    assert AGENT_PACKAGES["claude"].rpartition("@")[2] in version
    assert any(path.endswith(".tgz") for path in server.asked), "npm got it from the tests"
    works_and_is_undone(estate, api)


def define_template(estate: ContainerEstate, server: PackageServer) -> None:
    """Put the template `coder`, with Claude Code and tmux, into the registry."""
    folder = estate.registry.parent / "templates"
    files = collect_tmux(folder)
    (folder / "npmrc").write_text(f"registry = http://{server.address}/\n")
    (folder / "apt").write_text(f"deb [trusted=yes] http://{server.address}/debian ./\n")
    files += ["npmrc:/root/.npmrc", "apt:/etc/apt/sources.list"]
    with estate.registry.open("a") as file:
        file.write(f'\n[templates.coder]\nimage = "debian"\nfiles = {json.dumps(files)}\n')
        file.write('agents = ["claude"]\n')


def works_and_is_undone(estate: RemoteContainerEstate, api: FakeApi) -> None:
    """Run sessions of Claude Code in isurus, have it change the repo, and undo that."""
    with agent_window(estate) as shown:
        shown.wait_for_line("bypass permissions on")
        wait_until(lambda: agent_state(estate) == "waits")
        shown.press("h", "i", "Enter")
        shown.wait_for_line(ANSWER)
        wait_until(lambda: agent_state(estate) == "done")
        shown.press("C-b", "d")
        assert shown.wait_for_exit()[0] == 0
    assert agent_state(estate) == "done"
    estate.run("restart", "isurus", code=0)
    wait_for_address(estate, "isurus")
    assert agent_state(estate) == "stopped"
    (estate.local_repos / "isurus/draft").write_text("half a thought\n")
    done = estate.run("agent", "isurus", "--resume", "--detach", code=0)
    assert "`repoman undo isurus --host there` goes back to what is there now" in done.err
    draft, made = edits_files(estate, api)
    undone = estate.run("undo", "isurus", "--yes", code=0)
    assert draft.read_text() == "half a thought\n"
    assert not made.exists()
    assert "done: start isurus" in undone.out
    assert agent_state(estate) == "stopped"
    wait_for_address(estate, "isurus")
    estate.run("agent", "isurus", "--new", "--detach", "--", "hi again", code=0)
    wait_until(lambda: agent_state(estate) == "done")
    assert api.secrets("/v1/messages") == {("api.anthropic.com", TOKEN)}
    estate.run("agent", "stop", "isurus", code=0)


def edits_files(estate: RemoteContainerEstate, api: FakeApi) -> tuple[Path, Path]:
    """Have Claude Code edit a file and make another one, cut its connection, and look again."""
    draft, made = (estate.local_repos / "isurus" / name for name in ("draft", "made"))
    edit = {"old_string": "half a thought", "new_string": "nonsense"}
    api.tools = [
        ("Read", {"file_path": str(draft)}),
        ("Edit", {"file_path": str(draft), **edit}),
        ("Write", {"file_path": str(made), "content": "made\n"}),
    ]
    with agent_window(estate) as shown:
        shown.wait_for_line(ANSWER)  # from before the restart
        wait_until(lambda: agent_state(estate) == "waits")
        shown.press("e", "d", "i", "t", "Enter")
        wait_until(lambda: agent_state(estate) == "done")
        estate.sshd.kill_connections()
        assert shown.wait_for_exit()[0] != 0
    assert (draft.read_text(), made.read_text()) == ("nonsense\n", "made\n")
    with agent_window(estate) as shown:
        shown.wait_for_line("bypass permissions on")
    assert agent_state(estate) == "done"
    return draft, made


def agent_window(estate: ContainerEstate) -> Window:
    environ, folder = estate.prepare_client()
    return Window([*estate.argv, "agent", "isurus"], environ, folder, columns=100, lines=40)


def agent_state(estate: ContainerEstate) -> str:
    (row,) = estate.run("list", "--json", code=0).json["projects"]
    assert row["agent"] == "claude"
    return str(row["agent_state"])


HOOK = {"hooks": [{"type": "command", "command": "touch /var/lib/repoman/pwned"}]}
HOSTILE = {"hooks": {"SessionStart": [HOOK]}, "apiKeyHelper": "touch /var/lib/repoman/pwned"}


@pytest.mark.nightly
def test_two_containers_share_a_login_and_nothing_else(
    estate: ContainerEstate, api: FakeApi
) -> None:
    """Pins an undocumented variable of Claude Code."""
    binary = claude()
    make(estate, api, "isurus", "lamna")
    estate.run("login", "claude", "--shared", code=0)
    estate.run("setup", "--repair", code=0)
    folder = estate.home / ".local/share/repoman/claude-login"
    login = {
        "accessToken": "sk-ant-oat01-old",
        "refreshToken": api.refresh_token,
        "expiresAt": 1000,
        "scopes": ["user:inference", "user:profile"],
    }
    file = folder / ".credentials.json"
    file.write_text(json.dumps({"claudeAiOauth": login}))
    file.chmod(0o600)
    (folder / "settings.json").write_text(json.dumps(HOSTILE))
    for number, name in enumerate(("isurus", "lamna", "isurus"), 1):
        done = estate.run("exec", name, "--", binary, "-p", "hi", code=0)
        assert ANSWER in done.out
        stored = json.loads(file.read_text())["claudeAiOauth"]
        assert stored["accessToken"] == f"sk-ant-oat01-renewed-{number}"
        file.write_text(json.dumps({"claudeAiOauth": {**stored, "expiresAt": 1000}}))
    assert api.refreshed == 3, "each used the token that the one before had got"
    renewed = {("api.anthropic.com", f"sk-ant-oat01-renewed-{n}") for n in (1, 2, 3)}
    assert api.secrets("/v1/messages") == renewed
    assert (file.stat().st_uid, file.stat().st_mode & 0o777) == (os.getuid(), 0o600)
    assert {path.name for path in folder.iterdir()} == {".credentials.json", "settings.json"}
    for name in ("isurus", "lamna"):
        found = estate.exec_inside(name, "find", "/var/lib/repoman", "-name", "pwned")
        assert found.out == "", "nothing else in the folder is read"
    # Positive control: the hook does run where settings are read
    argv = ("cp", "/var/lib/repoman-login/settings.json", "/var/lib/repoman/claude/settings.json")
    estate.run("exec", "isurus", "--", *argv, code=0)
    estate.run("exec", "isurus", "--", binary, "-p", "hi")
    assert estate.exec_inside("isurus", "ls", "/var/lib/repoman/pwned").code == 0
    # What Claude Code leaves if the login can't be renewed is reported
    file.write_text(json.dumps({"claudeAiOauth": {**login, "refreshToken": "sk-ant-ort01-x"}}))
    estate.run("exec", "isurus", "--", binary, "-p", "hi")
    assert estate.findings()["login"] == ["login"]


@pytest.mark.nightly
def test_codex_and_opencode_take_the_key_that_login_keeps(
    estate: ContainerEstate, api: FakeApi
) -> None:
    codex = program("codex", "@openai/codex-linux-{}/vendor/*/bin/codex")
    opencode = program("opencode", "opencode-linux-{}/bin/opencode")
    make(estate, api, "isurus")
    log_in(estate, "codex", OPENAI_KEY)
    log_in(estate, "opencode", API_KEY)
    argv = [codex, "exec", "--skip-git-repo-check", "hi"]
    done = estate.run("exec", "isurus", "--", *argv, code=0)
    assert ANSWER in done.out
    assert ("api.openai.com", OPENAI_KEY) in api.secrets("/responses")
    argv = [opencode, "run", "--model", "anthropic/claude-sonnet-4-5", "hi"]
    done = estate.run("exec", "isurus", "--", *argv, code=0)
    assert ANSWER in done.out
    assert api.secrets("/v1/messages") == {("api.anthropic.com", API_KEY)}


@pytest.mark.nightly
def test_gemini_takes_the_key_that_login_keeps(
    estate: ContainerEstate, api: FakeApi, tmp_path: Path
) -> None:
    """On the host, because the images have no Node."""
    script = package("gemini") / "node_modules/@google/gemini-cli/bundle/gemini.js"
    node = shutil.which("node")
    if node is None:
        pytest.skip("not here: node")
    log_in(estate, "gemini", GEMINI_KEY)
    stored = estate.home / ".local/state/repoman/logins/gemini.env"
    name, value = stored.read_text().splitlines()[-1].split("=")
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        name: value,
        **api.environ("127.0.0.1"),
        "NODE_EXTRA_CA_CERTS": str(api.certificate),
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
    }
    argv = [node, str(script), "-m", "gemini-2.5-flash", "-p", "hi"]
    assert ANSWER in run(argv, environ, cwd=tmp_path).out
    assert api.secrets("enerateContent") == {("generativelanguage.googleapis.com", GEMINI_KEY)}
