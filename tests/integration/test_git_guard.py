"""The guard for git and its judge, with the real git and real attacks."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repoman_tasks.guard import guard_script
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.tools.git_guard_files import guard_folders
from repoman_tasks.tools.git_judge import approve_reports, judge_repo, revoke_reports
from repoman_tasks.tools.hazard_scan import find_hazards
from tests.support.estate import Result, isolate_environ, run
from tests.support.git_attacks import ATTACKS, Attack, git, write_index

SHELLS = tuple(
    shell for shell in (("dash",), ("busybox", "sh"), ("bash", "--posix")) if shutil.which(shell[0])
)


@dataclass(frozen=True)
class Guarded:
    """A guard on PATH, a guarded folder with a repo, and a folder that is not guarded."""

    base: Path
    environ: dict[str, str]

    @property
    def repos(self) -> Path:
        return self.base / "home/repos"

    @property
    def repo(self) -> Path:
        return self.repos / "isurus"

    @property
    def outside(self) -> Path:
        return self.base / "outside"

    @property
    def payload(self) -> Path:
        return self.base / "payload"

    @property
    def fired(self) -> bool:
        """Return True if the payload ran since this was asked last."""
        ran = (self.base / "fired").exists()
        (self.base / "fired").unlink(missing_ok=True)
        return ran

    @property
    def guard(self) -> Path:
        return self.base / "home/.local/share/repoman/bin/git"

    def git(self, *argv: str, cwd: Path | None = None) -> Result:
        """Run the git that PATH has, which is the guard."""
        return run(["git", *argv], self.environ, cwd=cwd or self.repo)

    def real_git(self, *argv: str, cwd: Path | None = None) -> Result:
        return run(
            ["git", *argv], {**self.environ, "PATH": os.environ["PATH"]}, cwd=cwd or self.repo
        )

    def hazards(self) -> list[str]:
        """Return what `status` would report of the repo."""
        hazards = find_hazards(LocalHost(self.environ), str(self.repo))
        return sorted(hazard.what for hazard in hazards if hazard.what != ".gitmodules")


@pytest.fixture
def guarded(tmp_path: Path) -> Guarded:
    home = tmp_path / "home"
    state = home / ".local/state/repoman"
    guard = home / ".local/share/repoman/bin/git"
    environ = isolate_environ(home)
    environ["PATH"] = f"{guard.parent}:{os.environ['PATH']}"
    environ["GIT_SSH"] = str(tmp_path / "ssh")
    (tmp_path / "ssh").write_text('#!/bin/sh\nshift $(($# - 1))\nexec sh -c "$1"\n')
    (tmp_path / "ssh").chmod(0o755)
    made = Guarded(tmp_path, environ)
    for folder in (made.repo, made.outside, state / "guard", guard.parent):
        folder.mkdir(parents=True)
    (state / "guard/folders").write_text(f"{made.repos}\n")
    (state / "guard/names").write_text(f"{made.repo}\tisurus\n")
    guard.write_text(guard_script(str(state)))
    guard.chmod(0o755)
    made.payload.write_text(f"#!/bin/sh\ntouch {tmp_path}/fired\nexit 1\n")
    made.payload.chmod(0o755)
    for name in ("README.md", "more.txt"):
        git_init = [] if (made.repo / ".git").exists() else ["init", "--quiet", "-b", "main"]
        if git_init:
            git(made.repo, *git_init)
        (made.repo / name).write_text(f"{name}\n")
        git(made.repo, "add", name)
        git(made.repo, "commit", "--quiet", "-m", name)
    return made


SLOW = {"300 gitlinks": pytest.mark.nightly}
"""Attacks whose test takes as long as all others together."""


@pytest.mark.parametrize(
    "attack",
    [pytest.param(attack, id=name, marks=SLOW.get(name, ())) for name, attack in ATTACKS.items()],
)
def test_an_attack_that_works_on_git_is_refused_and_reported(
    guarded: Guarded, attack: Attack
) -> None:
    assert guarded.hazards() == []
    attack.plant(guarded.repo, guarded.payload)
    place = guarded.repo / attack.worktree
    guarded.fired  # noqa: B018 # what the real git ran while planting
    copy = guarded.base / "copy.tar"  # by tar, as a path may be too long for others
    tar = ["tar", "--format=posix", "-C", str(guarded.repo)]
    assert run([*tar, "-cf", str(copy), "."], guarded.environ).code == 0
    assert attack.reported in "\n".join(guarded.hazards())
    assert not guarded.fired, "the judge runs nothing"
    done = guarded.git(*attack.argv, cwd=place)
    assert not guarded.fired, done
    if attack.reported != ".git/hooks/pre-commit":  # switched off, and not refused
        assert done.code == 128, done
    assert run(["rm", "-rf", str(guarded.repo)], guarded.environ).code == 0
    guarded.repo.mkdir()
    assert run([*tar, "-xf", str(copy)], guarded.environ).code == 0
    guarded.real_git(*attack.argv, cwd=place)
    assert guarded.fired, "where nothing holds it, it works"


# --- what passes ----------------------------------------------------------------------------


def test_usual_work_passes(guarded: Guarded) -> None:
    bare = guarded.base / "bare.git"
    assert guarded.git("init", "--quiet", "--bare", "-b", "main", str(bare)).code == 0
    for line in WORK.format(bare=f"example.org:{bare}").strip().splitlines():
        done = guarded.git(*shlex.split(line))
        assert done.code == 0, (line, done)
        assert "repoman" not in done.err
    assert guarded.hazards() == []


WORK = """
remote add origin {bare}
push --quiet --set-upstream origin main
checkout --quiet -b feature
commit --quiet --allow-empty -m one
branch -m renamed2
config branch.renamed2.description text
config user.name Somebody
rebase --quiet main
checkout --quiet main
merge --quiet --no-ff -m merged renamed2
stash list
fetch --quiet
pull --quiet --rebase
worktree add --quiet ../tree renamed2
-C ../tree commit --quiet --allow-empty -m two
-C ../tree status
worktree remove ../tree
submodule --quiet add {bare} sub
commit --quiet -m sub
submodule --quiet update --init
-C sub status
sparse-checkout set --skip-checks sub
sparse-checkout disable
tag v1
push --quiet --follow-tags
gc --quiet
log --oneline
diff HEAD^
remote rename origin upstream
remote update
clone --quiet {bare} ../clone
-C ../clone commit --quiet --allow-empty -m three
-C ../clone push --quiet
"""


@pytest.mark.parametrize(
    "argv",
    [
        ["--version"],
        ["version"],
        ["help", "-g"],
        ["init", "x"],
        ["--exec-path"],
        ["config", "--list"],
    ],
)
def test_git_works_where_there_is_no_repo(guarded: Guarded, argv: list[str]) -> None:
    done = guarded.git(*argv, cwd=guarded.repos)
    assert done.code == 0, done


def test_outside_of_the_guarded_folders_git_runs_as_it_is(guarded: Guarded) -> None:
    git(guarded.outside, "init", "--quiet")
    git(guarded.outside, "config", "core.fsmonitor", str(guarded.payload))
    guarded.git("status", cwd=guarded.outside)
    assert guarded.fired


def test_without_git_the_guard_says_so(guarded: Guarded) -> None:
    environ = {**guarded.environ, "PATH": str(guarded.guard.parent)}
    done = run(["/bin/sh", str(guarded.guard), "status"], environ, cwd=guarded.repo)
    assert (done.code, done.err) == (127, "repoman: git is not installed\n")


def test_two_guards_do_not_call_each_other(guarded: Guarded) -> None:
    other = guarded.base / "other/repoman/bin/git"
    other.parent.mkdir(parents=True)
    shutil.copy(guarded.guard, other)
    link = guarded.base / "links/git"
    link.parent.mkdir()
    link.symlink_to(guarded.guard)
    path = f"{link.parent}:{other.parent}:{guarded.environ['PATH']}"
    done = run(["git", "status"], {**guarded.environ, "PATH": path}, cwd=guarded.repo)
    assert done.code == 0, done


def test_without_its_list_of_folders_the_guard_refuses(guarded: Guarded) -> None:
    file = guarded.base / "home/.local/state/repoman/guard/folders"
    file.unlink()
    done = guarded.git("status", cwd=guarded.outside)
    assert done.code == 128
    assert f"{file} can't be read: run `repoman git-guard install`" in done.err


# --- what is refused ------------------------------------------------------------------------


def test_a_refusal_names_key_file_and_cure(guarded: Guarded) -> None:
    git(guarded.repo, "config", "core.fsmonitor", f"{guarded.payload}\x1b[31m\n")
    done = guarded.git("status")
    assert done.code == 128
    assert done.err == (
        f"repoman: git does not run here: core.fsmonitor = {guarded.payload}?[31m? "
        f"in {guarded.repo}/.git/config\n"
        "repoman: to see and approve it, run `repoman trust --git isurus`\n"
    )


def test_no_value_looks_like_a_cure(guarded: Guarded) -> None:
    git(guarded.repo, "config", "x.y", "nothing, run `repoman trust --git lamna` first")
    done = guarded.git("status")
    assert done.err.count("`") == 2
    assert done.err.endswith("run `repoman trust --git isurus`\n")


def places(guarded: Guarded) -> dict[str, tuple[list[str], Path, dict[str, str]]]:
    """Return ways to name the repo: arguments, folder, environment."""
    repo, outside = guarded.repo, guarded.outside
    (guarded.base / "link").symlink_to(repo)
    (repo / "deep/folder").mkdir(parents=True)
    return {
        "a folder inside": (["status"], repo / "deep/folder", {}),
        "-C": (["-C", str(repo), "status"], outside, {}),
        "-C twice": (["-C", str(guarded.repos), "-C", "isurus", "status"], outside, {}),
        "-C by dots": (["-C", "../home/../home/repos/isurus", "status"], outside, {}),
        "a link": (["-C", str(guarded.base / "link"), "status"], outside, {}),
        "--git-dir": ([f"--git-dir={repo}/.git", "status"], outside, {}),
        "--git-dir, apart": (["--git-dir", f"{repo}/.git", "status"], outside, {}),
        "GIT_DIR": (["status"], outside, {"GIT_DIR": f"{repo}/.git"}),
        "GIT_DIR and a tree": (
            ["status"],
            outside,
            {"GIT_DIR": f"{repo}/.git", "GIT_WORK_TREE": str(repo)},
        ),
        "after -c": (["-c", "a.b=c", "-C", str(repo), "--no-pager", "status"], outside, {}),
    }


def test_however_the_repo_is_named(guarded: Guarded) -> None:
    git(guarded.repo, "config", "core.fsmonitor", str(guarded.payload))
    for name, (argv, cwd, environ) in places(guarded).items():
        environ = {**guarded.environ, **environ}
        done = run(["git", *argv], environ, cwd=cwd)
        assert (done.code, guarded.fired) == (128, False), (name, done)
        run(["git", *argv], {**environ, "PATH": os.environ["PATH"]}, cwd=cwd)
        assert guarded.fired, name


def test_a_working_tree_that_is_outside(guarded: Guarded) -> None:
    tree = guarded.outside / "tree"
    git(guarded.repo, "worktree", "add", "--quiet", str(tree))
    assert guarded.git("status", cwd=tree).code == 0
    git(guarded.repo, "config", "core.fsmonitor", str(guarded.payload))
    assert guarded.git("status", cwd=tree).code == 128
    assert not guarded.fired


def test_another_working_tree_that_is_named(guarded: Guarded) -> None:
    """The index is the repo's, but submodules are looked for in the other tree."""
    ATTACKS["gitlink"].plant(guarded.repo, guarded.payload)
    other = guarded.repos / "other"
    other.mkdir()
    (guarded.repo / "sub").rename(other / "sub")
    for argv in ([f"--work-tree={other}", "status"], ["--work-tree", "../other", "status"]):
        assert guarded.git(*argv).code == 128, argv
        assert not guarded.fired
    guarded.real_git(f"--work-tree={other}", "status")
    assert guarded.fired


