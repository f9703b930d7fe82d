"""The agents that tests run: real packages from npm, kept between runs.

npm's own configuration says where they come from. The versions are fixed, so that a test fails for
a change here and not for one there; raise them, and see what they say.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

__all__ = ["AGENT_PACKAGES", "agent_folder", "install_agent"]

_CACHE = Path("/var/cache/repoman-tests/npm")

AGENT_PACKAGES: Mapping[str, str] = {
    "claude": "@anthropic-ai/claude-code@2.1.197",
    "codex": "@openai/codex@0.171.0",
    "gemini": "@google/gemini-cli@0.61.0",
    "opencode": "opencode-ai@1.18.33",
}


def agent_folder(name: str) -> Path:
    """Return the folder with the package of an agent; it does not exist if it is not installed."""
    return _CACHE / AGENT_PACKAGES[name].replace("/", "+")


def install_agent(name: str) -> None:
    """Install the package of an agent in the cache. If npm can't, do nothing: tests are skipped.

    No script of a package runs.
    """
    folder = agent_folder(name)
    if folder.exists() or not shutil.which("npm"):
        return
    _CACHE.mkdir(parents=True, exist_ok=True)
    with open(_CACHE / f"{name}.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may need it at the same time
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        argv = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        argv += ["--prefix", str(part), AGENT_PACKAGES[name]]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode == 0 and not folder.exists():
            part.rename(folder)
