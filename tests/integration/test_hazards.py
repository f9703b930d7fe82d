"""Find files of a repo that programs of this host run, and mark those seen: on real files."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.base import Argv, Future, Result, TimedOut
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.planning.trust.hazard_findings import Hazard, Marks, hazard_findings, is_new
from repoman_tasks.planning.trust.hazard_names import kind_of
from repoman_tasks.tools.hazard_records import (
    read_listing,
    record_listing,
    record_seen,
    submit_seen,
)
from repoman_tasks.tools.hazard_scan import Scan, submit_scan
from tests.support.estate import run


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    return LocalHost({**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")})


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    made = tmp_path / "repo"
    subprocess.run(["git", "init", "--quiet", str(made)], check=True)
    return made


def write(repo: Path, *paths: str, text: str = "x") -> None:
    for path in paths:
        (repo / path).parent.mkdir(parents=True, exist_ok=True)
        (repo / path).write_text(text)


def scans(host: LocalHost, *repos: Path, seen: Marks | None = None) -> dict[str, Scan]:
    """Scan all `repos` in one call; none may fail."""
    asked = {str(repo): Future(lambda: seen or {}) for repo in repos}
    found = submit_scan(host, asked).result()
    return {repo: scan for repo, scan in found.items() if isinstance(scan, Scan)}


def hazards(host: LocalHost, repo: Path, seen: Marks | None = None) -> dict[str, Hazard]:
    return {one.what: one for one in scans(host, repo, seen=seen)[str(repo)].hazards}


def new(host: LocalHost, repo: Path, seen: Marks) -> set[str]:
    """Return what is new in `repo` against the marks that were `seen`."""
    return {what for what, one in hazards(host, repo, seen).items() if is_new(one, seen)}


def marks(found: Mapping[str, Hazard]) -> Marks:
    return {what: hazard.marks for what, hazard in found.items()}


KINDS = {
    "agents": (
        *(
            ".claude/settings.json",
            ".claude/hooks/a/b.sh",
            ".claude/skills/x/SKILL.md",
            ".mcp.json",
        ),
        *(".codex/config.toml", ".gemini/settings.json", ".opencode/plugin/x.js", "opencode.json"),
        *(".cursor/mcp.json", ".claude/agents/CLAUDE.md", ".mcp.json"),
        *(".windsurf/mcp.json", ".continue/config.yaml", ".kiro/settings/mcp.json", "crush.json"),
        *(".trae/mcp.json", ".junie/mcp/mcp.json", ".kilocode/mcp.json", ".factory/mcp.json"),
        ".github/hooks/a.json",
    ),
    "editors": (
        *(".vscode/tasks.json", ".idea/workspace.xml", ".zed/tasks.json", "a.code-workspace"),
        *(".exrc", ".nvim.lua", ".dir-locals.el", ".devcontainer/devcontainer.json"),
        *(".vimrc", ".fleet/run.json", ".lazy.lua", ".vim/coc-settings.json"),
        *(".bsp/sbt.json", ".vs/launch.vs.json"),
    ),
    "tools": (
        *("mise.toml", ".tool-versions", ".pre-commit-config.yaml", "lefthook.yml", ".npmrc"),
        *(".cargo/config.toml", ".envrc", ".husky/pre-commit", ".yarn/releases/yarn.cjs"),
        *("mise.dev.toml", "mise/config.toml", ".config/mise.toml", "lefthook.toml"),
        *(".lefthook-local.json", ".pnpmfile.mjs", "pnpm-workspace.yaml"),
        *(".irbrc", ".pryrc", ".Rprofile", ".ghci", ".pdbrc"),
    ),
    "git": (".gitmodules", ".git/hooks/pre-commit", ".git/info/attributes"),
    "instructions": (
        *("CLAUDE.md", "AGENTS.md", ".claude/CLAUDE.md", ".cursor/rules/a.mdc", ".cursorrules"),
    ),
}


@pytest.mark.parametrize("below", ["", "sub/", "a/b/c/\udcff\n/", ".claude/worktrees/one/"])
def test_each_name_is_found_with_its_kind_at_any_depth(
    host: LocalHost, repo: Path, below: str
) -> None:
    expected = {f"{below}{path}": kind for kind, paths in KINDS.items() for path in paths}
    write(repo, *expected)
    assert {what: one.kind for what, one in hazards(host, repo).items()} == expected


def test_other_names_are_not_found(host: LocalHost, repo: Path) -> None:
    write(repo, "x.envrc", "vscode/tasks.json", "src/CLAUDE.txt", ".git/hooks/a.sample")
    write(
        repo, ".git/refs/heads/hooks/x", ".git/modules/a/refs/heads/config", "node_modules/.npmrc"
    )
    write(repo, "node_modules/a/.vscode/tasks.json", ".claude/worktrees/one/src/main.py")
    assert hazards(host, repo) == {}
    assert kind_of("src/main.py") == ""


def init(folder: Path, *settings: str) -> None:
    """Make a git repo with settings such as core.fsmonitor=x."""
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    for setting in settings:
        argv = ["git", "-C", str(folder), "config", *setting.split("=")]
        subprocess.run(argv, check=True)


def test_git_is_looked_at_below_packages_too(host: LocalHost, repo: Path) -> None:
    """The index may have a gitlink there."""
    init(repo / "node_modules/a", "core.fsmonitor=x")
    assert "node_modules/a/.git/config: core.fsmonitor" in hazards(host, repo)


# --- what leads git elsewhere -----------------------------------------------------------------


def test_a_commondir_is_found(host: LocalHost, repo: Path) -> None:
    init(repo / "other", "core.fsmonitor=x")
    write(repo, ".git/commondir", text="../other/.git")
    assert [what for what in hazards(host, repo) if what.startswith(".git/commondir")]


@pytest.mark.parametrize("is_link", [False, True])
def test_a_git_directory_elsewhere_is_found(host: LocalHost, repo: Path, is_link: bool) -> None:
    init(repo / "other", "core.fsmonitor=x")
    if is_link:
        (repo / "sub").mkdir()
        (repo / "sub/.git").symlink_to("../other/.git")
    else:
        write(repo, "sub/.git", text="gitdir: ../other/.git\n")
    assert [what for what in hazards(host, repo) if what.startswith(("sub/", "other/"))]


def test_what_git_itself_makes_is_no_hazard(host: LocalHost, repo: Path) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"]
    git = ["git", "-C", str(repo), *identity]
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "x"], check=True)
    subprocess.run([*git, "worktree", "add", "--quiet", "tree"], check=True, capture_output=True)
    subprocess.run([*git, "submodule", "--quiet", "add", str(repo), "sub"], check=True)
    url = "https://example.org/sub.git"
    subprocess.run([*git, "submodule", "set-url", "sub", url], check=True, capture_output=True)
    subprocess.run([*git, "-C", "sub", "remote", "set-url", "origin", url], check=True)
    assert set(hazards(host, repo)) == {".gitmodules"}


def test_sixty_decoys_hide_no_submodule(host: LocalHost, repo: Path) -> None:
    for number in range(60):
        write(repo, f".git/modules/{number:03}/HEAD")
    write(repo, ".git/modules/x/HEAD", ".git/modules/x/hooks/pre-commit")
    assert ".git/modules/x/hooks/pre-commit" in hazards(host, repo)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ufeff[core]\nfsmonitor = x\n", id="byte order mark"),
        pytest.param("[core]\n# a\f\nfsmonitor = x\n", id="form feed"),
        pytest.param("#" * (300 << 10) + "\n[core]\nfsmonitor = x\n", id="long"),
    ],
)
def test_a_config_that_hides_a_key_is_found(host: LocalHost, repo: Path, text: str) -> None:
    write(repo, ".git/config", text=text)
    argv = ["git", "-C", str(repo), "config", "core.fsmonitor"]
    assert subprocess.run(argv, capture_output=True).stdout == b"x\n", "git reads it"
    assert [what for what in hazards(host, repo) if what.startswith(".git/config")]


SEVERAL = {
    "a key": (".git/config", "[credential]\n\thelper = {}\n"),
    "a step of a rebase": (".git/rebase-merge/git-rebase-todo", "exec {}\n"),
}


@pytest.mark.parametrize(("path", "text"), SEVERAL.values(), ids=SEVERAL)
def test_a_value_before_one_that_was_seen_is_new(
    host: LocalHost, repo: Path, path: str, text: str
) -> None:
    start = (repo / path).read_text() if (repo / path).exists() else ""
    write(repo, path, text=start + text.format("make test"))
    seen = marks(hazards(host, repo))
    assert new(host, repo, seen) == set()
    write(repo, path, text=start + text.format("!payload"))
    changed = new(host, repo, seen)
    assert len(changed) == 1, "positive control"
    write(repo, path, text=start + text.format("!payload") + text.format("make test"))
    assert new(host, repo, seen) == changed


def test_a_configuration_that_is_too_long_stays_new(host: LocalHost, repo: Path) -> None:
    config = repo / ".git/config"
    start = config.read_text()
    write(repo, ".git/config", text=start + "[user]\n" + f"\tname = {'x' * 1000}\n" * 300)
    what = ".git/config: a configuration that git cannot read, or too long"
    found = hazards(host, repo)
    assert new(host, repo, marks(found)) == {what}
    config.write_text(start)
    assert new(host, repo, marks(found)) == set()


@pytest.mark.nightly  # hundreds of repos take long
def test_more_nested_repos_than_are_judged_stay_new(host: LocalHost, repo: Path) -> None:
    for number in range(201):
        write(repo, f"n/{number:03}/.git/HEAD", text="ref: refs/heads/main\n")
        for name in ("objects", "refs"):
            (repo / f"n/{number:03}/.git" / name).mkdir()
    found = hazards(host, repo)
    write(repo, "n/200/.git/config", text="[core]\n\tfsmonitor = x\n")
    assert new(host, repo, marks(found)) == {".git: more than 200 git directories"}
    shutil.rmtree(repo / "n/000")
    assert new(host, repo, marks(found)) == {"n/200/.git/config: core.fsmonitor"}


def test_too_many_settings_stay_new(host: LocalHost, repo: Path) -> None:
    start = (repo / ".git/config").read_text()
    keys = [f"\tk{number} = 1\n" for number in range(512)]
    write(repo, ".git/config", text=start + "[x]\n" + "".join(keys[:-1]))
    few = hazards(host, repo)
    assert new(host, repo, marks(few)) == set()
    text = start + "[x]\n" + "".join(keys) + "[core]\n\tfsmonitor = x\n"
    write(repo, ".git/config", text=text)
    found = hazards(host, repo)
    assert ".git/config: core.fsmonitor" not in found, "the judge stopped before it"
    what = ".git/config has too many settings of git, not all are read"
    assert new(host, repo, marks(found)) == {what}
    listed = hazard_findings("isurus", str(repo), found.values(), marks(found), "repoman")
    assert [(f.what, f.cure) for f in listed] == [
        (f"in {repo}, {what}", "delete from it what you do not know, then look again")
    ]
    write(repo, ".git/config", text=start)
    assert hazards(host, repo) == {}


# --- links in place of folders ----------------------------------------------------------------

LINKS = {
    "editors": (".vscode", ".idea", ".zed", ".devcontainer", ".helix", ".vs", ".vim"),
    "agents": (
        ".claude",
        ".codex",
        ".gemini",
        ".opencode",
        ".cursor",
        ".agents",
        ".kiro",
        ".github",
    ),
    "tools": (".husky", ".yarn", ".yarn/releases", ".config", ".config/mise", ".cargo"),
    "git": (
        *(".git/info", ".git/hooks", ".git/modules", ".git/modules/a", ".git/worktrees"),
        *(".git/modules/a/hooks", "node_modules/a/.git/hooks"),
    ),
}
PLACES = {path: kind for kind, paths in LINKS.items() for path in paths}


@pytest.mark.parametrize("path", PLACES)
def test_a_link_in_place_of_a_folder_is_found(host: LocalHost, repo: Path, path: str) -> None:
    place = repo / path
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    write(repo, "build/tasks.json")
    assert path not in hazards(host, repo)
    place.symlink_to(os.path.relpath(repo / "build", place.parent))
    assert (place / "tasks.json").read_text() == "x", "positive control: programs follow it"
    found = hazards(host, repo)
    assert found[path].kind == PLACES[path]
    assert len(found) == len(scans(host, repo)[str(repo)].hazards), "each is named once"
    seen = marks(found)
    assert new(host, repo, seen) == set()
    write(repo, "build/tasks.json", text="changed")
    assert new(host, repo, seen) == {path}


@pytest.mark.parametrize("below", ["a/b/", ".claude/worktrees/one/"])
def test_a_link_in_place_of_a_folder_is_found_at_any_depth(
    host: LocalHost, repo: Path, below: str
) -> None:
    write(repo, "build/x", f"{below}README")
    for path in (".vscode", ".claude", ".config"):
        (repo / below / path).symlink_to(repo / "build")
    kinds = {what: one.kind for what, one in hazards(host, repo).items()}
    expected = {".vscode": "editors", ".claude": "agents", ".config": "tools"}
    assert kinds == {f"{below}{path}": kind for path, kind in expected.items()}


def test_other_links_and_files_of_such_names_are_not_found(host: LocalHost, repo: Path) -> None:
    write(repo, ".config", ".cargo", ".claude/worktrees/one/.config", "node_modules/x")
    (repo / "node_modules/.vscode").symlink_to("..")
    (repo / "src").symlink_to("node_modules")
    assert hazards(host, repo) == {}


# --- folders that can't be read ---------------------------------------------------------------


class Ordinary(LocalHost):
    """A host on which programs run as a user whom modes bind, even if the tests are root's."""

    drop = () if os.getuid() else ("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups")

    def submit(self, argv: Argv, **limits: Any) -> Future[Result]:
        return super().submit([*self.drop, *argv], **limits)


