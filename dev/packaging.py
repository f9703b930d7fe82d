"""Build the packages: wheel, sdist, a single file, a tarball around it, and a Debian package.

Everything is made from the sdist, with the tools in the versions of
dev/packages/requirements.txt, so that two builds of one commit are the same. docs/packages.md
says what comes out.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from dev.checkout import ROOT
from dev.licences import gather_licences
from repoman_tasks import __version__
from repoman_tasks.errors import Failed
from repoman_tasks.session import Session

__all__ = ["build_packages"]

_TOOLS = "dev/packages/requirements.txt"

_SECONDS = 900
"""How long one tool may take, pip with a slow network included."""
_HELPER = "git-remote-repoman"
"""git's helper, which is a link to repoman; dev/packages/start.py tells them apart."""
_HIDDEN = ("repoman_tasks", "rich._unicode_data")
"""Packages that import modules by computed names."""
_NEEDLESS = ("pygments", "markdown_it", "multiprocessing", "setuptools", "pip", "tkinter", "pydoc")
"""Modules that libraries import for features that repoman does not use."""
_ABLE = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"
_TAR = ("tar", "--sort=name", "--format=gnu", "--owner=0", "--group=0", "--numeric-owner")
_MODES = "u=rwX,go=rX"
_GLIBC = re.compile(r"\bGLIBC_(\d+)\.(\d+)")


@dataclass(frozen=True)
class _Build:
    """One build: its folders, its tools, and the time stamp of all files."""

    session: Session
    work: Path
    workshop: Path
    """The environment with the build tools and the contents of the single file."""
    epoch: int
    """Time of the commit, in seconds since the epoch."""

    @property
    def source(self) -> Path:
        """Return the folder of the unpacked sdist."""
        return self.work / f"repoman_tasks-{__version__}"

    @property
    def frozen(self) -> Path:
        """Return the folder of the frozen program."""
        return self.work / "frozen/repoman"

    @property
    def done(self) -> Path:
        """Return the folder for finished packages."""
        return self.work / "done"

    def run(self, *argv: str | Path, **environ: str) -> None:
        """Run a tool. Raise Failed with its output if it fails."""
        fixed = {"SOURCE_DATE_EPOCH": str(self.epoch), "PYTHONHASHSEED": "0", "TZ": "UTC"}
        _run(self.session, self.work, argv, {**fixed, **environ})

    def tar(self, made: Path, folder: Path, *names: str) -> None:
        """Pack `names` of `folder` reproducibly."""
        options = (f"--mtime=@{self.epoch}", f"--mode={_MODES}", "--use-compress-program=gzip -n9")
        self.run(*_TAR, *options, "-C", folder, "-cf", made, "--", *names)


def build_packages(session: Session, to: str) -> None:
    """Build all packages of this checkout into the folder `to`."""
    if session.dry:
        session.screen.line(f"build the packages of {ROOT} into {to}")
        return
    with tempfile.TemporaryDirectory(prefix="repoman-packages-") as folder:
        build = _Build(session, Path(folder), _workshop(session), _epoch(session))
        build.done.mkdir()
        for make in (_wheel, _freeze, _single_file, _tarball, _debian, _sums):
            make(build)
        target = ROOT / to
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(build.done.iterdir()):
            shutil.copyfile(path, target / path.name)
            (target / path.name).chmod(path.stat().st_mode & 0o777)
            session.screen.line(f"{path.stat().st_size / 1e6:6.1f} MB  {target / path.name}")


def _run(
    session: Session, folder: Path, argv: Sequence[str | Path], environ: dict[str, str]
) -> None:
    pairs = [f"{name}={value}" for name, value in environ.items()]
    all_words = ["env", "-C", str(folder), *pairs, *map(str, argv)]
    result = session.host.change(all_words, timeout=_SECONDS)
    if result.code:
        said = (result.out + result.err).decode(errors="replace")
        print(said, file=sys.stderr)
        raise Failed(f"{Path(argv[0]).name} failed with {result.code}", "see above")


