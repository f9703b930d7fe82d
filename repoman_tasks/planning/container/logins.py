"""Logins of agents that repoman keeps: their form, who is given them, and steps. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from repoman_tasks.errors import UsageError
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Defaults, Project, Registry
from repoman_tasks.planning.container.agents import AGENT_NAMES, Agent, Key, named_agent
from repoman_tasks.planning.registry_edits import Edit, SetKeys
from repoman_tasks.planning.steps import DeleteFile, Step, WriteFile, WriteRegistry

__all__ = [
    "SHARING_AGENT",
    "SharedLogin",
    "StoredLogin",
    "check_login_options",
    "describe_users",
    "find_agent",
    "find_key",
    "given_agents",
    "login_steps",
    "login_text",
    "removal_steps",
    "secret_kinds",
    "share_steps",
    "unshare_steps",
    "users_of",
]

SHARING_AGENT = "claude"
"""The one agent that can take its login from a folder that holds nothing else."""


@dataclass(frozen=True)
class StoredLogin:
    """File that holds the login of an agent, as it is on the host."""

    agent: str
    path: str
    exists: bool = False
    fault: str = ""
    """Problem with the file, with its verb, such as "can be read by others"."""
    cure: str = ""
    key: Key | None = None
    """Kind of the secret in it; None if it can't be parsed."""
    stored: str = ""
    """Time at which it was stored (UTC)."""


@dataclass(frozen=True)
class SharedLogin:
    """Login that containers share, as an agent inside wrote it. It may be hostile."""

    path: str
    exists: bool = False
    fault: str = ""
    cure: str = ""
    usable_until: float | None = None
    """Time in seconds since 1970 after which it can't be renewed; None if nobody knows."""
    account: str = ""
    """Organisation that it belongs to; empty if the file has none."""
    account_path: str = ""
    """File that records the organisation it should belong to."""
    recorded_account: str = ""


def check_login_options(
    agent: str | None, projects: Sequence[str], *, stdin: bool, shared: bool, remove: bool
) -> None:
    """Raise UsageError for options of `login` that can't be combined."""
    if agent is None and (projects or stdin or shared or remove):
        raise UsageError("login needs the name of an agent", f"one of {', '.join(AGENT_NAMES)}")
    if shared and agent != SHARING_AGENT:
        raise UsageError(f"{agent} has no login that can be shared", "leave out --shared")
    if shared and (projects or stdin):
        raise UsageError(
            "--shared can't be combined with --project or --stdin", "all containers share it"
        )
    if remove and stdin:
        raise UsageError("--remove and --stdin can't be combined", "choose one")


def find_agent(name: str) -> Agent:
    """Return the built-in agent called `name`; raise UsageError if there is none."""
    return named_agent(name, None)


def find_key(agent: Agent, secret: str) -> Key:
    """Return the kind of `secret`; raise UsageError, without its text, if it is none of `agent`."""
    found = next((key for key in agent.keys if re.fullmatch(key.pattern, secret)), None)
    if found is None:
        raise UsageError(
            f"this is not a valid {secret_kinds(agent)} of {agent.name}",
            "copy all of it; for another provider, put its variable into `env_file`",
        )
    return found


def secret_kinds(agent: Agent) -> str:
    """Return what an agent can be logged in with, such as "token or API key"."""
    return " or ".join(dict.fromkeys(key.kind for key in agent.keys))


def login_text(key: Key, secret: str) -> str:
    """Return the text of the file for `secret`."""
    return f"# Written by `repoman login`.\n{key.variable}={secret}\n"


# --- who is given a login -------------------------------------------------------------------


def given_agents(project: Project, defaults: Defaults) -> tuple[str, ...]:
    """Return the names of the agents whose logins are passed into the project's container."""
    return defaults.logins if project.logins is None else project.logins


def users_of(agent: str, registry: Registry) -> list[str]:
    """Return the names of the projects that are given the login of `agent`."""
    defaults = registry.defaults
    return [p.name for p in registry.projects if agent in given_agents(p, defaults)]


