"""Runs a program in a container as the local user, for `shell` and `exec`."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from repoman_tasks.actions.facts import containers, incus, person, reconcile, repo_identities
from repoman_tasks.actions.project_container import (
    check_startable,
    print_drift,
    repo_path,
    require_container,
    resolve_project,
    settled,
)
from repoman_tasks.errors import Failed, quoted
from repoman_tasks.model import Project
from repoman_tasks.planning.container.logins import given_agents
from repoman_tasks.planning.container.spec import Container, protected_paths
from repoman_tasks.planning.names import absolute
from repoman_tasks.session import Session
from repoman_tasks.tools.git_hint import may_write_config
from repoman_tasks.tools.guest import GuestHandle, enter_argv, stage_secrets

__all__ = ["enter", "read_secrets", "ready_project", "repo_identity", "terminal_settings"]


def enter(
    session: Session,
    name: str | None,
    command: str,
    argv: Sequence[str],
    *,
    login: bool,
    forward_agent: bool = False,
) -> int:
    """Run `argv`, or a login shell, in the container; return its exit code, 128 + N for signal N.

    With `forward_agent` the SSH agent is available in the container meanwhile.
    """
    host, screen = session.host, session.screen
    project, folder = ready_project(session, name, host.folder, command)
    handle = GuestHandle(session.of(incus), project.name, session.of(person))
    terminal, lang = terminal_settings(session)
    variables = read_secrets(session, project)
    repo = repo_path(session.of(reconcile), project)
    with contextlib.ExitStack() as stack:
        if forward_agent:
            from repoman_tasks.actions.ssh_agent import forward_ssh_agent

            lock = session.store.lock_path(f"{project.name}.agent")
            socket = stack.enter_context(forward_ssh_agent(handle, lock, screen))
            variables["SSH_AUTH_SOCK"] = socket
        inner = enter_argv(
            *(handle, folder, argv),
            login=login,
            terminal=terminal,
            lang=lang,
            secrets=stage_secrets(handle, variables, repo) if variables else "",
            outside=(repo, repo_identity(session, project)),
        )
        code = host.hand_over(inner)
    if code and may_write_config(argv):
        _explain_read_only(session, project)
    return code if code >= 0 else 128 - code


def terminal_settings(session: Session) -> tuple[str, str]:
    """Return TERM, empty without a terminal, and the language for what runs in a container."""
    environ = session.host.environ
    terminal = environ.get("TERM", "") if session.screen.live else ""
    return terminal, environ.get("LC_ALL") or environ.get("LANG", "")


def repo_identity(session: Session, project: Project) -> str:
    """Return the device and inode of the project's repo on the host; empty if not known.

    Print a note if the repo is missing or does not answer.
    """
    facts = session.of(reconcile)
    state = facts.repos[project.name]
    if state.problem:
        session.screen.note(f"{project.name}: its repo {state.path} {state.phrase}")
    path = f"{facts.typed_repos}/{project.repo}"
    return session.of(repo_identities).get(path, "")


def _explain_read_only(session: Session, project: Project) -> None:
    """Print why git may have failed, if its configuration is read-only in the container."""
    container = session.of(containers).by_name.get(project.name)
    if container and ".git/config" in protected_paths(container):
        what = "if git could not write its configuration: .git/config is read-only in there"
        session.screen.note(f"{what}, run this outside of the container")


def ready_project(
    session: Session, name: str | None, folder: str, command: str
) -> tuple[Project, str]:
    """Return the project called `name`, or that of `folder`, and the folder to enter.

    Start its container if it is stopped. Raise an error if it can't be entered.
    """
    facts = session.of(reconcile)
    project, entered = resolve_project(facts, name, folder, command)
    container = require_container(facts, session.of(containers), project)
    with settled(session, container) as container:
        if not container.running:
            check_startable(facts, project)
            _start(session, container)
    print_drift(session.screen, facts, session.of(containers), project)
    return project, entered


def read_secrets(session: Session, project: Project) -> dict[str, str]:
    """Return the variables of the logins that a project is given, and of the env_files.

    That of `[defaults]` wins over a login, and that of the project over both. Print a note
    for each login that is missing.
    """
    host, defaults = session.host, session.of(reconcile).registry.defaults
    agents = given_agents(project, defaults)
    files = [path for path in (defaults.env_file, project.env_file) if path]
    if not (agents or files):
        return {}
    from repoman_tasks.tools.login_files import submit_login
    from repoman_tasks.tools.secrets import submit_secrets

    logins = {agent: submit_login(host, agent) for agent in agents}
    own = [submit_secrets(host, absolute(path, host.home)) for path in files]
    variables: dict[str, str] = {}
    for agent, login in logins.items():
        try:
            variables |= login.result()
        except Failed:
            session.screen.note(f"{agent} is not logged in: run `repoman login {quoted(agent)}`")
    for answer in own:
        variables |= answer.result()
    return variables


def _start(session: Session, container: Container) -> None:
    from repoman_tasks.actions.container_plans import step_runner

    action = "unfreeze" if container.status == "frozen" else "start"
    session.screen.note(f"starting {container.name}")
    session.of(incus).set_state(container.name, action)
    try:
        step_runner(session).prepare_inside(container.name)
    except Failed as problem:  # no reason to stay outside
        session.screen.note(str(problem))
