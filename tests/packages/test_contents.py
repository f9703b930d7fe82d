"""The content of the packages, and that two builds of one commit are the same."""

from __future__ import annotations

import re
import subprocess
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from repoman_tasks import __version__
from repoman_tasks.completions import SCRIPTS, script
from tests.packages.building import SINGLE
from tests.packages.conftest import FIRST, PACKAGES, SECOND
from tests.support.estate import CHECKOUT, isolate_environ, run

GLIBC_OF_DEBIAN_12 = (2, 36)
EVERYTHING = {
    f"repoman_tasks-{__version__}.tar.gz",
    f"repoman_tasks-{__version__}-py3-none-any.whl",
    SINGLE,
    f"{SINGLE}.tar.gz",
    f"repoman_{__version__}_amd64.deb",
    "SHA256SUMS",
}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_all_is_built() -> None:
    assert names(FIRST) == EVERYTHING
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=FIRST, check=True)


@pytest.mark.parametrize("name", sorted(EVERYTHING))
def test_two_builds_in_different_folders_are_the_same(name: str) -> None:
    assert (FIRST / name).read_bytes() == (SECOND / name).read_bytes()


def test_the_wheel_has_the_package_and_nothing_else() -> None:
    (wheel,) = FIRST.glob("*.whl")
    found = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    info = f"repoman_tasks-{__version__}.dist-info"
    assert found <= {"repoman_tasks", info, f"repoman_tasks-{__version__}.data"}
    modules = {str(path.relative_to(CHECKOUT)) for path in CHECKOUT.glob("repoman_tasks/**/*.py")}
    scripts = {f"repoman_tasks/completions/{name}" for name in SCRIPTS.values()}
    scripts.add("repoman_tasks/guard/git.sh")
    inside = {n for n in zipfile.ZipFile(wheel).namelist() if n.startswith("repoman_tasks/")}
    assert inside == modules | scripts
    data = {n for n in zipfile.ZipFile(wheel).namelist() if ".data/data/" in n}
    assert {name.partition(".data/data/")[2] for name in data} == {
        "share/man/man1/repoman.1",
        "share/bash-completion/completions/repoman",
        "share/zsh/site-functions/_repoman",
        "share/fish/vendor_completions.d/repoman.fish",
    }
    assert f"{info}/licenses/LICENSE" in zipfile.ZipFile(wheel).namelist()


def test_the_metadata_is_complete() -> None:
    (wheel,) = FIRST.glob("*.whl")
    raw = zipfile.ZipFile(wheel).read(f"repoman_tasks-{__version__}.dist-info/METADATA")
    told = message_from_bytes(raw)
    assert told["Version"] == __version__
    assert told["License-Expression"] == "MIT"
    assert told["Requires-Python"] == ">=3.11"
    assert str(told.get_payload()).lstrip().startswith("# repoman")
    assert "fabric" in " ".join(told.get_all("Requires-Dist", []))


def test_the_sdist_is_the_checkout() -> None:
    (sdist,) = FIRST.glob("repoman_tasks-*.tar.gz")
    with tarfile.open(sdist) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
        assert {member.mode & 0o777 for member in archive} <= {0o644, 0o755}
        for name in SCRIPTS.values():
            link = archive.getmember(f"repoman_tasks-{__version__}/completion/{name}")
            assert link.linkname == f"../repoman_tasks/completions/{name}"
    assert {"LICENSE", "README.md", "pyproject.toml", "tasks.py", "PKG-INFO"} <= found
    assert {
        "bootstrap",
        "completion/_repoman",
        "docs/mirror.md",
        "tests/support/estate.py",
    } <= found
    listed = run(["git", "-C", str(CHECKOUT), "ls-files"], {**isolate_environ(Path("/"))})
    tracked = set(listed.out.splitlines()) if listed.code == 0 else found
    assert tracked - found == set()
    assert not [name for name in found if ".venv" in name or "__pycache__" in name]