def _epoch(session: Session) -> int:
    """Return SOURCE_DATE_EPOCH if it is set, else the time of the commit."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if given.isdecimal():
        return int(given)
    git = ("git", "-C", str(ROOT))
    found = session.host.read([*git, "log", "-1", "--format=%ct"])
    if found.code:
        raise Failed(f"{ROOT} has no commit to take the time from", "set SOURCE_DATE_EPOCH")
    if session.host.read([*git, "status", "--porcelain"]).out:
        session.screen.note("not all is committed: what is built is of no commit")
    return int(found.text)


def _python(session: Session) -> str:
    """Return the Python to freeze: the system's on Debian, else the one that runs this."""
    for name in ("/usr/bin/python3", sys.executable):
        if os.access(name, os.X_OK) and not session.host.read([name, "-c", _ABLE]).code:
            return name
    raise Failed("no Python here can make an environment", "install python3-venv")


def _workshop(session: Session) -> Path:
    """Make an environment with the tools of _TOOLS; it stays in build/ for the next time."""
    wanted = (ROOT / _TOOLS).read_bytes()
    python = _python(session)
    version = session.host.read([python, "-VV"]).out
    key = hashlib.sha256(wanted + python.encode() + version).hexdigest()[:12]
    folder = ROOT / "build" / f"workshop-{key}"
    with session.host.lock(str(ROOT / "build/lock"), wait_seconds=_SECONDS):
        if not (folder / "whole").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run(session, ROOT, [python, "-m", "venv", folder], {})
            pip = [str(folder / "bin/python"), "-m", "pip", "--disable-pip-version-check"]
            locked = [
                "install",
                "--quiet",
                "--require-hashes",
                "-r",
                _TOOLS,
            ]
            _run(session, ROOT, [*pip, *locked], {})
            (folder / "whole").touch()
    return folder


# --- wheel and sdist ---------------------------------------------------------------------


def _wheel(build: _Build) -> None:
    """Build the sdist and from it the wheel, and unpack both."""
    python = build.workshop / "bin/python"
    build.run(python, "-m", "build", "--no-isolation", "--outdir", build.done, ROOT)
    (sdist,) = build.done.glob("*.tar.gz")
    (wheel,) = build.done.glob("*.whl")
    build.run("tar", "--extract", "--file", sdist, "--directory", build.work)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(build.work / "site")


# --- the program with its Python ---------------------------------------------------------


def _freeze(build: _Build) -> None:
    argv: list[str | Path] = [build.workshop / "bin/python", "-m", "PyInstaller", "--strip"]
    argv += ["--noconfirm", "--log-level=WARN", "--name=repoman", "--distpath=frozen"]
    argv += [f"--collect-submodules={name}" for name in _HIDDEN]
    argv.append("--collect-data=repoman_tasks")
    argv += [f"--exclude-module={name}" for name in _NEEDLESS]
    kept = str(build.work / "pyinstaller")  # what it would keep in a home else
    site = str(build.work / "site")
    start = build.source / "dev/packages/start.py"
    build.run(*argv, start, PYINSTALLER_CONFIG_DIR=kept, PYTHONPATH=site)
    for library in build.frozen.rglob("*.so*"):
        library.chmod(0o644)
    (build.frozen / _HELPER).symlink_to("repoman")


def _glibc(build: _Build) -> tuple[int, int]:
    """Return the oldest version of glibc that the frozen program runs with."""
    objects = [str(path) for path in build.frozen.rglob("*") if _is_elf(path)]
    told = build.session.host.read(["objdump", "-T", *objects]).text
    return max((int(major), int(minor)) for major, minor in _GLIBC.findall(told))


