"""git on the machine where commands are typed, with repoman's remote helper."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.estate import Estate, Result, run
from tests.support.ssh_estate import RemoteEstate

__all__ = ["GitClient", "packets"]

_HELPER = f"""#!/bin/sh
exec {sys.executable} -P -c 'from repoman_tasks.entry import git_remote; git_remote()' "$@"
"""
"""Program that the package installs, also if it was installed before it had that."""


def packets(*payloads: bytes | None) -> bytes:
    """Return a stream of git's packets; None is a flush."""
    return b"".join(
        b"0000" if payload is None else b"%04x" % (len(payload) + 4) + payload
        for payload in payloads
    )


class GitClient:
    """The git of a person who keeps clones outside of the estate's repos."""

    def __init__(self, estate: Estate) -> None:
        """This person's git checks what it fetches, by its configuration."""
        self._estate = estate
        self.folder = estate.base / "clones"
        self.folder.mkdir(exist_ok=True)
        self.programs = estate.base / "programs"
        self.programs.mkdir(exist_ok=True)
        helper = self.programs / "git-remote-repoman"
        helper.write_text(_HELPER)
        helper.chmod(0o755)
        self.config = self.folder / "config"
        self.config.write_text("[transfer]\n\tfsckObjects = true\n")

    def url(self, name: str) -> str:
        """Return the URL of the repo in the container called `name`."""
        return f"repoman::{'there/' * isinstance(self._estate, RemoteEstate)}{name}"

    @property
    def environ(self) -> dict[str, str]:
        environ, _ = self._estate.prepare_client()
        mine = {
            "PATH": f"{self.programs}:{environ['PATH']}",
            "GIT_CONFIG_GLOBAL": str(self.config),
            "REPOMAN_HOST": "nowhere.invalid",  # the URL alone says where
        }
        return {**environ, **mine}

    def run(self, *argv: str, cwd: Path | None = None, code: int | None = 0) -> Result:
        """Run git; fail unless it exits with `code`, if that is given."""
        done = run(["git", *argv], self.environ, cwd=cwd or self.folder)
        assert code is None or done.code == code, (argv, done)
        return done

    def start(self, *argv: str, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        """Start git in a session of its own; its output is in the file `log` of the folder."""
        with open(self.folder / "log", "wb") as log:
            return subprocess.Popen(
                ["git", *argv],
                env=self.environ,
                cwd=cwd or self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def clone(self, name: str, *options: str) -> Path:
        """Clone the repo in a container, and return the folder."""
        self.run("clone", *options, self.url(name), name)
        return self.folder / name
