"""Names of files in a repo that make programs on the host run commands, or instruct agents. Pure.

The kinds are those of the programs: git, agents, editors, and tools, which are task runners,
package managers and shells. Files that only instruct an agent have a kind of their own: they
change daily, and what an agent does about them is up to the agent.
"""

from __future__ import annotations

import re
from functools import cache

__all__ = ["INSTRUCTIONS", "KINDS", "MODULES", "find_tests", "is_git_config", "kind_of", "place_of"]

KINDS = ("git", "agents", "editors", "tools")
"""The kinds of files that run commands, the most dangerous first: git runs at each prompt."""
INSTRUCTIONS = "instructions"
MODULES = ".git/modules"

_FOLDERS = {
    "editors": (".vscode", ".idea", ".zed", ".devcontainer", ".helix", ".fleet", ".bsp", ".vs"),
    "agents": (
        *(".claude", ".codex", ".gemini", ".opencode", ".cursor", ".agents", ".windsurf"),
        *(".continue", ".roo", ".kiro", ".qwen", ".amazonq"),
        *(".trae", ".junie", ".kilocode", ".factory", ".github/hooks"),
    ),
    "tools": (".husky", ".lefthook", ".yarn/releases", ".yarn/plugins", ".mise", ".config/mise"),
}
"""Folders by kind, all of whose content counts."""
_LEFTHOOK = ("lefthook", ".lefthook", "lefthook-local", ".lefthook-local")
_FILES = {
    "agents": (
        *(".mcp.json", "opencode.json", "opencode.jsonc", ".aider.conf.yml"),
        *("crush.json", ".crush.json"),
    ),
    "editors": (
        *("*.code-workspace", "*.sublime-project", ".exrc", ".nvimrc", ".nvim.lua"),
        *(".lazy.lua", ".vim/coc-settings.json"),
        *(".vimrc", ".gvimrc"),  # as .exrc, with the option exrc
        *(".dir-locals.el", ".dir-locals-2.el", ".devcontainer.json"),
    ),
    "tools": (
        *(".envrc", ".rvmrc", "mise.toml", ".mise.toml", "mise.*.toml", ".mise.*.toml"),
        *("mise/config.toml", "mise/config.*.toml", ".config/mise.toml"),
        *(".tool-versions", ".pre-commit-config.yaml", ".npmrc", ".yarnrc", ".yarnrc.yml"),
        *(f"{name}.{end}" for name in _LEFTHOOK for end in ("yml", "yaml", "toml", "json")),
        *(".pnpmfile.cjs", ".pnpmfile.mjs", "pnpm-workspace.yaml", "bunfig.toml"),
        *(".irbrc", ".pryrc", ".Rprofile", ".ghci", ".pdbrc"),  # a shell of the language
        *(".cargo/config", ".cargo/config.toml"),
        *("rust-toolchain", "rust-toolchain.toml"),
    ),
    INSTRUCTIONS: (
        *("CLAUDE.md", "CLAUDE.local.md", "AGENTS.md", "AGENTS.override.md", "GEMINI.md"),
        *(".cursorrules", ".windsurfrules", ".github/copilot-instructions.md"),
    ),
}
_GIT = (
    r"\.gitmodules|\.git(/(modules/(.*/)?|worktrees/[^/]*/)?"
    r"(HEAD|commondir|config|config\.worktree|hooks/.*|info/attributes))?"
)
"""As a file, .git leads to a git directory elsewhere. A HEAD marks the folder of a submodule."""
_GIT_LINKS = r"\.git/((.*/)?(hooks|info)|(modules|worktrees)(/.*)?)"
"""Links in place of these folders of git, which makes none itself."""
_TEXTS = r"\.claude/(CLAUDE\.md|rules/.*)|\.cursor/rules/.*|\.gemini/GEMINI\.md"
"""Instructions in the folders of agents."""
_DEPENDENCIES = "node_modules"
"""Folder of packages, which ship such files, too. Nobody opens an editor or starts an agent there,
and editors do not look for repos in it; git does, if the index says so."""
_WORKTREES = ".claude/worktrees"
"""Folder of whole working copies: only what counts in a repo counts there."""


