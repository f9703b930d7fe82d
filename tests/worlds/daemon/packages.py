"""The packages that tests hand in to containers that build: those of an agent, of Node and of npm.

npm packs them, from where its own configuration says. Node and npm become packages of Debian, so
that a template installs them by apt: Debian's own npm consists of hundreds. They are kept between
runs; `tests/support/package_server.py` serves them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import platform
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

from tests.worlds.daemon.agents import agent_folder

__all__ = ["pack_agent", "packed_folder"]

_NODE, _NPM = "22.23.3", "10.9.2"
_PROCESSORS = {"x86_64": "x64", "aarch64": "arm64"}
_CONTROL = """\
Package: {name}
Version: {version}
Architecture: all
Maintainer: nobody <nobody@example.org>
Description: {name} for the tests
"""
_NPM_LINK = "../lib/node_modules/npm/bin/npm-cli.js"


def packed_folder(agent: str) -> Path:
    """Return the folder with the packages for an agent; it does not exist if there are none."""
    key = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    folder = agent_folder(agent)
    return folder.with_name(f"{folder.name}-packed-{key}")


def pack_agent(agent: str) -> None:
    """Pack what the installation of an agent needs. If npm can't, do nothing: tests are skipped.

    `npm` in the folder has the packages of npm and, in a .json for each, what a registry tells of
    it; `debian` is a repository for apt.
    """
    folder = packed_folder(agent)
    if folder.exists() or not agent_folder(agent).exists() or not shutil.which("npm"):
        return
    with open(agent_folder(agent).with_name(f"{agent}.lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may need it at the same time
        for old in folder.parent.glob(f"{folder.name[:-12]}*"):
            if old != folder:
                shutil.rmtree(old)
        if not folder.exists() and _fill(part := folder.with_suffix(".part"), agent):
            part.rename(folder)


def _fill(part: Path, agent: str) -> bool:
    shutil.rmtree(part, ignore_errors=True)
    for name in ("npm", "debian", "other"):
        (part / name).mkdir(parents=True)
    modules = agent_folder(agent) / "node_modules"
    locked = json.loads((modules / ".package-lock.json").read_text())["packages"]
    wanted = [f"{path.partition('/')[2]}@{one['version']}" for path, one in locked.items()]
    node = f"node-linux-{_PROCESSORS[platform.machine()]}@{_NODE}"
    packed, tools = _pack(part / "npm", wanted), _pack(part / "other", [node, f"npm@{_NPM}"])
    if not packed or not tools:
        return False
    for one in packed:
        manifest = json.loads((modules / one["name"] / "package.json").read_text())
        manifest["dist"] = {"integrity": one["integrity"]}
        (part / "npm" / f"{one['filename']}.json").write_text(json.dumps(manifest))
    for name, version, one in zip(("nodejs", "npm"), (_NODE, _NPM), tools, strict=True):
        _make_deb(part, name, version, part / "other" / one["filename"])
    shutil.rmtree(part / "other")
    return True


def _pack(folder: Path, wanted: Sequence[str]) -> list[dict[str, str]]:
    """Have npm pack the packages `wanted`; return what it tells of them, nothing if it can't."""
    argv = ["npm", "pack", "--json", "--pack-destination", str(folder), *wanted]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True)
    told: list[dict[str, str]] = json.loads(done.stdout) if done.returncode == 0 else []
    return told


def _make_deb(part: Path, name: str, version: str, tarball: Path) -> None:
    """Make a package of Debian of one of npm, and add it to the list of the repository."""
    tree, made = part / "other" / name, part / "debian" / f"{name}.deb"
    (tree / "DEBIAN").mkdir(parents=True)
    control = _CONTROL.format(name=name, version=version)
    (tree / "DEBIAN/control").write_text(control)
    place = tree / "usr" if name == "nodejs" else tree / "usr/lib/node_modules/npm"
    with tarfile.open(tarball) as archive:
        for member in archive:
            member.name = member.name.removeprefix("package/")
            if name != "nodejs" or member.name == "bin/node":
                archive.extract(member, place)
    if name == "npm":
        (tree / "usr/bin").mkdir()
        (tree / "usr/bin/npm").symlink_to(_NPM_LINK)
        (place / "bin/npm-cli.js").chmod(0o755)
    argv = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(made)]
    subprocess.run(argv, check=True, capture_output=True)
    with open(made, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    where = f"Filename: ./{made.name}\nSize: {made.stat().st_size}\nSHA256: {digest}\n\n"
    with (part / "debian/Packages").open("a") as index:
        index.write(control + where)
