"""Attacks by a git directory that a container wrote: each makes the host's git run a program."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.estate import run

__all__ = ["ATTACKS", "Attack", "git", "write_index"]

Plant = Callable[[Path, Path], None]
"""Plants the payload, a program, in the repo."""


@dataclass(frozen=True)
class Attack:
    """A payload in a repo, and the command of git that runs it."""

    plant: Plant
    argv: tuple[str, ...] = ("status",)
    reported: str = "core.fsmonitor"
    """Text of the finding."""
    worktree: str = "."
    """Folder in which the command is run, relative to the repo."""


def git(repo: Path, *argv: str) -> str:
    """Run the real git, with an identity, and return its output."""
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nowhere",
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_NAME": "A Tester" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "tester@example.org" for who in ("AUTHOR", "COMMITTER")},
    }
    done = run(["git", "-c", "protocol.file.allow=always", "-C", str(repo), *argv], environ)
    assert done.code == 0, done
    return done.out


def write_index(repo: Path, path: str, mode: int, oid: str) -> None:
    """Write an index with one entry, which git itself may not accept."""
    name = os.fsencode(path)
    entry = struct.pack(">10I", 0, 0, 0, 0, 0, 0, mode, 0, 0, 0) + bytes.fromhex(oid)
    entry += struct.pack(">H", min(len(name), 0xFFF)) + name
    entry += b"\0" * (8 - len(entry) % 8)
    data = b"DIRC" + struct.pack(">II", 2, 1) + entry
    (repo / ".git/index").write_bytes(data + hashlib.sha1(data).digest())


def _append(path: Path, text: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes((path.read_bytes() if path.exists() else b"") + data)


def _fsmonitor(payload: Path) -> str:
    return f"[core]\n\tfsmonitor = {payload}\n"


def _config(text: str, *, before: bytes = b"") -> Plant:
    """Return a plant that adds `text` to the configuration, with {} for the payload."""

    def plant(repo: Path, payload: Path) -> None:
        file = repo / ".git/config"
        file.write_bytes(
            before.replace(b"{}", str(payload).encode())
            + file.read_bytes()
            + text.format(payload).encode()
        )

    return plant


def _commondir(repo: Path, payload: Path) -> None:
    copy = repo / "copy"
    shutil.copytree(repo / ".git", copy)
    _append(copy / "config", _fsmonitor(payload))
    (repo / ".git/commondir").write_text("../copy\n")


def _gitfile(repo: Path, payload: Path) -> None:
    (repo / ".git").rename(repo / ".old")
    _append(repo / ".old/config", _fsmonitor(payload))
    (repo / ".git").write_text("gitdir: .old\n")


def _link(repo: Path, payload: Path) -> None:
    (repo / ".git").rename(repo / ".old")
    _append(repo / ".old/config", _fsmonitor(payload))
    (repo / ".git").symlink_to(".old")


def _worktree_config(repo: Path, payload: Path) -> None:
    git(repo, "config", "extensions.worktreeConfig", "true")
    _append(repo / ".git/config.worktree", _fsmonitor(payload))


def _other_worktree_config(repo: Path, payload: Path) -> None:
    git(repo, "config", "extensions.worktreeConfig", "true")
    git(repo, "worktree", "add", "--quiet", "tree")
    _append(repo / ".git/worktrees/tree/config.worktree", _fsmonitor(payload))


def _worktree_elsewhere(repo: Path, payload: Path) -> None:
    git(repo, "worktree", "add", "--quiet", "tree")
    _append(repo / "copy/config", _fsmonitor(payload))
    shutil.copytree(repo / ".git", repo / "copy", dirs_exist_ok=True)
    _append(repo / "copy/config", _fsmonitor(payload))
    (repo / ".git/worktrees/tree/commondir").write_text("../../../copy\n")


def _include(repo: Path, payload: Path) -> None:
    _append(repo / ".git/config", "[include]\n\tpath = ../more\n")
    _append(repo / "more", _fsmonitor(payload))


def _gitlink(repo: Path, payload: Path) -> None:
    _nested(repo, "sub", payload)


def _nested(repo: Path, name: str, payload: Path | None) -> None:
    sub = repo / name
    sub.mkdir(parents=True)
    git(sub, "init", "--quiet")
    git(sub, "commit", "--allow-empty", "--quiet", "-m", "x")
    git(repo, "add", name)
    if payload:
        _append(sub / ".git/config", _fsmonitor(payload))


def _deep_gitlink(repo: Path, payload: Path) -> None:
    _nested(repo, "a", None)
    _nested(repo / "a", "b ü", payload)


def _odd_gitlink(name: str, mode: int = 0o160000) -> Plant:
    """Return a plant of a nested repo at `name` in the index, with {} for the repo."""

    def plant(repo: Path, payload: Path) -> None:
        _nested(repo, "sub", payload)
        head = git(repo / "sub", "rev-parse", "HEAD").strip()
        write_index(repo, name.format(repo), mode, head)

    return plant


def _other_branch(repo: Path, payload: Path) -> None:
    """A nested repo that becomes a submodule by a checkout, in the midst of it."""
    git(repo, "checkout", "--quiet", "-b", "other")
    _nested(repo, "sub", None)
    git(repo, "commit", "--quiet", "-m", "sub")
    (repo / "sub/file").write_text("first\n")  # of one size, so that git compares
    git(repo / "sub", "add", "file")
    _filter(repo / "sub", payload, "file")
    git(repo / "sub", "config", "diff.external", str(payload))
    git(repo / "sub", "commit", "--quiet", "--allow-empty", "-m", "y")
    git(repo, "add", "sub")
    git(repo, "commit", "--quiet", "-m", "sub, changed")
    (repo / "sub").rename(repo / "elsewhere")
    git(repo, "checkout", "--quiet", "main")
    (repo / "elsewhere").rename(repo / "sub")


def _merged_gitlink(repo: Path, payload: Path) -> None:
    """A merge of submodules whose commits are missing, which is shown by doing it again."""
    git(repo, "checkout", "--quiet", "--detach")
    heads = []
    for digit in "123":
        git(repo, "update-index", "--add", "--cacheinfo", f"160000,{digit * 40},sub")
        git(repo, "commit", "--quiet", "-m", digit)
        heads.append(git(repo, "rev-parse", "HEAD").strip())
        git(repo, "reset", "--quiet", "--soft", heads[0])
    parents = ("-p", heads[1], "-p", heads[2])
    merge = git(repo, "commit-tree", *parents, "-m", "x", f"{heads[1]}^{{tree}}").strip()
    git(repo, "tag", "merge", merge)
    git(repo, "update-index", "--force-remove", "sub")
    git(repo, "checkout", "--quiet", "main")
    git(repo, "init", "--quiet", "sub")
    _append(
        repo / "sub/.git/config",
        "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tpartialClone = origin\n"
        '[remote "origin"]\n\tpromisor = true\n\turl = ssh://example.org/x\n'
        f"[core]\n\tsshCommand = {payload}\n",
    )


def _empty_git_directory(repo: Path, payload: Path) -> None:
    """A folder whose .git is none for git, which takes the repo around it."""
    _other_branch(repo, payload)
    (repo / "docs/.git").mkdir(parents=True)


def _long_gitlink(repo: Path, payload: Path) -> None:
    """A nested repo that git enters by its path in the repo. The whole path of its .git is longer
    than the kernel takes."""
    _nested(repo, "sub", None)
    head = git(repo / "sub", "rev-parse", "HEAD").strip()
    (repo / "sub/.gitattributes").write_text("* filter=x\n")
    (repo / "sub/file").write_text("x\n")
    git(repo / "sub", "add", ".")
    _append(repo / "sub/.git/config", f'[filter "x"]\n\tclean = {payload}\n')
    (repo / "sub/file").write_text("y\n")  # of the same size, so git compares contents
    git(repo, "rm", "--quiet", "--cached", "--force", "sub")
    left = os.pathconf(repo, "PC_PATH_MAX") - 2 - len(os.fsencode(repo))
    folders = [*["d" * 200] * (left // 201 - 1)]
    left -= 201 * len(folders)
    folders += ["e" * (left // 2), "f" * (left - left // 2 - 2)]
    here = os.open(repo, os.O_RDONLY)
    inner = os.dup(here)
    for folder in folders[:-1]:
        os.mkdir(folder, dir_fd=inner)
        outer, inner = inner, os.open(folder, os.O_RDONLY, dir_fd=inner)
        os.close(outer)
    os.rename("sub", folders[-1], src_dir_fd=here, dst_dir_fd=inner)
    os.close(here)
    os.close(inner)
    lines = f"160000 {head}\t{'/'.join(folders)}\n"
    argv = ["git", "-C", str(repo), "update-index", "--index-info"]
    assert run(argv, {"PATH": "/usr/bin:/bin"}, given=lines).code == 0


def _many_gitlinks(repo: Path, payload: Path) -> None:
    """300 nested repos, the last with the payload."""
    _nested(repo, "n000", None)
    head = git(repo / "n000", "rev-parse", "HEAD").strip()
    for number in range(1, 300):
        shutil.copytree(repo / "n000", repo / f"n{number:03}")
    lines = "".join(f"160000 {head}\tn{number:03}\n" for number in range(300))
    (repo / "lines").write_text(lines)
    environ = {"PATH": "/usr/bin:/bin"}
    argv = ["git", "-C", str(repo), "update-index", "--index-info"]
    assert run(argv, environ, given=lines).code == 0
    _append(repo / "n299/.git/config", _fsmonitor(payload))


def _submodule(repo: Path) -> Path:
    """Add a submodule, and return its git directory."""
    source = repo.parent / f"{repo.name}-source"
    if not source.exists():
        source.mkdir()
        git(source, "init", "--quiet")
        git(source, "commit", "--allow-empty", "--quiet", "-m", "x")
    git(repo, "submodule", "--quiet", "add", str(source), "mod")
    for file in (repo / ".git/config", repo / ".git/modules/mod/config", repo / ".gitmodules"):
        file.write_text(file.read_text().replace(str(source), "https://example.org/s"))
    return repo / ".git/modules/mod"


def _module(repo: Path, payload: Path) -> None:
    _append(_submodule(repo) / "config", _fsmonitor(payload))


def _deep_module(name: str = "") -> Plant:
    """Return a plant of a repo nested in a submodule, which has core.worktree `name` or none."""

    def plant(repo: Path, payload: Path) -> None:
        _submodule(repo)
        _nested(repo / "mod", "deep", payload)
        if name:
            (repo / name).mkdir()
            (repo / "mod/deep").rename(repo / name / "deep")
            git(repo / "mod", "config", "core.worktree", f"../../../{name}")
        else:
            git(repo / "mod", "config", "--unset", "core.worktree")

    return plant


def _module_hook(repo: Path, payload: Path) -> None:
    module = _submodule(repo)
    git(repo, "commit", "--quiet", "-m", "mod")
    git(repo / "mod", "commit", "--allow-empty", "--quiet", "-m", "y")
    _hook(module / "hooks/post-checkout", payload)


def _hook(path: Path, payload: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\nexec {payload}\n")
    path.chmod(0o755)


def _own_hook(repo: Path, payload: Path) -> None:
    _hook(repo / ".git/hooks/pre-commit", payload)


def _hooks_path(repo: Path, payload: Path) -> None:
    _hook(repo / "h/pre-commit", payload)
    _append(repo / ".git/config", "[core]\n\thooksPath = h\n")


def _unused_module(repo: Path, payload: Path) -> None:
    """60 decoys in .git/modules, and one that `submodule update` will take."""
    module = _submodule(repo)
    git(repo, "commit", "--quiet", "-m", "mod")
    shutil.rmtree(repo / "mod")
    (repo / "mod").mkdir()
    for number in range(60):
        decoy = repo / f".git/modules/a{number:02}"
        decoy.mkdir()
        for name in ("HEAD", "config"):
            shutil.copy(module / name, decoy)
        for name in ("objects", "refs"):
            (decoy / name).mkdir()
    _append(module / "config", _fsmonitor(payload))


def _todo(repo: Path, payload: Path) -> None:
    git(repo, "branch", "old")
    git(repo, "commit", "--allow-empty", "--quiet", "-m", "y")
    folder = repo / ".git/rebase-merge"
    folder.mkdir()
    head = git(repo, "rev-parse", "HEAD").strip()
    for name, text in {
        "git-rebase-todo": f"  exec {payload}\n",
        "done": "",
        "head-name": "refs/heads/main\n",
        "onto": f"{head}\n",
        "orig-head": f"{head}\n",
        "interactive": "",
        "msgnum": "0\n",
        "end": "1\n",
    }.items():
        (folder / name).write_text(text)
    git(repo, "checkout", "--quiet", "--detach")


def _copy_with(repo: Path, copy: Path, payload: Path) -> None:
    """Copy the git directory of `repo`, and add the payload to the copy."""
    shutil.copytree(repo / ".git", copy, ignore=shutil.ignore_patterns("worktrees", "modules"))
    _append(copy / "config", _fsmonitor(payload))


def _two_line_gitfile(end: str, decoy: str, evil: str) -> Plant:
    """Return a plant whose .git a shell takes for the working tree `decoy`, and git for `evil`."""

    def plant(repo: Path, payload: Path) -> None:
        git(repo, "worktree", "add", "--quiet", "tree")
        trees = repo / ".git/worktrees"
        (trees / "tree").rename(trees / decoy)
        (trees / evil).parent.mkdir(exist_ok=True)
        _copy_with(repo, trees / evil, payload)
        (repo / "tree/.git").write_text(f"gitdir: {trees}/{end}")

    return plant


def _two_line_commondir(repo: Path, payload: Path) -> None:
    git(repo, "worktree", "add", "--quiet", "tree")
    (repo / ".git/worktrees/tree/commondir").write_text("../..\n/evil\n")
    (repo / ".git/worktrees/..\n").mkdir()
    _copy_with(repo, repo / ".git/worktrees/..\n/evil", payload)


def _git_merge(repo: Path, payload: Path) -> str:
    """Add a program for git to run, and return the strategy of this name."""
    (repo / "git-merge-x").mkdir()
    shutil.copy(payload, repo / "git-merge-x/y")
    return "x/y"


def _strategy(repo: Path, payload: Path) -> None:
    head = git(repo, "rev-parse", "HEAD").strip()
    git(repo, "reset", "--quiet", "--hard", "HEAD^")
    git(repo, "commit", "--quiet", "--amend", "-m", "another")
    _todo(repo, payload)
    (repo / ".git/rebase-merge/git-rebase-todo").write_text(f"pick {head}\n")
    (repo / ".git/rebase-merge/strategy").write_text(f"{_git_merge(repo, payload)}\n")


def _sequencer_options(repo: Path, payload: Path) -> None:
    head = git(repo, "rev-parse", "HEAD").strip()
    git(repo, "checkout", "--quiet", "-b", "other", "HEAD^")
    git(repo, "commit", "--quiet", "--amend", "-m", "another")
    here = git(repo, "rev-parse", "HEAD").strip()
    folder = repo / ".git/sequencer"
    folder.mkdir()
    (folder / "todo").write_text(f"pick {here}\npick {head}\n")
    (folder / "head").write_text(f"{here}\n")
    (folder / "opts").write_text(f"[options]\n\tstrategy = {_git_merge(repo, payload)}\n")


def _hidden_module(name: str, decoy: str = "") -> Plant:
    """Return a plant of a submodule of this name, with its git directory, not checked out."""

    def plant(repo: Path, payload: Path) -> None:
        _module(repo, payload)
        git(repo, "commit", "--quiet", "-m", "mod")
        folder = repo / ".git/modules" / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        (repo / ".git/modules/mod").rename(folder)
        for file in (repo / ".git/config", repo / ".gitmodules"):
            file.write_text(file.read_text().replace('"mod"', f'"{name}"'))
        config = folder / "config"
        kept = [line for line in config.read_text().splitlines() if "worktree" not in line]
        config.write_text("\n".join(kept) + "\n")
        shutil.rmtree(repo / "mod")
        (repo / "mod").mkdir()
        if decoy:
            (repo / ".git/modules" / decoy / "HEAD").write_text("x\n")

    return plant


def _module_without_head(repo: Path, payload: Path) -> None:
    _hidden_module("mod")(repo, payload)
    (repo / ".git/modules/mod/HEAD").unlink()
    (repo / ".git/modules/mod/HEAD").symlink_to("refs/heads/nothing")


def _bare(repo: Path, payload: Path) -> None:
    bare = repo / "data"
    git(repo, "init", "--quiet", "--bare", "data")
    git(bare, "config", "core.bare", "false")
    git(bare, "config", "core.worktree", "..")
    _append(bare / "config", _fsmonitor(payload))


def _remote_file(repo: Path, payload: Path) -> None:
    """A remote that is no key of the configuration, with a repo of the container behind it."""
    other = repo / "other"
    git(repo, "init", "--quiet", "--bare", "other")
    _hook(other / "hooks/pre-receive", payload)
    _append(repo / ".git/remotes/evil", f"URL: {other}\n")


def _remote_folder(repo: Path, payload: Path) -> None:
    """A remote that is the name of a folder."""
    git(repo, "init", "--quiet", "--bare", "origin")
    _hook(repo / "origin/hooks/pre-receive", payload)


def _remote_url(repo: Path, payload: Path) -> None:
    _remote_folder(repo, payload)
    git(repo, "remote", "add", "mine", str(repo / "origin"))


def _filter(repo: Path, payload: Path, file: str = "README.md") -> None:
    (repo / ".gitattributes").write_text("* filter=x\n")
    _append(repo / ".git/config", f'[filter "x"]\n\tclean = {payload}\n')
    (repo / file).write_text("other\n")


_COMMENTS = b"# " + b"x" * 78 + b"\n"
_UPDATE = ("submodule", "update", "--no-fetch")
_WITH_HOOK = ("commit", "--allow-empty", "-m", "x")

ATTACKS = {
    "fsmonitor": Attack(_config("[core]\n\tfsmonitor = {}\n")),
    "commondir": Attack(_commondir, reported="commondir"),
    "gitlink": Attack(_gitlink),
    "gitlink in a gitlink": Attack(_deep_gitlink),
    "gitlink with permissions": Attack(_odd_gitlink("sub", 0o160755), reported=".git/index"),
    "gitlink with more bits": Attack(_odd_gitlink("sub", 0o1160000), reported=".git/index"),
    "gitlink of an absolute path": Attack(_odd_gitlink("{}/sub"), reported=".git/index"),
    "gitlink of a path upwards": Attack(_odd_gitlink("../isurus/sub"), reported=".git/index"),
    "gitlink in a submodule without a folder": Attack(_deep_module()),
    "gitlink in a submodule with a tab": Attack(_deep_module("mod\tx"), reported="core.worktree"),
    "gitlink in a submodule with a line break": Attack(
        _deep_module("mod\nx"), reported="core.worktree"
    ),
    "gitlink of another branch": Attack(
        _other_branch, ("checkout", "other"), reported="filter.x.clean"
    ),
    "gitlink of another branch, by switch": Attack(
        _other_branch, ("switch", "other"), reported="filter.x.clean"
    ),
    "gitlink of another branch, by show": Attack(
        _other_branch, ("show", "--submodule=diff", "other"), reported="filter.x.clean"
    ),
    "gitlink of a merge": Attack(
        _merged_gitlink, ("show", "--remerge-diff", "merge"), reported="core.sshcommand"
    ),
    "gitlink of another branch, below an empty .git": Attack(
        _empty_git_directory, ("checkout", "other"), "filter.x.clean", worktree="docs"
    ),
    "gitlink of a long path": Attack(_long_gitlink, reported="a folder of too long a path"),
    "300 gitlinks": Attack(_many_gitlinks),
    "gitfile": Attack(_gitfile, reported=".git: neither a folder"),
    "symbolic link": Attack(_link, reported=".git: neither a folder"),
    "config.worktree": Attack(_worktree_config),
    "config.worktree of another tree": Attack(
        _other_worktree_config, ("worktree", "remove", "tree")
    ),
    "working tree of a copy": Attack(_worktree_elsewhere, worktree="tree", reported="commondir"),
    "submodule": Attack(_module),
    "hook of a submodule": Attack(
        _module_hook, ("submodule", "update", "--no-fetch"), reported="hooks/post-checkout"
    ),
    "gitfile of two lines": Attack(
        _two_line_gitfile("y\n/evil\n", "y", "y\n/evil"), worktree="tree", reported="tree/.git"
    ),
    "gitfile with a carriage return": Attack(
        _two_line_gitfile("y\r", "y\r", "y"), worktree="tree", reported=""
    ),
    "gitfile with a NUL": Attack(
        _two_line_gitfile("y\0x", "yx", "y"), worktree="tree", reported=""
    ),
    "commondir of two lines": Attack(
        _two_line_commondir, worktree="tree", reported="tree/commondir"
    ),
    "strategy of a rebase": Attack(
        _strategy, ("rebase", "--continue"), reported="rebase-merge/strategy: strategy"
    ),
    "strategy of a cherry-pick": Attack(
        _sequencer_options, ("cherry-pick", "--continue"), reported="sequencer/opts: option"
    ),
    "submodule with dots": Attack(_hidden_module("..foo"), _UPDATE),
    "submodule below a decoy": Attack(_hidden_module("a/b", decoy="a"), _UPDATE),
    "submodule below objects": Attack(_hidden_module("a/objects/b", decoy="a"), _UPDATE),
    "submodule without HEAD": Attack(
        _module_without_head, _UPDATE, reported="mod/HEAD: a symbolic link"
    ),
    "60 decoys in modules": Attack(_unused_module, ("submodule", "update", "--no-fetch")),
    "include": Attack(_include, reported="include.path"),
    "hooksPath": Attack(_hooks_path, _WITH_HOOK, reported="core.hookspath"),
    "hook": Attack(_own_hook, _WITH_HOOK, reported=".git/hooks/pre-commit"),
    "exec in a rebase": Attack(_todo, ("rebase", "--continue"), reported="git-rebase-todo: step"),
    "256 KiB of comments": Attack(
        _config("[core]\n\tfsmonitor = {}\n", before=_COMMENTS * 4000),
    ),
    "byte order mark": Attack(
        _config("", before=b"\xef\xbb\xbf[core]\n\tfsmonitor = {}\n"),
    ),
    "form feed": Attack(
        _config("# a comment \f[core]\n# another \f[user]\n\tfsmonitor = {}\n"),
    ),
    "carriage return": Attack(_config("[core]\r\n\tfsmonitor = {}\r\n")),
    "in one line": Attack(_config("[core] fsmonitor = {}\n")),
    "upper case": Attack(_config("[CORE]\n\tFsMonitor = {}\n")),
    "continued line": Attack(_config('[core]\n\tfsmonitor = "\\\n{}"\n')),
    "forged record": Attack(
        _config('[remote "x.url\x01https://"]\n\turl = x\n[core]\n\tfsmonitor = {}\n')
    ),
    "filter": Attack(_filter, ("add", "README.md"), reported="filter.x.clean"),
    "diff driver": Attack(
        _config("[diff]\n\texternal = {}\n"), ("diff", "HEAD^"), reported="diff.external"
    ),
    "alias": Attack(_config("[alias]\n\tst = !{}\n"), ("st",), reported="alias.st"),
    "editor": Attack(
        _config("[core]\n\teditor = {}\n"), ("commit", "--allow-empty"), reported="core.editor"
    ),
    "gpg": Attack(_config("[gpg]\n\tprogram = {}\n"), (*_WITH_HOOK, "-S"), reported="gpg.program"),
    "ssh command": Attack(
        _config('[core]\n\tsshCommand = {}\n[remote "origin"]\n\turl = ssh://example.org/x\n'),
        ("fetch",),
        reported="core.sshcommand",
    ),
    "upload-pack": Attack(
        _config('[remote "origin"]\n\turl = /\n\tuploadpack = {}\n'),
        ("fetch",),
        reported="remote.origin.uploadpack",
    ),
    "bare repo": Attack(_bare, worktree="data", reported=""),
    "remote in a file": Attack(
        _remote_file, ("push", "evil", "HEAD:x"), reported=".git/remotes/evil"
    ),
    "remote of a folder": Attack(_remote_folder, ("push", "origin", "HEAD:x"), reported=""),
    "remote in local_repos": Attack(
        _remote_url, ("push", "mine", "HEAD:x"), reported="remote.mine.url"
    ),
}
"""By name. Of those that report nothing, the command is refused, or the folder."""