BYTES = [
    "\x81\x88",
    "\xff",
    "ü",
    "*",
    "?[a]",
    "a\\\\b",
    "$(x)",
    "`x`",
    "'",
    "%s",
    "-n",
    "~",
    "\x02",
]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_bytes_of_any_kind_in_names_and_values(guarded: Guarded, shell: tuple[str, ...]) -> None:
    """None is taken for a pattern or for code, and none hides what follows it."""
    config = guarded.repo / ".git/config"
    before = config.read_bytes()
    argv = [*shell, str(guarded.guard), "log"]
    for odd in BYTES:
        data = odd.encode("utf-8" if odd == "ü" else "latin-1")
        config.write_bytes(before + b'[branch "%b"]\n\tdescription = "%b"\n' % (data, data))
        expected = 128 if odd == "\x02" else 0
        done = run(argv, guarded.environ, cwd=guarded.repo)
        assert done.code == expected, (odd, done)
        config.write_bytes(before + b'[remote "%b"]\n\turl = "ext::%b"\n' % (data, data))
        assert run(argv, guarded.environ, cwd=guarded.repo).code == 128, odd
        config.write_bytes(before + b'[%b "%b"]\n\tuploadpack = x\n' % (b"remote", data))
        assert run(argv, guarded.environ, cwd=guarded.repo).code == 128, odd


def test_a_push_into_a_guarded_repo_from_outside(guarded: Guarded) -> None:
    clone = guarded.outside / "clone"
    git(guarded.outside, "clone", "--quiet", str(guarded.repo), str(clone))
    git(clone, "checkout", "--quiet", "-b", "more")
    assert guarded.git("push", "origin", "more", cwd=clone).code == 0
    hook = guarded.repo / ".git/hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(guarded.payload.read_text())
    hook.chmod(0o755)
    git(clone, "commit", "--quiet", "--allow-empty", "-m", "x")
    git(clone, "config", "alias.p", "push")
    path = str(guarded.repo)
    for argv in (
        *(["push", "origin", "more"], ["push", "-q"], ["push", path, "more"]),
        ["send-pack", path, "more"],
        ["-c", "alias.p=push", "p", "origin", "more"],
        ["p", "origin", "more"],
        ["subtree", "push", "--prefix=sub", "origin", "x"],
    ):
        assert guarded.git(*argv, cwd=clone).code == 128, argv
        assert not guarded.fired
    for argv in (["push", "origin", "more"], ["p", "origin", "more"]):
        guarded.real_git(*argv, cwd=clone)
        assert guarded.fired, argv


@pytest.mark.parametrize("argv", [[], ["-C", "clone", "-c", "x.y=z"]])
def test_a_clone_shares_no_file_with_the_repo(guarded: Guarded, argv: list[str]) -> None:
    """A container could change it there later."""
    (guarded.outside / "clone").mkdir()
    for run_git, links in ((guarded.git, 1), (guarded.real_git, 2)):
        clone = guarded.base / f"copy {links}"
        done = run_git(*argv, "clone", "--", str(guarded.repo), str(clone), cwd=guarded.outside)
        assert done.code == 0, done
        objects = [path for path in (clone / ".git/objects").rglob("*") if path.is_file()]
        assert {path.stat().st_nlink for path in objects} == {links}


FORMS = {
    "home": {"remote.origin.url": "~/repos/isurus"},
    "a URL with escapes": {"remote.origin.url": "file://{home}/re%70os/%69surus"},
    "pushDefault": {"remote.pushDefault": "{home}/repos/isurus"},
    "insteadOf": {"remote.origin.url": "x:isurus", "url.{home}/repos/.insteadOf": "x:"},
    "pushInsteadOf": {"remote.origin.url": "x:isurus", "url.~/repos/.pushInsteadOf": "x:"},
}
"""Configurations of a clone by which a push goes to the guarded repo."""


@pytest.mark.parametrize("name", FORMS)
def test_a_push_into_a_guarded_repo_that_is_named_otherwise(guarded: Guarded, name: str) -> None:
    clone, home = guarded.outside / "clone", guarded.environ["HOME"]
    git(guarded.outside, "clone", "--quiet", str(guarded.repo), str(clone))
    git(clone, "checkout", "--quiet", "-b", "more")
    git(clone, "commit", "--quiet", "--allow-empty", "-m", "x")
    git(clone, "remote", "remove", "origin")
    git(clone, "config", "push.default", "current")
    for key, value in FORMS[name].items():
        git(clone, "config", key.format(home=home), value.format(home=home))
    hook = guarded.repo / ".git/hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    shutil.copy(guarded.payload, hook)
    assert guarded.git("push", cwd=clone).code == 128
    assert not guarded.fired
    guarded.real_git("push", cwd=clone)
    assert guarded.fired, "where nothing holds it, it works"


def test_a_push_that_updates_a_working_tree_enters_no_nested_repo(guarded: Guarded) -> None:
    clone, sub = guarded.outside / "clone", guarded.repo / "sub"
    git(guarded.outside, "clone", "--quiet", str(guarded.repo), str(clone))
    sub.mkdir()
    git(sub, "init", "--quiet")
    (sub / "file").write_text("x\n")
    (sub / ".gitattributes").write_text("* filter=x\n")
    git(sub, "add", ".")
    git(sub, "commit", "--quiet", "-m", "x")
    git(sub, "config", "filter.x.smudge", str(guarded.payload))
    git(sub, "config", "filter.x.clean", str(guarded.payload))
    (sub / "file").write_text("y\n")
    head = git(sub, "rev-parse", "HEAD").strip()
    git(clone, "update-index", "--add", "--cacheinfo", f"160000,{head},sub")
    (clone / ".gitmodules").write_text('[submodule "sub"]\n\tpath = sub\n\turl = ssh://e/x\n')
    git(clone, "add", ".gitmodules")
    git(clone, "commit", "--quiet", "-m", "sub")
    for key, value in (("submodule.recurse", "true"), ("submodule.active", ".")):
        git(guarded.repo, "config", key, value)
    git(guarded.repo, "config", "receive.denyCurrentBranch", "updateInstead")
    assert not guarded.fired
    assert guarded.git("push", "origin", "main", cwd=clone).code == 128
    assert not guarded.fired
    guarded.real_git("push", "origin", "main", cwd=clone)
    assert guarded.fired, "where nothing holds it, it works"


def test_a_working_tree_outside_of_the_repo(guarded: Guarded) -> None:
    """git would overwrite what is there."""
    (guarded.outside / "README.md").write_text("mine\n")
    git(guarded.repo, "config", "core.worktree", str(guarded.outside))
    for argv in (["status"], ["reset", "--hard"]):
        assert guarded.git(*argv).code == 128
    assert ".git/config: core.worktree" in guarded.hazards()
    assert (guarded.outside / "README.md").read_text() == "mine\n"
    guarded.real_git("reset", "--hard")
    assert (guarded.outside / "README.md").read_text() != "mine\n"


