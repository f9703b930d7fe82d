"""Build the packages twice, in two folders, and prepare what the tests need."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from repoman_tasks import __version__
from tests.support.estate import CHECKOUT
from tests.worlds.daemon.images import image

__all__ = ["SINGLE", "install", "prepare"]

SINGLE = f"repoman-{__version__}-linux-{os.uname().machine}"

_CACHE = Path("/var/cache/repoman-tests")
_ON_BARE = ("rsync", "incus-client")
_FIRST = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def prepare(folder: Path) -> None:
    """Fill `folder`: `first` and `second` with a build each, `tool` with the wheel installed, and
    `deb` and `single` with a host that has one of the packages but no Python."""
    first, second = folder / "first", folder / "second"
    with ThreadPoolExecutor() as threads:
        builds = threads.submit(_build_twice, first, second, folder / "else/where")
        _bare(folder / "deb")
        _run(["cp", "--archive", folder / "deb", folder / "single"])
        builds.result()
    shutil.rmtree(folder / "else")
    install(first, folder)


def install(built: Path, folder: Path) -> None:
    """Install each package as a user would."""
    (deb,) = built.glob("*.deb")
    shutil.copy(deb, folder / "deb/root")
    _run(["chroot", folder / "deb", "dpkg", "--install", f"/root/{deb.name}"], PATH=_FIRST)
    programs = folder / "single/usr/local/bin"
    _run(["install", built / SINGLE, programs / "repoman"])
    (programs / "git-remote-repoman").symlink_to("repoman")
    _install_wheel(built, folder / "tool")


def _run(argv: Sequence[str | Path], **environ: str) -> str:
    done = subprocess.run(
        [str(word) for word in argv],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, argv))}: {done.stdout}{done.stderr}")
    return done.stdout


def _build_twice(first: Path, second: Path, elsewhere: Path) -> None:
    """Build from two checkouts. The environment with the tools is created once, and copied."""
    _build(CHECKOUT, first)
    _copy(elsewhere)
    _run(["cp", "--archive", CHECKOUT / "build", elsewhere / "build"])
    _build(elsewhere, second)


def _build(checkout: Path, to: Path) -> None:
    """Build with the chores in `checkout`."""
    tmp = to.with_name(f"{to.name}-tmp")
    tmp.mkdir()
    inv: list[str | Path] = [Path(sys.executable).with_name("inv"), "dev.package", "--to", to]
    epoch = _run(["git", "-C", CHECKOUT, "log", "-1", "--format=%ct"]).strip()
    environ = {"PYTHONPATH": str(checkout), "TMPDIR": str(tmp), "SOURCE_DATE_EPOCH": epoch}
    _run(["env", "-C", checkout, *inv], **environ)
    tmp.rmdir()


def _copy(folder: Path) -> Path:
    """Copy the checkout as it is, without what git ignores, to another folder."""
    listed = ["git", "-C", str(CHECKOUT), "ls-files", "-z", "--cached", "--others"]
    names = _run([*listed, "--exclude-standard"]).split("\0")
    for name in filter(None, names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if (CHECKOUT / name).is_symlink():
            path.symlink_to((CHECKOUT / name).readlink())
        elif (CHECKOUT / name).exists():
            shutil.copyfile(CHECKOUT / name, path)
            path.chmod(0o700 if os.access(CHECKOUT / name, os.X_OK) else 0o600)
    return folder


def _install_wheel(built: Path, tool: Path) -> None:
    """Install the wheel with its dependencies in an empty environment."""
    (wheel,) = built.glob("*.whl")
    _run([sys.executable, "-m", "venv", tool])
    pip: list[str | Path] = [
        tool / "bin/python",
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
    ]
    _run([*pip, wheel])


def _bare(root: Path) -> None:
    """Create Debian with rsync and the client of Incus; keep it as a tarball between runs."""
    made = _CACHE / f"bare-{image('debian').name.removeprefix('debian-')}"
    root.mkdir(mode=0o755)
    if made.exists():
        _run(["tar", "-C", root, "-xf", made])
        return
    with tempfile.TemporaryDirectory(prefix="repoman-bare-") as debs:
        _run(["tar", "-C", root, "--strip-components=1", "-xf", image("debian"), "rootfs"])
        Path(debs, "partial").mkdir()
        options = (f"Dir::State::status={root}/var/lib/dpkg/status", f"Dir::Cache::archives={debs}")
        get = ["apt-get", "-qq", "--yes", "--no-install-recommends", "--download-only"]
        _run([*get, *(f"--option={option}" for option in options), "install", *_ON_BARE])
        archives = sorted(Path(debs).glob("*.deb"))
        _run(["dpkg", f"--root={root}", "--install", "--force-script-chrootless", *archives])
    for old in _CACHE.glob("bare-*"):
        old.unlink()
    part = made.with_suffix(".part")
    _run(["tar", "--numeric-owner", "-C", root, "-I", "gzip -1", "-cf", part, "."])
    part.rename(made)
