"""Files for agents are copied from the host at each start, and never back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.containers.conftest import ContainerEstate

VOLUME = "/var/lib/repoman"


def configure(estate: ContainerEstate, *files: str) -> None:
    listed = ", ".join(f'"{file}"' for file in files)
    text = estate.registry.read_text()
    lines = [line for line in text.splitlines() if not line.startswith("agent_files")]
    lines.insert(lines.index("[defaults]") + 1, f"agent_files = [{listed}]")
    estate.registry.write_text("\n".join(lines) + "\n")


def inside(estate: ContainerEstate, script: str) -> str:
    return estate.run("exec", "isurus", "--", "sh", "-c", script, code=0).out


@pytest.fixture
def own(isurus: ContainerEstate) -> Path:
    """Return the folder of Claude Code on the host, with what a person has there."""
    folder = isurus.home / ".claude"
    (folder / "skills/x").mkdir(parents=True)
    (folder / "skills/x/SKILL.md").write_text("skill\n")
    (folder / "skills/secret").symlink_to(isurus.home / ".ssh/id")
    (folder / "CLAUDE.md").write_text("first\n")
    (folder / ".credentials.json").write_text("secret\n")
    return folder


@pytest.mark.over_ssh
def test_they_are_copied_at_each_start(isurus: ContainerEstate, own: Path) -> None:
    configure(isurus, "~/.claude/CLAUDE.md", "~/.claude/skills")
    isurus.run("restart", "isurus", code=0)
    look = 'cd "$CLAUDE_CONFIG_DIR"; cat CLAUDE.md skills/x/SKILL.md; stat -c %u skills CLAUDE.md'
    assert inside(isurus, look).split() == ["first", "skill", *2 * [str(os.getuid())]]
    inside(isurus, 'echo hostile >"$CLAUDE_CONFIG_DIR/CLAUDE.md"')
    assert (own / "CLAUDE.md").read_text() == "first\n", "never back"
    (own / "CLAUDE.md").write_text("second\n")
    isurus.run("stop", "isurus", code=0)
    assert inside(isurus, 'cat "$CLAUDE_CONFIG_DIR/CLAUDE.md"') == "second\n", "exec starts it"
    assert "repoman-files" not in isurus.exec_inside("isurus", "ls", "/tmp").out


@pytest.mark.usefixtures("own")
def test_a_link_is_copied_as_a_link(isurus: ContainerEstate) -> None:
    (isurus.home / ".ssh").mkdir()
    (isurus.home / ".ssh/id").write_text("private key\n")
    configure(isurus, "~/.claude/skills")
    isurus.run("restart", "isurus", code=0)
    assert inside(isurus, '[ -L "$CLAUDE_CONFIG_DIR/skills/secret" ] && echo link') == "link\n"
    found = isurus.exec_inside("isurus", "grep", "-r", "private key", VOLUME, "/home")
    assert found.out == ""


def test_a_new_container_has_them_and_a_path_of_ones_own(
    estate: ContainerEstate,
) -> None:
    (estate.home / "notes").mkdir()
    (estate.home / "notes/a b.md").write_text("note\n")
    configure(estate, "~/notes/a b.md:~/.config/notes/own.md", "~/gone.md")
    (estate.local_repos / "isurus").mkdir()
    done = estate.run("new", "isurus", code=0)
    assert f"{estate.home}/gone.md in agent_files does not exist" in done.err
    assert inside(estate, 'cat "$HOME/.config/notes/own.md"') == "note\n"


NEVER = (
    "~/.claude",
    "~/.claude/.credentials.json",
    "~/.claude/projects",
    "~/.claude.json",
    "~/.ssh/id",
    "/etc/passwd:~/x",
    "@repos/isurus/x:~/x",
    "~/link",
)


def test_what_is_never_copied(isurus: ContainerEstate, own: Path) -> None:
    (isurus.local_repos / "isurus/x").write_text("x")
    (isurus.home / "link").symlink_to(own / ".credentials.json")
    for source in NEVER:
        configure(isurus, source.replace("@repos", str(isurus.local_repos)))
        assert "can't be copied: " in isurus.run("restart", "isurus", code=6).err, source


def test_what_is_too_large_or_no_file(isurus: ContainerEstate, own: Path) -> None:
    configure(isurus, "~/.claude/skills")
    with (own / "skills/big").open("wb") as big:
        big.truncate(17 << 20)
    assert "is larger than 16 MiB" in isurus.run("restart", "isurus", code=1).err
    (own / "skills/big").unlink()
    os.mkfifo(own / "skills/pipe")
    assert "holds a pipe" in isurus.run("restart", "isurus", code=1).err
    entered = isurus.run("exec", "isurus", "--", "true", code=0)
    assert entered.code == 0