URLS = {
    **dict.fromkeys(
        ("https://example.org/x", "http://u:p@example.org/x", "ssh://git@example.org:22/x"), True
    ),
    **dict.fromkeys(("git@example.org:x/y.git", "example.org:x", "git://example.org/x"), True),
    **dict.fromkeys(("/srv/x.git", "file:///srv/x.git", "~/x"), False),
    **dict.fromkeys(("ext::sh -c x", "x::y", "repoman::y", "https::x", "fd::17"), False),
    **dict.fromkeys(
        ("ssh://-oProxyCommand=x/y", "-oProxyCommand=x:y", "a@-oProxyCommand=x:y"), False
    ),
    **dict.fromkeys(("ssh://a@-oProxyCommand=x/y", "ftp://example.org/x", "rsync://e/x"), False),
    **dict.fromkeys(("../x", "x", "./x", "file://x", "/srv/../x", "", "https:///x"), False),
}


@pytest.mark.parametrize(("url", "allowed"), URLS.items())
def test_urls(guarded: Guarded, url: str, allowed: bool) -> None:
    with (guarded.repo / ".git/config").open("a") as config:
        config.write(f'[remote "x"]\n\turl = "{url}"\n')
    assert guarded.hazards() == ([] if allowed else [".git/config: remote.x.url"])


@pytest.mark.parametrize(
    "path", ["{repos}/other", "file://{repos}/other", "{base}/link", "{base}/home/./repos/x"]
)
def test_a_path_in_a_guarded_folder_is_no_safe_url(guarded: Guarded, path: str) -> None:
    (guarded.repos / "other").mkdir()
    (guarded.base / "link").symlink_to(guarded.repos / "other")
    url = path.format(repos=guarded.repos, base=guarded.base)
    git(guarded.repo, "config", "remote.x.url", url)
    assert guarded.git("status").code == 128


def test_a_private_repo_is_fetched_only_if_its_path_was_approved(guarded: Guarded) -> None:
    """Else what it has could be read in the container, after one `git fetch`."""
    git(guarded.outside, "init", "--quiet", "-b", "main")
    git(guarded.outside, "commit", "--quiet", "--allow-empty", "-m", "SECRET")
    for url in (str(guarded.outside), f"file://{guarded.outside}"):
        git(guarded.repo, "config", "remote.origin.url", url)
        assert guarded.hazards() == [".git/config: remote.origin.url"]
        assert guarded.git("fetch").code == 128
        approve(guarded)
        assert guarded.git("fetch").code == 0
        assert "SECRET" in guarded.real_git("log", "FETCH_HEAD").out


def test_the_repo_of_another_project_is_not_fetched_by_ssh_config(guarded: Guarded) -> None:
    """With `repoman ssh-config` each container has a name for ssh, and so for git."""
    path = guarded.base / "repos/lamna"
    for host in ("lamna.repoman", "dev@LAMNA.Repoman", "lamna.nas.repoman"):
        urls = [f"{host}:{path}", f"ssh://{host}{path}", f"ssh://{host}:22{path}"]
        for url in (*urls, f"ssh://[{host}]{path}", f"ssh://{host.replace('.', '%2e')}{path}"):
            git(guarded.repo, "config", "remote.origin.url", url)
            assert guarded.git("fetch").code == 128, url
    assert guarded.hazards() == [".git/config: remote.origin.url"]
    for url in ("git@repoman.example.org:x", "ssh://git@x.repoman.org/x"):
        git(guarded.repo, "config", "remote.origin.url", url)
        assert guarded.hazards() == []


@pytest.mark.parametrize("place", ["the working tree", "the index", "HEAD"])
def test_a_private_repo_is_no_submodule_until_its_path_was_approved(
    guarded: Guarded, place: str
) -> None:
    """Of a person whom git lets use submodules at paths."""
    git(guarded.outside, "init", "--quiet")
    (guarded.outside / "secret").write_text("SECRET\n")
    git(guarded.outside, "add", ".")
    git(guarded.outside, "commit", "--quiet", "-m", "x")
    head = git(guarded.outside, "rev-parse", "HEAD").strip()
    modules = guarded.repo / ".gitmodules"
    modules.write_text(f'[submodule "s"]\n\tpath = s\n\turl = {guarded.outside}\n')
    git(guarded.repo, "add", ".gitmodules")
    git(guarded.repo, "update-index", "--add", "--cacheinfo", f"160000,{head},s")
    git(guarded.repo, "commit", "--quiet", "-m", "s")
    if place != "the working tree":
        modules.unlink()
    if place == "HEAD":
        git(guarded.repo, "rm", "--quiet", "--cached", ".gitmodules")
    settings_file = guarded.base / "gitconfig"
    settings_file.write_text("[protocol.file]\n\tallow = always\n")
    environ = {**guarded.environ, "GIT_CONFIG_GLOBAL": str(settings_file)}
    argv = ["git", "submodule", "update", "--init"]
    done = run(argv, environ, cwd=guarded.repo)
    assert done.code == 128, done
    assert ".gitmodules: submodule.s.url" in "\n".join(guarded.hazards())
    done = run(argv, {**environ, "PATH": os.environ["PATH"]}, cwd=guarded.repo)
    assert (guarded.repo / "s/secret").exists(), "where nothing holds it, it works"


def test_hooks_of_a_mirror_do_not_run(guarded: Guarded) -> None:
    """They were written in a container; approved is the path, and not they."""
    share = guarded.base / "share"
    shutil.copytree(guarded.repo, share / "isurus")
    hook = share / "isurus/.git/hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    shutil.copy(guarded.payload, hook)
    guard_folders(LocalHost(guarded.environ), [str(share)])
    git(guarded.repo, "config", "remote.origin.url", str(share / "isurus"))
    for _ in range(2):
        done = guarded.git("push", "origin", "HEAD:x")
        assert (done.code, guarded.fired) == (128, False), done
        approve(guarded)
    assert "hooks/pre-receive" in done.err
    guarded.real_git("push", "origin", "HEAD:x")
    assert guarded.fired


RECURSE = {
    "push.recurseSubmodules": ("on-demand", ["push", "--quiet"]),
    "submodule.recurse": ("true", ["push", "--quiet"]),
    "x.y": ("false", ["push", "--quiet", "--recurse-submodules=on-demand"]),
    "x.z": ("false", ["-c", "Submodule.Recurse=1", "push", "--quiet"]),
}


@pytest.mark.parametrize("key", RECURSE)
def test_a_push_into_submodules_that_the_index_has_no_more(guarded: Guarded, key: str) -> None:
    """git enters each repo at the path of a submodule, of any commit that it pushes."""
    repo, sub = guarded.repo, guarded.repo / "sub"
    for place in (repo, sub):
        bare = guarded.base / f"{place.name}.git"
        git(guarded.base, "init", "--quiet", "--bare", str(bare))
        if place == sub:
            git(repo, "init", "--quiet", "-b", "main", str(sub))
            git(sub, "commit", "--quiet", "--allow-empty", "-m", "x")
        git(place, "remote", "add", "origin", str(bare))
        git(place, "push", "--quiet", "-u", "origin", "main")
        git(place, "config", "remote.origin.url", f"example.org:{bare}")
    git(sub, "commit", "--quiet", "--allow-empty", "-m", "y")
    url = "https://example.org/x"
    (repo / ".gitmodules").write_text(f'[submodule "sub"]\n\tpath = sub\n\turl = {url}\n')
    git(repo, "add", ".gitmodules", "sub")
    git(repo, "commit", "--quiet", "-m", "sub")
    git(repo, "rm", "--quiet", "--cached", "sub")
    git(repo, "commit", "--quiet", "-m", "none")
    git(repo, "config", "submodule.sub.active", "true")
    assert guarded.git("push", "--quiet", "--dry-run").code == 0
    value, argv = RECURSE[key]
    if not key.startswith("x."):
        git(repo, "config", key, value)
    assert guarded.git(*argv, "--dry-run").code == 0
    git(sub, "config", "remote.origin.receivepack", str(guarded.payload))
    done = guarded.git(*argv)
    assert (done.code, guarded.fired) == (128, False), done
    guarded.real_git(*argv)
    assert guarded.fired


@pytest.mark.parametrize("name", ["origin", "main"])
def test_the_remote_of_a_branch_has_to_be_configured(guarded: Guarded, name: str) -> None:
    """git takes any other name for a path, which may be a folder of the working tree."""
    git(guarded.repo, "config", "branch.main.remote", name)
    assert guarded.git("status").code == 128
    git(guarded.repo, "config", f"remote.{name}.url", "https://example.org/x")
    assert guarded.git("status").code == 0


def known_keys() -> list[str]:
    """Return the keys that git itself knows, with a name for each part in angle brackets."""
    done = run(["git", "help", "--config"], {"PATH": os.environ["PATH"], "PAGER": "cat"})
    keys = [re.sub(r"<[^>]*>|\*", "x", line.strip()).lower() for line in done.out.splitlines()]
    return sorted({key for key in keys if re.fullmatch(r"[a-z0-9]+(\..*)?\.[a-z0-9-]+", key)})


