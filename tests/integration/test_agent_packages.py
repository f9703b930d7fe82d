"""The real npm takes the command by which a template installs an agent."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from repoman_tasks.planning.container.template_plan import AGENT_PACKAGES, build_steps
from repoman_tasks.planning.container.templates import Recipe
from tests.support.package_server import PackageServer

PROGRAM = "#!/bin/sh\necho works\n"


def pack(folder: Path, name: str) -> None:
    """Make a package that has one program, as it lies in a registry."""
    manifest = {"name": name, "version": "1.2.3", "bin": {"tool": "tool"}}
    tree = folder / "package"
    tree.mkdir(parents=True)
    (tree / "package.json").write_text(json.dumps(manifest))
    (tree / "tool").write_text(PROGRAM)
    (folder / "npm").mkdir()
    with tarfile.open(folder / "npm/tool.tgz", "w:gz") as archive:
        archive.add(tree, "package")
    told = json.dumps({**manifest, "dist": {}})
    (folder / "npm/tool.tgz.json").write_text(told)


@pytest.mark.skipif(not shutil.which("npm"), reason="not here: npm")
def test_npm_installs_an_agent(tmp_path: Path) -> None:
    pack(tmp_path, AGENT_PACKAGES["claude"].name)
    (step,) = build_steps(Recipe("x", "", "y", agents=("claude",)), ["npm"])
    with PackageServer(tmp_path, "127.0.0.1") as server:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "npm_config_prefix": str(tmp_path),
            "npm_config_registry": f"http://{server.address}/",
        }
        done = subprocess.run(step.argv, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done
    tool = subprocess.run([tmp_path / "bin/tool"], capture_output=True, text=True)
    assert tool.stdout == "works\n"
