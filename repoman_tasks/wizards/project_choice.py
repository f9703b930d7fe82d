"""Prompt for the project, container, agent or action of a command."""

from __future__ import annotations

import shlex
from functools import partial

from repoman_tasks.actions.facts import containers, reconcile
from repoman_tasks.actions.project_container import resolve_project
from repoman_tasks.cli.wizard import Wizard
from repoman_tasks.errors import UsageError
from repoman_tasks.planning.completion_files import ACTIONS, SHELLS
from repoman_tasks.planning.container.agents import AGENT_NAMES
from repoman_tasks.planning.current_project import project_at
from repoman_tasks.planning.forwarding import parse_forwards, split_name
from repoman_tasks.planning.prompts import (
    ACTION,
    AGENT,
    ARGV,
    CONTAINER,
    NEW_NAME_OF,
    PORT,
    PROJECT,
    REPO,
    SHELL,
)
from repoman_tasks.planning.rename_steps import rename_target
from repoman_tasks.tools.incus import Incus

__all__ = [
    "ask_adopt",
    "ask_agent",
    "ask_any_project",
    "ask_completion",
    "ask_exec",
    "ask_forward",
    "ask_login",
    "ask_project",
    "ask_projects",
    "ask_remove",
    "ask_rename",
    "ask_restore",
]

_NO_AGENT = "none"
"""Not the name of an agent."""


def ask_project(wizard: Wizard) -> None:
    """Prompt for a project with a container, unless the current folder is in the repo of one."""
    facts = wizard.session.of(reconcile)
    if project_at(facts.registry, facts.local_repos, wizard.session.host.folder) is None:
        _project(wizard, [p.name for p in facts.registry.projects if p.container])


def ask_any_project(wizard: Wizard) -> None:
    """Prompt for a project, unless one is named or the current folder is in the repo of one."""
    facts, named = wizard.session.of(reconcile), wizard.arguments["name"]
    if named or project_at(facts.registry, facts.local_repos, wizard.session.host.folder):
        return
    wizard.arguments["name"] = None
    _project(wizard, [project.name for project in facts.registry.projects])
    if named is not None:  # a list
        wizard.arguments["name"] = list(filter(None, [wizard.arguments["name"]]))


def ask_projects(wizard: Wizard) -> None:
    """Prompt for a project as `ask_project` does, unless some are named, or all are meant."""
    if not wizard.arguments["all"] and not wizard.arguments["name"]:
        _ask_after(wizard, [])


def ask_agent(wizard: Wizard) -> None:
    """Prompt for a project as `ask_project` does, after the action `stop`, too."""
    words = wizard.arguments["name"] or []
    if words in ([], ["stop"]):
        _ask_after(wizard, words)


def _ask_after(wizard: Wizard, words: list[str]) -> None:
    """Make a list of `words` and the project that `ask_project` prompts for."""
    wizard.arguments["name"] = None
    ask_project(wizard)
    name = wizard.arguments["name"]
    wizard.arguments["name"] = words if name is None else [*words, name]


def _project(wizard: Wizard, names: list[str]) -> None:
    if names and wizard.arguments["name"] is None:
        wizard.arguments["name"] = wizard.choose(PROJECT, options=dict.fromkeys(names, ""))


def ask_exec(wizard: Wizard) -> None:
    """Prompt for the project, then, if it exists, for what to run in its container."""
    ask_project(wizard)
    if not wizard.session.argv and _has_project(wizard):
        line = wizard.choose(ARGV, options={}, free=True, check=split_argv)
        wizard.session.argv = split_argv(line)


def ask_forward(wizard: Wizard) -> None:
    """Prompt for the project, then, if it exists, for the ports."""
    name, ports = split_name(wizard.arguments["name"], wizard.arguments["port"])
    if name != wizard.arguments["name"]:
        wizard.arguments |= {"name": name, "port": ports}
    ask_project(wizard)
    if not ports and _has_project(wizard):
        line = wizard.choose(
            PORT, options={}, free=True, check=lambda line: parse_forwards(line.split())
        )
        wizard.arguments["port"] = line.split()


