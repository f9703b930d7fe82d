"""`agent` with a small agent of the tests in a real terminal session of tmux."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.conftest import BY_SSH, ContainerEstate, RemoteContainerEstate
from tests.support.guest_tmux import install_program, install_tmux
from tests.support.terminals import Window

AGENT = r"""#!/bin/sh
echo "ready $*"
while read -r line; do
    case $line in
    works | waits | "done") tmux set-option -w @repoman "$line" ;;
    forged) tmux set-option -w @repoman "works
$(printf '\033[31mred')" ;;
    silent) tmux set-option -wu @repoman ;;
    bell) printf '\a' ;;
    env) echo "secret=$SECRET in=${PWD##*/}" ;;
    edit) for f in draft new "$HOME/new" "$CLAUDE_CONFIG_DIR/new"; do echo nonsense >"$f"; done ;;
    fail) exit 7 ;;
    exit) exit ;;
    esac
    echo "did $line"
done
"""
"""Says what it got, does what it is told, and tells its state by tmux as a hook does."""

ENTRY = """
[agents.mine]
command = ["mine", "--all"]
resume = ["mine", "--last"]
"""


@pytest.fixture
def ready(isurus: ContainerEstate, tmp_path: Path) -> Iterator[ContainerEstate]:
    """Yield an estate with isurus, whose container has tmux and the agent."""
    if "[agents.mine]" not in isurus.registry.read_text():
        with isurus.registry.open("a") as file:
            file.write(ENTRY)
        secrets = isurus.home / "secrets"
        secrets.write_text("SECRET=known\n")
        secrets.chmod(0o600)
        line = 'name = "isurus"\n'
        text = isurus.registry.read_text().replace(line, f'{line}env_file = "{secrets}"\n')
        isurus.registry.write_text(text)
        install_tmux(isurus, "isurus", tmp_path)
        install_program(isurus, "isurus", "mine", AGENT)
    yield isurus
    isurus.run("agent", "stop", "isurus")


def window(estate: ContainerEstate, *argv: str) -> Window:
    return Window([*estate.argv, "agent", *argv], *estate.prepare_client())


def state(estate: ContainerEstate) -> str:
    (one,) = estate.run("agent", "list", "--json", code=0).json["agents"]
    assert (one["project"], one["agent"]) == ("isurus", "mine")
    return str(one["state"])


def tell(shown: Window, word: str) -> None:
    shown.press(word, "Enter")
    shown.wait_for_line(f"^did {word}")


@pytest.mark.shared
@pytest.mark.over_ssh(*BY_SSH)
def test_it_outlives_the_terminal_and_tells_its_state(ready: ContainerEstate) -> None:
    with window(ready, "isurus", "--with", "mine", "--", "a b;", "ä'\"") as shown:
        shown.wait_for_line("^ready --all a b; ä'\"")
        shown.press("env", "Enter")
        shown.wait_for_line("^secret=known in=isurus$")
        for word in ("works", "waits", "done"):
            tell(shown, word)
            assert state(ready) == word
        tell(shown, "forged")
        assert state(ready) == "unknown"
        tell(shown, "silent")
        assert state(ready) in ("works", "done")
        tell(shown, "bell")
        assert state(ready) == "waits"
        shown.press("C-b", "d")
        code, lines = shown.wait_for_exit()
        assert code == 0
        attach = f"`repoman agent isurus{ready.host_flag}` attaches again"
        assert f"mine goes on in isurus: {attach}" in " ".join(lines)
    with window(ready, "isurus") as shown:  # of which the terminal is closed
        shown.wait_for_line("^did bell")
    assert state(ready) == "waits"
    done = ready.run("agent", "isurus", "--detach", code=0)
    assert "mine runs already in isurus" in done.err
    for words in (["--new"], ["--with", "claude"], ["--", "more"]):
        done = ready.run("agent", "isurus", "--detach", *words, code=2)
        assert "mine runs in isurus already: attach with" in done.err
    if isinstance(ready, RemoteContainerEstate):
        survives_the_connection(ready)
    else:
        tells_each_change_once(ready)
    assert "stopped mine in isurus" in ready.run("agent", "stop", "isurus", code=0).err
    assert state(ready) == "stopped"
    assert "no agent runs" in ready.run("agent", "stop", "isurus", code=0).err


def survives_the_connection(estate: RemoteContainerEstate) -> None:
    with window(estate, "isurus") as shown:
        tell(shown, "works")
        estate.sshd.kill_connections()
        shown.wait_for_exit()
    assert state(estate) == "works"
    with window(estate, "isurus") as shown:
        tell(shown, "waits")


def tells_each_change_once(estate: ContainerEstate) -> None:
    before, told = estate.registry.read_text(), estate.home / "told"
    script = f"cat >>'{told}'; echo >>'{told}'"
    with estate.registry.open("a") as file:
        file.write(f"\n[alerts]\ncommand = {json.dumps(['sh', '-c', script])}\n")
    for _ in range(2):
        estate.run("agent", "list", "--tell", code=0)
    (line,) = told.read_text().splitlines()
    (one,) = json.loads(line)["agents"]
    assert (one["project"], one["agent"], one["state"]) == ("isurus", "mine", "waits")
    estate.registry.write_text(before)
    assert "names nobody to tell" in estate.run("agent", "list", "--tell", code=2).err


def taken(estate: ContainerEstate) -> list[str]:
    """Return the snapshots of isurus."""
    found = estate.run("snapshot", "list", "isurus", "--json", code=0).json["snapshots"]
    return [one["snapshot"] for one in found if not one["replaced"]]


@pytest.mark.shared
@pytest.mark.parametrize("fresh_estate", ["fabric"], indirect=True)
def test_undo_takes_its_work_back(ready: RemoteContainerEstate) -> None:
    repo, before = ready.local_repos / "isurus", taken(ready)
    (repo / "draft").write_text("half a thought\n")
    with window(ready, "isurus", "--with", "mine", "--new") as shown:
        shown.wait_for_line("^ready --all")
        tell(shown, "edit")
        ready.sshd.kill_connections()
        assert shown.wait_for_exit()[0] != 0
    with window(ready, "isurus") as shown:
        tell(shown, "done")
    (new,) = {*taken(ready)} - {*before}  # none to attach
    assert new.startswith("agent-")
    assert (repo / "draft").read_text() == "nonsense\n"
    ready.run("undo", "isurus", "--yes", code=0)
    assert (repo / "draft").read_text() == "half a thought\n"
    assert not (repo / "new").exists()
    look = 'ls "$HOME/new" "$CLAUDE_CONFIG_DIR/new"'
    assert ready.run("exec", "isurus", "--", "sh", "-c", look).out == ""
    assert state(ready) == "stopped"
    ready.run("undo", "isurus", "--forget", "--yes", code=0)


@pytest.mark.shared
def test_a_session_begins_without_a_snapshot(ready: ContainerEstate) -> None:
    before = taken(ready)
    begin = ("agent", "isurus", "--with", "mine", "--detach")
    done = ready.run(*begin, "--no-snapshot", code=0)
    assert "mine runs in isurus" in done.err
    assert "undo" not in done.err
    ready.run("agent", "stop", "isurus", code=0)
    ready.incus("project", "set", ready.project, "restricted.snapshots=block")
    done = ready.run(*begin, code=0)
    assert "undo can't take back what follows, there is no snapshot: the Incus project" in done.err
    ready.incus("project", "set", ready.project, "restricted.snapshots=allow")
    assert taken(ready) == before


@pytest.mark.shared
def test_it_is_resumed_after_a_restart(ready: ContainerEstate) -> None:
    done = ready.run("agent", "isurus", "--with", "mine", "--detach", code=0)
    assert "mine runs in isurus: attach with `repoman agent isurus`" in done.err
    ready.run("stop", "isurus", code=0)
    assert state(ready) == "stopped"
    with window(ready, "isurus", "--resume") as shown:
        shown.wait_for_line("^ready --last")
        tell(shown, "works")
        shown.press("exit", "Enter")
        code, lines = shown.wait_for_exit()
        assert (code, "mine has ended in isurus" in " ".join(lines)) == (0, True)
    done = ready.run("agent", "isurus", "--detach", code=0)
    assert "`repoman agent isurus --resume` resumes the last one" in done.err


@pytest.mark.shared
def test_one_that_fails_leaves_its_message(ready: ContainerEstate) -> None:
    with window(ready, "isurus", "--with", "mine", "--new") as shown:
        shown.wait_for_line("^ready --all")
        shown.press("C-c")
        shown.wait_for_line("^repoman: mine ended with status 130, Enter closes this")
        shown.press("Enter")
        shown.wait_for_exit()
    assert state(ready) == "stopped"


@pytest.mark.shared
def test_what_is_missing_is_said(ready: ContainerEstate) -> None:
    done = ready.run("agent", "isurus", "--with", "aider", "--detach", code=1)
    assert "aider is not installed in isurus: install it in the container" in done.err
    done = ready.run("agent", "isurus", "--with", "mine", code=2)
    assert "agent needs a terminal: start it without one by --detach" in done.err
    before = taken(ready)
    ready.exec_inside("isurus", "mv", "/usr/bin/tmux", "/usr/bin/away")
    assert "no agent runs in isurus" in ready.run("agent", "stop", "isurus", code=0).err
    done = ready.run("agent", "isurus", "--with", "mine", "--detach", code=1)
    assert "tmux, which keeps the terminal of an agent, is not installed in isurus" in done.err
    assert taken(ready) == before, "none for a session that can't begin"
    ready.exec_inside("isurus", "mv", "/usr/bin/away", "/usr/bin/tmux")