def _is_elf(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _single_file(build: _Build) -> None:
    """Build the single file: a script followed by an archive."""
    archive = build.work / "frozen.tar.gz"
    build.tar(archive, build.frozen, *sorted(os.listdir(build.frozen)))
    payload = archive.read_bytes()
    text = (build.source / "dev/packages/unpack.sh").read_text()
    values = {
        "VERSION": __version__,
        "SUM": hashlib.sha256(payload).hexdigest(),
        "LINE": str(text.count("\n") + 1),
    }
    made = build.done / f"repoman-{__version__}-{_kind()}"
    made.write_bytes(_filled(text, values).encode() + payload)
    made.chmod(0o755)


def _kind() -> str:
    return f"linux-{os.uname().machine}"


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


# --- what stands around it ---------------------------------------------------------------


def _tarball(build: _Build) -> None:
    """Pack the single file with pages and completions, laid out as below /usr/local."""
    name = f"repoman-{__version__}-{_kind()}"
    prefix = build.work / "tarball" / name
    _put(build.done / name, prefix / "bin/repoman")
    (prefix / "bin" / _HELPER).symlink_to("repoman")
    _furnish(build, prefix / "share", zsh="zsh/site-functions")
    build.tar(build.done / f"{name}.tar.gz", prefix.parent, name)


def _furnish(build: _Build, share: Path, *, zsh: str) -> None:
    """Copy pages, completions and licences into `share`."""
    source, doc = build.source, share / "doc/repoman"
    scripts = source / "repoman_tasks/completions"
    for page in sorted(source.glob("docs/man/*.1")):
        _put(page, share / "man/man1" / page.name)
    _put(scripts / "repoman.bash", share / "bash-completion/completions/repoman")
    _put(scripts / "_repoman", share / zsh / "_repoman")
    _put(scripts / "repoman.fish", share / "fish/vendor_completions.d/repoman.fish")
    for name in ("README.md", "CHANGELOG.md", "LICENSE"):
        _put(source / name, doc / name)
    for page in sorted(source.glob("docs/*.md")):
        _put(page, doc / "docs" / page.name)
    gather_licences(build.session.host, build.workshop, build.frozen, doc / "licences")


def _put(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
    target.chmod(0o755 if os.access(path, os.X_OK) else 0o644)


# --- Debian's ----------------------------------------------------------------------------


def _debian(build: _Build) -> None:
    """Build the Debian package: the frozen folder, and the rest where Debian policy has it."""
    root = build.work / "debian"
    lib, share = root / "usr/lib/repoman", root / "usr/share"
    shutil.copytree(build.frozen, lib, symlinks=True)
    (root / "usr/bin").mkdir()
    for program in ("repoman", _HELPER):
        (root / "usr/bin" / program).symlink_to(f"../lib/repoman/{program}")
    _furnish(build, share, zsh="zsh/vendor-completions")
    _as_debian_has_it(build, share)
    architecture = build.session.host.read(["dpkg", "--print-architecture"]).text.strip()
    values = {
        "VERSION": __version__,
        "ARCHITECTURE": architecture,
        "KIB": str(sum(path.lstat().st_size for path in root.rglob("*")) // 1024),
        "GLIBC": "{}.{}".format(*_glibc(build)),
    }
    control = root / "DEBIAN/control"
    control.parent.mkdir()
    control.write_text(_filled((build.source / "dev/packages/debian/control").read_text(), values))
    build.run("chmod", "-R", _MODES, root)
    made = build.done / f"repoman_{__version__}_{architecture}.deb"
    # More threads would cut it otherwise; level 6, the usual one, takes four times as long.
    options = ("--root-owner-group", "-Zxz", "-z1", "--threads-max=1")
    build.run("dpkg-deb", *options, "--build", root, made)


def _as_debian_has_it(build: _Build, share: Path) -> None:
    """Write copyright, changelog and lintian overrides, and compress the pages."""
    doc, debian = share / "doc/repoman", build.source / "dev/packages/debian"
    (doc / "LICENSE").unlink()
    _put(debian / "copyright", doc / "copyright")
    _put(debian / "lintian-overrides", share / "lintian/overrides/repoman")
    values = {"VERSION": __version__, "DATE": formatdate(build.epoch)}
    (doc / "changelog").write_text(_filled((debian / "changelog").read_text(), values))
    for path in (doc / "changelog", *sorted(share.glob("man/man1/*"))):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        path.unlink()


def _sums(build: _Build) -> None:
    paths = sorted(build.done.iterdir())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths]
    (build.done / "SHA256SUMS").write_text("".join(lines))