def _has_project(wizard: Wizard) -> bool:
    """Return False if there is no such project, which the command itself reports."""
    session, name = wizard.session, wizard.arguments["name"]
    try:
        resolve_project(session.of(reconcile), name, session.host.folder, session.prompter.command)
    except UsageError:
        return False
    return True


def split_argv(line: str) -> tuple[str, ...]:
    """Split a line as a shell does, quotes only. Raise UsageError if a quote is not closed."""
    try:
        return tuple(shlex.split(line))
    except ValueError as error:
        raise UsageError(f"{line!r} can't be split into words", str(error).lower()) from None


def ask_remove(wizard: Wizard) -> None:
    """Prompt for the project, and for what happens to its repo.

    Not with `--yes`: a mistyped number would be the last question.
    """
    arguments = wizard.arguments
    if arguments["name"] or wizard.session.prompter.yes:
        return
    if arguments["mirror"] or arguments["all"]:
        return
    projects = wizard.session.of(reconcile).registry.projects
    if not projects:
        return
    options = dict.fromkeys((project.name for project in projects), "")
    arguments["name"] = [wizard.choose(PROJECT, options=options)]
    choices = {
        "keep_repo": "leave it as it is",
        "delete_repo": "delete it, too, if its mirror is complete",
    }
    if wizard.choose(REPO, options=choices, default="keep_repo") == "delete_repo":
        wizard.arguments["delete_repo"] = True


def ask_rename(wizard: Wizard) -> None:
    """Prompt for the project and its new name."""
    arguments, registry = wizard.arguments, wizard.session.of(reconcile).registry
    _project(wizard, [project.name for project in registry.projects])
    project = registry.project(arguments["name"] or "")
    if project is not None and arguments["to"] is None:
        check = partial(rename_target, registry, project, folder=arguments["folder"])
        arguments["to"] = wizard.choose(
            NEW_NAME_OF, project.name, options={}, free=True, check=check
        )


def ask_restore(wizard: Wizard) -> None:
    """Prompt for a project that has a backup, unless all are meant."""
    if wizard.arguments.get("all"):
        return
    projects = wizard.session.of(reconcile).registry.projects
    _project(wizard, [project.name for project in projects if project.backup])


def ask_adopt(wizard: Wizard) -> None:
    """Prompt for a container that belongs to no project."""
    if wizard.arguments["name"] is not None:
        return
    session, registry = wizard.session, wizard.session.of(reconcile).registry
    if wizard.arguments["from_project"]:
        found = Incus(session.host, wizard.arguments["from_project"]).submit_containers().result()
    else:
        found = dict(session.of(containers).by_name)
    taken = {project.name for project in registry.projects if project.container}
    free = sorted(found if wizard.arguments["from_project"] else found.keys() - taken)
    if free:
        wizard.arguments["name"] = wizard.choose(CONTAINER, options=dict.fromkeys(free, ""))


def ask_login(wizard: Wizard) -> None:
    """Prompt for the agent; by default there is none, and the logins are shown."""
    if wizard.arguments["agent"] is None:
        options = {_NO_AGENT: "none, show all logins", **dict.fromkeys(AGENT_NAMES, "")}
        answer = wizard.choose(AGENT, options=options, default=_NO_AGENT)
        wizard.arguments["agent"] = None if answer in ("", _NO_AGENT) else answer


def ask_completion(wizard: Wizard) -> None:
    """Prompt for the action, and for the shell if $SHELL is not one that repoman supports."""
    if wizard.arguments["action"] is None:
        descriptions = {"install": "complete commands on TAB", "remove": "undo that"}
        wizard.arguments["action"] = wizard.choose(
            ACTION,
            options={action: f"{action}: {descriptions[action]}" for action in ACTIONS},
            default=ACTIONS[0],
        )
    login_shell = wizard.session.host.environ.get("SHELL", "").rpartition("/")[2]
    if login_shell not in SHELLS:
        options = dict.fromkeys(SHELLS, "")
        answer = wizard.choose(SHELL, options=options)
        wizard.arguments["shell"] = answer or wizard.arguments["shell"]
