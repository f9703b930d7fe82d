"""`login` keeps secrets on the host, and `status` reports what is wrong with them."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.tools.login_folder import submit_other_names
from tests.support.cures import paste_cure
from tests.support.estate import Estate, Result, run

TOKEN = "sk-ant-oat01-abcdefghijklmnopqrstuvwxyz-S3cret"
OTHER = "sk-ant-oat01-ABCDEFGHIJKLMNOPQRSTUVWXYZ-S3cret"


@pytest.fixture
def isurus(estate: Estate) -> Estate:
    """Return an estate with two projects, the first of which has a container."""
    estate.prepare("isurus", "lamna")
    text = estate.registry.read_text()
    estate.registry.write_text(text.replace("container = false\n", "", 1))
    return estate


def log_in(estate: Estate, *argv: str, secret: str = TOKEN, code: int = 0) -> Result:
    return estate.run("login", *argv, "--stdin", given=f"{secret}\n", code=code)


def stored(estate: Estate, agent: str = "claude") -> Path:
    return estate.home / f".local/state/repoman/logins/{agent}.env"


def findings(estate: Estate) -> list[dict[str, Any]]:
    found = estate.run("status", "--json").json["findings"]
    return [finding for finding in found if finding["kind"] == "login"]


def paste(estate: Estate, cure: str, secret: str = TOKEN) -> None:
    """Do what the first command of a cure says, as a person does who has the secret at hand."""
    command = re.findall("`(.+?)`", cure)[0]
    if command.startswith("repoman login"):
        log_in(estate, *command.split()[2:], "--yes", secret=secret)
    else:
        assert run(["sh", "-c", command], estate.environ).code == 0


@pytest.mark.over_ssh
def test_a_secret_is_kept_for_its_owner_only_and_given_to_all(isurus: Estate) -> None:
    done = log_in(isurus, "claude")
    assert stored(isurus).read_text().splitlines()[-1] == f"CLAUDE_CODE_OAUTH_TOKEN={TOKEN}"
    assert stat.S_IMODE(stored(isurus).stat().st_mode) == 0o600
    assert stat.S_IMODE(stored(isurus).parent.stat().st_mode) == 0o700
    assert 'logins = ["claude"]' in isurus.registry.read_text()
    shown = isurus.run("login", code=0)
    assert re.search(r"^claude +token, stored just now +all projects$", shown.out, re.MULTILINE)
    assert re.search(r"^codex +none +nobody$", shown.out, re.MULTILINE)
    assert "S3cret" not in done.out + done.err + shown.out + isurus.registry.read_text()
    assert findings(isurus) == []


@pytest.mark.over_ssh
def test_a_secret_is_in_no_log_debug_or_argument(isurus: Estate) -> None:
    log = isurus.base / "changes.jsonl"
    isurus.client_variables["REPOMAN_LOG"] = str(log)
    output = ""
    for argv, secret, code in (
        (["--debug", "login", "claude", "--stdin"], TOKEN, 0),
        (["--debug", "login", "claude", "--stdin", "--yes"], OTHER, 0),
        (["--debug", "login", "claude", "--stdin", "--yes"], f"{TOKEN} ", 0),
        (["--debug", "login", "codex", "--stdin"], TOKEN, 2),
        (["--dry", "login", "claude", "--stdin"], TOKEN, 0),
        (["login", "claude", "--stdin", "--dry-run"], TOKEN, 0),
    ):
        done = isurus.run(*argv, given=f"{secret}\n", code=code)
        output += done.out + done.err
    assert "S3cret" not in output
    assert stored(isurus).name in log.read_text()
    assert "S3cret" not in log.read_text()
    help_page = isurus.run("login", "--help", code=0).out
    assert "SECRET" not in help_page.upper().replace("THE SECRET", "")


def test_a_login_for_one_project(isurus: Estate) -> None:
    log_in(isurus, "claude", "--project", "lamna")
    assert "[defaults]\nlogins" not in isurus.registry.read_text()
    assert re.search(r"^claude +token.* +lamna$", isurus.run("login").out, re.MULTILINE)
    isurus.run("login", "claude", "--project", "isurus", code=0)  # what is stored is enough
    assert re.search(r" isurus, lamna$", isurus.run("login").out, re.MULTILINE)
    isurus.run("login", "claude", "--remove", "--project", "lamna", code=0)
    assert stored(isurus).exists()
    assert re.search(r"^claude +token.* isurus$", isurus.run("login").out, re.MULTILINE)
    log_in(isurus, "claude", "--yes", secret=OTHER)
    assert re.search(r"^claude +token.* isurus$", isurus.run("login").out, re.MULTILINE)
    unknown = isurus.run("login", "claude", "--project", "raja", code=2)
    assert "no project is called 'raja'" in unknown.err


def test_a_login_is_replaced_only_after_yes(isurus: Estate) -> None:
    log_in(isurus, "claude")
    assert "pass --yes" in log_in(isurus, "claude", secret=OTHER, code=2).err
    assert TOKEN in stored(isurus).read_text()
    log_in(isurus, "claude", "--yes", secret=OTHER)
    assert OTHER in stored(isurus).read_text()


def test_a_login_is_forgotten(isurus: Estate) -> None:
    log_in(isurus, "claude")
    before = isurus.registry.read_text()
    isurus.run("login", "claude", "--remove", "--dry-run", code=0)
    assert isurus.registry.read_text() == before
    isurus.run("login", "claude", "--remove", code=0)
    assert not stored(isurus).exists()
    assert "logins" not in isurus.registry.read_text()
    assert isurus.run("login", "claude", "--remove", code=0).out == "nothing to do\n"
    assert findings(isurus) == []


@pytest.mark.parametrize("secret", ["", "S3cret", f"{TOKEN}\0", f"x {TOKEN}", "\udcff" * 30])
def test_an_invalid_secret_is_refused_and_not_shown(isurus: Estate, secret: str) -> None:
    given = secret.encode(errors="surrogateescape").decode(errors="replace")
    done = log_in(isurus, "claude", secret=given, code=2)
    assert "this is not a valid token or API key of claude" in done.err
    assert "S3cret" not in done.err
    assert not stored(isurus).exists()


def test_without_a_terminal_the_secret_comes_from_stdin(isurus: Estate) -> None:
    assert "pass --stdin" in isurus.run("login", "claude", code=2).err


def test_a_host_that_is_not_set_up(estate: Estate) -> None:
    assert "run `repoman setup`" in log_in(estate, "claude", code=2).err
    assert list(estate.home.rglob("*.env")) == []


def test_an_unknown_agent_in_the_registry(isurus: Estate) -> None:
    text = isurus.registry.read_text()
    isurus.registry.write_text(text.replace("[defaults]", '[defaults]\nlogins = ["x"]'))
    assert "no agent is called 'x'" in isurus.run("list", code=2).err


# --- what status reports ----------------------------------------------------------------------


def make_missing(path: Path) -> None:
    path.unlink()


def make_open(path: Path) -> None:
    path.chmod(0o640)


def make_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def make_invalid(path: Path) -> None:
    path.write_text("CLAUDE_CODE_OAUTH_TOKEN=S3cret\n")


def make_old(path: Path) -> None:
    then = time.time() - 366 * 86400
    os.utime(path, (then, then))


BROKEN: dict[Callable[[Path], None], str] = {
    make_missing: "claude is not logged in",
    make_open: "can be read by others",
    make_link: "is not a regular file",
    make_pipe: "is not a regular file",
    make_invalid: "can't be parsed",
    make_old: "such tokens expire after 365 d",
}


@pytest.mark.parametrize("breaks", BROKEN, ids=lambda breaks: breaks.__name__)
def test_a_login_that_can_not_be_used_is_reported_and_its_cure_works(
    isurus: Estate, breaks: Callable[[Path], None]
) -> None:
    log_in(isurus, "claude")
    breaks(stored(isurus))
    (finding,) = findings(isurus)
    assert BROKEN[breaks] in finding["what"]
    assert "S3cret" not in json.dumps(finding)
    paste_cure(isurus, "login", answers=("--stdin", "--yes"), given=f"{TOKEN}\n")
    assert findings(isurus) == []
    assert stat.S_IMODE(stored(isurus).stat().st_mode) == 0o600


def test_the_other_way_out_of_a_missing_login(isurus: Estate) -> None:
    log_in(isurus, "claude")
    stored(isurus).unlink()
    (finding,) = findings(isurus)
    command = re.findall("`(.+?)`", finding["cure"])[1]
    isurus.run(*command.split()[1:], code=0)
    assert findings(isurus) == []


def test_a_login_that_no_container_is_given_is_not_checked(isurus: Estate) -> None:
    log_in(isurus, "claude", "--project", "lamna")  # has no container
    stored(isurus).unlink()
    assert findings(isurus) == []


# --- the shared login -------------------------------------------------------------------------

CREDENTIALS: dict[str, Any] = {
    "accessToken": "sk-ant-oat01-S3cret",
    "refreshToken": "sk-ant-ort01-S3cret",
    "expiresAt": 1000,  # long ago, but it can be renewed
    "scopes": ["user:inference"],
}


@pytest.fixture
def shared(isurus: Estate) -> Path:
    """Share a login; return the file that holds it, with a login that can be used."""
    isurus.run("login", "claude", "--shared", code=0)
    assert "shared_login = true" in isurus.registry.read_text()
    path = isurus.home / ".local/share/repoman/claude-login/.credentials.json"
    path.parent.mkdir(mode=0o700, parents=True)
    write(path, {})
    return path


def write(path: Path, changes: Mapping[str, object], account: str = "org-1") -> None:
    text = json.dumps({"claudeAiOauth": {**CREDENTIALS, **changes}, "organizationUuid": account})
    path.write_text(text)
    path.chmod(0o600)


def test_a_shared_login_that_can_be_used(isurus: Estate, shared: Path) -> None:
    assert findings(isurus) == []
    shown = isurus.run("login", code=0)
    assert re.search(r"^claude, shared +shared login +all", shown.out, re.MULTILINE)
    isurus.run("login", "claude", "--shared", "--remove", code=0)
    assert not shared.exists()
    assert "shared_login = false" in isurus.registry.read_text()
    assert findings(isurus) == []


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "null", '{"claudeAiOauth": 1}', '{"claudeAiOauth": {}}', "\xff"),
        *("[" * 60_000, "x" * 70_000, '{"claudeAiOauth": {"accessToken": 1}}'),
        json.dumps({"claudeAiOauth": {**CREDENTIALS, "refreshToken": [1]}, "x": 10**400}),
        *(
            json.dumps({"claudeAiOauth": {**CREDENTIALS, "refreshToken": "", "expiresAt": time}})
            for time in ("\x1b", 10**400, "nan", "inf", True, None)
        ),
    ],
    ids=range(17),
)
def test_a_shared_login_that_can_not_be_parsed(isurus: Estate, shared: Path, text: str) -> None:
    shared.write_bytes(text.encode("latin-1"))
    (finding,) = findings(isurus)
    assert finding["what"].endswith("can't be parsed")
    paste(isurus, finding["cure"])
    (finding,) = findings(isurus)
    assert finding["what"] == "the shared login of claude does not exist yet"
    assert finding["cure"] == "log in: `repoman shell isurus -- claude auth login`"


@pytest.mark.parametrize("breaks", [make_open, make_link, make_pipe], ids=lambda b: b.__name__)
def test_another_file_in_place_of_the_shared_login(
    isurus: Estate, shared: Path, breaks: Callable[[Path], None]
) -> None:
    breaks(shared)
    (finding,) = findings(isurus)
    assert BROKEN[breaks] in finding["what"]
    paste(isurus, finding["cure"])
    assert [f for f in findings(isurus) if "does not exist yet" not in f["what"]] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"refreshToken": ""},
        {"refreshToken": None},
        # As Claude Code leaves it if the server no longer renews it
        {"accessToken": "", "refreshToken": "", "expiresAt": 0},
    ],
)
def test_a_shared_login_that_has_expired(
    isurus: Estate, shared: Path, changes: dict[str, object]
) -> None:
    write(shared, changes)
    (finding,) = findings(isurus)
    assert finding["what"] == "the shared login of claude has expired"
    write(shared, {**changes, "accessToken": "x", "expiresAt": (time.time() + 600) * 1000})
    assert findings(isurus) == []


def test_a_shared_login_of_another_account(isurus: Estate, shared: Path) -> None:
    isurus.run("login", "claude", "--shared", code=0)  # records the account
    assert findings(isurus) == []
    write(shared, {}, account="org-2")
    (finding,) = findings(isurus)
    assert "is of organisation org-2, not of org-1" in finding["what"]
    isurus.run(*re.findall("`repoman (.+?)`", finding["cure"])[0].split(), code=0)
    assert findings(isurus) == []
    write(shared, {}, account="\x1b[31m" + "x" * 1000)
    assert findings(isurus) == [], "nothing is believed of a name that can't be one"


def test_a_shared_folder_with_more_files_than_can_be_listed(isurus: Estate, shared: Path) -> None:
    """It is a finding like others, and hides none."""
    host, folder = LocalHost(isurus.environ), str(shared.parent)
    assert submit_other_names(host, folder).result() == ()
    (shared.parent / "settings.json").write_text("")
    assert submit_other_names(host, folder).result() == ("settings.json",)
    for number in range(3000):
        (shared.parent / f"settings-of-another-kind-{number}").write_text("")
    assert submit_other_names(host, folder).result() == ("more files than can be listed",)
