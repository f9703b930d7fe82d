"""The prompts for unset arguments, without Incus: `new`, `setup`, `remove`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator

import pexpect  # type: ignore[import-untyped]
import pytest

from repoman_tasks.registry import parse
from tests.support import terminals
from tests.support.estate import Estate
from tests.support.terminals import Window

CTRL_C, CTRL_D = "\x03", "\x04"

Spawn = Callable[..., "pexpect.spawn[str]"]


@pytest.fixture
def isurus(estate: Estate) -> Estate:
    """Return an estate with the project isurus."""
    return estate.prepare("isurus")


@pytest.fixture
def spawn(estate: Estate) -> Iterator[Spawn]:
    """Starts `repoman` on a terminal; what still runs at the end is ended."""
    started: list[pexpect.spawn[str]] = []

    def start(*argv: str, **environ: str) -> pexpect.spawn[str]:
        command, folder = [*estate.argv, *argv], estate.home / environ.pop("folder", "")
        child = terminals.spawn(command, estate.environ, folder, columns=200, **environ)
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


def talk(child: pexpect.spawn[str], *lines: tuple[str, str]) -> tuple[int | None, str]:
    """Wait for each text and answer it; return the exit status, and the output after the last."""
    for shown, answer in lines:
        child.expect_exact(shown)
        child.send(answer)
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus, child.before or ""


def projects(estate: Estate) -> list[str]:
    return [p.name for p in parse(estate.registry.read_text(), "", {}).projects]


# --- new -------------------------------------------------------------------------------------

NAME = "Name of the project? "
SOURCE = "a number, or a URL to clone? [1] "
GO = "Go ahead? [Y/n] "


def test_new_asks_until_an_answer_is_valid(isurus: Estate, spawn: Spawn) -> None:
    (isurus.local_repos / "lamna").mkdir()
    (isurus.local_repos / "no_name").mkdir()
    child = spawn("new")
    child.expect_exact("  1  lamna (existing folder)\r\n" + NAME)
    child.send("\r")
    for answer, says in [
        ("a_b\r", "an answer is required"),
        ("isurus\r", "'a_b' is not a valid project name"),
        ("sync\r", "a project called 'isurus' exists already"),
        ("2\r", "'sync' is a command"),
        ("x\x1by\r", "2 is not a choice: enter 1"),
        ("raja\r", "the answer contains control characters"),
    ]:
        child.expect_exact(says)
        child.expect_exact(NAME)
        child.send(answer)
    child.expect_exact(f"{isurus.local_repos}/raja does not exist yet.")
    child.expect_exact("1  create it as an empty git repo")
    child.expect_exact(f"3  use {isurus.local_repos}/no_name")
    code, shown = talk(
        child,
        (SOURCE, "nonsense\r"),
        ("'nonsense' is neither a URL nor an absolute path", ""),
        (SOURCE, "/etc\r"),
        ("/etc is not below local_repos", ""),
        (SOURCE, "~/nowhere\r"),
        ("there is no folder", ""),
        (SOURCE, f"{isurus.local_repos}/isurus\r"),
        ("overlaps 'isurus'", ""),
        (SOURCE, "\r"),
        ("no container: ", ""),
        (f"  create an empty git repo in {isurus.local_repos}/raja", ""),
        ("The same by flags: repoman new raja --create --no-container --yes", ""),
        (GO, "\r"),
    )
    assert code == 0
    assert "Next: repoman sync raja" in shown
    assert projects(isurus) == ["isurus", "raja"]
    assert (isurus.local_repos / "raja/.git").is_dir()


def test_new_in_a_folder_takes_its_name(isurus: Estate, spawn: Spawn) -> None:
    (isurus.local_repos / "group/lamna").mkdir(parents=True)
    code, _ = talk(
        spawn("new", folder="repos/group/lamna"),
        (f"The repo is {isurus.local_repos}/group/lamna.", ""),
        ("no container: ", ""),
        (GO, "\r"),
    )
    assert code == 0
    (isurus.local_repos / "a_b").mkdir()
    code, _ = talk(
        spawn("new", folder="repos/a_b"),
        (f"The repo is {isurus.local_repos}/a_b.", ""),
        (NAME, "raja\r"),
        ("by flags: repoman new raja --repo a_b --no-container --yes", ""),
        (GO, "\r"),
    )
    assert code == 0
    assert projects(isurus) == ["isurus", "lamna", "raja"]


@pytest.mark.parametrize(
    ("answer", "flags"),
    [
        pytest.param("2", "--repo {repos}/lamna --no-container", id="a folder by its number"),
        pytest.param("{repos}/lamna", "--repo {repos}/lamna --no-container", id="by its path"),
        pytest.param("file://{repos}/isurus", "--clone file://{repos}/isurus", id="a URL"),
    ],
)
def test_the_same_by_flags_does_the_same(
    isurus: Estate, spawn: Spawn, answer: str, flags: str
) -> None:
    (isurus.local_repos / "lamna").mkdir()
    repos, before = str(isurus.local_repos), isurus.registry.read_text()
    child = spawn("new", "raja", "--no-container")
    child.expect_exact(SOURCE)
    child.send(answer.format(repos=repos) + "\r")
    child.expect(r"The same by flags: repoman ([^\r]*)\r\n")
    argv = child.match[1].split()
    assert " ".join(argv).startswith(f"new raja {flags.format(repos=repos)}")
    assert talk(child, (GO, CTRL_C))[0] == 130
    assert isurus.registry.read_text() == before
    isurus.run(*argv, code=0)
    assert projects(isurus) == ["isurus", "raja"]


def test_a_folder_that_is_there_needs_no_question(isurus: Estate, spawn: Spawn) -> None:
    (isurus.local_repos / "lamna").mkdir()
    child = spawn("new", "lamna", "--no-container")
    child.expect_exact(GO)
    assert "The same by flags" not in (child.before or "")
    assert talk(child, ("", "n\r"))[0] == 130


@pytest.mark.parametrize("stop", [CTRL_C, CTRL_D, f"half an answer{CTRL_C}"])
@pytest.mark.parametrize("at", [NAME, SOURCE, GO])
def test_a_stop_at_any_question_leaves_it_as_it_was(
    isurus: Estate, spawn: Spawn, at: str, stop: str
) -> None:
    before = isurus.hash_files()
    child = spawn("new")
    for question, answer in ((NAME, "raja\r"), (SOURCE, "\r"), (GO, "\r")):
        child.expect_exact(question)
        child.send(stop if question == at else answer)
        if question == at:
            break
    code, shown = talk(child)
    assert code == 130
    assert "Traceback" not in shown
    assert isurus.hash_files() == before


# --- setup -----------------------------------------------------------------------------------

LOCAL = "Folder of your local repos? [~/repos] "
SHARE = "Folder on the backup share?"
FIRST = "First project: a number, or a new name?"


def test_setup_asks_and_leads_on_to_a_mirrored_project(estate: Estate, spawn: Spawn) -> None:
    estate.repo("lamna")
    child = spawn("setup")
    child.expect_exact(LOCAL)
    child.send("repos\r")
    child.expect_exact("'repos' is not an absolute path")
    child.expect_exact(LOCAL)
    child.send("\r")
    child.expect_exact("/dev/shm\r\n")  # a share that is mounted
    code, shown = talk(
        child,
        (SHARE, "/nowhere/at/all\r"),
        ("/nowhere/at/all can't be entered", ""),
        (SHARE, "/usr\r"),  # the home may be on a tmpfs, too
        ("not on tmpfs", ""),
        (SHARE, f"{estate.share}\r"),
        (f"repoman setup --local-repos '~/repos' --nfs-repos {estate.share} --yes", ""),
        (GO, "y\r"),
        ("1  lamna (existing folder)", ""),
        (FIRST, "1\r"),
        ("The same by flags: repoman new lamna --no-container --yes", ""),
        (GO, "\r"),
        ("Mirror lamna now? [Y/n] ", "\r"),
        ("The same by flags: repoman sync lamna", ""),
    )
    assert code == 0, shown
    assert (estate.mirror("lamna") / ".git/HEAD").exists()
    code, shown = talk(spawn("setup"))
    assert code == 0
    assert "?" not in shown.replace("Next?", "")
    assert "nothing to do" in shown


def test_setup_continues_after_an_interruption(estate: Estate, spawn: Spawn) -> None:
    before = estate.hash_files()
    assert talk(spawn("setup"), (LOCAL, CTRL_C))[0] == 130
    assert talk(spawn("setup"), (LOCAL, "\r"), (SHARE, CTRL_D))[0] == 130
    assert estate.hash_files() == before
    code, shown = talk(
        spawn("setup"), (LOCAL, "\r"), (SHARE, f"{estate.share}\r"), (GO, "\r"), (FIRST, CTRL_D)
    )
    assert (code, "no answer, nothing more was changed" in shown) == (130, True)
    assert projects(estate) == []
    assert talk(spawn("setup"), (FIRST, "\r"))[0] == 0  # not now
    assert projects(estate) == []
    questions = ((FIRST, "raja\r"), (SOURCE, "\r"), (GO, "\r"), ("Mirror raja now? ", "n\r"))
    assert talk(spawn("setup"), *questions)[0] == 0
    assert projects(estate) == ["raja"]
    assert talk(spawn("setup"), ("Mirror raja now? ", "y\r"))[0] == 0
    assert (estate.mirror("raja") / ".git/HEAD").exists()


def test_arguments_with_flags_are_not_asked_for(estate: Estate, spawn: Spawn) -> None:
    child = spawn("setup", "--nfs-repos", str(estate.share), "--dry-run")
    code, shown = talk(child, (LOCAL, "\r"))
    assert code == 0
    assert "would mark" in shown
    assert f"--nfs-repos {estate.share} --dry-run" in shown
    assert not estate.registry.exists()
    code, shown = talk(spawn("setup", "--nfs-repos", str(estate.share), "--yes"))
    assert code == 0
    assert "?" not in shown
    assert estate.registry.exists()


def test_the_share_of_another_estate_is_not_taken(isurus: Estate, spawn: Spawn) -> None:
    isurus.registry.unlink()
    child = spawn("setup")
    questions = ((LOCAL, "\r"), (SHARE, f"{isurus.share}\r"), (ADOPT, "\r"))
    again = (("is the share of estate 1111", ""), (SHARE, CTRL_C))
    assert talk(child, *questions, *again)[0] == 130


ADOPT = "Take over its projects? [y/N] "


@pytest.mark.parametrize("argv", [(), ("--adopt-share",)])
def test_a_lost_disk_comes_back_by_setup_alone(
    isurus: Estate, spawn: Spawn, argv: tuple[str, ...]
) -> None:
    isurus.run("sync", code=0)
    shutil.rmtree(isurus.home)
    isurus.home.mkdir()
    answers = [(LOCAL, "\r"), (SHARE, f"{isurus.share}\r")]
    answers += [(ADOPT, "y\r")] if not argv else []
    answers += [("take over 1 project", ""), ("Go ahead? [y/N] ", "y\r")]
    answers += [("Restore 1 missing repo now? [Y/n] ", "\r")]
    code, shown = talk(spawn("setup", *argv), *answers, ("Mirror isurus now? ", "n\r"))
    assert code == 0, shown
    assert (isurus.local_repos / "isurus/.git/HEAD").exists()


# --- which one -------------------------------------------------------------------------------


def test_remove_names_what_it_destroys_and_expects_a_no(isurus: Estate, spawn: Spawn) -> None:
    before = isurus.hash_files()
    which, fate = ("Which project? ", "1\r"), "What should happen to its repo? [1] "
    code, shown = talk(spawn("remove"), which, (fate, "\r"), ("Go ahead? [y/N] ", "\r"))
    assert (code, isurus.hash_files() == before) == (130, True), shown
    isurus.run("sync", code=0)
    child = spawn("remove")
    for answer in ("isuros\r", "1\r"):
        child.expect_exact("Which project? ")
        child.send(answer)
        if answer != "1\r":
            child.expect_exact("'isuros' is not a choice: did you mean isurus?")
    child.expect_exact(fate)
    child.send("2\r")
    child.expect_exact("The same by flags: repoman remove isurus --delete-repo --yes")
    code, shown = talk(child, ("Type isurus to go on: ", "y\r"))
    assert code == 130
    assert projects(isurus) == ["isurus"]
    assert (isurus.local_repos / "isurus").exists()


def test_of_many_projects_one_is_named(isurus: Estate, spawn: Spawn) -> None:
    names = "".join(f'[[project]]\nname = "p{n}"\nrepo = "p{n}"\n' for n in range(200))
    with isurus.registry.open("a") as file:
        file.write(names)
    child = spawn("remove")
    child.expect_exact("201 to choose from, by name\r\nWhich project? ")
    child.send("p1999\r")
    child.expect_exact("'p1999' is not a choice: did you mean p199?")
    assert talk(child, ("Which project? ", CTRL_D))[0] == 130


@pytest.mark.parametrize("stop", [CTRL_C, CTRL_D])
@pytest.mark.parametrize(
    ("argv", "question"),
    [
        *((word, "Which project? ") for word in ("exec", "restart", "shell", "start", "stop")),
        *((word, "Which project? ") for word in ("remove", "trust", "untrust", "update")),
        ("agent stop", "Which project? "),
        ("completion", "Install or remove? [1] "),
        *((f"{word} install", "Go ahead? [Y/n] ") for word in ("git-guard", "ssh-config")),
    ],
)
def test_a_stop_at_the_first_question_leaves_it_as_it_was(
    isurus: Estate, spawn: Spawn, argv: str, question: str, stop: str
) -> None:
    text = isurus.registry.read_text()
    isurus.registry.write_text(text.replace("container = false\n", ""))
    before = isurus.hash_files()
    code, shown = talk(spawn(*argv.split()), (question, stop))
    assert code == 130
    assert "Traceback" not in shown
    assert isurus.hash_files() == before


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["new"], "new needs a name: `repoman new NAME`"),
        (["remove"], "remove needs a name: `repoman remove NAME`"),
        (["remove", "--yes"], "remove needs a name"),
        (["adopt"], "adopt needs a name"),
        (["shell"], "shell needs a name"),
        (["exec"], "exec needs a name"),
        (["start"], "start needs a name"),
        (["trust"], "trust needs a name"),
        (["completion"], "completion needs install or remove"),
        (["new", "raja", "--no-container"], "or add --create, --clone URL or --restore"),
        (["remove", "isurus"], "No terminal to ask on: pass --yes"),
    ],
)
@pytest.mark.parametrize("how", ["--no-input", "no terminal"])
def test_nobody_is_asked(
    isurus: Estate, spawn: Spawn, argv: list[str], says: str, how: str
) -> None:
    before = isurus.hash_files()
    if how == "--no-input":
        code, shown = talk(spawn(*argv, how))
    else:
        done = isurus.run(*argv, given="isurus\n" * 9)
        code, shown = done.code, done.err
    assert code == 2
    assert says in re.sub(r"\s+", " ", shown)
    assert "? [" not in shown
    assert isurus.hash_files() == before


def test_in_tmux_as_a_person_sees_it(isurus: Estate) -> None:
    """A real terminal of 80 columns, with each answer echoed after its question."""
    with Window([*isurus.argv, "new"], isurus.environ, isurus.home) as window:
        window.wait_for_line(r"Name of the project\?")
        window.press("rajah", "BSpace", "Enter")
        window.wait_for_line(r"Name of the project\? raja$")
        window.wait_for_line(r"URL to clone\? \[1\]")
        window.press("Enter")
        window.wait_for_line(r"Go ahead\? \[Y/n\]")
        window.press("y", "Enter")
        window.wait_for_line("Next: repoman sync raja")
        assert window.wait_for_exit()[0] == 0
    assert projects(isurus) == ["isurus", "raja"]


# --- trust --git -----------------------------------------------------------------------------

USE_IT = "Have git use it? [y/N] "


def test_a_git_directory_is_approved_on_a_terminal_only_by_yes(
    isurus: Estate, spawn: Spawn
) -> None:
    repo = isurus.local_repos / "isurus"
    isurus.git(repo, "config", "core.pager", "less \x1b[31m")
    hook = repo / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    approvals = isurus.home / ".local/state/repoman/approvals/git"
    for answer in ("\r", "n\r", "x\r", CTRL_C, CTRL_D):
        code, _ = talk(spawn("trust", "--git", "isurus", "--yes"), (USE_IT, answer))
        assert code in (6, 130)
        assert not approvals.exists()
    child = spawn("trust", "isurus", "--git")
    child.expect_exact("  + .git/config: core.pager = less \\x1b[31m\r\n")
    child.expect(r"  \+ \.git/hooks/pre-commit \(hook, sha256 [0-9a-f]{16}\)\r\n")
    child.expect_exact("no approval covers their content")
    code, shown = talk(child, (USE_IT, "y\r"))
    assert (code, f"approved the git directory of {repo}" in shown) == (0, True)
    assert len(approvals.read_text().splitlines()) == 2
    assert isurus.run("trust", "--git", str(repo), code=0).out == "nothing to approve\n"
    hook.write_text("#!/bin/sh\ntrue\n")
    child = spawn("trust", "--git", "isurus")
    child.expect_exact("    .git/config: core.pager")
    child.expect_exact("  + .git/hooks/pre-commit")
    assert talk(child, (USE_IT, "n\r"))[0] == 6
    assert (
        isurus.run("untrust", "--git", "isurus", code=0).out == f"revoked the approval of {repo}\n"
    )
    assert approvals.read_text() == ""
