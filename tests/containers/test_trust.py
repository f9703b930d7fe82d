"""A repo's requests beyond its container: approved by a person, and only as long as that holds."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pytest

from tests.containers.conftest import ContainerEstate
from tests.support import terminals
from tests.support.cures import paste_cure

QUESTION = "Approve it? [y/N] "


@pytest.fixture
def tools(isurus: ContainerEstate) -> Iterator[Path]:
    """Yield a folder, far from the repos, that the repo of isurus requests; then withdraw that."""
    folder = isurus.home / "tools"
    folder.mkdir(exist_ok=True)
    (folder / "tool").write_text("useful\n")
    ask(isurus, folder)
    yield folder
    (isurus.local_repos / "isurus/.repoman.toml").unlink()
    for argv in (("untrust", "isurus"), ("update", "isurus", "--restart"), ("setup", "--repair")):
        isurus.run(*argv, code=0)


def ask(estate: ContainerEstate, folder: Path | str, path: str = "/opt/tools") -> None:
    text = f'[[mount]]\nsource = "{folder}"\npath = "{path}"\n'
    (estate.local_repos / "isurus/.repoman.toml").write_text(text)


def tool(estate: ContainerEstate) -> str:
    """Return the container's view of it."""
    return estate.run("exec", "isurus", "--", "cat", "/opt/tools/tool").out


def on_terminal(estate: ContainerEstate, *argv: str) -> pexpect.spawn[str]:
    return terminals.spawn([*estate.argv, *argv], *estate.prepare_client())


def paths(estate: ContainerEstate) -> str:
    """Return the folders that the Incus project allows."""
    said = estate.incus("query", f"/1.0/projects/{estate.project}").out
    return str(json.loads(said)["config"]["restricted.devices.disk.paths"])


def approvals(estate: ContainerEstate) -> list[Path]:
    return sorted((estate.home / ".local/state/repoman/approvals").glob("*"))


@pytest.mark.shared
def test_without_a_person_it_is_refused_with_the_command_to_run(
    isurus: ContainerEstate, tools: Path
) -> None:
    for argv in (["update", "isurus"], ["update", "isurus", "--yes"], ["trust", "isurus"]):
        error = isurus.run(*argv, code=6).err
        assert f"mount {tools} at /opt/tools" in error
        assert "repoman trust isurus" in error
        assert "--trust" in error
    assert tool(isurus) == ""
    assert approvals(isurus) == []
    yes = {"REPOMAN_TRUST": "1", "REPOMAN_YES": "1", "INVOKE_RUN_TRUST": "1"}
    isurus.run("update", "isurus", environ=yes, code=6)


@pytest.mark.shared
def test_the_scripted_form_prints_what_it_approved(isurus: ContainerEstate, tools: Path) -> None:
    shown = isurus.run("update", "isurus", "--trust", "--dry-run", code=0)
    assert "would change isurus" in shown.out
    assert approvals(isurus) == []
    done = isurus.run("update", "isurus", "--trust", code=0)
    assert f"approved by --trust: + mount {tools} at /opt/tools" in done.err
    assert tool(isurus) == "useful\n"
    (kept,) = approvals(isurus)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert isurus.run("update", "isurus", code=0).out == "nothing to do\n"
    assert isurus.run("trust", "isurus", code=0).out == "nothing to approve\n"
    assert isurus.findings() == {"isurus": ["protection"]}
    isurus.incus("delete", "--force", "isurus")
    isurus.run("status", "--missing", "recreate")
    assert tool(isurus) == "useful\n"


@pytest.mark.shared
def test_a_person_is_asked_and_no_is_the_default(isurus: ContainerEstate, tools: Path) -> None:
    for answer in ("\r", "n\r", "x\r", "\x03", "\x04"):
        child = on_terminal(isurus, "trust", "isurus", "--yes")
        child.expect_exact(f"+ mount {tools} at /opt/tools")
        child.expect_exact(QUESTION)
        child.send(answer)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus in (6, 130)
        assert approvals(isurus) == []
    child = on_terminal(isurus, "trust", "isurus")
    child.expect_exact(QUESTION)
    child.send("y\r")
    child.expect_exact("approved the requests of isurus")
    child.expect(pexpect.EOF)
    isurus.run("update", "isurus", code=0)
    assert tool(isurus) == "useful\n"


@pytest.mark.shared
def test_another_request_is_shown_as_a_difference(isurus: ContainerEstate, tools: Path) -> None:
    isurus.run("update", "isurus", "--trust", code=0)
    other = isurus.home / "other"
    other.mkdir()
    file = isurus.local_repos / "isurus/.repoman.toml"
    more = f'[[mount]]\nsource = "{other}"\npath = "/other"\n'
    file.write_text(file.read_text() + more)
    child = on_terminal(isurus, "trust", "isurus")
    child.expect_exact(f"    mount {tools} at /opt/tools")
    child.expect_exact(f"  + mount {other} at /other")
    child.expect_exact(QUESTION)
    child.send("\x03")
    child.expect(pexpect.EOF)