RUNS = re.compile(
    r".*\.(.*command|.*cmd|cmd|helper|program|path|clean|smudge|process|textconv|driver|external"
    r"|uploadpack|receivepack|vcs|proxy|.*hook|insteadof|pushinsteadof|gitproxy|worktree"
    r"|.*editor|pager|askpass|sshcommand|attributesfile|excludesfile|hookspath|fsmonitor|tool"
    r"|guitool|template|templatedir|instructionformat|tosendemail.*)|(alias|include|pager|url"
    r"|credential|gpg|sendemail|sequence|difftool|mergetool|instaweb|browser|man|http|trailer)\..*"
)


def test_keys_that_can_run_something_are_refused(guarded: Guarded) -> None:
    harmless = ("http.postbuffer", "include", "advice", "color", "column", "core.worktree")
    keys = [k for k in known_keys() if RUNS.fullmatch(k) and not k.startswith(harmless)]
    assert len(keys) > 80
    with (guarded.repo / ".git/config").open("a") as config:
        config.writelines(section(key) for key in keys)
    reported = {hazard.rpartition(": ")[2] for hazard in guarded.hazards()}
    assert [key for key in keys if key not in reported] == [], reported


def section(key: str) -> str:
    first, _, rest = key.partition(".")
    sub, _, name = rest.rpartition(".")
    header = f'[{first} "{sub}"]' if sub else f"[{first}]"
    return f"{header}\n\t{name} = x\n"


WORD = st.from_regex(r"[a-z][a-z0-9-]{0,12}", fullmatch=True)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(WORD, st.sampled_from(["", "x", "a.b"]), WORD), min_size=1, max_size=40))
def test_a_key_that_is_not_on_the_list_is_refused(
    guarded: Guarded, keys: list[tuple[str, str, str]]
) -> None:
    """The list is that of the program's text; none of its wildcards stands for a whole section
    but those of colours, columns and advice."""
    listed = guard_script("/x")
    unlisted = {
        ".".join(filter(None, key))
        for key in keys
        if key[0] not in ("color", "column", "advice", "include", "includeif")
        and f".{key[2]}" not in listed
    }
    config = guarded.repo / ".git/config"
    before = config.read_text()
    config.write_text(before + "".join(section(key) for key in unlisted))
    reported = {hazard.rpartition(": ")[2] for hazard in guarded.hazards()}
    config.write_text(before)
    assert reported == unlisted


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize("name", ["fsmonitor", "gitlink", "forged record", "hook", "commondir"])
def test_in_each_shell(guarded: Guarded, shell: tuple[str, ...], name: str) -> None:
    """/bin/sh may be any of these."""
    argv = [*shell, str(guarded.guard)]
    assert run([*argv, "status"], guarded.environ, cwd=guarded.repo).code == 0
    attack = ATTACKS[name]
    attack.plant(guarded.repo, guarded.payload)
    guarded.fired  # noqa: B018
    done = run([*argv, *attack.argv], guarded.environ, cwd=guarded.repo)
    assert done.code == (0 if name == "hook" else 128), done
    assert not guarded.fired


@pytest.mark.parametrize("path", ["config", "index", "HEAD", "commondir"])
def test_a_pipe_in_the_git_directory_is_reported(guarded: Guarded, path: str) -> None:
    file = guarded.repo / ".git" / path
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    assert guarded.hazards() == [f".git/{path}: not a plain file"]
    assert guarded.git("status").code == 128


def test_more_than_can_be_judged_is_reported(guarded: Guarded) -> None:
    with (guarded.repo / ".git/config").open("a") as config:
        config.writelines(f"[user]\n\tname = {'x' * 1000}\n" for _ in range(300))
    assert "too long" in "".join(guarded.hazards())
    assert guarded.git("status").code == 128


@pytest.mark.nightly  # hundreds of repos take long
def test_more_submodules_than_are_judged_are_reported(guarded: Guarded) -> None:
    for number in range(600):
        folder = guarded.repo / f".git/modules/m{number}"
        for name in ("objects", "refs"):
            (folder / name).mkdir(parents=True)
        (folder / "HEAD").write_text("ref: refs/heads/main\n")
    assert "too many git directories" in "".join(guarded.hazards())


def test_a_folder_that_cannot_be_listed_may_hide_a_repo(guarded: Guarded) -> None:
    """git enters it by name, and needs no list; root lists everything, so find fails by itself."""
    ATTACKS["gitlink of another branch"].plant(guarded.repo, guarded.payload)
    guarded.fired  # noqa: B018
    programs = guarded.base / "programs"
    programs.mkdir()
    (programs / "find").write_text(
        '#!/bin/sh\ncase $1 in /*) exit 1 ;; esac\nexec /usr/bin/find "$@"\n'
    )
    (programs / "find").chmod(0o755)
    environ = {**guarded.environ, "PATH": f"{programs}:{guarded.environ['PATH']}"}
    done = run(["git", "checkout", "other"], environ, cwd=guarded.repo)
    assert (done.code, guarded.fired) == (128, False), done
    assert "a folder that cannot be listed" in done.err
    assert run(["git", "status"], environ, cwd=guarded.repo).code == 0
    guarded.real_git("checkout", "other")
    assert guarded.fired


def test_after_512_reports_there_is_one_more(guarded: Guarded) -> None:
    with (guarded.repo / ".git/config").open("a") as config:
        config.write("[x]\n" + "".join(f"\tk{number} = 1\n" for number in range(512)))
    reports = judge_repo(LocalHost(guarded.environ), str(guarded.repo))
    assert len(reports) == 512
    git(guarded.repo, "config", "core.fsmonitor", str(guarded.payload))
    reports = judge_repo(LocalHost(guarded.environ), str(guarded.repo))
    assert (len(reports), reports[-1].key) == (513, "too many reports")
    assert not reports[-1].can_be_approved


