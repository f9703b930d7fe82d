"""`login` on a real terminal: the secret is not shown, and the terminal is left as it was."""

from __future__ import annotations

from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pytest

from tests.support import terminals
from tests.support.estate import Estate

TOKEN = "sk-ant-oat01-abcdefghijklmnopqrstuvwxyz-S3cret"
OTHER = "sk-ant-oat01-ABCDEFGHIJKLMNOPQRSTUVWXYZ-S3cret"
ASKS = "What is the token or API key of claude? It will not be shown. "
GO = "Go ahead? "


@pytest.fixture
def isurus(estate: Estate) -> Estate:
    return estate.prepare("isurus")


def start(estate: Estate, *argv: str) -> pexpect.spawn[str]:
    """Start a shell that runs repoman, then shows if the terminal echoes."""
    shows = 'case $(stty -a) in *" -echo "*) echo off ;; *) echo on ;; esac'
    script = f'trap : INT; "$@"; echo "code=$?"; {shows}'
    command = ["sh", "-c", script, "sh", *estate.argv, "login", *argv]
    return terminals.spawn(command, estate.environ, estate.home, columns=200)


def end(child: pexpect.spawn[str], code: int) -> str:
    """Return the output until the end; check the exit code, and that the terminal echoes."""
    child.expect(pexpect.EOF)
    child.close()
    output = str(child.before)
    assert f"code={code}\r\non\r\n" in output
    return output


def stored(estate: Estate) -> Path:
    return estate.home / ".local/state/repoman/logins/claude.env"


def test_a_secret_is_asked_for_once_and_not_shown(isurus: Estate) -> None:
    child = start(isurus)
    child.expect_exact("2  claude")
    child.expect_exact("Log in which agent? [1] ")
    child.send("claude\r")
    child.expect_exact(ASKS)
    child.send(f"{TOKEN}\r")
    child.expect_exact(GO)
    assert "S3cret" not in str(child.before)
    assert "repoman login claude --yes\r\n" in str(child.before), "the same without prompts"
    child.send("\r")
    assert "S3cret" not in end(child, 0)
    assert TOKEN in stored(isurus).read_text()


def test_an_empty_answer_keeps_what_is_stored(isurus: Estate) -> None:
    isurus.run("login", "claude", "--stdin", given=f"{TOKEN}\n", code=0)
    child = start(isurus, "claude")
    child.expect_exact("An empty answer keeps the stored login.")
    child.expect_exact(ASKS)
    child.send("\r")
    assert "nothing to do" in end(child, 0)
    child = start(isurus, "claude")
    child.expect_exact(ASKS)
    child.send(f"{OTHER}\r")
    child.expect_exact(f"{GO}[y/N] ")
    child.send("\r")
    end(child, 130)
    assert TOKEN in stored(isurus).read_text()


def test_ctrl_c_at_the_prompt_leaves_the_terminal_as_it_was(isurus: Estate) -> None:
    child = start(isurus, "claude")
    child.expect_exact(ASKS)
    child.send("S3cret\x03")
    assert "S3cret" not in end(child, 130)
    assert not stored(isurus).exists()


def test_by_default_the_wizard_shows_the_logins(isurus: Estate) -> None:
    child = start(isurus)
    child.expect_exact("[1] ")
    child.send("\r")
    assert "AGENT" in end(child, 0)
