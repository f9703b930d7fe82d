"""The nightly sync, with a `systemctl` or a `crontab` in place of the real ones."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from repoman_tasks.planning.nightly_job import MARK
from tests.support.estate import Estate, Result, run

UNHEALTHY, USAGE = 3, 2
ABSENT = "#!/bin/sh\nexit 1\n"
SYSTEMCTL = """#!/bin/sh
echo "$*" >>"$HOME/calls"
case $* in
*is-enabled*|*is-active*) test -e "$HOME/active" ;;
*restart*) : >"$HOME/active" ;;
*disable*) rm -f "$HOME/active" ;;
esac
"""
CRONTAB = """#!/bin/sh
case $1 in
-l) cat "$HOME/crontab" 2>/dev/null || { echo "no crontab for dev" >&2; exit 1; } ;;
-) cat >"$HOME/crontab" ;;
esac
"""


def provide(estate: Estate, **programs: str) -> None:
    folder = estate.home / "programs"
    folder.mkdir(exist_ok=True)
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    estate.environ["PATH"] = f"{folder}:{estate.environ['PATH']}"


@pytest.fixture
def systemd(estate: Estate) -> Estate:
    """Return an estate on a host with systemd, where units end with the session."""
    provide(estate, systemctl=SYSTEMCTL, loginctl="#!/bin/sh\necho no\n", crontab=ABSENT)
    return estate.prepare("isurus")


@pytest.fixture
def cron(estate: Estate) -> Estate:
    """Return an estate on a host with cron only."""
    provide(estate, systemctl=ABSENT, crontab=CRONTAB)
    return estate.prepare("isurus")


def unit(estate: Estate, kind: str) -> Path:
    return estate.home / f".config/systemd/user/repoman-sync.{kind}"


def test_a_timer_is_installed_changed_and_removed(systemd: Estate) -> None:
    done = systemd.run("nightly", "install", code=0)
    assert "loginctl enable-linger" in done.err
    assert "OnCalendar=*-*-* 03:17\n" in unit(systemd, "timer").read_text()
    calls = (systemd.home / "calls").read_text().splitlines()
    assert calls[-3:] == [
        "--user daemon-reload",
        "--user enable repoman-sync.timer",
        "--user restart repoman-sync.timer",
    ]
    assert systemd.run("nightly", "install", code=0).out == "nothing to do\n"
    shown = systemd.run("nightly", code=0).out
    assert "every night at 03:17" in shown
    assert "its timer is active" in shown
    systemd.run("nightly", "install", "--at", "4:05", code=0)
    assert "OnCalendar=*-*-* 04:05\n" in unit(systemd, "timer").read_text()
    assert systemd.run("nightly", "install", code=0).out == "nothing to do\n", "the time stays"
    (systemd.home / "active").unlink()
    assert "not as it was installed" in systemd.run("nightly", "show", code=0).out
    systemd.run("nightly", "remove", code=0)
    assert not unit(systemd, "timer").exists()
    assert list(unit(systemd, "service").parent.glob("repoman-sync*")) == []
    assert "no nightly sync" in systemd.run("nightly", "show", code=0).out
    assert systemd.run("nightly", "remove", code=0).out == "nothing to do\n"


def test_what_the_service_starts_mirrors(systemd: Estate) -> None:
    systemd.run("nightly", "install", code=0)
    text = unit(systemd, "service").read_text()
    (line,) = re.findall("^ExecStart=(.*)$", text, re.MULTILINE)
    variables = dict(
        shlex.split(word)[0].split("=", 1)
        for word in re.findall("^Environment=(.*)$", text, re.MULTILINE)
    )
    assert variables["XDG_CONFIG_HOME"] == str(systemd.home / ".config")
    others = {k: v for k, v in systemd.environ.items() if not k.startswith("XDG_")}
    done = run(shlex.split(line), {**others, **variables})
    assert done.code == 0, done
    assert (systemd.mirror("isurus") / "README.md").is_file()
    (row, *_) = systemd.run("list", "--json", code=0).json["projects"]
    assert row["proven"] == 100, "it also compares a part of the mirrors by content"


@pytest.mark.parametrize("action", ["install", "remove"])
def test_units_that_a_person_wrote_are_kept(systemd: Estate, action: str) -> None:
    unit(systemd, "timer").parent.mkdir(parents=True)
    unit(systemd, "timer").write_text("[Timer]\n")
    done = systemd.run("nightly", action, code=USAGE if action == "install" else 0)
    assert ("pass --yes" in done.err) is (action == "install")
    assert unit(systemd, "timer").read_text() == "[Timer]\n"
    systemd.run("nightly", "install", "--yes", code=0)
    assert unit(systemd, "timer").read_text().startswith(MARK)


def test_a_line_of_cron_is_added_changed_and_removed(cron: Estate) -> None:
    table = cron.home / "crontab"
    table.write_text("MAILTO=me\n1 2 * * * other\n")
    cron.run("nightly", "install", code=0)
    *others, line = table.read_text().splitlines()
    assert others == ["MAILTO=me", "1 2 * * * other"]
    assert line.startswith("17 3 * * * ")
    assert line.endswith(MARK)
    assert cron.run("nightly", "install", code=0).out == "nothing to do\n"
    assert "in your crontab" in cron.run("nightly", code=0).out
    cron.run("nightly", "install", "--at", "23:30", code=0)
    line = table.read_text().splitlines()[-1]
    assert line.startswith("30 23 * * * ")
    command = line.removeprefix("30 23 * * * ").replace(r"\%", "%")
    others_ = {k: v for k, v in cron.environ.items() if not k.startswith("XDG_")}
    done = run(["sh", "-c", command], others_)
    assert (done.code, done.out) == (0, ""), done
    assert cron.mirror("isurus").is_dir()
    cron.run("nightly", "remove", code=0)
    assert table.read_text() == "MAILTO=me\n1 2 * * * other\n"


def test_a_crontab_that_can_t_be_read_is_not_replaced(cron: Estate) -> None:
    provide(cron, crontab='#!/bin/sh\n[ "$1" = -l ] && { echo "not allowed" >&2; exit 1; }\n')
    assert "can't be read: not allowed" in cron.run("nightly", "install", code=1).err


def test_a_host_with_neither(estate: Estate, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("rsync", "find", "head", "env", "python3"):
        found = shutil.which(name)
        if found:
            (tmp_path / "bin" / name).symlink_to(found)
    estate.prepare("isurus").environ["PATH"] = str(tmp_path / "bin")
    assert "neither systemd nor cron" in estate.run("nightly", "install", code=1).err


def test_a_dry_run_installs_nothing(systemd: Estate) -> None:
    before = systemd.hash_files()
    done = systemd.run("nightly", "install", "--dry-run", code=0)
    assert "would write" in done.out
    calls = str(systemd.home / "calls")
    after = systemd.hash_files()
    assert {k: v for k, v in after.items() if k != calls and not k.endswith("home/.")} == {
        k: v for k, v in before.items() if not k.endswith("home/.")
    }


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["instal"], "did you mean install?"),
        (["install", "--at", "25:00"], "write a time of day"),
        (["install", "--at", "03:17:00"], "write a time of day"),
        (["--at", "03:17"], "--at needs install"),
    ],
)
def test_arguments_that_are_wrong(systemd: Estate, argv: list[str], says: str) -> None:
    assert says in systemd.run("nightly", *argv, code=USAGE).err


def test_status_reports_a_nightly_sync_that_did_not_run(systemd: Estate) -> None:
    systemd.run("nightly", "install", code=0)
    systemd.run("sync", code=0)
    assert "all well" in systemd.run("status", code=0).out
    (state,) = systemd.home.glob(".local/state/repoman/mirrors/*/nightly.json")
    state.write_text(json.dumps({"at": "03:17", "since": "2026-01-02T00:00:00Z"}))
    assert "all well" in systemd.run("status", code=0).out
    text = systemd.registry.read_text()
    systemd.registry.write_text(
        re.sub('last_sync = "[^"]*"', 'last_sync = "2026-01-02T00:00:00Z"', text)
    )
    systemd.registry.write_text(
        systemd.registry.read_text().replace("[defaults]", "[defaults]\nmax_age_hours = 9999999")
    )
    found = systemd.run("status", code=UNHEALTHY).out
    assert "nightly: the nightly sync of 03:17 is overdue, the last sync was " in found
    assert "`repoman nightly show`" in found
    systemd.run("nightly", "remove", code=0)
    assert "overdue" not in systemd.run("status", code=0).out


def test_status_reports_a_timer_that_is_gone(systemd: Estate) -> None:
    systemd.run("sync", code=0)
    systemd.run("nightly", "install", code=0)
    assert "all well" in systemd.run("status", code=0).out
    (systemd.home / "active").unlink()
    found = systemd.run("status", code=UNHEALTHY).out
    assert "nightly: the nightly sync of 03:17 is installed no longer" in found
    provide(systemd, systemctl=ABSENT)  # which can't be asked
    assert "all well" in systemd.run("status", code=0).out
    provide(systemd, systemctl=SYSTEMCTL)
    systemd.run("nightly", "install", code=0)
    assert "all well" in systemd.run("status", code=0).out


def test_status_reports_a_line_of_cron_that_is_gone(cron: Estate) -> None:
    cron.run("sync", code=0)
    cron.run("nightly", "install", code=0)
    assert "all well" in cron.run("status", code=0).out
    (cron.home / "crontab").write_text("# empty\n")
    assert "is installed no longer" in cron.run("status", code=UNHEALTHY).out
    (cron.home / "crontab").unlink()
    assert "is installed no longer" in cron.run("status", code=UNHEALTHY).out
    cron.run("nightly", "remove", code=0)
    assert "all well" in cron.run("status", code=0).out


# --- a sync that systemd found failed -------------------------------------------------------


def failed_service(estate: Estate, **variables: str) -> Result:
    """Run what systemd starts if the nightly sync has failed, with its variables."""
    text = unit(estate, "service").read_text()
    (name,) = re.findall("^OnFailure=(.*)$", text, re.MULTILINE)
    text = (estate.home / ".config/systemd/user" / name).read_text()
    (line,) = re.findall("^ExecStart=(.*)$", text, re.MULTILINE)
    return run(shlex.split(line), {**estate.environ, **variables})


def told(estate: Estate) -> list[int]:
    """Return the exit codes in the documents that the alert's command has got."""
    path = estate.home / "told"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["exit"] for line in lines]