def test_nothing_is_fetched_to_judge_by_an_old_git(guarded: Guarded) -> None:
    """One that does not know GIT_NO_LAZY_FETCH. A sparse index needs a tree, which is missing."""
    for name in "ab":
        (guarded.repo / name).mkdir()
        (guarded.repo / name / "file").write_text(name)
    git(guarded.repo, "add", ".")
    git(guarded.repo, "commit", "--quiet", "-m", "folders")
    git(guarded.repo, "sparse-checkout", "set", "--cone", "--sparse-index", "a")
    tree = git(guarded.repo, "rev-parse", "HEAD:b").strip()
    with (guarded.repo / ".git/config").open("a") as config:
        config.write(
            "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tpartialClone = origin\n"
            f'[remote "origin"]\n\tpromisor = true\n\turl = {guarded.outside}\n'
            f"\tuploadpack = {guarded.payload}\n"
        )
    (guarded.repo / ".git/objects" / tree[:2] / tree[2:]).unlink()
    programs = guarded.base / "programs"
    programs.mkdir()
    (programs / "git").write_text(
        f'#!/bin/sh\nunset GIT_NO_LAZY_FETCH\nexec {shutil.which("git")} "$@"\n'
    )
    (programs / "git").chmod(0o755)
    environ = {**guarded.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    judge_repo(LocalHost(environ), str(guarded.repo))
    assert not guarded.fired
    guarded.real_git("ls-files", "-s")
    assert guarded.fired


def test_a_line_break_in_a_path_is_refused(guarded: Guarded) -> None:
    folder = guarded.repo / "a\n0 tree q"
    folder.mkdir()
    git(folder, "init", "--quiet")
    git(folder, "config", "core.fsmonitor", str(guarded.payload))
    for argv, cwd in (
        (["status"], folder),
        ([f"--git-dir={folder}/.git", "status"], guarded.repo),
    ):
        done = guarded.git(*argv, cwd=cwd)
        assert (done.code, guarded.fired) == (128, False), done
        assert done.err.startswith("repoman: git does not run here: a folder of an invalid name")
    reports = judge_repo(LocalHost(guarded.environ), str(folder))
    assert [report.key for report in reports] == ["a folder of an invalid name"]
    guarded.real_git("status", cwd=folder)
    assert guarded.fired


def test_worktree_repair_overwrites_no_file_elsewhere(guarded: Guarded) -> None:
    mine = guarded.outside / ".git"
    mine.write_text("gitdir: /nowhere\n")
    tree = guarded.repo / ".git/worktrees/tree"
    tree.mkdir(parents=True)
    for name, text in {
        "gitdir": f"{mine}\n",
        "commondir": "../..\n",
        "HEAD": "ref: refs/heads/main\n",
    }.items():
        (tree / name).write_text(text)
    assert guarded.hazards() == [".git/worktrees/tree/gitdir: gitdir"]
    assert guarded.git("worktree", "repair").code == 128
    assert mine.read_text() == "gitdir: /nowhere\n"
    guarded.real_git("worktree", "repair")
    assert str(guarded.repo) in mine.read_text()
    assert guarded.hazards() == [], "it leads back now"


VALUES = {
    "branch.sort": ("-committerdate", "signature"),
    "tag.sort": ("version:refname", "describe"),
    "i18n.logOutputEncoding": ("ISO-8859-1", "../../x"),
    "gui.geometry": ("841x483+2+28 189 210", "[exec x]"),
    "remote.x.mirror": ("false", "true"),
    "remote.x.push": ("refs/heads/a:refs/heads/a", "refs/heads/a:refs/heads/b"),
    "remote.y.push": ("HEAD", ":refs/heads/b"),
    "remote.z.push": ("refs/heads/*:refs/heads/*", "+refs/heads/a"),
    "push.default": ("current", "upstream"),
    "status.showUntrackedFiles": ("no", None),
    "status.compareBranches": (None, "x"),
}
"""Keys, each with a value that is allowed and one that is refused."""


@pytest.mark.parametrize(("key", "values"), VALUES.items())
def test_the_values_of_a_key(
    guarded: Guarded, key: str, values: tuple[str | None, str | None]
) -> None:
    for value, refused in zip(values, (False, True), strict=True):
        if value is not None:
            git(guarded.repo, "config", key, value)
            assert bool(guarded.hazards()) is refused, value
            assert guarded.git("status").code == (128 if refused else 0)


def test_git_blame_reads_no_file_outside(guarded: Guarded) -> None:
    """It prints the first line of one that is no list of commits."""
    secret = guarded.base / "secret"
    secret.write_text("SECRET\n")
    (guarded.repo / "a-link").symlink_to(secret)
    os.mkfifo(guarded.repo / "a-pipe")
    (guarded.repo / "folder").mkdir()
    (guarded.repo / ".ignored").write_text("")
    for value in (str(secret), "../../../secret", "~/x", "a-link", "a-pipe", "folder", "", ".."):
        git(guarded.repo, "config", "blame.ignoreRevsFile", value)
        done = guarded.git("blame", "README.md")
        assert (done.code, "SECRET" in done.err) == (128, False), value
        assert guarded.hazards() == [".git/config: blame.ignorerevsfile"], value
        if value in (str(secret), "../../../secret", "a-link"):
            assert "SECRET" in guarded.real_git("blame", "README.md").err, value
    for value in (".ignored", "missing"):
        git(guarded.repo, "config", "blame.ignoreRevsFile", value)
        assert guarded.hazards() == [], value


# --- files that never end ---------------------------------------------------------------------


def impatient(guarded: Guarded) -> dict[str, str]:
    """Return an environment in which `timeout` waits for a second, whatever it is given."""
    programs = guarded.base / "programs"
    programs.mkdir()
    program = programs / "timeout"
    program.write_text('#!/bin/sh\nshift\nexec /usr/bin/timeout 1 "$@"\n')
    program.chmod(0o755)
    return {**guarded.environ, "PATH": f"{programs}:{guarded.environ['PATH']}"}


def test_a_pipe_that_git_would_include_is_not_waited_for(guarded: Guarded) -> None:
    os.mkfifo(guarded.repo / "pipe")
    git(guarded.repo, "config", "include.path", "../pipe")
    environ = impatient(guarded)
    done = run(["git", "status"], environ, cwd=guarded.repo)
    assert done.code == 128
    assert "a configuration that git cannot read" in done.err
    real = shutil.which("git", path=os.environ["PATH"]) or ""
    done = run(["timeout", "1", real, "status"], environ, cwd=guarded.repo)
    assert done.code == 124, "git alone waits for ever"


def test_a_pipe_deep_in_the_git_directory_is_refused(guarded: Guarded) -> None:
    pipe = guarded.repo / ".git/packed-refs"
    os.mkfifo(pipe)
    assert guarded.hazards() == [".git/packed-refs: not a plain file"]
    assert guarded.git("status").code == 128
    done = run(["timeout", "1", "/usr/bin/git", "status"], guarded.environ, cwd=guarded.repo)
    assert done.code == 124, "git alone waits for ever"


@pytest.mark.parametrize(
    "name", ["HEAD", "refs/heads/main", "info/exclude", "rebase-merge/done", "modules/m/HEAD"]
)
def test_a_hole_that_git_would_read_into_memory_is_refused(guarded: Guarded, name: str) -> None:
    file = guarded.repo / ".git" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as opened:
        opened.truncate(20 << 30)
    assert guarded.hazards() == [f".git/{name}: a file that is too long"]
    done = guarded.git("status")
    assert (done.code, "a file that is too long" in done.err) == (128, True), done
    if name.endswith(("HEAD", "main", "exclude")) and not name.startswith("modules"):
        argv = ["sh", "-c", 'ulimit -v 500000; exec "$@"', "sh", "/usr/bin/git", "status"]
        done = run(argv, guarded.environ, cwd=guarded.repo)
        assert "Out of memory" in done.err, "git alone reads all of it"


def test_a_pipe_that_is_read_for_the_index_is_not_waited_for(guarded: Guarded) -> None:
    (guarded.repo / "sub").mkdir()
    (guarded.repo / "sub/file").write_text("x\n")
    git(guarded.repo, "add", "sub")
    git(guarded.repo, "commit", "--quiet", "-m", "sub")
    git(guarded.repo, "sparse-checkout", "set", "--cone", "--sparse-index", "other")
    oid = git(guarded.repo, "rev-parse", "HEAD:sub").strip()
    tree = guarded.repo / f".git/objects/{oid[:2]}/{oid[2:]}"
    tree.unlink()
    os.mkfifo(tree)
    environ = impatient(guarded)
    done = run(["git", "log"], environ, cwd=guarded.repo)
    assert done.code == 128
    assert "an index that git cannot read" in done.err
    reports = judge_repo(LocalHost(environ), str(guarded.repo))
    assert [report.key for report in reports] == ["an index that git cannot read"]


@pytest.mark.parametrize("kind", ["pipe", "sparse"])
def test_a_hook_without_an_end_is_off(guarded: Guarded, kind: str) -> None:
    """No hash of it is computed while a person has approved nothing."""
    hook = guarded.repo / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    if kind == "pipe":
        os.mkfifo(hook)
        (guarded.base / "home/.local/state/repoman/approvals").mkdir(exist_ok=True)
        (guarded.base / "home/.local/state/repoman/approvals/git").write_text("")
    else:
        with hook.open("w") as file:
            file.truncate(1 << 40)
    hook.chmod(0o755)
    assert guarded.git("status").code == 0


def test_a_todo_without_an_end_is_not_read_to_it(guarded: Guarded) -> None:
    folder = guarded.repo / ".git/rebase-merge"
    folder.mkdir()
    todo = folder / "git-rebase-todo"
    with todo.open("w") as file:
        file.write("noop\n" * 60000)
    assert guarded.hazards() == [".git/rebase-merge/git-rebase-todo: git-rebase-todo"]
    approve(guarded)
    assert guarded.git("rebase", "--continue").code != 128
    with todo.open("a") as file:
        file.write(f"exec {guarded.payload}\n")
    assert guarded.git("rebase", "--continue").code == 128


def test_a_step_of_a_rebase_is_no_pattern(guarded: Guarded) -> None:
    """A person would be shown, and approve, the name of a file in place of the program."""
    (guarded.repo / "exec harmless").write_text("")
    folder = guarded.repo / ".git/rebase-merge"
    folder.mkdir()
    (folder / "git-rebase-todo").write_text("exec *\n")
    judged = judge_repo(LocalHost(guarded.environ), str(guarded.repo))
    assert [report.value for report in judged] == ["exec *"]
    done = guarded.git("rebase", "--continue")
    assert (done.code, "step = exec * in" in done.err) == (128, True), done


@pytest.mark.parametrize(("value", "code"), [("files", 0), ("reftable:///srv/x", 128)])
def test_refs_are_stored_in_the_repo(guarded: Guarded, value: str, code: int) -> None:
    git(guarded.repo, "config", "extensions.refStorage", value)
    assert guarded.git("config", "user.name").code in ((0, 1) if code == 0 else (128,))


# --- links: git reads, writes and deletes where they lead -----------------------------------


def link(guarded: Guarded, name: str, target: Path) -> None:
    """Replace a file or folder of the git directory by a link."""
    path = guarded.repo / ".git" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


COMMIT = ("commit", "--allow-empty", "-m", "text of the container")
LINKS = {
    "logs/HEAD": COMMIT,
    "COMMIT_EDITMSG": COMMIT,
    "MERGE_RR": None,
    "index": ("rm", "--cached", "more.txt"),
    "logs/refs/heads/main": COMMIT,
    "info/exclude": None,
    "config": None,
    "packed-refs": None,
    "FETCH_HEAD": ("fetch", "."),
    "objects/info/commit-graph": None,
    "refs/heads/modules/x": None,
    "worktrees/x/HEAD": None,
}
"""The name of a link in the git directory, and a command that writes to its target."""


@pytest.mark.parametrize(("name", "argv"), LINKS.items())
def test_a_link_in_the_git_directory_is_refused(
    guarded: Guarded, name: str, argv: tuple[str, ...] | None
) -> None:
    target = guarded.outside / "mine"
    file = guarded.repo / ".git" / name
    content = file.read_bytes() if name in ("index", "config") else b"mine\n"
    target.write_bytes(content)
    link(guarded, name, target)
    assert f".git/{name}: a symbolic link" in guarded.hazards()
    for command in (("status",), argv or ("log",)):
        done = guarded.git(*command)
        assert done.code == 128, done
        assert "a symbolic link" in done.err
    assert target.read_bytes() == content
    if argv:
        guarded.real_git(*argv)
        assert target.read_bytes() != content, "the real git writes through it"


@pytest.mark.parametrize(
    "name", ["refs", "logs", "objects/ab", "objects", "rebase-merge", "modules"]
)
def test_a_linked_folder_in_the_git_directory_is_refused(guarded: Guarded, name: str) -> None:
    link(guarded, name, guarded.outside)
    assert f".git/{name}: a symbolic link" in guarded.hazards()
    assert guarded.git("log").code == 128


def test_git_would_delete_and_read_through_links(guarded: Guarded) -> None:
    """The positive control of what the tests above refuse."""
    (guarded.outside / "precious").write_text("mine\n")
    link(guarded, "rebase-merge", guarded.outside)
    assert guarded.git("rebase", "--quit").code == 128
    assert (guarded.outside / "precious").exists()
    guarded.real_git("rebase", "--quit")
    assert not (guarded.outside / "precious").exists()
    (guarded.repo / ".git/rebase-merge").unlink(missing_ok=True)
    secret = guarded.base / "secret"
    secret.write_text("SECRET\n")
    link(guarded, "MERGE_MSG", secret)
    argv = ("commit", "--allow-empty", "--no-edit", "--cleanup=verbatim")
    assert guarded.git(*argv).code == 128
    guarded.real_git(*argv)
    assert "SECRET" in guarded.real_git("log", "-1", "--format=%B").out


def test_links_among_the_hooks_are_judged_as_hooks(guarded: Guarded) -> None:
    link(guarded, "hooks", guarded.outside)
    assert guarded.git("status").code == 0
    shutil.copy(guarded.payload, guarded.outside / "pre-commit")
    assert guarded.hazards() == [".git/hooks", ".git/hooks/pre-commit"]
    guarded.git(*COMMIT)
    assert not guarded.fired


def test_a_git_directory_that_cannot_be_listed_is_refused(guarded: Guarded) -> None:
    """By a program that fails as find does: root lists everything."""
    programs = guarded.base / "programs"
    programs.mkdir()
    (programs / "find").write_text('#!/bin/sh\n/usr/bin/find "$@"\nexit 1\n')
    (programs / "find").chmod(0o755)
    environ = {**guarded.environ, "PATH": f"{programs}:{guarded.environ['PATH']}"}
    done = run(["git", "status"], environ, cwd=guarded.repo)
    assert done.code == 128
    assert "a folder that cannot be listed" in done.err
    assert guarded.git("status").code == 0


def test_borrowed_objects_are_refused_until_they_are_approved(guarded: Guarded) -> None:
    """git would show, and push, what a private repo has."""
    git(guarded.outside, "init", "--quiet")
    (guarded.outside / "secret").write_text("SECRET\n")
    git(guarded.outside, "add", "secret")
    git(guarded.outside, "commit", "--quiet", "-m", "x")
    head = git(guarded.outside, "rev-parse", "HEAD").strip()
    alternates = guarded.repo / ".git/objects/info/alternates"
    alternates.parent.mkdir(exist_ok=True)
    alternates.write_text(f"{guarded.outside}/.git/objects\n")
    assert guarded.hazards() == [".git/objects/info/alternates"]
    assert guarded.git("show", head).code == 128
    assert "SECRET" in guarded.real_git("show", head).out
    approve(guarded)
    assert guarded.git("show", head).code == 0
    alternates.write_text("")
    assert guarded.hazards() == []


def test_strategies_and_options_of_git_itself_pass(guarded: Guarded) -> None:
    """Those of a rebase and a cherry-pick that stop at a conflict."""
    git(guarded.repo, "checkout", "--quiet", "-b", "other", "HEAD^")
    for text in ("one", "two"):
        (guarded.repo / "more.txt").write_text(f"{text}\n")
        git(guarded.repo, "add", "more.txt")
        git(guarded.repo, "commit", "--quiet", "-m", text)
    for argv in (
        ["rebase", "-X", "patience", "main"],
        ["cherry-pick", "-x", "-X", "patience", "main", "main^"],
    ):
        stopped = guarded.git(*argv)
        assert stopped.code == 1, stopped
        assert guarded.hazards() == []
        skipped = guarded.git(argv[0], "--skip")
        assert "repoman" not in skipped.err, skipped
        guarded.git(argv[0], "--abort")


# --- approvals ------------------------------------------------------------------------------


def approve(guarded: Guarded) -> None:
    host = LocalHost(guarded.environ)
    reports = [r for r in judge_repo(host, str(guarded.repo)) if r.can_be_approved]
    approve_reports(host, str(guarded.repo), reports)


def test_an_approval_is_of_one_value_in_one_file(guarded: Guarded) -> None:
    git(guarded.repo, "config", "core.fsmonitor", str(guarded.payload))
    approve(guarded)
    guarded.git("-c", "core.fsmonitor=", "status")
    assert guarded.git("log").code == 0
    git(guarded.repo, "config", "core.fsmonitor", f"{guarded.payload} -x")
    assert guarded.git("log").code == 128
    git(guarded.repo, "config", "core.fsmonitor", str(guarded.payload))
    assert guarded.git("log").code == 0
    shutil.copytree(guarded.repo, guarded.repos / "other")
    assert guarded.git("log", cwd=guarded.repos / "other").code == 128
    assert revoke_reports(LocalHost(guarded.environ), str(guarded.repo))
    assert guarded.git("log").code == 128
    assert not revoke_reports(LocalHost(guarded.environ), str(guarded.repo))


def test_a_key_that_is_named_like_an_approval_approves_nothing(guarded: Guarded) -> None:
    """The file of approvals has the names of keys, too, which a repo chooses."""
    config = str(guarded.repo / ".git/config")
    evil = ("config", config, "diff.external", str(guarded.payload))
    mark = hashlib.sha256("".join(f"{word}\0" for word in evil).encode()).hexdigest()
    git(guarded.repo, "config", f"github.{mark}.user", "somebody")
    approve(guarded)
    assert guarded.git("diff", "HEAD^").code == 0
    git(guarded.repo, "config", *evil[2:])
    (report,) = (
        r for r in judge_repo(LocalHost(guarded.environ), str(guarded.repo)) if r.value in evil
    )
    assert report.mark == mark
    assert guarded.git("diff", "HEAD^").code == 128
    assert not guarded.fired
    approve(guarded)
    guarded.git("diff", "HEAD^")
    assert guarded.fired, "approved by itself, it runs"


def test_what_an_approved_include_has_later_is_refused(guarded: Guarded) -> None:
    git(guarded.repo, "config", "include.path", "../more")
    (guarded.repo / "more").write_text("[user]\n\tname = x\n")
    approve(guarded)
    assert guarded.git("status").code == 0
    (guarded.repo / "more").write_text(f"[core]\n\tfsmonitor = {guarded.payload}\n")
    assert guarded.git("status").code == 128
    assert not guarded.fired


def test_hooks_are_off_until_they_are_approved(guarded: Guarded) -> None:
    hook = guarded.repo / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {guarded.base}/fired\n")
    hook.chmod(0o755)
    argv = ("commit", "--quiet", "--allow-empty", "-m", "x")
    done = guarded.git(*argv)
    assert (done.code, guarded.fired) == (0, False)
    assert "the hooks here are off" in done.err
    assert "`repoman trust --git isurus`" in done.err
    approve(guarded)
    done = guarded.git(*argv)
    assert (done.code, guarded.fired, done.err) == (0, True, "")
    hook.write_text(hook.read_text() + "true\n")
    assert guarded.git(*argv).code == 0
    assert not guarded.fired


def plant_tracked_hook(guarded: Guarded) -> None:
    """Commit a harmless hook, and the payload in its place to the branch `evil`."""
    hook = guarded.repo / ".githooks/post-checkout"
    hook.parent.mkdir()
    git(guarded.repo, "branch", "evil")
    for branch, text in (("main", "#!/bin/sh\n"), ("evil", guarded.payload.read_text())):
        git(guarded.repo, "checkout", "--quiet", branch)
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(text)
        hook.chmod(0o755)
        git(guarded.repo, "add", ".githooks")
        git(guarded.repo, "commit", "--quiet", "-m", branch)
    git(guarded.repo, "checkout", "--quiet", "main")
    assert not guarded.fired


@pytest.mark.parametrize("way", ["hooksPath", "a linked file", "a linked folder"])
def test_a_checkout_runs_no_hook_that_it_brings(guarded: Guarded, way: str) -> None:
    plant_tracked_hook(guarded)
    hooks = guarded.repo / ".git/hooks"
    if way == "hooksPath":
        git(guarded.repo, "config", "core.hooksPath", ".githooks")
    elif way == "a linked file":
        link(guarded, "hooks/post-checkout", guarded.repo / ".githooks/post-checkout")
    else:
        shutil.rmtree(hooks, ignore_errors=True)
        hooks.symlink_to("../.githooks")
    approve(guarded)
    done = guarded.git("checkout", "evil")
    assert (done.code, guarded.fired) == (0, False)
    assert "the hooks here are off for this command, which may replace them" in done.err
    guarded.real_git("checkout", "main")
    assert not guarded.fired
    guarded.real_git("checkout", "evil")
    assert guarded.fired, "where nothing holds it, it works"


def test_an_approved_hook_in_the_working_tree_runs_at_a_commit(guarded: Guarded) -> None:
    hook = guarded.repo / ".githooks/pre-commit"
    hook.parent.mkdir()
    hook.write_text(guarded.payload.read_text())
    hook.chmod(0o755)
    git(guarded.repo, "config", "core.hooksPath", ".githooks")
    approve(guarded)
    done = guarded.git(*COMMIT)
    assert (done.code, guarded.fired, done.err) == (1, True, "")
    assert guarded.git("status").err == ""


WITHOUT_CAPABILITIES = (
    () if os.getuid() else ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
)
"""Start of the argv of a program that modes bind, even if the tests are root's."""


def test_hooks_that_cannot_be_listed_are_refused(guarded: Guarded) -> None:
    """git runs them by their names."""
    ATTACKS["gitlink"].plant(guarded.repo, guarded.payload)
    git(guarded.repo / "sub", "config", "--unset", "core.fsmonitor")
    (guarded.repo / "sub/file").write_text("x\n")
    git(guarded.repo / "sub", "add", "file")
    git(guarded.repo, "commit", "--quiet", "-m", "sub")
    hooks = guarded.repo / "sub/.git/hooks"
    for folder, program in ((guarded.repo / ".git/hooks", "/bin/true"), (hooks, guarded.payload)):
        folder.mkdir(exist_ok=True)
        shutil.copy(program, folder / "post-index-change")
    os.utime(guarded.repo / "sub/file")
    guarded.fired  # noqa: B018
    (guarded.repo / "sub/.git/hooks/post-index-change").rename(guarded.base / "hook")
    approve(guarded)
    (guarded.base / "hook").rename(hooks / "post-index-change")
    hooks.chmod(0o311)
    argv = [*WITHOUT_CAPABILITIES, "git", "status"]
    done = run(argv, guarded.environ, cwd=guarded.repo)
    assert (done.code, guarded.fired) == (128, False), done
    assert f"a folder that cannot be listed in {hooks}" in done.err
    run(argv, {**guarded.environ, "PATH": os.environ["PATH"]}, cwd=guarded.repo)
    assert guarded.fired, "where nothing holds it, it works"


def test_hooks_of_the_person_run(guarded: Guarded) -> None:
    hooks = guarded.outside / "hooks"
    hooks.mkdir()
    shutil.copy(guarded.payload, hooks / "pre-commit")
    settings_file = guarded.base / "gitconfig"
    settings_file.write_text(f"[core]\n\thooksPath = {hooks}\n")
    environ = {**guarded.environ, "GIT_CONFIG_GLOBAL": str(settings_file)}
    run(["git", "commit", "--allow-empty", "-m", "x"], environ, cwd=guarded.repo)
    assert guarded.fired
    settings_file.write_text("[core]\n\thooksPath = hooks\n")
    shutil.copytree(hooks, guarded.repo / "hooks")
    run(["git", "commit", "--allow-empty", "-m", "x"], environ, cwd=guarded.repo)
    assert not guarded.fired


def test_a_file_of_the_person_that_is_in_a_repo_is_judged(guarded: Guarded) -> None:
    inside = guarded.repo / "gitconfig"
    inside.write_text(f"[core]\n\tfsmonitor = {guarded.payload}\n")
    environ = {**guarded.environ, "GIT_CONFIG_GLOBAL": str(inside)}
    done = run(["git", "status"], environ, cwd=guarded.repo)
    assert (done.code, guarded.fired) == (128, False), done


def test_a_file_of_the_person_that_is_a_link_into_a_repo_is_judged(guarded: Guarded) -> None:
    """Such as ~/.gitconfig, if the dotfiles are a project."""
    inside, settings_file = guarded.repo / "gitconfig", guarded.base / "gitconfig"
    inside.write_text(f"[core]\n\tfsmonitor = {guarded.payload}\n")
    environ = {**guarded.environ, "GIT_CONFIG_GLOBAL": str(settings_file)}
    settings_file.symlink_to(inside)
    done = run(["git", "status"], environ, cwd=guarded.repo)
    assert (done.code, guarded.fired) == (128, False), done
    settings_file.unlink()
    (guarded.base / "linked").symlink_to(guarded.repo)
    for path in (guarded.base / "linked/gitconfig", guarded.outside / "../linked/./gitconfig"):
        settings_file.write_text(f"[include]\n\tpath = {path}\n")
        done = run(["git", "status"], environ, cwd=guarded.repo)
        assert (done.code, guarded.fired) == (128, False), done
    other = guarded.outside / "gitconfig"
    inside.rename(other)
    settings_file.write_text(f"[include]\n\tpath = {guarded.outside}/../outside/gitconfig\n")
    assert run(["git", "status"], environ, cwd=guarded.repo).code == 0
    settings_file.unlink()
    settings_file.symlink_to(other)
    assert run(["git", "status"], environ, cwd=guarded.repo).code == 0


def test_a_rebase_with_exec_can_be_looked_at_and_ended(guarded: Guarded) -> None:
    ATTACKS["exec in a rebase"].plant(guarded.repo, guarded.payload)
    assert guarded.git("status").code == 0
    assert guarded.git("rebase", "--continue").code == 128
    assert guarded.git("rebase", "--quit").code == 0
    assert not guarded.fired


@pytest.mark.parametrize(
    ("name", "setting", "argv"),
    [
        ("gitlink of another branch, by show", "[diff]\n\tsubmodule = diff\n", ["other"]),
        ("gitlink of a merge", "[log]\n\tdiffMerges = remerge\n", ["-m", "merge"]),
    ],
)
def test_a_person_whose_git_shows_submodules_in_full(
    guarded: Guarded, name: str, setting: str, argv: list[str]
) -> None:
    """git enters each repo at the path of a submodule, of any commit that it shows."""
    ATTACKS[name].plant(guarded.repo, guarded.payload)
    guarded.fired  # noqa: B018
    (guarded.base / "gitconfig").write_text(setting)
    environ = {**guarded.environ, "GIT_CONFIG_GLOBAL": str(guarded.base / "gitconfig")}
    done = run(["git", "show", *argv], environ, cwd=guarded.repo)
    assert (done.code, guarded.fired) == (128, False), done
    run(["git", "show", *argv], {**environ, "PATH": os.environ["PATH"]}, cwd=guarded.repo)
    assert guarded.fired


LOOKING = """
add -n .
add more.txt
blame README.md
branch -a --contains merge
branch another merge
cat-file -p merge
describe --all --dirty
diff --cached merge
diff --ignore-submodules=none merge
diff --textconv --ext-diff merge
diff -R --raw --stat merge HEAD
for-each-ref --format=%(upstream:track)%(objectname)
fsck --connectivity-only
grep --cached README
grep --untracked README
log --all --graph --decorate -p -m
log --cc -p merge
log -S1 -p merge -- sub
log --walk-reflogs -p
ls-files -s -o -m -d
ls-tree -r -l merge
merge-base main merge
name-rev HEAD
push --quiet origin merge:refs/heads/merge
reflog show -p
rev-list --objects --disk-usage merge
rev-parse merge:sub
shortlog merge
show --show-signature -m -p --stat merge
show merge^{tree}
status --ignore-submodules=none -uall
status --porcelain=2 --branch --ignored
status -vv
tag another
"""


@pytest.mark.parametrize("is_file", [False, True], ids=["none", "a file"])
def test_git_enters_no_repo_when_it_only_looks(guarded: Guarded, is_file: bool) -> None:
    """Before these commands, the guard does not judge a repo that the index has not.

    A merge has a submodule there; the index has nothing, or a file.
    """
    ATTACKS["gitlink of a merge"].plant(guarded.repo, guarded.payload)
    git(guarded.repo / "sub", "commit", "--quiet", "--allow-empty", "-m", "x")
    (guarded.repo / "sub/.gitattributes").write_text("* filter=x diff=x\n")
    with (guarded.repo / "sub/.git/config").open("a") as config:
        config.write(f"[core]\n\tfsmonitor = {guarded.payload}\n")
        config.write(f'[filter "x"]\n\tclean = {guarded.payload}\n')
        config.write(f"[diff]\n\texternal = {guarded.payload}\n")
    bare = guarded.base / "bare.git"
    git(guarded.base, "init", "--quiet", "--bare", str(bare))
    git(guarded.repo, "remote", "add", "origin", f"example.org:{bare}")
    if is_file:
        blob = git(guarded.repo, "rev-parse", "HEAD:README.md").strip()
        git(guarded.repo, "update-index", "--add", "--cacheinfo", f"100644,{blob},sub")
    guarded.fired  # noqa: B018
    for line in LOOKING.strip().splitlines():
        done = guarded.git(*line.split())
        assert (done.code in (0, 1), guarded.fired) == (True, False), (line, done)
        assert "repoman" not in done.err, line
    guarded.real_git("show", "--remerge-diff", "merge")
    assert guarded.fired, "positive control"


WAYS = {
    "of the person": ([], {}),
    "in the environment": ([], {"GIT_CONFIG_COUNT": "1"}),
    "as an argument": (["-c", "status.SubmoduleSummary=1"], {}),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_status_that_sums_up_submodules(guarded: Guarded, way: str) -> None:
    """git looks for the commit of a submodule in the repo there, which the index has no more."""
    repo, sub = guarded.repo, guarded.repo / "sub"
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    git(repo, "commit", "--quiet", "-m", "sub")
    blob = git(repo, "hash-object", "-w", "README.md").strip()
    git(repo, "update-index", "--add", "--cacheinfo", f"100644,{blob},sub")
    git(repo, "init", "--quiet", str(sub))
    argv, environ = WAYS[way]
    key = {"GIT_CONFIG_KEY_0": "status.submoduleSummary", "GIT_CONFIG_VALUE_0": "true"}
    settings_file = guarded.base / "gitconfig"
    settings_file.write_text("[status]\n\tsubmoduleSummary\n" if way == "of the person" else "")
    environ = {**guarded.environ, "GIT_CONFIG_GLOBAL": str(settings_file), **environ, **key}
    assert run(["git", *argv, "status"], environ, cwd=repo).code == 0
    with (sub / ".git/config").open("a") as config:
        config.write(
            "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tpartialClone = origin\n"
            '[remote "origin"]\n\tpromisor = true\n\turl = ssh://example.org/x\n'
            f"[core]\n\tsshCommand = {guarded.payload}\n"
        )
    done = run(["git", *argv, "status"], environ, cwd=repo)
    assert (done.code, guarded.fired) == (128, False), done
    run(["git", *argv, "status"], {**environ, "PATH": os.environ["PATH"]}, cwd=repo)
    assert guarded.fired


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        (("git-lfs clean -- %f", "git-lfs smudge -- %f", "git-lfs filter-process"), []),
        (
            ("git-lfs clean -- %f", "git-lfs smudge --skip -- %f", "git-lfs filter-process --skip"),
            [],
        ),
        (
            ("./git-lfs clean -- %f", "git-lfs smudge -- %f;x", "git-lfs x"),
            ["clean", "process", "smudge"],
        ),
    ],
)
def test_only_the_filters_that_git_lfs_installs(
    guarded: Guarded, values: tuple[str, ...], refused: list[str]
) -> None:
    for name, value in zip(("clean", "smudge", "process"), values, strict=True):
        git(guarded.repo, "config", f"filter.lfs.{name}", value)
    git(guarded.repo, "config", "filter.lfs.required", "true")
    git(guarded.repo, "config", "lfs.repositoryformatversion", "0")
    assert guarded.hazards() == [f".git/config: filter.lfs.{name}" for name in refused]


