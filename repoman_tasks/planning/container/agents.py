"""The agents that people run in containers: where each keeps its state. Pure.

Each project has a volume of its own at VOLUME_PATH, which outlives its container. An agent finds
its folder there by a variable, or by a link in the home if it has no variable of that kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from repoman_tasks.model import Pairs

__all__ = ["AGENTS", "LOGIN_PATH", "VOLUME_PATH", "Agent", "kept_folders", "volume_variables"]

VOLUME_PATH = "/var/lib/repoman"
"""Path of the project's volume inside its container."""
LOGIN_PATH = "/var/lib/repoman-login"
"""Path of the shared login folder inside containers, if there is one."""
_HISTORY = ("HISTFILE", "history")
"""Variable and file of the shell's history: bash and zsh use it."""


@dataclass(frozen=True)
class Agent:
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


AGENTS = (
    Agent(
        "claude",
        folder="claude",
        variables=(("CLAUDE_CONFIG_DIR", "claude"),),
        host=(".claude", ".claude.json"),
    ),
    Agent("codex", folder="codex", variables=(("CODEX_HOME", "codex"),), host=(".codex",)),
    Agent(  # It creates .gemini in the folder that the variable names.
        "gemini",
        folder="gemini/.gemini",
        variables=(("GEMINI_CLI_HOME", "gemini"),),
        host=(".gemini",),
    ),
    Agent(  # Only XDG_… would move its state, together with that of all other programs.
        "opencode",
        keep=(".config/opencode", ".local/share/opencode", ".local/state/opencode"),
        host=(".config/opencode", ".local/share/opencode", ".local/state/opencode"),
    ),
    Agent(
        "aider",
        host=(".aider", ".aider.conf.yml", ".aider.model.settings.yml"),
    ),
)


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
