"""From nothing to a mirrored project with a running container, by answering questions."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pexpect  # type: ignore[import-untyped]
import pytest

from tests.containers.conftest import ContainerEstate
from tests.support import terminals

CTRL_C, CTRL_D = "\x03", "\x04"
MOST_ANSWERS = 10

Spawn = Callable[..., "pexpect.spawn[str]"]


@pytest.fixture
def spawn(fresh_estate: ContainerEstate) -> Iterator[Spawn]:
    """Starts repoman on a terminal."""
    started: list[pexpect.spawn[str]] = []

    def start(*argv: str) -> pexpect.spawn[str]:
        child = terminals.spawn(
            [*fresh_estate.argv, *argv], *fresh_estate.prepare_client(), columns=200
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


def answer(child: pexpect.spawn[str], answers: dict[str, str]) -> int:
    """Answer each question until the command succeeds; return the number of questions."""
    questions = list(answers)
    count = 0
    while True:
        met = child.expect_exact([*questions, pexpect.EOF])
        if met == len(questions):
            child.close()
            assert child.exitstatus == 0, child.before
            return count
        count += 1
        child.send(answers[questions[met]] + "\r")


def answers(estate: ContainerEstate) -> dict[str, str]:
    """Return the answers of a user who accepts each default, if there is one."""
    return {
        "Folder of your local repos? [~/repos] ": "",
        "Folder on the backup share?": str(estate.share),
        "Create a storage pool in a plain folder? [Y/n] ": "",
        "Which agents should new containers have? [1] ": "",
        "Run this with sudo now? [y/N] ": "y",
        "Go ahead? [Y/n] ": "y",
        "First project: a number, or a new name?": "isurus",
        "Source of the repo: a number, or a URL to clone? [1] ": "",
        "Mirror isurus now? [Y/n] ": "",
    }


def test_from_nothing_to_a_mirrored_project(spawn: Spawn, fresh_estate: ContainerEstate) -> None:
    assert answer(spawn("setup"), answers(fresh_estate)) <= MOST_ANSWERS
    assert fresh_estate.state("isurus") == "running"
    assert (fresh_estate.mirror("isurus") / ".git/HEAD").exists()
    assert fresh_estate.run("status", code=0).out.endswith("all well\n")
    again = spawn("setup")
    assert answer(again, answers(fresh_estate)) == 0
    assert "nothing to do" in again.before


def test_from_an_incus_that_was_never_initialised(spawn: Spawn, host: ContainerEstate) -> None:
    host.environ["DEFAULT_IMAGE"] = "local:debian"
    child = spawn("setup")
    assert answer(child, answers(host)) <= MOST_ANSWERS
    assert host.state("isurus") == "running"
    assert (host.mirror("isurus") / ".git/HEAD").exists()


def test_it_is_stopped_and_taken_up_again(spawn: Spawn, fresh_estate: ContainerEstate) -> None:
    before = fresh_estate.hash_files()
    for number, stop in enumerate((CTRL_C, CTRL_D)):  # at the first question, and at the last
        child = spawn("setup")
        child.expect_exact("local repos? ")
        if number:
            child.send("\r")
            child.expect_exact("backup share?")
            child.send(f"{fresh_estate.share}\r")
            child.expect_exact("Which agents should new containers have? [1] ")
            child.send("2\r")
            child.expect_exact("--agents claude --yes")
            child.expect_exact("Go ahead? ")
        child.send(stop)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 130
        assert fresh_estate.hash_files() == before
    paths = ["--local-repos", str(fresh_estate.local_repos), "--nfs-repos", str(fresh_estate.share)]
    fresh_estate.run("setup", *paths, code=0)
    set_up = fresh_estate.registry.read_text()
    child = spawn("setup")  # what is there is not asked for again
    child.expect_exact("nothing to do")
    child.expect_exact("First project: a number, or a new name?")
    child.send("isurus\r")
    child.expect_exact("Source of the repo")
    child.send("\r")
    child.expect_exact("The same by flags: repoman new isurus --create --yes")
    child.expect_exact("Go ahead? ")
    child.send(CTRL_C)
    child.expect(pexpect.EOF)
    assert fresh_estate.registry.read_text() == set_up
    assert not (fresh_estate.local_repos / "isurus").exists()
    fresh_estate.run("new", "isurus", "--create", code=0)
    child = spawn("setup")
    child.expect_exact("Mirror isurus now? [Y/n] ")
    child.send("\r")
    child.expect_exact("The same by flags: repoman sync isurus")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert (fresh_estate.mirror("isurus") / ".git/HEAD").exists()


def test_setup_asks_to_close_an_agents_folder(spawn: Spawn, isurus: ContainerEstate) -> None:
    folder = isurus.open_agents_folder()
    child = spawn("setup")
    child.expect_exact(f"{folder} runs here what containers write there. Close it to them? [Y/n]")
    child.send("\r")
    child.expect_exact("The same by flags: repoman setup --repair --yes")
    child.expect_exact("Go ahead? ")
    child.send("\r")
    child.expect(pexpect.EOF)
    assert isurus.findings() == {}


def test_new_asks_for_each_argument(spawn: Spawn, estate: ContainerEstate) -> None:
    (estate.local_repos / "lamna").mkdir()
    child = spawn("new")
    child.expect_exact("1  lamna (existing folder)")
    child.expect_exact("Name of the project? ")
    child.send("1\r")
    child.expect_exact("Container, backup, or both? [1] ")
    child.send("2\r")
    child.expect_exact("Template of the container? [1] ")
    child.send("\r")
    child.expect_exact("Image of the container? [1] ")
    child.send("nosuch\r")
    child.expect_exact("there is no local image 'nosuch'")
    child.send("local:busybox\r")
    child.expect_exact("Incus profiles of the container? [1] ")
    child.send("defualt\r")
    child.expect_exact("Incus has no profile 'defualt': did you mean default?")
    child.send("claude-share\r")
    child.expect_exact("claude-share has no root disk: add default")
    child.send("default\r")
    same = "repoman new lamna --profile default --image local:busybox --no-backup --yes"
    child.expect_exact(f"The same by flags: {same}")
    child.expect_exact("Go ahead? ")
    child.send("\r")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert estate.state("lamna") == "running"
    profiles = estate.instances()["lamna"]["profiles"]
    assert profiles == ["default"]
    if not estate.host_flag:
        assert "image\tlocal:busybox\n" in estate.names_of("images").read_text()


def test_the_project_is_chosen_outside_of_any_repo(spawn: Spawn, isurus: ContainerEstate) -> None:
    child = spawn("exec")
    child.expect_exact("Which project? ")
    child.send("isuros\r")
    child.expect_exact("'isuros' is not a choice: did you mean isurus?")
    child.send("1\r")
    child.expect_exact("Which command should run there? ")
    child.send("echo 'a  b'\r")
    same = f"repoman exec isurus{isurus.host_flag} -- echo 'a  b'"
    child.expect_exact(f"The same by flags: {same}")
    child.expect_exact("\na  b\r\n")
    child.expect(pexpect.EOF)
    child = spawn("agent", "stop")
    child.expect_exact("Which project? ")
    child.send("isurus\r")
    child.expect_exact("The same by flags: repoman agent stop isurus")
    child.expect_exact("no agent runs in isurus")
    child.expect(pexpect.EOF)
    child = spawn("stop")
    child.expect_exact("Which project? ")
    child.send("isurus\r")
    child.expect_exact("The same by flags: repoman stop isurus")
    child.expect_exact("done: stop isurus")
    child.expect(pexpect.EOF)
    assert isurus.state("isurus") == "stopped"
    isurus.incus("init", "busybox", "stray")
    child = spawn("adopt")
    child.expect_exact("1  stray")
    child.expect_exact("Which container? ")
    child.send(CTRL_D)
    child.expect_exact("no answer, nothing was changed")
    child.expect(pexpect.EOF)
