"""The nightly sync: a timer of systemd, or a line of cron where there is none. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from repoman_tasks.errors import UsageError, quoted
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Failure, Project
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.names import nearest
from repoman_tasks.planning.steps import DeleteFile, RunProgram, Step, WriteFile
from repoman_tasks.planning.text.wording import format_age, hours_since, in_future

__all__ = [
    "ACTIONS",
    "DEFAULT_AT",
    "FAILED",
    "MARK",
    "SERVICE",
    "TIMER",
    "Job",
    "Unit",
    "check_nightly_action",
    "check_time",
    "crash_reason",
    "cron_line",
    "cron_text",
    "gone_finding",
    "install_cron",
    "install_timer",
    "linger_hint",
    "overdue_finding",
    "remove_cron",
    "remove_timer",
    "unit_texts",
]

ACTIONS = ("install", "remove", "show", "failed")
DEFAULT_AT = "03:17"
MARK = "# written by repoman nightly"
"""Begins the units, and ends the line of cron, that repoman may replace or remove."""
SERVICE, TIMER = "repoman-sync.service", "repoman-sync.timer"
FAILED = "repoman-sync-failed.service"
"""The service that systemd starts if the other one has failed."""
_TOLD = tuple(str(code) for code in (3, 4, 5, 6, 130))
"""Exit codes of a sync that has sent its alerts, or that a person interrupted."""
_LATE_HOURS = 26
"""Hours without a sync from which the nightly one is overdue: a day, its random delay, and the
time that it takes."""


@dataclass(frozen=True)
class Job:
    """The program that runs each night."""

    at: str
    argv: tuple[str, ...]
    failed_argv: tuple[str, ...] = ()
    """Runs if the program has failed."""
    environ: tuple[tuple[str, str], ...] = ()
    """Variables that lead to the registry."""


@dataclass(frozen=True)
class Unit:
    """File of a unit as it is."""

    path: str
    content: bytes | None = None
    """None if there is no such file."""

    @property
    def ours(self) -> bool:
        """Return True if repoman wrote it."""
        return (self.content or b"").startswith(MARK.encode())

    @property
    def foreign(self) -> bool:
        """Return True if somebody else wrote it."""
        return self.content is not None and not self.ours


def check_nightly_action(action: str) -> None:
    """Raise UsageError if `action` is not one of ACTIONS."""
    if action not in ACTIONS:
        near = nearest(action, ACTIONS)
        hint = f"did you mean {near}?" if near else "run `repoman nightly install`, remove or show"
        raise UsageError(f"nightly has no action {action!r}", hint)


def check_time(text: str) -> str:
    """Return a time of day, such as 03:17. Raise UsageError if `text` is none."""
    found = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", text, re.ASCII)
    if not found:
        raise UsageError(f"--at {text}", "write a time of day, such as 03:17")
    return f"{int(found[1]):02}:{found[2]}"


# --- systemd ------------------------------------------------------------------------------


def unit_texts(job: Job) -> tuple[str, str, str]:
    """Return the texts of the service, of its timer, and of the service that tells of failures."""
    service = f"""{MARK}
[Unit]
Description=Mirror the repos to the backup share
OnFailure={FAILED}
StartLimitIntervalSec=6h
StartLimitBurst=6

[Service]
Type=oneshot
{_command(job, job.argv)}Nice=10
# Try again if the share is not usable (5), but not after errors that waiting does not cure.
Restart=on-failure
RestartSec=15min
RestartPreventExitStatus=1 2 3 4 6 130
"""
    timer = f"""{MARK}
[Unit]
Description=Mirror the repos every night

[Timer]
OnCalendar=*-*-* {job.at}
RandomizedDelaySec=10min
Persistent=true

[Install]
WantedBy=timers.target
"""
    failed = f"""{MARK}
[Unit]
Description=Tell that the nightly mirroring of the repos has failed

[Service]
Type=oneshot
{_command(job, job.failed_argv)}"""
    return service, timer, failed


def _command(job: Job, argv: Sequence[str]) -> str:
    """Return the lines of a unit that run `argv` with the variables of `job`."""
    variables = "".join(f"Environment={_for_systemd(f'{k}={v}')}\n" for k, v in job.environ)
    command = " ".join(_for_systemd(word).replace("$", "$$") for word in argv)
    return f"{variables}ExecStart={command}\n"


def _for_systemd(word: str) -> str:
    """Return `word` in quotes, as systemd.syntax(7) and the specifiers of systemd.unit(5) ask."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def install_timer(units: Sequence[Unit], job: Job, *, active: bool) -> list[Step]:
    """Return the steps that install the units; none if they are in place and the timer runs."""
    steps: list[Step] = []
    for unit, text in zip(units, unit_texts(job), strict=True):
        if unit.content != text.encode():
            note = ", which is not repoman's" if unit.foreign else ""
            verb = "write" if unit.content is None else "replace"
            steps.append(WriteFile(f"{verb} {unit.path}{note}", unit.path, text))
    if active and not steps:
        return []
    # `enable --now` leaves a timer that runs with its old time.
    run = [["daemon-reload"], ["enable", TIMER], ["restart", TIMER]]
    return [*steps, *(_systemctl(*argv) for argv in run)]