@pytest.mark.shared
def test_any_change_takes_it_back(isurus: ContainerEstate, tools: Path) -> None:
    """`status` warns while the folder is mounted, and `update` unmounts it."""
    isurus.run("update", "isurus", "--trust", code=0)
    file = isurus.local_repos / "isurus/.repoman.toml"
    file.write_text(file.read_text() + "# x\n")
    assert sorted(isurus.findings()["isurus"]) == ["differs", "trust"]
    assert tool(isurus) == "useful\n", "status changes nothing"
    done = paste_cure(isurus, "trust", 1, codes=(6,))
    assert "device: remove mount-1" in done.out
    assert tool(isurus) == ""
    assert isurus.findings() == {"incus": ["fence"], "isurus": ["protection"]}
    isurus.run("setup", "--repair", code=0)
    assert str(tools) not in paths(isurus)
    paste_cure(isurus, "protection", codes=(6,))
    assert isurus.findings() == {}
    isurus.run("update", "isurus", "--trust", code=0)
    assert tool(isurus) == "useful\n"


@pytest.mark.shared
@pytest.mark.usefixtures("tools")
def test_untrust(isurus: ContainerEstate) -> None:
    isurus.run("update", "isurus", "--trust", code=0)
    assert isurus.run("untrust", "isurus", code=0).out == "revoked the approval of isurus\n"
    assert isurus.run("untrust", "isurus", code=0).out == "nothing was approved\n"
    assert "trust" in isurus.findings()["isurus"]
    isurus.incus("delete", "--force", "isurus")
    isurus.run("status", "--missing", "recreate")
    assert tool(isurus) == "", "a repair never brings it back"


def test_a_source_that_leads_elsewhere_takes_it_back(isurus: ContainerEstate, tools: Path) -> None:
    isurus.run("update", "isurus", "--trust", code=0)
    tools.rename(isurus.home / "elsewhere")
    tools.symlink_to(isurus.home / "elsewhere")
    assert "trust" in isurus.findings()["isurus"]
    isurus.run("update", "isurus", code=6)
    assert tool(isurus) == ""


def test_excludes_of_a_repo_need_no_approval_and_are_reported(isurus: ContainerEstate) -> None:
    """`update` shows what changes, `status` all of it, and `sync` goes by what was noted."""
    repo = isurus.local_repos / "isurus"
    for name in ("notes", "cache"):
        (repo / name).write_text("x")
    (repo / ".repoman.toml").write_text('exclude = ["cache"]\n')
    isurus.run("sync", code=0)
    assert (isurus.mirror("isurus") / "cache").exists(), "only new and update read the file"
    done = isurus.run("update", "isurus", "--restart", code=0)
    assert "its .repoman.toml excludes from the mirror: + cache" in done.out
    assert isurus.findings() == {"isurus": ["exclude"]}
    assert "excludes from the mirror: cache\n" in isurus.run("status", code=0).out
    for name in ("notes", "cache"):
        (repo / name).write_text("changed")
    isurus.run("sync", code=0)
    assert (isurus.mirror("isurus") / "notes").read_text() == "changed"
    assert (isurus.mirror("isurus") / "cache").read_text() == "x"
    (repo / ".repoman.toml").write_text('exclude = ["notes"]\n')
    assert "+ notes" in isurus.run("update", "isurus", "--dry-run", code=0).out
    done = paste_cure(isurus, "exclude", by_hand=lambda: (repo / ".repoman.toml").write_text(""))
    assert "its .repoman.toml excludes from the mirror: - cache" in done.out
    assert isurus.findings() == {}
    isurus.run("sync", code=0)
    assert (isurus.mirror("isurus") / "cache").read_text() == "changed"


def test_an_approval_holds_for_its_own_repo_only(isurus: ContainerEstate, tools: Path) -> None:
    isurus.run("update", "isurus", "--trust", code=0)
    (isurus.local_repos / "lamna").mkdir()
    file = isurus.local_repos / "isurus/.repoman.toml"
    (isurus.local_repos / "lamna/.repoman.toml").write_bytes(file.read_bytes())
    isurus.run("new", "lamna", code=6)
    assert isurus.projects() == ["isurus"]
    child = on_terminal(isurus, "new", "lamna")
    child.expect_exact(f"+ mount {tools} at /opt/tools")
    child.expect_exact(QUESTION)
    child.send("y\r")
    child.expect_exact("Go ahead? [Y/n] ")
    child.send("\r")
    child.expect(pexpect.EOF)
    assert isurus.run("exec", "lamna", "--", "cat", "/opt/tools/tool").out == "useful\n"


@pytest.mark.shared
@pytest.mark.usefixtures("tools")
def test_a_broken_approval_approves_nothing(isurus: ContainerEstate) -> None:
    isurus.run("update", "isurus", "--trust", code=0)
    (kept,) = approvals(isurus)
    for text in ("", "{", "[]", '{"schema": 2}', '{"schema": 1, "mounts": 3}'):
        kept.write_text(text)
        assert "trust" in isurus.findings()["isurus"]
    isurus.run("update", "isurus", code=6)
    assert tool(isurus) == ""


@pytest.mark.shared
def test_the_approved_folder_is_requested_by_a_symlink(
    isurus: ContainerEstate, tools: Path
) -> None:
    """The target of the link is approved and mounted."""
    link = isurus.home / "link"
    link.symlink_to(tools)
    ask(isurus, link)
    done = isurus.run("update", "isurus", "--trust", code=0)
    assert f"+ mount {tools} at /opt/tools" in done.err
    assert isurus.instances()["isurus"]["devices"]["mount-1"]["source"] == str(tools)