@pytest.fixture
def closed_repo() -> Iterator[Path]:
    """Return a repo with what programs run, which an ordinary user reaches and owns."""
    with tempfile.TemporaryDirectory() as base:
        os.chmod(base, 0o755)
        made = Path(base) / "repo"
        init(made)
        write(made, ".vscode/tasks.json", ".claude/settings.json", "deep/er/.envrc")
        write(made, ".git/hooks/pre-commit")
        if not os.getuid():
            subprocess.run(["chown", "-R", "1000:1000", base], check=True)
        yield made
        subprocess.run(["chmod", "-R", "u+rwx", str(made)], check=True)


CLOSED = (".vscode", ".claude", "deep/er", ".git/hooks")


def ordinary() -> LocalHost:
    return Ordinary(dict(os.environ))


def test_a_folder_that_can_be_entered_but_not_listed_is_new_until_it_can(
    closed_repo: Path,
) -> None:
    open_ones = hazards(ordinary(), closed_repo)
    assert ".vscode/tasks.json" in open_ones, "positive control"
    for folder in CLOSED:
        (closed_repo / folder).chmod(0o311)
    argv = [*Ordinary.drop, "cat", str(closed_repo / ".vscode/tasks.json")]
    assert subprocess.run(argv, capture_output=True).stdout == b"x", "programs open it by path"
    found = hazards(ordinary(), closed_repo)
    expected = {f"{folder}: a folder that can't be listed" for folder in CLOSED}
    assert set(found) == expected
    assert new(ordinary(), closed_repo, marks(found)) == expected, "nobody can have seen it"
    (finding,) = hazard_findings("a", str(closed_repo), found.values(), marks(found), "repoman")
    (command,) = re.findall("`incus exec --project repoman a -- (.*)`", finding.cure)
    run(shlex.split(command), dict(os.environ))  # as root does in the container
    assert set(hazards(ordinary(), closed_repo)) == set(open_ones)


