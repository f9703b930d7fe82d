"""Collect the licences of the single file's contents: Python, packages, system libraries."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Host

__all__ = ["carried", "gather_licences"]

_ROOTS = ("fabric", "invoke", "pyyaml", "rich", "tomlkit", "pyinstaller")
"""The packages that repoman requires, and PyInstaller, whose bootloader starts the program."""
_TOOLS = ("altgraph", "packaging", "pyinstaller-hooks-contrib", "setuptools")
"""Requirements of PyInstaller that the result does not contain."""
_STDLIB = "import sysconfig; print(sysconfig.get_path('stdlib'))"
_TEXT = re.compile(r"(?i)(licen[cs]e|copying|notice)[\w.-]*$")


def carried(found: Iterable[Distribution]) -> dict[str, Distribution]:
    """Return the distributions in the single file, by name."""
    there = {_plain(one.name): one for one in found}
    wanted, taken = list(_ROOTS), dict[str, Distribution]()
    while wanted:
        name = wanted.pop()
        if name in there and name not in taken and name not in _TOOLS:
            taken[name] = there[name]
            wanted += [
                _asked(line) for line in there[name].requires or () if "extra ==" not in line
            ]
    return taken


def _asked(line: str) -> str:
    """Return the name in a line of Requires-Dist."""
    return _plain(re.split(r"[^\w.-]", line, maxsplit=1)[0])


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def gather_licences(host: Host, workshop: Path, frozen: Path, target: Path) -> None:
    """Copy the licences into `target`, a folder each. Raise Failed if one is missing."""
    for name, one in carried(distributions(path=_site(workshop))).items():
        texts = [str(one.locate_file(path)) for path in one.files or () if _TEXT.match(path.name)]
        _copy(name, texts, target)
    python = [str(workshop / "bin/python"), "-c", _STDLIB]
    _copy("python", [f"{host.read(python).text.strip()}/LICENSE.txt"], target)
    for library in sorted(frozen.glob("_internal/lib*.so*")):
        if not library.name.startswith("libpython"):
            package = _package(host, library.name)
            _copy(package, [f"/usr/share/doc/{package}/copyright"], target)


def _site(workshop: Path) -> list[str]:
    return [str(path) for path in workshop.glob("lib/python*/site-packages")]


def _package(host: Host, library: str) -> str:
    """Return the Debian package of a system library."""
    found = host.read(["dpkg", "--search", f"*/{library}"]).text
    if not found:
        raise Failed(f"{library} is of no package, so its licence is unknown", "build on Debian")
    return found.partition(":")[0]


def _copy(name: str, texts: list[str], target: Path) -> None:
    if not texts:
        raise Failed(f"{name} has no licence with it", "look where it has one")
    (target / name).mkdir(parents=True, exist_ok=True)
    for text in texts:
        shutil.copyfile(text, target / name / Path(text).name)
