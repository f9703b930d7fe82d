"""The agents that people run in containers: their state, and the variables of their logins. Pure.

Each project has a volume of its own at VOLUME_PATH, which outlives its container. An agent finds
its folder there by a variable, or by a link in the home if it has no variable of that kind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from repoman_tasks.errors import UsageError
from repoman_tasks.model import AgentEntry, Defaults, Pairs
from repoman_tasks.planning.names import absolute, inside, nearest, variable_fault

__all__ = [
    "AGENTS",
    "AGENT_NAMES",
    "LOGIN_PATH",
    "PRIVATE",
    "SETTINGS_PATH",
    "STATE_OPTION",
    "VOLUME_PATH",
    "Agent",
    "Key",
    "agent_fault",
    "agent_file",
    "agent_folders",
    "all_agents",
    "default_agent",
    "first_start_settings",
    "kept_folders",
    "named_agent",
    "volume_variables",
]

VOLUME_PATH = "/var/lib/repoman"
"""Path of the project's volume inside its container."""
LOGIN_PATH = "/var/lib/repoman-login"
"""Path of the shared login folder inside containers, if there is one."""
SETTINGS_PATH = f"{VOLUME_PATH}/claude/.claude.json"
"""Path of the settings of Claude Code inside a container."""
STATE_OPTION = "@repoman"
"""Option of a window of tmux by which an agent in it tells its state."""
_HISTORY = ("HISTFILE", "history")
"""Variable and file of the shell's history: bash and zsh use it."""


class Key(NamedTuple):
    """A secret that logs in, and the variable by which agents take it."""

    kind: str
    variable: str
    pattern: str
    """Regular expression of all of it."""
    days: int = 0
    """Number of days that it is valid; 0 if nobody knows."""


_ANTHROPIC = Key("API key", "ANTHROPIC_API_KEY", r"sk-ant-api[0-9]{2}-[A-Za-z0-9_-]{20,}")
_OPENAI_FORM = r"sk-(?!ant-)[A-Za-z0-9_-]{20,}"
_OPENAI = Key("API key", "OPENAI_API_KEY", _OPENAI_FORM)
_GEMINI = Key("API key", "GEMINI_API_KEY", r"(AIza|AQ\.)[A-Za-z0-9_.-]{20,}")


class Agent(NamedTuple):
    """An agent; all paths are relative, those on the volume to VOLUME_PATH."""

    name: str
    folder: str = ""
    """Folder on the volume that holds its configuration and state; empty if it has none."""
    variables: Pairs = ()
    """Variables that make it use the volume, each with a folder there."""
    keep: tuple[str, ...] = ()
    """Folders in the home that are links into the volume, because no variable moves them."""
    host: tuple[str, ...] = ()
    """Its files and folders in the home of the host: the host's agent runs what is in them."""
    keys: tuple[Key, ...] = ()
    """Secrets that it takes; their patterns do not overlap."""
    command: tuple[str, ...] = ()
    """Program that starts it, with its arguments."""
    resume: tuple[str, ...] = ()
    """The same for its last conversation; empty if it can't resume one."""
    hooks: tuple[str, ...] = ()
    """Arguments that are added to both, by which it tells its state."""


def _told(state: str) -> list[dict[str, str]]:
    """Return the hook of Claude Code by which it tells that it is in `state`."""
    return [{"type": "command", "command": f"tmux set-option -w {STATE_OPTION} {state}"}]


_QUESTIONS = "AskUserQuestion|ExitPlanMode"
_CLAUDE_HOOKS = {
    "SessionStart": [{"matcher": "startup|resume|clear", "hooks": _told("waits")}],
    "UserPromptSubmit": [{"hooks": _told("works")}],
    "PreToolUse": [{"matcher": _QUESTIONS, "hooks": _told("waits")}],
    "PostToolUse": [{"hooks": _told("works")}],
    "Notification": [{"matcher": "permission_prompt|elicitation_dialog", "hooks": _told("waits")}],
    "Stop": [{"hooks": _told("done")}],
}
_CLAUDE = ("claude", "--dangerously-skip-permissions")
_CODEX_FLAG = "--dangerously-bypass-approvals-and-sandbox"

AGENTS = (
    Agent(
        "claude",
        folder="claude",
        variables=(("CLAUDE_CONFIG_DIR", "claude"),),
        host=(".claude", ".claude.json"),
        keys=(
            Key(
                "token",
                "CLAUDE_CODE_OAUTH_TOKEN",
                r"sk-ant-oat[0-9]{2}-[A-Za-z0-9_-]{20,}",
                days=365,
            ),
            _ANTHROPIC,
        ),
        command=_CLAUDE,
        resume=(*_CLAUDE, "--continue"),
        hooks=("--settings", json.dumps({"hooks": _CLAUDE_HOOKS})),
    ),
    Agent(
        "codex",
        folder="codex",
        variables=(("CODEX_HOME", "codex"),),
        host=(".codex",),
        keys=(Key("API key", "CODEX_API_KEY", _OPENAI_FORM),),
        command=("codex", _CODEX_FLAG),
        resume=("codex", "resume", "--last", _CODEX_FLAG),
    ),
    Agent(  # It creates .gemini in the folder that the variable names.
        "gemini",
        folder="gemini/.gemini",
        variables=(("GEMINI_CLI_HOME", "gemini"),),
        host=(".gemini",),
        keys=(_GEMINI,),
        command=("gemini", "--yolo"),
        resume=("gemini", "--yolo", "--resume", "latest"),
    ),
    Agent(  # Only XDG_… would move its state, together with that of all other programs.
        "opencode",
        keep=(".config/opencode", ".local/share/opencode", ".local/state/opencode"),
        host=(".config/opencode", ".local/share/opencode", ".local/state/opencode"),
        keys=(_ANTHROPIC, _OPENAI, _GEMINI),
        command=("opencode",),
        resume=("opencode", "--continue"),
    ),
    Agent(
        "aider",
        host=(".aider", ".aider.conf.yml", ".aider.model.settings.yml"),
        keys=(_ANTHROPIC, _OPENAI, _GEMINI),
        command=("aider", "--yes-always"),
        resume=("aider", "--yes-always", "--restore-chat-history"),
    ),
)
AGENT_NAMES = tuple(agent.name for agent in AGENTS)


