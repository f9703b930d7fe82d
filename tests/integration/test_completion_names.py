"""The file of names: the commands that write it, and its parsing by bash, zsh and fish."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repoman_tasks.completions import SCRIPTS, script
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.registry.names_file import lines_of, names_file
from tests.support.estate import Estate, isolate_environ, run

# --- writing it --------------------------------------------------------------------------

REGISTRY = """\
[defaults]
local_repos = "~/code"
default_image = "images:alpine/3.20"
profiles = ["default", "gpu"]
[[project]]
name = "isurus"
image = "images:debian/12"
[[project]]
name = "lamna"
requested_image = "local:mine"
requested_profiles = ["own"]
[templates.mine]
[hosts.nas]
[hosts."far off"]
[hosts."--yes"]
[hosts."$(touch x)"]
[hosts."red\\u001b[31m"]
[hosts."two\\nlines"]
"""
NAMES = """\
project\tisurus
project\tlamna
agent\tclaude
agent\tcodex
agent\tgemini
agent\topencode
agent\taider
template\tagent
template\tmine
template\tminimal
image\timages:alpine/3.20
image\timages:ubuntu/26.04/cloud
image\timages:debian/12
image\tlocal:mine
profile\tdefault
profile\tgpu
profile\tclaude-share
profile\town
host\tnas
host\tfar off
host\t$(touch x)
repos\tHOME/code
"""


@pytest.fixture
def by_hand(estate: Estate) -> Estate:
    """Return an estate with a registry that a person wrote."""
    estate.registry.parent.mkdir(parents=True)
    estate.registry.write_text(REGISTRY)
    return estate


def test_a_command_that_reads_the_registry_writes_the_names(by_hand: Estate) -> None:
    by_hand.run("list", code=0)
    assert by_hand.names.read_text() == NAMES.replace("HOME", str(by_hand.home))
    assert by_hand.names.stat().st_mode & 0o777 == 0o600
    assert list(by_hand.names.parent.iterdir()) == [by_hand.names], "nothing else is left there"


def test_a_hand_edit_is_seen_after_the_next_command(by_hand: Estate) -> None:
    by_hand.run("list", code=0)
    first = by_hand.names.stat()
    by_hand.run("list", code=0)
    assert by_hand.names.stat().st_ino == first.st_ino, "not written where nothing changed"
    assert by_hand.names.stat().st_mtime_ns == first.st_mtime_ns
    by_hand.registry.write_text(REGISTRY.replace("lamna", "carcharias"))
    by_hand.run("list", code=0)
    assert "carcharias" in by_hand.names.read_text()
    assert "lamna" not in by_hand.names.read_text()


def test_a_command_that_changes_the_registry_writes_the_names(estate: Estate) -> None:
    estate.prepare("isurus").add("lamna")
    assert {"project\tisurus", "project\tlamna"} <= set(estate.names.read_text().splitlines())
    estate.run("remove", "lamna", "--yes", code=0)
    assert "lamna" not in estate.names.read_text()


def test_each_registry_has_names_of_its_own(by_hand: Estate) -> None:
    by_hand.run("list", code=0)
    before = by_hand.names.read_text()
    other = by_hand.home / "else where/other.toml"
    other.parent.mkdir()
    other.write_text('[[project]]\nname = "carcharias"\n')
    by_hand.run("list", environ={"REPOMAN_CONFIG": str(other)}, code=0)
    assert by_hand.names.read_text() == before
    assert "project\tcarcharias\n" in by_hand.names_of(other).read_text()


def test_the_names_of_a_broken_registry_stay(by_hand: Estate) -> None:
    by_hand.run("list", code=0)
    before = by_hand.names.read_text()
    by_hand.registry.write_text("[[project\n")
    assert by_hand.run("list").code == 2
    assert by_hand.names.read_text() == before


def test_nothing_is_kept_without_a_registry_or_with_dry(by_hand: Estate) -> None:
    by_hand.run("--dry", "list", code=0)
    assert not by_hand.names.parent.exists()
    by_hand.registry.unlink()
    by_hand.run("list")
    assert not by_hand.names.parent.exists()


@pytest.mark.parametrize("how", ["a file for the folder", "a folder for the file", "a dead link"])
def test_names_that_cannot_be_written_do_not_matter(by_hand: Estate, how: str) -> None:
    expected = by_hand.run("list", code=0)
    shutil.rmtree(by_hand.names.parent)
    if how == "a file for the folder":
        by_hand.names.parent.write_text("")
    elif how == "a folder for the file":
        by_hand.names.mkdir(parents=True)
    else:
        by_hand.names.parent.symlink_to("/nowhere/at/all")
    assert by_hand.run("list") == expected
    if by_hand.names.parent.is_dir():
        assert list(by_hand.names.parent.iterdir()) == [by_hand.names]


def test_a_link_in_their_place_is_replaced_and_not_followed(by_hand: Estate) -> None:
    theirs = by_hand.home / "theirs"
    theirs.write_text("mine\n")
    by_hand.names.parent.mkdir(parents=True)
    by_hand.names.symlink_to(theirs)
    by_hand.run("list", code=0)
    assert theirs.read_text() == "mine\n"
    assert by_hand.names.read_text() == NAMES.replace("HOME", str(by_hand.home))


def test_a_log_of_changes_does_not_contain_it(by_hand: Estate) -> None:
    log = by_hand.home / "log"
    by_hand.run("list", environ={"REPOMAN_LOG": str(log)}, code=0)
    assert by_hand.names.exists()
    assert not log.exists() or log.read_text() == ""


# --- reading it --------------------------------------------------------------------------

READERS: Mapping[str, str] = {
    "bash": 'source "$1"; found=(); __repoman_names {kind}; printf "%s\\0" "${{found[@]-}}"',
    "zsh": 'source "$1"; emulate -L zsh; setopt extended_glob; found=(); __repoman_names {kind}; '
    'print -rN -- "${{(@)found}}"',
    "fish": "source $argv[1]; __repoman_harmless (__repoman_names {kind}) | string join0",
}
STARTS: Mapping[str, tuple[str, ...]] = {
    "bash": ("bash", "--norc", "-uc"),
    "zsh": ("zsh", "-fc"),
    "fish": ("fish", "--no-config", "-c"),
}

each_shell = pytest.mark.parametrize(
    "shell",
    [
        pytest.param(
            shell, marks=pytest.mark.skipif(not shutil.which(shell), reason=f"not here: {shell}")
        )
        for shell in SCRIPTS
    ],
)


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home that also holds the scripts, by the names of their shells."""
    folder = tmp_path_factory.mktemp("scripts")
    for shell in SCRIPTS:
        (folder / shell).write_bytes(script(shell))
    return folder