def describe_users(agent: str, registry: Registry) -> str:
    """Return who is given the login of `agent`, such as "all projects"."""
    users = users_of(agent, registry)
    if agent in registry.defaults.logins and len(users) == len(registry.projects):
        return "all projects"
    return ", ".join(users) or "nobody"


def _grant_steps(agent: str, registry: Registry, projects: Sequence[Project]) -> list[Step]:
    """Return the step that gives the login to `projects`, or to all if nobody has it yet."""
    defaults = registry.defaults
    if projects:
        given = {p.name: given_agents(p, defaults) for p in projects}
        edits: list[Edit] = [
            SetKeys({"logins": (*agents, agent)}, project=name)
            for name, agents in given.items()
            if agent not in agents
        ]
        what = f"give the login of {agent} to {', '.join(given)}"
    elif agent in defaults.logins or users_of(agent, registry):
        return []
    else:
        edits = [SetKeys({"logins": (*defaults.logins, agent)})]
        what = f"give the login of {agent} to all projects"
    return [WriteRegistry(what, tuple(edits))] if edits else []


def _withdraw_edits(agent: str, tables: Mapping[str, tuple[str, ...]]) -> list[Edit]:
    """Return the edits that remove `agent` from lists, by project; "" stands for `[defaults]`."""
    return [
        SetKeys({"logins": left if left or project else None}, project=project)
        for project, agents in tables.items()
        if (left := tuple(name for name in agents if name != agent)) != agents
    ]


# --- steps ----------------------------------------------------------------------------------


def login_steps(
    login: StoredLogin,
    text: str | None,
    registry: Registry,
    projects: Sequence[Project],
) -> list[Step]:
    """Return the steps that store `text`, if any, and give the login to `projects`.

    Without projects it is given to all, unless somebody has it: a new token must not widen that.
    """
    steps: list[Step] = []
    if text is not None:
        if login.fault:  # writing would keep the mode, or follow a link
            steps.append(DeleteFile(login.path))
        verb = "replace" if login.exists else "write"
        steps.append(
            WriteFile(f"{verb} the login of {login.agent}, {login.path}", login.path, text)
        )
    return [*steps, *_grant_steps(login.agent, registry, projects)]


def removal_steps(
    login: StoredLogin, registry: Registry, projects: Sequence[Project]
) -> list[Step]:
    """Return the steps that take a login from `projects`, or that forget it if there are none."""
    agent, defaults = login.agent, registry.defaults
    if projects:
        tables = {p.name: given_agents(p, defaults) for p in projects}
        what = f"no longer give the login of {agent} to {', '.join(tables)}"
    else:
        own = {p.name: p.logins for p in registry.projects if p.logins is not None}
        tables = {"": defaults.logins, **own}
        what = f"give the login of {agent} to nobody"
    edits = _withdraw_edits(agent, tables)
    steps: list[Step] = [WriteRegistry(what, tuple(edits))] if edits else []
    return steps if projects or not login.exists else [*steps, DeleteFile(login.path)]


def share_steps(login: SharedLogin, registry: Registry) -> list[Step]:
    """Return the steps that share one login, and record the account that it has, if it tells."""
    steps: list[Step] = []
    if not registry.defaults.shared_login:
        what = "share one login of claude with all containers"
        steps.append(WriteRegistry(what, (SetKeys({"shared_login": True}),)))
    if login.account and login.account != login.recorded_account:
        what = f"record that the login is of organisation {login.account}"
        steps.append(WriteFile(what, login.account_path, f"{login.account}\n"))
    return steps


def unshare_steps(login: SharedLogin, registry: Registry) -> list[Step]:
    """Return the steps that end sharing, and delete the login that was shared."""
    files = {login.path: login.exists, login.account_path: bool(login.recorded_account)}
    steps: list[Step] = []
    if registry.defaults.shared_login:
        what = "share no login of claude"
        steps.append(WriteRegistry(what, (SetKeys({"shared_login": False}),)))
    return [*steps, *(DeleteFile(path) for path, exists in files.items() if exists)]