def _either(names: tuple[str, ...]) -> str:
    """Return the regular expression, of Python and of POSIX, that matches each of `names`."""
    return "|".join(name.replace(".", r"\.").replace("*", "[^/]*") for name in names)


def _kind(kind: str) -> str:
    parts = [f"({_either(_FOLDERS[kind])})/.*"] if kind in _FOLDERS else []
    return "|".join([*parts, _either(_FILES[kind])])


def _links(kind: str) -> str:
    """Return the regular expression of folders that, as a link, lead to what counts elsewhere."""
    names = (*_FOLDERS.get(kind, ()), *_FILES[kind])
    parents = (name.rpartition("/")[0] for name in names)
    return _either(tuple(dict.fromkeys(filter(None, (*_FOLDERS.get(kind, ()), *parents)))))


_ANY = [_GIT, _TEXTS, *(_kind(kind) for kind in _FILES)]


class _Patterns:
    """The patterns of Python, compiled when they are first needed: that takes 3 ms."""

    def __init__(self) -> None:
        self.files = [
            (kind, re.compile(rf"(?:.*/)?(?:{pattern})", re.DOTALL))
            for kind, pattern in (
                *(("git", _GIT), ("editors", _kind("editors")), ("tools", _kind("tools"))),
                *((INSTRUCTIONS, _TEXTS), ("agents", _kind("agents"))),
                (INSTRUCTIONS, _kind(INSTRUCTIONS)),
            )
        ]
        self.links = [
            (kind, re.compile(rf"(?:.*/)?(?:{pattern})", re.DOTALL))
            for kind, pattern in (("git", _GIT_LINKS), *((kind, _links(kind)) for kind in _FILES))
        ]
        self.copy = re.compile(rf"(?:.*/)?{_either((_WORKTREES,))}/[^/]*/", re.DOTALL)
        folders = tuple(name for names in _FOLDERS.values() for name in names)
        self.folder = re.compile(rf"((?:.*?/)?(?:{_either(folders)}))/", re.DOTALL)


_patterns = cache(_Patterns)


def find_tests(start: str) -> list[str]:
    """Return the tests of find, in the C locale, for all such files below START.

    START is a regular expression of POSIX that ends with a slash.
    """

    def below(pattern: str) -> list[str]:
        return ["-regex", f"{start}(.*/)?({pattern})"]

    agents, copies = _kind("agents"), _either((_WORKTREES,))
    others = "|".join(part for part in _ANY if part not in (_GIT, agents))
    any_name = below("|".join(_ANY))  # alone it settles nearly all entries of a repo
    tests = [*any_name, "(", *below(_GIT), "-o", "-not", *below(f"{_DEPENDENCIES}/.*")]
    tests += ["(", *below(others), "-o", "-not", *below(f"{copies}/.*")]
    tests += ["-o", *below(f"{copies}/[^/]*/(.*/)?({agents})"), ")", ")"]
    links = ["-type", "l", *below("|".join([_GIT_LINKS, *map(_links, _FILES)]))]
    links += ["(", *below(_GIT_LINKS), "-o", "-not", *below(f"{_DEPENDENCIES}/.*"), ")"]
    either = ["(", *links, "-o", *tests, ")"]
    return ["-regextype", "posix-extended", "-not", "-type", "d", *either]


def is_git_config(path: str) -> bool:
    """Return True if `path` is the config of a repo or of its submodule, relative to the repo."""
    return path == ".git/config" or (path.startswith(f"{MODULES}/") and path.endswith("/config"))


def kind_of(path: str, *, link: bool = False) -> str:
    """Return the kind of the file at `path`, relative to its repo; "" if it is none of these.

    A `link` counts in place of a folder, too.
    """
    copy = _patterns().copy.match(path)  # anchored: a search is quadratic in the length of the path
    path = path[copy.end() :] if copy else path
    patterns = [*_patterns().files, *_patterns().links] if link else _patterns().files
    return next((kind for kind, pattern in patterns if pattern.fullmatch(path)), "")


def place_of(path: str) -> str:
    """Return the folder in which all content counts that holds `path`, else `path` itself."""
    copy = _patterns().copy.match(path)
    start = copy[0] if copy else ""
    found = _patterns().folder.match(path, len(start))
    return start + found[1] if found else path