def remove_timer(units: Sequence[Unit]) -> list[Step]:
    """Return the steps that remove the units that repoman wrote."""
    ours = [unit for unit in units if unit.ours]
    if not ours:
        return []
    files = [DeleteFile(unit.path) for unit in ours]
    return [_systemctl("disable", "--now", TIMER), *files, _systemctl("daemon-reload")]


def _systemctl(*argv: str) -> RunProgram:
    whole = ("systemctl", "--user", *argv)
    return RunProgram(f"run {' '.join(whole)}", whole)


def linger_hint(user: str) -> str:
    """Return what to do so that the timer also runs while nobody is logged in."""
    return (
        "It runs only while you are logged in, unless this was done once: "
        f"`sudo loginctl enable-linger {quoted(user)}`"
    )


# --- cron ---------------------------------------------------------------------------------


def cron_line(job: Job) -> str:
    """Return the line of cron. What it prints to standard error, cron mails."""
    hour, minute = job.at.split(":")
    variables = [f"{name}={shlex.quote(value)}" for name, value in job.environ]
    command = " ".join([*variables, shlex.join(job.argv), ">/dev/null"]).replace("%", r"\%")
    return f"{int(minute)} {int(hour)} * * * {command} {MARK}"


def cron_text(present: str, line: str) -> str:
    """Return the crontab `present` with `line` in place of the one that repoman wrote, if any."""
    lines = [one for one in present.splitlines() if not one.endswith(MARK)]
    return "".join(f"{one}\n" for one in [*lines, *([line] if line else [])])


def install_cron(present: str, job: Job) -> list[Step]:
    """Return the step that adds the line to the crontab `present`."""
    return _write_cron(present, cron_text(present, cron_line(job)))


def remove_cron(present: str) -> list[Step]:
    """Return the step that removes the line from the crontab `present`."""
    return _write_cron(present, cron_text(present, ""))


def _write_cron(present: str, text: str) -> list[Step]:
    if text == present:
        return []
    changed = set(text.splitlines()) ^ set(present.splitlines())
    what = f"change your crontab: {'; '.join(sorted(changed))}"
    return [RunProgram(what, ("crontab", "-"), text)]


# --- if it runs ---------------------------------------------------------------------------


def crash_reason(environ: Mapping[str, str]) -> str:
    """Return how a nightly sync ended that could not tell itself; empty if it could.

    `environ` has the variables of systemd.exec(5) for a unit of OnFailure, which before version
    251 it has not.
    """
    result = environ.get("MONITOR_SERVICE_RESULT", "")
    status = environ.get("MONITOR_EXIT_STATUS", "")
    if result == "success" or (result == "exit-code" and status in _TOLD):
        return ""
    if result == "start-limit-hit":  # each try has told that the share is not usable
        return ""
    return f"{result or 'it failed'}{f', {status}' if status else ''}"


def gone_finding(installed: Mapping[str, str], *, in_place: bool | None) -> list[Finding]:
    """Return the finding about a nightly sync that was installed, but is no longer in place.

    `in_place` is None if that can't be found out.
    """
    if not installed or in_place is not False:
        return []
    what = f"the nightly sync of {installed['at']} is installed no longer, or it is not active"
    cure = "run `repoman nightly install`, or `repoman nightly remove` if that is right"
    return [Finding("nightly", what, cure, kind="nightly-gone")]


def overdue_finding(
    installed: Mapping[str, str],
    projects: Iterable[Project],
    failures: Mapping[str, Failure],
    now: str,
) -> list[Finding]:
    """Return the finding about a nightly sync that should have run, but did not.

    `installed` has its time of day and `since` when it is installed; empty if it is not. A sync
    that failed did run.
    """
    backed_up = [project for project in projects if project.backup]
    if not installed or not backed_up:
        return []
    times = [installed["since"], *(p.last_sync for p in backed_up if p.last_sync)]
    times += [failures[p.name].time for p in backed_up if p.name in failures]
    times = [time for time in times if not in_future(time, now)] or times
    last = min(times, key=lambda time: hours_since(time, now))
    if hours_since(last, now) <= _LATE_HOURS:
        return []
    what = f"the nightly sync of {installed['at']} is overdue, the last sync was "
    cure = "see if it is in place with `repoman nightly show`, then run `repoman sync`"
    return [Finding("nightly", what + format_age(last, now), cure, kind="nightly")]
