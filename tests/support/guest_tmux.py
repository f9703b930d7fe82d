"""tmux of this machine for containers whose image has none: the program with its libraries."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.containers.conftest import ContainerEstate

__all__ = ["collect_tmux", "install_program", "install_tmux"]

_FOLDER = "/opt/tmux"
"""Path inside containers of what is copied."""
_TERMINALS = ("dumb", "screen", "screen-256color", "tmux", "tmux-256color", "xterm-256color")

_WRAPPER = f"""\
#!/bin/sh
export TERMINFO_DIRS={_FOLDER}/terminfo: LOCPATH={_FOLDER}/locale
exec {_FOLDER}/loader --library-path {_FOLDER} {_FOLDER}/tmux "$@"
"""


def install_tmux(estate: ContainerEstate, name: str, scratch: Path) -> None:
    """Install it in the container called `name`; it is collected in the folder `scratch`."""
    folder = scratch / "tmux"
    if not folder.exists():
        _collect(folder)
    estate.incus("file", "push", "--recursive", "--create-dirs", str(folder), f"{name}/opt/")
    install_program(estate, name, "tmux", _WRAPPER)


def install_program(estate: ContainerEstate, name: str, program: str, text: str) -> None:
    """Install a script in the container called `name`."""
    path = f"{name}/usr/bin/{program}"
    estate.incus("file", "push", "--mode=755", "-", path, given=text)


def collect_tmux(folder: Path) -> list[str]:
    """Collect it in the folder of templates; return the `files` of a template that has it."""
    _collect(folder / "tmux")
    (folder / "tmux-program").write_text(_WRAPPER)
    (folder / "tmux-program").chmod(0o755)
    return [f"tmux:{_FOLDER}", "tmux-program:/usr/bin/tmux"]


def _collect(folder: Path) -> None:
    folder.mkdir(parents=True)
    program = shutil.which("tmux")
    assert program, "the tests need tmux"
    listed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    for path in re.findall(r"(/\S+) \(0x", listed):
        loader = Path(path).name.startswith("ld-")
        shutil.copy(path, folder / ("loader" if loader else Path(path).name))
    shutil.copy(program, folder / "tmux")
    shutil.copytree("/usr/lib/locale/C.utf8", folder / "locale/C.utf8")
    for name in _TERMINALS:
        for known in ("/lib/terminfo", "/usr/share/terminfo", "/etc/terminfo"):
            description = Path(known, name[0], name)
            if description.exists():
                copy = folder / "terminfo" / name[0] / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(description, copy)