@pytest.mark.parametrize(
    ("result", "status", "tells"),
    [
        ("signal", "KILL", True),
        ("oom-kill", "", True),
        ("exit-code", "1", True),
        ("exit-code", "203", True),
        ("", "", True),  # an older systemd
        ("exit-code", "4", False),
        ("start-limit-hit", "5", False),
    ],
)
def test_a_sync_that_could_not_tell_is_told_of(
    systemd: Estate, result: str, status: str, tells: bool
) -> None:
    command = ["sh", "-c", f"cat >>{systemd.home}/told; echo >>{systemd.home}/told"]
    with systemd.registry.open("a") as file:
        file.write(f"\n[alerts]\ncommand = {json.dumps(command)}\n")
    systemd.run("nightly", "install", code=0)
    done = failed_service(
        systemd, MONITOR_SERVICE_RESULT=result, MONITOR_EXIT_STATUS=status, MONITOR_UNIT="x"
    )
    assert done.code == 0, done
    assert told(systemd) == ([1] if tells else [])
    assert ("did not end by itself" in done.err) is tells


def test_units_are_valid_for_systemd(systemd: Estate) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("not here: systemd-analyze")
    systemd.run("nightly", "install", code=0)
    folder = systemd.home / ".config/systemd/user"
    units = [str(path) for path in folder.glob("repoman-sync*") if path.is_file()]
    assert len(units) == 3
    argv = ["systemd-analyze", "--user", "verify", *units]
    environ = {**systemd.environ, "XDG_RUNTIME_DIR": str(systemd.home)}
    done = run(argv, environ)
    assert (done.code, "repoman-sync" in done.err) == (0, False), done