def test_the_installed_wheel_works(tmp_path: Path) -> None:
    done = run([str(PACKAGES / "tool/bin/repoman"), "--version"], isolate_environ(tmp_path))
    assert (done.code, done.out) == (0, f"repoman {__version__}\n")
    done = run([str(PACKAGES / "tool/bin/repoman"), "list", "--host", "nowhere.invalid"], {})
    assert done.code == 1, "fabric came with it"
    assert "no host is called" in done.err
    done = run([str(PACKAGES / "tool/bin/git-remote-repoman")], isolate_environ(tmp_path))
    assert (done.code, "is run by git" in done.err) == (2, True)
    for shell in SCRIPTS:
        install = ["completion", "install", "--shell", shell, "--yes"]
        assert (
            run([str(PACKAGES / "tool/bin/repoman"), *install], isolate_environ(tmp_path)).code == 0
        )
    (installed,) = tmp_path.glob(".local/share/bash-completion/completions/repoman")
    assert installed.read_bytes() == script("bash")


def test_the_tarball_fits_into_a_prefix(tmp_path: Path) -> None:
    subprocess.run(
        ["tar", "-C", tmp_path, "--strip-components=1", "-xf", FIRST / f"{SINGLE}.tar.gz"],
        check=True,
    )
    for program in ("repoman", "git-remote-repoman"):
        assert (tmp_path / "bin" / program).read_bytes() == (FIRST / SINGLE).read_bytes()
    for path in (
        "share/bash-completion/completions/repoman",
        "share/zsh/site-functions/_repoman",
        "share/fish/vendor_completions.d/repoman.fish",
        "share/doc/repoman/LICENSE",
        "share/doc/repoman/README.md",
        "share/doc/repoman/licences/paramiko/LICENSE",
        "share/doc/repoman/licences/libssl3/copyright",
    ):
        assert (tmp_path / path).is_file(), path
    for page in CHECKOUT.glob("docs/man/*.1"):
        assert (tmp_path / "share/man/man1" / page.name).read_bytes() == page.read_bytes()


def test_it_starts_with_the_glibc_of_debian_12(unpacked: Path) -> None:
    objects = [str(path) for path in unpacked.rglob("*") if is_elf(path)]
    assert len(objects) > 10
    told = subprocess.run(["objdump", "-T", *objects], capture_output=True, text=True, check=True)
    versions = {tuple(map(int, found)) for found in re.findall(r"GLIBC_(\d+)\.(\d+)", told.stdout)}
    assert max(versions) <= GLIBC_OF_DEBIAN_12
    depends = deb_field("Depends")
    assert f"libc6 (>= {'.'.join(map(str, max(versions)))})" in depends


def is_elf(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.read_bytes()[:4] == b"\x7fELF"


def deb_field(name: str) -> str:
    (deb,) = FIRST.glob("*.deb")
    return subprocess.run(
        ["dpkg-deb", "--field", deb, name], capture_output=True, text=True, check=True
    ).stdout


def test_the_debian_package_says_what_it_needs() -> None:
    assert "rsync" in deb_field("Depends")
    assert "python" not in deb_field("Depends")
    assert deb_field("Recommends") == "incus\n"


def test_the_debian_package_belongs_to_root_and_has_the_time_of_the_commit() -> None:
    (deb,) = FIRST.glob("*.deb")
    listed = subprocess.run(
        ["dpkg-deb", "--contents", deb], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert {line.split()[1] for line in listed} == {"root/root"}
    assert len({tuple(line.split()[3:5]) for line in listed}) == 1
    modes = {line.split()[0] for line in listed}
    assert modes <= {"drwxr-xr-x", "-rwxr-xr-x", "-rw-r--r--", "lrwxrwxrwx"}


def test_lintian_finds_no_error() -> None:
    (deb,) = FIRST.glob("*.deb")
    done = run(["lintian", "--fail-on", "error", str(deb)], isolate_environ(Path("/tmp")))
    assert done.code == 0, done.out