@pytest.mark.skipif(os.getuid() != 0, reason="not here: only root gives folders to others")
@pytest.mark.parametrize("mode", [0o711, 0o755])
def test_a_folder_of_a_user_of_a_container(closed_repo: Path, mode: int) -> None:
    os.chown(closed_repo / ".vscode", 1_000_000, 1_000_000)
    (closed_repo / ".vscode").chmod(mode)
    found = hazards(ordinary(), closed_repo)
    assert (".vscode: a folder that can't be listed" in found) == (mode == 0o711)
    assert (".vscode/tasks.json" in found) == (mode == 0o755)


@pytest.mark.parametrize("mode", [0o000, 0o644])
def test_a_folder_that_can_not_be_entered_may_be_marked_as_seen(
    closed_repo: Path, mode: int
) -> None:
    (closed_repo / "deep").chmod(mode)
    found = hazards(ordinary(), closed_repo)
    assert "deep: a folder that can't be entered" in found
    assert new(ordinary(), closed_repo, marks(found)) == set()
    (closed_repo / "deep").chmod(0o311)
    assert "deep: a folder that can't be listed" in new(ordinary(), closed_repo, marks(found))


def test_a_repo_that_can_not_be_listed_itself(closed_repo: Path) -> None:
    closed_repo.chmod(0o311)
    assert ".: a folder that can't be listed" in hazards(ordinary(), closed_repo)


