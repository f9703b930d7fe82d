"""`nightly`: run `sync` every night, by a timer of systemd or by cron."""

from __future__ import annotations

from repoman_tasks.actions.alerts import SyncAlerts
from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.facts import nightly_state, person, stored_registry
from repoman_tasks.cli.task import task
from repoman_tasks.errors import UsageError
from repoman_tasks.planning.mirror.sync_plan import SyncOptions, plan_sync
from repoman_tasks.planning.nightly_job import (
    DEFAULT_AT,
    Job,
    check_nightly_action,
    check_time,
    crash_reason,
    install_cron,
    install_timer,
    linger_hint,
    remove_cron,
    remove_timer,
)
from repoman_tasks.planning.steps import Step
from repoman_tasks.session import Session
from repoman_tasks.tools.nightly_files import (
    failed_argv,
    has_systemd,
    is_active,
    lingers,
    read_crontab,
    read_units,
    sync_argv,
    write_state,
)

_VARIABLES = ("REPOMAN_CONFIG", "XDG_CONFIG_HOME", "XDG_STATE_HOME")
"""Those that say where the registry and the state are."""


@task(
    positional=["action"],
    greedy=True,
    help={
        "action": "What to do: install, remove or show (default: show). systemd runs failed if a "
        "nightly sync failed.",
        "at": "Time of day at which to run, such as 03:17, the default.",
        "dry_run": "Show what would change, and change nothing.",
    },
    examples={
        "repoman nightly install": "Mirror all projects every night",
        "repoman nightly install --at 23:30": "Change the time",
        "repoman nightly": "Show when it runs, and by what",
        "repoman nightly remove": "Run it no longer",
    },
    exit_codes={"130": "interrupted, or a prompt was answered with no"},
)
def nightly(
    session: Session, action: str | None = None, at: str = "", dry_run: bool = False
) -> None:
    """Run `sync` every night, by a timer of systemd or, where there is none, by cron."""
    check_nightly_action(action or "show")
    if at and action != "install":
        raise UsageError("--at needs install", "run `repoman nightly install --at 03:17`")
    if not session.host.keeps_caches:  # another host, where repoman need not be installed
        raise UsageError("nightly works on this host only", "run it on the host itself")
    if session.of(stored_registry).missing:
        raise UsageError("there is no registry yet", "run `repoman setup`")
    if action == "failed":
        _tell_failed(session)
        return
    systemd = has_systemd(session.host)
    if action in (None, "show"):
        _show(session, systemd=systemd)
    else:
        _change(session, at, installs=action == "install", systemd=systemd, dry_run=dry_run)


def _change(session: Session, at: str, *, installs: bool, systemd: bool, dry_run: bool) -> None:
    """Install or remove what runs the sync, and note that."""
    known = session.of(nightly_state).get("at", "")
    job = _job(session, check_time(at or known or DEFAULT_AT))
    steps = _steps(session, job, installs=installs, systemd=systemd)
    replaces = installs and systemd and any(unit.foreign for unit in read_units(session.host))
    apply_plan(session, Plan(steps), dry_run=dry_run, default=not replaces)
    if dry_run or session.dry:
        return
    by = "systemd" if systemd else "cron"
    state = {"at": job.at, "since": session.now(), "by": by} if installs else {}
    before = session.of(nightly_state)
    if any(state.get(key, "") != before.get(key, "") for key in ("at", "by")):
        write_state(session.host, session.store.mirrors.folder, state)
    if installs and systemd:
        _show_lingering(session)


def _job(session: Session, at: str) -> Job:
    return Job(at, sync_argv(), failed_argv(), _environ(session))


def _tell_failed(session: Session) -> None:
    """Send the alerts that a sync which was killed, or could not start, did not send."""
    reason = crash_reason(session.host.environ)
    if not reason:
        session.screen.line("the nightly sync has told how it ended: see `repoman log`")
        return
    plan = plan_sync(session.of(stored_registry), None, None, SyncOptions())
    SyncAlerts(session, plan).send_crash(reason)
    session.screen.note(f"the nightly sync did not end by itself ({reason})")


def _environ(session: Session) -> tuple[tuple[str, str], ...]:
    environ = session.host.environ
    return tuple((name, environ[name]) for name in _VARIABLES if environ.get(name))


def _steps(session: Session, job: Job, *, installs: bool, systemd: bool) -> list[Step]:
    host = session.host
    if systemd:
        units = read_units(host)
        if installs:
            return install_timer(units, job, active=is_active(host))
        return remove_timer(units)
    crontab = read_crontab(host)
    return install_cron(crontab, job) if installs else remove_cron(crontab)


def _show(session: Session, *, systemd: bool) -> None:
    """Print if a nightly sync is installed, when it runs and if the timer is active."""
    state, screen = session.of(nightly_state), session.screen
    if not state:
        screen.line("no nightly sync is installed")
        screen.note("Next: repoman nightly install")
        return
    screen.line(f"every night at {state['at']}, since {state['since']}")
    job = _job(session, state["at"])
    if _steps(session, job, installs=True, systemd=systemd):
        screen.line("it is not as it was installed")
        screen.note("Next: repoman nightly install")
    elif systemd:
        screen.line("its timer is active")
        _show_lingering(session)
    else:
        screen.line("it is in your crontab")


def _show_lingering(session: Session) -> None:
    if not lingers(session.host):
        session.screen.note(linger_hint(session.of(person).name))
