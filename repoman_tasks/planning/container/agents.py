"""The agents that people run in containers: their state, and the variables of their logins. Pure.

Each project has a volume of its own at VOLUME_PATH, which outlives its container. An agent finds
its folder there by a variable, or by a link in the home if it has no variable of that kind.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from repoman_tasks.model import Pairs
from repoman_tasks.planning.names import absolute, inside

__all__ = [
    "AGENTS",
    "AGENT_NAMES",
    "LOGIN_PATH",
    "PRIVATE",
    "SETTINGS_PATH",
    "VOLUME_PATH",
    "Agent",
    "Key",
    "agent_file",
    "first_start_settings",
    "kept_folders",
    "volume_variables",
]

VOLUME_PATH = "/var/lib/repoman"
"""Path of the project's volume inside its container."""
LOGIN_PATH = "/var/lib/repoman-login"
"""Path of the shared login folder inside containers, if there is one."""
SETTINGS_PATH = f"{VOLUME_PATH}/claude/.claude.json"
"""Path of the settings of Claude Code inside a container."""
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
    ),
    Agent(
        "codex",
        folder="codex",
        variables=(("CODEX_HOME", "codex"),),
        host=(".codex",),
        keys=(Key("API key", "CODEX_API_KEY", _OPENAI_FORM),),
    ),
    Agent(  # It creates .gemini in the folder that the variable names.
        "gemini",
        folder="gemini/.gemini",
        variables=(("GEMINI_CLI_HOME", "gemini"),),
        host=(".gemini",),
        keys=(_GEMINI,),
    ),
    Agent(  # Only XDG_… would move its state, together with that of all other programs.
        "opencode",
        keep=(".config/opencode", ".local/share/opencode", ".local/state/opencode"),
        host=(".config/opencode", ".local/share/opencode", ".local/state/opencode"),
        keys=(_ANTHROPIC, _OPENAI, _GEMINI),
    ),
    Agent(
        "aider",
        host=(".aider", ".aider.conf.yml", ".aider.model.settings.yml"),
        keys=(_ANTHROPIC, _OPENAI, _GEMINI),
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


def volume_variables() -> dict[str, str]:
    """Return the variables of a container that lead agents and shells to the volume."""
    folders = {name: folder for agent in AGENTS for name, folder in agent.variables}
    return {name: f"{VOLUME_PATH}/{path}" for name, path in (*folders.items(), _HISTORY)}


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
