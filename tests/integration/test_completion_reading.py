"""What bash, zsh and fish read in the registry and in ssh_config, held against a TOML parser."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repoman_tasks.completing import scripts
from tests.estate import guarded, run

SHELLS = ("bash", "zsh", "fish")
READERS: Mapping[str, str] = {
    "bash": 'source "$1"; found=(); {what}; ((${{#found[@]}} == 0)) || printf "%s\\0" "${{found[@]}}"',
    "zsh": 'source "$1"; emulate -L zsh; __repoman_as_in_bash {what}; print -rN -- "${{(@)found}}"',
    "fish": "source $argv[1]; {what} | string join0",
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
        for shell in SHELLS
    ],
)


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the scripts, by the names of their shells."""
    folder = tmp_path_factory.mktemp("scripts")
    for shell, text in scripts().items():
        (folder / shell).write_text(text)
    return folder


def read(shell: str, folder: Path, what: str, **environ: str) -> list[str]:
    """What a function of the script finds, but for what would do harm as a word."""
    start = STARTS[shell]
    words = [*start, READERS[shell].format(what=what)]
    words += [str(folder / shell)] if shell == "fish" else [shell, str(folder / shell)]
    done = run(words, {**guarded(folder), **environ})
    assert done.err == "", done
    return sorted({text for text in done.out.split("\0") if harmless(text)})


def harmless(text: str) -> bool:
    return bool(text) and text.isprintable() and text[0] not in "-~"


def registry(shell: str, folder: Path, text: str, key: str) -> list[str]:
    file = folder / "registry.toml"
    file.write_bytes(text.encode())
    return read(shell, folder, f"__repoman_registry {key}", REPOMAN_CONFIG=str(file))


def expected(text: str, key: str) -> list[str]:
    """The same by Python's own parser."""
    document = tomllib.loads(text.replace("\r\n", "\n"))
    return sorted({found for found in _values(document, key) if harmless(found)})


def _values(document: dict[str, Any], key: str) -> Iterator[str]:
    if key == "hosts":
        yield from document.get("hosts", {})
        return
    for table in [document.get("defaults", {}), *document.get("project", [])]:
        for name, value in table.items():
            if name == key or name.endswith(f"_{key}"):
                yield from [value] if isinstance(value, str) else value


PLAIN = """\
[estate]
schema = 1

[defaults]
local_repos = "~/repos"
default_image = "images:ubuntu/26.04/cloud"
profiles = ["default", "claude-share"]

[[project]]
name = "isurus"
image = "images:debian/12"
env = {EDITOR = "vi"}
mounts = [{source = "~/repos/tools", path = "/opt/tools"}]

[[project]]
name        = "lamna"       # a comment
asked_image = "local:mine"
asked_profiles = ["gpu"]

[hosts.nas]
address = "10.0.0.2"

[hosts."odd host"]
"""
BY_HAND = """\
# [[project]]
# name = "comment"
  [ defaults ]   # here
  "default_image"='images:x'
  exclude = [
    "name = 'no'",   # ] [[project]]
    'name = "no"',
    '[[project]]',
  ]
  profiles = [ "a", # "no", ]
    'b]',
    "c#",
  ]
[["project"]]
"name" = 'single'
[[ project ]] # x
repo = "name = \\"no\\""
'name'="with \\" quote and \\\\ and \\u00e4 and \\t"
env = {name = "no", image = "no"}
[[project]]
name="tight"
[project.env]
name = "no"
[other]
name = "no"
"""
LONG_STRINGS = '''\
[defaults]
exclude = ["""
[[project]]
name = "no"
image = "no"
""", \'\'\'
[[project]]
name = "no" \\\'\'\'\']
default_image = """images:long"""
[[project]]
repo = """ \\""" [[project]]
name = "no" """
name = \'\'\'isurus\'\'\'
[[project]]
repo = """one line"""
name = "lamna"
[[project]]
repo = """x""""
name = "carcharias"
'''
INLINE = """\
defaults = {default_image = "images:in/line", profiles = ["p", "q"], local_repos = "/r"}
project = [
  {name = "a", repo = "{name = 'no'}", env = {name = "no"}, image = "i1"},
  # {name = "no"}
  {repo = "b", "name" = 'b', profiles = ["r"]}, {name="c"},
]
hosts = {one = {address = "x"}, "two" = {}}
"""
DOTTED = """\
defaults.default_image = "images:dot"
defaults.local_repos = "/dotted"
hosts.nas.address = "1"
[hosts2]
name = "no"
"""
HOSTS = """\
[hosts]
nas = {address = "1"}
"other one".address = "2"
big.sub.key = "3"
[hosts.third]
[hosts.third.deeper]
[hosts.'it''s']
""".replace("[hosts.'it''s']\n", "")
HOSTILE = """\
[[project]]
name = "$(touch MARK)"
image = "`touch MARK`"
[[project]]
name = "x; touch MARK; #"
image = "' ; touch MARK ; '"
[[project]]
name = "a[$(touch MARK)]"
profiles = ["${x:=$(touch MARK)}", "(touch MARK)", "<(touch MARK)"]
[[project]]
name = "--delete-repo"
[[project]]
name = "\\u001b[31mred"
[[project]]
name = "* ?"
[[project]]
name = "%s%n\\\\c"
[[project]]
name = "\\u009b31m"
[hosts."$(touch MARK)"]
[hosts.'`touch MARK`']
"""
TEXTS = {
    "plain": PLAIN,
    "by hand": BY_HAND,
    "long strings": LONG_STRINGS,
    "inline": INLINE,
    "dotted": DOTTED,
    "hosts": HOSTS,
    "hostile": HOSTILE,
    "crlf": PLAIN.replace("\n", "\r\n"),
    "empty": "",
    "no newline at the end": '[[project]]\nname = "last"',
}


@each_shell
@pytest.mark.parametrize("key", ["name", "image", "profiles", "local_repos", "hosts"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_registry(shell: str, folder: Path, key: str, text: str) -> None:
    text = text.replace("MARK", str(folder / "mark"))
    assert registry(shell, folder, text, key) == expected(text, key)
    assert not (folder / "mark").exists()