def test_a_folder_that_is_guarded_later_as_one_that_was_restored(guarded: Guarded) -> None:
    restored = guarded.base / "home/restored"
    shutil.copytree(guarded.repo, restored)
    git(restored, "config", "core.fsmonitor", str(guarded.payload))
    guard_folders(LocalHost(guarded.environ), [str(restored)])
    for argv in (["status"], ["fsck"]):
        done = guarded.git(*argv, cwd=restored)
        assert (done.code, guarded.fired) == (128, False)
    assert f"`repoman trust --git '{restored}'`" in done.err
    assert guarded.git("status").code == 0


# --- files of git that name paths ------------------------------------------------------------


def make_index(guarded: Guarded, path: str) -> None:
    """Write an index with one entry at `path`, which git itself would not accept."""
    blob = guarded.base / "blob"
    blob.write_text("of the agent\n")
    oid = guarded.real_git("hash-object", "-w", str(blob)).out.strip()
    write_index(guarded.repo, path, 0o100644, oid)


@pytest.mark.parametrize("form", ["../../mine", "{mine}"])
def test_a_path_in_the_index_that_leads_outside_is_refused(guarded: Guarded, form: str) -> None:
    mine = guarded.repo.parent.parent / "mine"
    mine.write_text("mine\n")
    make_index(guarded, form.format(mine=mine))
    assert any(".git/index" in hazard for hazard in guarded.hazards())
    assert guarded.git("checkout", ".").code == 128
    assert mine.read_text() == "mine\n"
    guarded.real_git("checkout", ".")
    assert mine.read_text() == "of the agent\n", "where nothing holds it, it works"