def read(shell: str, folder: Path, text: bytes, kind: str) -> list[str]:
    """Return the names of a kind that the script finds in a file containing `text`."""
    environ = isolate_environ(folder)
    file = Path(names_file(LocalHost(environ), f"{folder}/.config/repoman/repoman.toml"))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text)
    words = [*STARTS[shell], READERS[shell].format(kind=kind)]
    words += [str(folder / shell)] if shell == "fish" else [shell, str(folder / shell)]
    done = run(words, environ)
    assert done.err == "", done
    return [name for name in done.out.split("\0") if name]


HOSTILE = [
    *("$(touch MARK)", "`touch MARK`", "x; touch MARK; #", "' ; touch MARK ; '", '"; touch MARK;"'),
    *("a[$(touch MARK)]", "${x:=$(touch MARK)}", "(touch MARK)", "<(touch MARK)", "* ?", "%s%n\\c"),
    *("[a-z]", "\\", "odd name", "it's", "umläut", "x:y", " ahead", "behind ", "!!", "#x", "a=b"),
]
NO_NAMES = ["--delete-repo", "~root", "", "red\x1b[31m", "a\tb", "a\rb", "\x07"]


@each_shell
def test_a_hostile_file_is_read_and_nothing_in_it_is_run(shell: str, folder: Path) -> None:
    mark = folder / "mark"
    names = [name.replace("MARK", str(mark)) for name in HOSTILE]
    lines = [f"project\t{name}\n" for name in (*NO_NAMES, *names)]
    assert read(shell, folder, "".join(lines).encode(), "project") == names
    assert not mark.exists()


@each_shell
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n\n",
        b"project",
        b"project\t",
        b"projects\tx\n",
        b"\tproject\tx\n",
        b"image\tproject\tx\n",
        b"$(touch x)\tx\nproject x\n#project\tx\n",
        b"\x00\x00\x00\n",
        bytes(range(8)) * 1000,
    ],
)
def test_a_damaged_file_has_no_names(shell: str, folder: Path, text: bytes) -> None:
    assert read(shell, folder, text, "project") == []


@each_shell
@pytest.mark.parametrize("rest", [b"\xff\xfe\xff", b"project\t", b"image\tx", b"x" * 100_000])
def test_a_damaged_line_leaves_the_others(shell: str, folder: Path, rest: bytes) -> None:
    assert read(shell, folder, b"project\ta\n" + rest + b"\nproject\tb", "project") == ["a", "b"]


TEXT = st.text("ab \"'\\#[]{}=,.$`é-~*?!%&;|<>()\t\x1b\x7f", min_size=1, max_size=8)


@each_shell
@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(["project", "image", "host"]), TEXT), max_size=8))
def test_any_file(shell: str, folder: Path, pairs: list[tuple[str, str]]) -> None:
    text = "".join(f"{kind}\t{name}\n" for kind, name in pairs)
    found = read(shell, folder, text.encode(), "image")
    expected = [n for kind, n in pairs if kind == "image" and n.isprintable() and n[0] not in "-~"]
    assert found == expected


@each_shell
def test_images_that_were_seen_are_names_too(shell: str, folder: Path) -> None:
    environ = isolate_environ(folder)
    seen = Path(names_file(LocalHost(environ), "images"))
    seen.parent.mkdir(parents=True, exist_ok=True)
    seen.write_bytes(lines_of("image", ["local:mine"]))
    try:
        found = read(shell, folder, lines_of("image", ["images:a"]), "image")
        assert found == ["images:a", "local:mine"]
    finally:
        seen.unlink()