class Failing(LocalHost):
    """A host on which walks over a repo called slow end with an error, the first `times` times."""

    times = 1000

    def submit(self, argv: Argv, **limits: Any) -> Future[Result]:
        answer = super().submit(argv, **limits)
        if self.times and "find" in argv and any("/slow/" in word for word in argv):
            self.times -= 1
            return answer.then(lambda result: dataclasses.replace(result, code=1))
        return answer


def test_another_error_of_the_walk_is_an_error_of_that_repo(tmp_path: Path, repo: Path) -> None:
    slow = tmp_path / "slow"
    write(slow, ".envrc")
    write(repo, ".envrc")
    nothing: Future[Marks] = Future(dict)
    asked = {str(slow): nothing, str(repo): nothing}
    found = submit_scan(Failing(dict(os.environ)), asked).result()
    problem, scan = found[str(slow)], found[str(repo)]
    assert isinstance(problem, RepomanError)
    assert problem.what == "parts of it can't be read"
    assert isinstance(scan, Scan)
    assert [hazard.what for hazard in scan.hazards] == [".envrc"]


def test_a_walk_is_repeated_because_folders_vanish(tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    init(slow)
    write(slow, ".envrc")
    host = Failing(dict(os.environ))
    host.times = 1
    assert set(hazards(host, slow)) == {".envrc"}
    assert host.times == 0


def test_a_repo_that_is_gone_is_an_error_of_that_repo(
    host: LocalHost, tmp_path: Path, repo: Path
) -> None:
    nothing: Future[Marks] = Future(dict)
    gone = str(tmp_path / "gone")
    found = submit_scan(host, {gone: nothing, str(repo): nothing}).result()
    assert isinstance(found[gone], RepomanError)
    assert isinstance(found[str(repo)], Scan)


# --- limits -----------------------------------------------------------------------------------


class Narrow(LocalHost):
    """A host on which a walk over a repo called slow takes too long."""

    def submit(self, argv: Argv, **limits: Any) -> Future[Result]:
        if "find" in argv and any("/slow/" in word for word in argv):
            return Future(self._fail)
        return super().submit(argv, **limits)

    def _fail(self) -> Result:
        raise TimedOut("find did not answer within 20 s")


def test_a_repo_that_takes_too_long_is_reported_and_hides_no_other(
    tmp_path: Path, repo: Path
) -> None:
    slow = tmp_path / "slow"
    write(slow, ".envrc")
    write(repo, ".envrc")
    host = Narrow(dict(os.environ))
    nothing: Future[Marks] = Future(dict)
    found = submit_scan(host, {str(slow): nothing, str(repo): nothing}).result()
    assert isinstance(found[str(slow)], RepomanError)
    scan = found[str(repo)]
    assert isinstance(scan, Scan)
    assert [hazard.what for hazard in scan.hazards] == [".envrc"]


def test_a_repo_with_too_many_is_reported(
    host: LocalHost, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("repoman_tasks.tools.hazard_scan._MAX_OUTPUT", 1000)
    write(repo, *(f".idea/{number}" for number in range(300)))
    nothing: Future[Marks] = Future(dict)
    assert isinstance(submit_scan(host, {str(repo): nothing}).result()[str(repo)], RepomanError)


def test_pipes_and_devices_are_not_opened(host: LocalHost, repo: Path) -> None:
    for path in (".envrc", ".vscode/tasks.json", ".git/commondir"):
        (repo / path).parent.mkdir(exist_ok=True)
        os.mkfifo(repo / path)
    found = {what.partition(":")[0] for what in hazards(host, repo)}
    assert found == {".envrc", ".vscode/tasks.json", ".git/commondir"}


# --- what was seen ----------------------------------------------------------------------------


def test_a_checkout_and_back_is_not_new(host: LocalHost, repo: Path) -> None:
    write(repo, ".envrc", text="one")
    seen = marks(hazards(host, repo))
    assert new(host, repo, seen) == set()
    (repo / ".envrc").unlink()
    write(repo, ".envrc", text="two")
    assert new(host, repo, seen) == {".envrc"}
    (repo / ".envrc").unlink()
    write(repo, ".envrc", text="one")
    assert new(host, repo, seen) == set()
    (repo / ".envrc").chmod(0o755)
    assert new(host, repo, seen) == {".envrc"}, "it can be executed now"


def test_a_file_of_the_same_size_and_time_is_new(host: LocalHost, repo: Path) -> None:
    write(repo, ".envrc", text="one")
    times = (repo / ".envrc").stat()
    seen = marks(hazards(host, repo))
    write(repo, ".envrc", text="two")
    os.utime(repo / ".envrc", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert new(host, repo, seen) == {".envrc"}


def test_what_a_link_leads_to_counts(host: LocalHost, repo: Path) -> None:
    write(repo, "real.sh", "folder/tasks.json")
    (repo / ".envrc").symlink_to("real.sh")
    (repo / ".vscode").symlink_to("folder")
    seen = marks(hazards(host, repo))
    assert new(host, repo, seen) == set()
    write(repo, "real.sh", text="changed")
    assert new(host, repo, seen) == {".envrc"}


def listed(host: LocalHost, repo: Path, found: Sequence[Hazard]) -> Marks:
    """Record that `found` was listed, and accept it; return what was seen."""
    record_listing(host, str(repo), found, "2026-11-27T12:00:00Z")
    listing = read_listing(host, str(repo))
    assert listing is not None
    record_seen(host, str(repo), listing.marks)
    assert read_listing(host, str(repo)) is None, "a listing is accepted once"
    return submit_seen(host, str(repo)).result()


def test_more_links_than_an_argument_list_holds(host: LocalHost, repo: Path) -> None:
    """Each leads to a path of its own in the repo; together they are longer than 2 MiB."""
    deep = "/".join([".claude", *(letter * 250 for letter in "abcdefghij")])
    folder = repo / deep
    folder.mkdir(parents=True)
    for number in range(900):
        (folder / f"link-{number}").symlink_to(f"to-{number}")
    found = hazards(host, repo)
    assert len(found) == 900
    assert new(host, repo, marks(found)) == set()
    (folder / "to-899").write_text("x")
    assert new(host, repo, marks(found)) >= {f"{deep}/link-899"}


def test_what_changed_after_it_was_listed_is_still_new(host: LocalHost, repo: Path) -> None:
    write(repo, ".envrc", ".npmrc")
    before = list(hazards(host, repo).values())
    write(repo, ".npmrc", "mise.toml", text="changed")
    seen = listed(host, repo, before)
    assert new(host, repo, seen) == {".npmrc", "mise.toml"}
    assert new(host, repo, listed(host, repo, list(hazards(host, repo).values()))) == set()


def test_what_was_seen_by_an_older_version_is_seen(host: LocalHost, repo: Path) -> None:
    write(repo, ".envrc")
    old = {".envrc": hazards(host, repo)[".envrc"].marks[0]}
    record_seen(host, str(repo), {})
    (path,) = (Path(host.environ["XDG_STATE_HOME"]) / "repoman/seen").iterdir()
    path.write_text(f'{{".envrc": "{old[".envrc"]}"}}\n')
    assert new(host, repo, submit_seen(host, str(repo)).result()) == set()


def test_decoys_do_not_crowd_out_the_dangerous(host: LocalHost, repo: Path) -> None:
    write(repo, *(f".idea/a{number}" for number in range(300)), ".vscode/tasks.json")
    write(repo, *(f"z{number}/.idea/x" for number in range(300)))
    write(repo, ".git/hooks/pre-commit", ".claude/settings.json")
    (finding,) = hazard_findings("isurus", "/r", hazards(host, repo).values(), {}, "repoman")
    assert "1 of git: .git/hooks/pre-commit; 1 of agents: .claude/settings.json" in finding.what
    assert "601 of editors: .idea (300 files), .vscode/tasks.json, " in finding.what
    assert "and 297 more" in finding.what
    assert len(finding.items) == 603
    assert finding.items[:2] == (".git/hooks/pre-commit", ".claude/settings.json")


@pytest.mark.as_root
def test_a_person_with_a_large_uid_owns_their_own_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of directory services have; a container's users have such ones, too."""
    if os.geteuid():
        pytest.skip("not here: only root gives files away")
    host = LocalHost()
    for uid in (400001104, 1_000_000):
        (tmp_path / str(uid)).touch()
        os.chown(tmp_path / str(uid), uid, uid)
    monkeypatch.setattr(host, "uid", 400001104)
    found = submit_scan(host, {str(tmp_path): Future(dict)}).result()[str(tmp_path)]
    assert isinstance(found, Scan)
    assert found.foreign == 1
