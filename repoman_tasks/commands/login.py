"""`login`: keep the secret of an agent, and give it to containers."""

from __future__ import annotations

from dataclasses import replace

from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.facts import stored_registry
from repoman_tasks.actions.held_locks import LOCK_SECONDS, hold_lock
from repoman_tasks.cli.task import task
from repoman_tasks.errors import UsageError
from repoman_tasks.model import Registry
from repoman_tasks.planning.container.agents import AGENT_NAMES
from repoman_tasks.planning.container.login_findings import login_state, shared_login_state
from repoman_tasks.planning.container.logins import (
    SHARING_AGENT,
    StoredLogin,
    check_login_options,
    describe_users,
    find_agent,
    find_key,
    login_steps,
    login_text,
    removal_steps,
    secret_kinds,
    share_steps,
    unshare_steps,
)
from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.planning.prompts import SECRET
from repoman_tasks.planning.steps import Step
from repoman_tasks.session import Session
from repoman_tasks.tools.login_files import logins_lock, submit_shared_login, submit_stored_logins
from repoman_tasks.tools.login_folder import login_folder
from repoman_tasks.wizards.project_choice import ask_login


@task(
    wizard=ask_login,
    pre=[stored_registry],
    positional=["agent"],
    help={
        "agent": f"Name of the agent: {', '.join(AGENT_NAMES)} (default: show all logins).",
        "project": "Give the login to this project (can be repeated; default: to all).",
        "stdin": "Read the secret from standard input.",
        "shared": "Share one login of claude with all containers, which renew it by themselves.",
        "remove": "Forget the login, or with --project no longer give it to that project.",
        "dry_run": "Show what would change, and change nothing.",
    },
    examples={
        "repoman login": "Show which agents are logged in",
        "repoman login claude": "Store what `claude setup-token` printed, for all projects",
        "repoman login claude --project isurus": "Give it to one project only",
        "repoman login codex --stdin": "Read an API key from standard input, in a script",
    },
    exit_codes={
        "4": "another command is changing the logins",
        "130": "interrupted, or a prompt was answered with no",
    },
)
def login(
    session: Session,
    project: list[str],
    agent: str | None = None,
    stdin: bool = False,
    shared: bool = False,
    remove: bool = False,
    dry_run: bool = False,
) -> None:
    """Log an agent in: keep its token or API key, and give it to containers.

    The secret is asked for once and not shown. It is kept on the host of the containers, in a file
    that only you can read; `shell` and `exec` pass it in. On its own it shows all logins.
    """
    check_login_options(agent, project, stdin=stdin, shared=shared, remove=remove)
    registry = session.of(stored_registry)
    if registry.missing:
        raise UsageError(f"there is no registry at {session.store.path}", "run `repoman setup`")
    if agent is None:
        _show(session, registry)
        return
    find_agent(agent)
    projects = [find_project(registry, name) for name in project]
    if shared:
        steps, replaces = _share(session, registry, remove=remove), False
    else:
        (stored,) = submit_stored_logins(session.host, [agent]).result()
        text = None if remove else _ask(session, stored, stdin=stdin, dry_run=dry_run)
        planned = removal_steps(stored, registry, projects)
        steps = planned if remove else login_steps(stored, text, registry, projects)
        replaces = text is not None and stored.exists
    done = apply_plan(
        session,
        Plan(steps),
        dry_run=dry_run,
        default=not replaces,
        on_confirm=lambda: _lock(session),
    )
    if done and not remove:
        _show_next(session, agent, shared=shared)


def _ask(session: Session, stored: StoredLogin, *, stdin: bool, dry_run: bool) -> str | None:
    """Return the text for the file of a login; None to keep the stored one."""
    usable = stored.exists and not stored.fault
    if dry_run or session.dry:
        return None if usable and not stdin else ""
    if usable and not stdin and not session.prompter.possible:
        return None
    agent = find_agent(stored.agent)
    if usable and not stdin:
        session.screen.note("An empty answer keeps the stored login.")
    secret = session.prompter.secret(SECRET, secret_kinds(agent), agent.name, piped=stdin)
    if not secret and usable:
        return None
    return login_text(find_key(agent, secret), secret)


def _share(session: Session, registry: Registry, *, remove: bool) -> list[Step]:
    defaults = replace(registry.defaults, shared_login=True)
    found = submit_shared_login(session.host, login_folder(session.host, defaults))
    return (unshare_steps if remove else share_steps)(found.result(), registry)


def _lock(session: Session) -> None:
    """Hold the lock of the logins until the session ends; raise Busy if another process does."""
    path, busy = logins_lock(session.host), "another command is changing the logins"
    hold_lock(session, path, busy, wait_seconds=LOCK_SECONDS)


def _show_next(session: Session, agent: str, *, shared: bool) -> None:
    if shared:
        session.screen.note("Next: repoman setup --repair, then log in once in a container")
        return
    session.discard_facts()
    users = describe_users(agent, session.of(stored_registry))
    session.screen.note(f"given to {users}; `logins` in the registry changes that")


def _show(session: Session, registry: Registry) -> None:
    """Print a table of the logins."""
    now, folder = session.now(), login_folder(session.host, registry.defaults)
    stored = submit_stored_logins(session.host, AGENT_NAMES)
    shared = submit_shared_login(session.host, folder) if folder else None
    rows = [
        [one.agent, login_state(one, now) or "none", describe_users(one.agent, registry)]
        for one in stored.result()
    ]
    if shared is not None:
        state = shared_login_state(shared.result(), now) or "none yet"
        rows.append([f"{SHARING_AGENT}, shared", state, "all containers"])
    session.screen.table(("AGENT", "LOGIN", "GIVEN TO"), rows)