PRIVATE = (
    *(".claude.json", ".claude/.credentials.json", ".claude/history.jsonl", ".claude/projects"),
    *(".claude/shell-snapshots", ".codex/auth.json", ".codex/history.jsonl", ".codex/sessions"),
    *(".gemini/google_accounts.json", ".gemini/oauth_creds.json", ".gemini/tmp"),
    *(".local/share/opencode", ".local/state/opencode"),
)
"""Logins and transcripts in the home of the host, which no container gets."""


def all_agents(entries: Sequence[AgentEntry] = ()) -> tuple[Agent, ...]:
    """Return the built-in agents, with what `entries` of the registry replace, then its own."""
    own = {entry.name: entry for entry in entries}
    known = [_replaced(agent, own.pop(agent.name, AgentEntry())) for agent in AGENTS]
    return (*known, *(_replaced(Agent(entry.name), entry) for entry in own.values()))


def _replaced(agent: Agent, entry: AgentEntry) -> Agent:
    """Return `agent` with those values of `entry` that are set."""
    names = ("command", "resume", "hooks", "variables")
    return agent._replace(**{name: getattr(entry, name) or getattr(agent, name) for name in names})


def named_agent(name: str, entries: Sequence[AgentEntry] | None) -> Agent:
    """Return the agent called `name`; raise UsageError if there is none.

    With None for `entries`, those of the registry, only the built-in agents are meant.
    """
    agents = {agent.name: agent for agent in all_agents(entries or ())}
    if name not in agents:
        near = nearest(name, agents)
        cure = f"did you mean {near}?" if near else f"choose one of {', '.join(agents)}"
        if entries is not None:
            cure += " (one of your own needs an entry [agents.NAME] in the registry)"
        raise UsageError(f"no agent is called {name!r}", cure)
    return agents[name]


def default_agent(defaults: Defaults) -> str:
    """Return the name of the agent for a first session: the first one that templates install."""
    return next((agent.partition("@")[0] for agent in defaults.agents), AGENT_NAMES[0])


_AGENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,30}")
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_FOLDERS_OF_OTHERS = ("history", "keep")


def agent_fault(entry: AgentEntry) -> str:
    """Return why an `[agents.NAME]` of the registry is not valid, or an empty string if it is."""
    built_in = next((agent for agent in AGENTS if agent.name == entry.name), None)
    if not _AGENT_NAME.fullmatch(entry.name):
        return "a name has up to 31 letters, digits and dashes, and begins with a letter"
    if not (built_in or entry.command):
        return 'it needs command = ["PROGRAM", "ARGUMENT", …]'
    if built_in and entry.variables:
        return f"the variables of {entry.name} are built in, leave them out"
    if "" in (*entry.command[:1], *entry.resume[:1]):
        return "the name of the program is empty"
    taken = {name for agent in AGENTS for _, name in agent.variables} | {*_FOLDERS_OF_OTHERS}
    for name, folder in entry.variables:
        if name in volume_variables():
            return f"{name} is a variable of another agent"
        if not _FOLDER.fullmatch(folder) or folder in taken:
            return f"{folder!r} can't be a folder of its own on the volume"
    return next(filter(None, (variable_fault(name) for name, _ in entry.variables)), "")


def volume_variables(entries: Sequence[AgentEntry] = ()) -> dict[str, str]:
    """Return the variables of a container that lead agents and shells to the volume."""
    folders = {name: path for agent in all_agents(entries) for name, path in agent.variables}
    return {name: f"{VOLUME_PATH}/{path}" for name, path in (*folders.items(), _HISTORY)}


def agent_folders(entries: Sequence[AgentEntry]) -> list[str]:
    """Return the folders on the volume that agents find by their variables."""
    own = [folder for entry in entries for _, folder in entry.variables]
    return [*(agent.folder for agent in AGENTS if agent.folder), *own]


def kept_folders(listed: Iterable[str]) -> list[str]:
    """Return the folders in the home that are links into the volume: agents' and `listed` ones.

    They are relative to the home; one that contains another comes first.
    """
    own = (folder for agent in AGENTS for folder in agent.keep)
    return sorted({*own, *(path.removeprefix("~/") for path in listed)})


def first_start_settings(repo: str) -> str:
    """Return a .claude.json with which the first start of Claude Code in `repo` asks nothing.

    It is one line that ends with "}", so that a shell can add to it.
    """
    settings = {
        "hasCompletedOnboarding": True,
        "bypassPermissionsModeAccepted": True,
        "projects": {repo: {"hasTrustDialogAccepted": True}},
    }
    return json.dumps(settings)


def agent_file(text: str, home: str) -> tuple[str, str]:
    """Return the absolute source and the path in a container of a value of agent_files.

    Without a path of its own, what is in the folder of an agent goes to the agent's folder on the
    volume, anything else to the same path in the home.
    """
    source, colon, path = text.partition(":")
    if colon:
        return absolute(source, home), absolute(path, home)
    for agent in AGENTS:
        if agent.folder and inside(source, f"~/{agent.host[0]}"):
            rest = source.removeprefix(f"~/{agent.host[0]}")
            return absolute(source, home), f"{VOLUME_PATH}/{agent.folder}{rest}"
    return absolute(source, home), absolute(source, home)