def test_an_index_that_was_not_read_to_its_end_is_refused(guarded: Guarded) -> None:
    """Even if what git printed before it failed ends in that word."""
    programs = guarded.base / "programs"
    programs.mkdir()
    (programs / "git").write_text(
        "#!/bin/sh\n"
        'case " $* " in *" ls-files "*) printf "160000 0 0\\tthe-end\\n" && exit 1 ;; esac\n'
        f'PATH="{os.environ["PATH"]}" exec git "$@"\n'
    )
    (programs / "git").chmod(0o755)
    path = f"{guarded.guard.parent}:{programs}:{os.environ['PATH']}"
    done = run(["git", "status"], {**guarded.environ, "PATH": path}, cwd=guarded.repo)
    assert done.code == 128
    assert "an index that git cannot read" in done.err


def test_what_is_shown_is_what_is_pushed(guarded: Guarded) -> None:
    """No object is replaced by another one."""
    oids = []
    for word in ("evil", "good"):
        git(guarded.repo, "commit", "--quiet", "--allow-empty", "-m", word)
        oids.append(git(guarded.repo, "rev-parse", "HEAD").strip())
    git(guarded.repo, "reset", "--quiet", oids[0])
    git(guarded.repo, "replace", *oids)
    argv = ("log", "-1", "--format=%s")
    assert guarded.git(*argv).out == "evil\n"
    assert guarded.real_git(*argv).out == "good\n", "where nothing holds it, it works"


def test_no_graft_hides_a_commit(guarded: Guarded) -> None:
    git(guarded.repo, "commit", "--quiet", "--allow-empty", "-m", "third")
    head, _, first = git(guarded.repo, "log", "--format=%H").split()
    grafts = guarded.repo / ".git/info/grafts"
    grafts.parent.mkdir(exist_ok=True)
    grafts.write_text(f"{head} {first}\n")
    argv = ("log", "--format=%s")
    assert guarded.git(*argv).out.split() == ["third", "more.txt", "README.md"]
    assert guarded.real_git(*argv).out.split() == ["third", "README.md"], "it works on git alone"


def test_no_commit_graph_hides_a_change(guarded: Guarded) -> None:
    """It has a commit's tree and parents, which git takes from there."""
    git(guarded.repo, "commit-graph", "write", "--reachable")
    graph = guarded.repo / ".git/objects/info/commit-graph"
    evil, good = (
        bytes.fromhex(git(guarded.repo, "rev-parse", f"{name}^{{tree}}"))
        for name in ("HEAD", "HEAD^")
    )
    data = graph.read_bytes()[:-20].replace(evil, good)
    graph.chmod(0o644)
    graph.write_bytes(data + hashlib.sha1(data).digest())
    argv = ("show", "--format=", "--name-only", "HEAD")
    assert guarded.git(*argv).out == "more.txt\n"
    assert guarded.real_git(*argv).out == "", "where nothing holds it, it works"


def test_a_submodule_that_is_no_longer_checked_out_is_judged(guarded: Guarded) -> None:
    """Nor is one in it, whose core.worktree leads nowhere."""
    for repo in (guarded.repos / "deep", guarded.repos / "mod"):
        repo.mkdir()
        git(repo, "init", "--quiet")
        git(repo, "commit", "--quiet", "--allow-empty", "-m", "x")
    git(repo, "submodule", "--quiet", "add", str(guarded.repos / "deep"), "deep")
    git(repo, "commit", "--quiet", "-m", "deep")
    git(guarded.repo, "submodule", "--quiet", "add", str(repo), "mod")
    git(guarded.repo, "submodule", "--quiet", "update", "--init", "--recursive")
    approve(guarded)
    git(guarded.repo, "submodule", "--quiet", "deinit", "--force", "mod")
    assert guarded.git("status").code == 0
    config = guarded.repo / ".git/modules/mod/modules/deep/config"
    config.write_text(f"{config.read_text()}[core]\n\tfsmonitor = x\n")
    assert guarded.git("status").code == 128


def test_of_a_list_without_an_end_no_more_is_read_than_is_judged(guarded: Guarded) -> None:
    programs, written = guarded.base / "programs", guarded.base / "written"
    programs.mkdir()
    (programs / "find").write_text(
        "#!/bin/sh\nchunk=$(head -c 65536 /dev/zero | tr '\\0' x)\ni=0\n"
        'while [ $i -lt 200 ]; do printf %s "$chunk" || exit; echo >>'
        + f"{written}; i=$((i + 1)); done\n"
    )
    (programs / "find").chmod(0o755)
    environ = {**guarded.environ, "PATH": f"{programs}:{guarded.environ['PATH']}"}
    done = run(["git", "status"], environ, cwd=guarded.repo)
    assert done.code == 128
    assert "too much" in done.err
    assert len(written.read_text()) < 200, "200 chunks would be one list that was read to its end"


def test_rerere_reads_no_file_outside(guarded: Guarded) -> None:
    secret, number = guarded.base / "secret", "ab" * 20
    secret.write_text("SECRET\n")
    cache = guarded.repo / f".git/rr-cache/{number}"
    cache.mkdir(parents=True)
    (cache / "preimage").write_text("x\n")
    (guarded.repo / ".git/MERGE_RR").write_text(f"{number}\t{secret}\0")
    assert any("MERGE_RR" in hazard for hazard in guarded.hazards())
    argv = ("commit", "--allow-empty", "-m", "x")
    assert guarded.git(*argv).code == 128
    assert not (cache / "postimage").exists()
    guarded.real_git(*argv)
    assert "SECRET" in (cache / "postimage").read_text(), "where nothing holds it, it works"


def test_options_of_apply_are_judged(guarded: Guarded) -> None:
    folder = guarded.repo / ".git/rebase-apply"
    folder.mkdir()
    (folder / "apply-opt").write_text(" '--whitespace=fix' '-C2'\n")
    assert guarded.hazards() == []
    (folder / "apply-opt").write_text(f" '--build-fake-ancestor={guarded.base}/mine'\n")
    assert any("rebase-apply/apply-opt: option" in hazard for hazard in guarded.hazards())
    assert guarded.git("am", "--skip").code == 128


@pytest.mark.parametrize(
    "key", ["extensions.partialClone", "remote.origin.promisor", "status.submoduleSummary"]
)
def test_keys_that_have_git_fetch_or_go_into_submodules_by_itself(
    guarded: Guarded, key: str
) -> None:
    guarded.real_git("config", key, "true")
    assert any(key.lower() in hazard.lower() for hazard in guarded.hazards())
    assert guarded.git("status").code == 128
