"""Create every kind of drift behind repoman's back: it is found, reported and repaired, once."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from repoman_tasks.planning.container.spec import MAKING_TAG, PROJECT_TAG
from tests.containers.conftest import ContainerEstate, small_pool
from tests.support.cures import paste_cure
from tests.support.estate import run


def mend(estate: ContainerEstate, *argv: str, out: str = "done: ") -> None:
    """Repair by `argv`; a second run has nothing to do."""
    assert out in estate.run("status", *argv).out
    drifted = [kind for kinds in estate.findings().values() for kind in kinds]
    assert drifted == []
    before = estate.instances()
    assert "done: " not in estate.run("status", *argv).out
    assert estate.instances() == before


@pytest.mark.shared
@pytest.mark.over_ssh("fabric")
def test_no_drift(isurus: ContainerEstate) -> None:
    assert isurus.findings() == {}


# --- missing ------------------------------------------------------------------------------


@pytest.mark.shared
@pytest.mark.over_ssh
def test_missing_recreate_gives_one_that_behaves_alike(isurus: ContainerEstate) -> None:
    text = '[env]\nGREETING = "hello"\n'
    (isurus.local_repos / "isurus/.repoman.toml").write_text(text)
    isurus.run("update", "isurus", "--restart", code=0)
    before = isurus.instances()["isurus"]
    isurus.incus("delete", "--force", "isurus")
    assert isurus.findings() == {"isurus": ["missing"]}
    assert isurus.state("isurus") == "missing"
    assert "its container is missing" in isurus.run("list", code=0).out
    (isurus.local_repos / "isurus/.repoman.toml").write_text('image = "debian"\n')
    paste_cure(isurus, "missing", answers=("--missing", "recreate"))
    assert isurus.findings() == {}
    after = isurus.instances()["isurus"]
    for part in ("devices", "profiles", "status"):
        assert after[part] == before[part], "by the registry, and not by what the repo says now"
    ours = [key for key in before["config"] if key.startswith(("user.", "environment.", "cloud"))]
    assert {key: after["config"][key] for key in ours} == {
        key: before["config"][key] for key in ours
    }
    done = isurus.run("exec", "isurus", "--", "sh", "-c", 'echo "$GREETING"', code=0)
    assert done.out == "hello\n"
    (isurus.local_repos / "isurus/.repoman.toml").unlink()
    isurus.run("update", "isurus", "--restart", code=0)


def test_missing_forget_keeps_the_project_and_its_backup(isurus: ContainerEstate) -> None:
    isurus.incus("delete", "--force", "isurus")
    assert "done: " in isurus.run("status", "--missing", "forget").out
    assert isurus.findings() == {"isurus": ["volume"]}, "it is still there"
    assert isurus.projects() == ["isurus"]
    assert isurus.state("isurus") == "no container"
    isurus.run("sync", "isurus", code=0)


def test_missing_with_its_repo(isurus: ContainerEstate) -> None:
    isurus.incus("delete", "--force", "isurus")
    (isurus.local_repos / "isurus").rmdir()
    done = isurus.run("status", "--missing", "recreate", code=3)
    assert "was not repaired" in done.err
    assert "is missing" in done.err
    assert isurus.instances() == {}


# --- orphan -------------------------------------------------------------------------------


def without_registry(estate: ContainerEstate) -> None:
    """Delete all projects from the registry."""
    text = estate.registry.read_text()
    estate.registry.write_text(text[: text.index("[[project]]")])


def test_a_lost_registry_is_rebuilt_from_incus(estate: ContainerEstate) -> None:
    (estate.local_repos / "deep/er").mkdir(parents=True)
    (estate.local_repos / "isurus").mkdir()
    (estate.local_repos / "isurus/.repoman.toml").write_text('[env]\nGREETING = "hello"\n')
    estate.run("new", "isurus", code=0)
    estate.run("new", "lamna", "--repo", "deep/er", "--profile", "default", code=0)
    running = {name: one["config"] for name, one in estate.instances().items()}
    without_registry(estate)
    assert estate.findings() == {"isurus": ["orphan"], "lamna": ["orphan"]}
    mend(estate, "--orphan", "adopt")
    assert sorted(estate.projects()) == ["isurus", "lamna"]
    assert {name: one["config"] for name, one in estate.instances().items()} == running
    estate.incus("delete", "--force", "isurus")
    estate.run("status", "--missing", "recreate")
    done = estate.run("exec", "isurus", "--", "sh", "-c", 'echo "$GREETING"', code=0)
    assert done.out == "hello\n"
    assert estate.run("exec", "lamna", "--", "pwd", code=0).out.endswith("/deep/er\n")


@pytest.mark.over_ssh
def test_orphan_destroy_asks_for_the_name(isurus: ContainerEstate) -> None:
    without_registry(isurus)
    done = isurus.run("status", "--orphan", "destroy", code=3)
    assert "--yes" in done.err
    assert "isurus" in isurus.instances()
    mend(isurus, "--orphan", "destroy", "--yes")
    assert isurus.instances() == {}
    assert (isurus.local_repos / "isurus").is_dir()


@pytest.mark.shared
def test_an_orphan_that_repoman_did_not_make(isurus: ContainerEstate) -> None:
    isurus.incus("init", "busybox", "stray")
    (isurus.local_repos / "stray").mkdir()
    assert isurus.findings() == {"stray": ["orphan"]}
    assert "stray: a container" in isurus.run("list", code=0).err
    assert isurus.run("adopt", "stray", "--dry-run", code=0).out.startswith("would ")
    paste_cure(isurus, "orphan")
    done = isurus.run("exec", "stray", "--", "sh", "-c", "id -u; pwd", code=0)
    assert done.out.endswith(f"\n{isurus.local_repos}/stray\n")
    assert isurus.findings() == {}
    assert "already has a project" in isurus.run("adopt", "stray", code=2).err
    isurus.run("remove", "stray", "--yes", code=0)
    (isurus.local_repos / "stray").rmdir()


def write_hook(estate: ContainerEstate, name: str, hook: str) -> None:
    hooks = estate.local_repos / name / ".git/hooks"
    hooks.mkdir(parents=True, exist_ok=True)
    (hooks / hook).write_text("#!/bin/sh\n")


@pytest.mark.parametrize("argv", [("adopt", "stray"), ("status", "--orphan", "adopt")])
def test_adopt_marks_the_content_of_the_repo_as_seen(
    estate: ContainerEstate, argv: tuple[str, ...]
) -> None:
    """As after `new`; later changes are reported."""
    estate.incus("init", "busybox", "stray")
    write_hook(estate, "stray", "pre-commit")
    estate.run(*argv)
    assert estate.projects() == ["stray"]
    assert estate.findings() == {}
    write_hook(estate, "stray", "pre-push")
    assert ".git/hooks/pre-push" in estate.run("status", code=3).out


def test_a_hazard_from_before_the_registry_was_lost_is_reported(isurus: ContainerEstate) -> None:
    write_hook(isurus, "isurus", "pre-commit")
    without_registry(isurus)
    isurus.run("adopt", "isurus", code=0)
    assert "hazard" in isurus.findings()["isurus"]
    isurus.accept("isurus")
    assert "hazard" not in isurus.findings().get("isurus", [])


@pytest.mark.shared
def test_adopt_refuses(isurus: ContainerEstate) -> None:
    isurus.incus("init", "busybox", "stray")
    assert "is missing" in isurus.run("adopt", "stray", code=2).err
    assert "overlaps" in isurus.run("adopt", "stray", "--repo", "isurus", code=2).err
    assert "there is no container 'ghost'" in isurus.run("adopt", "ghost", code=2).err
    there = isurus.run("adopt", "ghost", "--from-project", "default", code=1)
    assert "there is no container" in there.err
    assert isurus.findings() == {"stray": ["orphan"]}
    isurus.incus("delete", "stray")


def test_adopt_from_the_default_project(estate: ContainerEstate) -> None:
    """Migrate from a script that created containers there, with `shift` and the like."""
    repo = estate.local_repos / "old"
    repo.mkdir()
    name = f"old{estate.project[1:6]}"
    in_default = ["--project", "default"]
    device = ["-c", "security.nesting=true", "--storage", "pool"]
    estate.incus("init", *in_default, "busybox", name, *device)
    source = [f"source={repo}", f"path={repo}", "shift=true"]
    estate.incus("config", "device", "add", *in_default, name, "repo", "disk", *source)
    try:
        estate.incus("start", *in_default, name)
        estate.incus("exec", *in_default, name, "--", "sh", "-c", "echo kept >/kept")
        estate.run("adopt", name, "--from-project", "default", "--repo", "old", code=0)
        made = estate.instances()[name]
        assert "shift" not in made["devices"]["repo"]
        assert "security.nesting" not in made["config"]
        assert estate.run("exec", name, "--", "cat", "/kept", code=0).out == "kept\n"
        estate.run("exec", name, "--", "touch", "mine", code=0)
        assert (repo / "mine").exists()
        assert estate.findings() == {}
        kept = estate.incus("list", *in_default, "--format", "csv", "--columns", "s", name)
        assert kept.out == "STOPPED\n", "nothing is lost"
        again = estate.run("adopt", name, "--from-project", "default", code=2)
        assert "already" in again.err
    finally:
        estate.incus("delete", *in_default, "--force", name)


def hooked(repo: Path) -> Path:
    """Return a git repo with a hook of the user's own."""
    (repo / ".git/hooks").mkdir(parents=True, exist_ok=True)
    (repo / ".git/hooks/post-commit").write_text("#!/bin/sh\n")
    return repo


def reports_hazard(estate: ContainerEstate, name: str) -> bool:
    """Return True if something that programs on the host would run is reported as new."""
    return "hazard" in estate.findings().get(name, [])


def test_what_is_in_a_repo_that_an_adopted_container_never_had(estate: ContainerEstate) -> None:
    """As after `new`, the user knows it; later changes are reported."""
    repo = hooked(estate.local_repos / "stray")
    estate.incus("init", "busybox", "stray")
    estate.run("adopt", "stray", code=0)
    assert not reports_hazard(estate, "stray")
    (repo / ".envrc").write_text("true\n")
    assert reports_hazard(estate, "stray")


def test_what_is_in_a_repo_that_an_adopted_container_had(estate: ContainerEstate) -> None:
    """The container may have written it, so it is reported, also if a profile mounted the repo."""
    repo = hooked(estate.local_repos / "stray")
    estate.incus("init", "busybox", "stray")
    estate.incus("config", "device", "add", "stray", "x", "disk", f"source={repo}", "path=/x")
    estate.run("adopt", "stray", code=0)
    assert reports_hazard(estate, "stray")
    estate.accept("stray")
    other = hooked(estate.local_repos / "other")
    estate.incus("profile", "create", "wide")
    device = ("disk", f"source={estate.local_repos}", "path=/x")
    estate.incus("profile", "device", "add", "wide", "x", *device)
    estate.incus("init", "busybox", "other", "--profile", "default", "--profile", "wide")
    estate.run("adopt", "other", code=0)
    assert reports_hazard(estate, "other")
    assert other.is_dir()


def test_a_hazard_is_reported_until_it_was_seen(isurus: ContainerEstate) -> None:
    """After a lost registry, or `remove` and `new`, a new hook is still reported."""
    repo = isurus.local_repos / "isurus"
    hooked(repo)
    assert reports_hazard(isurus, "isurus")
    without_registry(isurus)
    assert "done: " in isurus.run("status", "--orphan", "adopt").out
    assert isurus.projects() == ["isurus"]
    assert reports_hazard(isurus, "isurus")
    isurus.run("remove", "isurus", "--yes", code=0)
    isurus.run("new", "isurus", code=0)
    assert reports_hazard(isurus, "isurus")
    isurus.accept("isurus")
    assert not reports_hazard(isurus, "isurus")


# --- renamed, in error, not expected ------------------------------------------------------


@pytest.mark.shared
def test_renamed(isurus: ContainerEstate) -> None:
    isurus.incus("stop", "--force", "isurus")
    isurus.incus("rename", "isurus", "other")
    assert isurus.findings() == {"isurus": ["renamed"]}
    assert isurus.state("isurus") == "renamed"
    assert "was renamed to other" in isurus.run("shell", "isurus", code=1).err
    assert isurus.run("status", "--repair", code=3)
    assert "other" in isurus.instances()
    paste_cure(isurus, "renamed")
    assert isurus.findings() == {}
    assert list(isurus.instances()) == ["isurus"]
    isurus.run("exec", "isurus", "--", "true", code=0)


@pytest.mark.shared
def test_not_expected(isurus: ContainerEstate) -> None:
    text = isurus.registry.read_text()
    isurus.registry.write_text(f"{text}container = false\n")
    assert isurus.findings() == {"isurus": ["unexpected"]}
    assert "adopt" in isurus.run("exec", "isurus", "--", "true", code=2).err
    paste_cure(isurus, "unexpected")
    assert isurus.findings() == {}
    isurus.run("exec", "isurus", "--", "true", code=0)


@pytest.mark.shared
def test_a_container_without_its_tags(isurus: ContainerEstate) -> None:
    isurus.incus("config", "unset", "isurus", PROJECT_TAG)
    assert isurus.findings() == {"isurus": ["differs"]}
    isurus.run("update", "isurus", code=0)
    assert isurus.findings() == {}


@pytest.mark.shared
def test_a_pool_that_is_nearly_full(isurus: ContainerEstate) -> None:
    with small_pool(isurus) as (pool, enlarge):
        before = isurus.environ["REPOMAN_STORAGE_POOL"]
        isurus.environ["REPOMAN_STORAGE_POOL"] = pool
        paste_cure(isurus, "pool", by_hand=lambda: subprocess.run(enlarge, check=True))
        isurus.environ["REPOMAN_STORAGE_POOL"] = before


@pytest.mark.shared
def test_a_container_in_state_error(isurus: ContainerEstate) -> None:
    """Its monitor hangs, and goes on."""
    listed = run(["sudo", "-n", "ps", "axo", "pid,args"], isurus.environ).out.splitlines()
    (monitor,) = [line for line in listed if line.endswith(f" {isurus.project}_isurus")]

    def signal(name: str) -> None:
        subprocess.run(["sudo", "-n", "kill", name, monitor.split()[0]], check=True)

    signal("-STOP")
    try:
        paste_cure(isurus, "error", 0, 1, by_hand=lambda: signal("-CONT"))
    finally:
        signal("-CONT")
    isurus.run("start", "isurus", code=0)


@pytest.mark.shared
def test_the_other_way_out_removes_what_has_no_project(isurus: ContainerEstate) -> None:
    for kind, answer, tags in (
        ("orphan", ("--orphan", "destroy"), []),
        ("half-made", ("--half-made", "remove"), ["-c", f"{MAKING_TAG}=token"]),
    ):
        isurus.incus("init", "busybox", "stray", *tags)
        paste_cure(isurus, kind, 1, answers=(*answer, "--yes"))
        assert list(isurus.instances()) == ["isurus"]
        assert isurus.findings() == {}


# --- half made ----------------------------------------------------------------------------


def half_made(estate: ContainerEstate) -> None:
    """Create what a killed `new` leaves behind."""
    without_registry(estate)
    estate.incus("stop", "--force", "isurus")
    estate.incus("config", "set", "isurus", f"{MAKING_TAG}=token")


def test_half_made_and_not_registered(isurus: ContainerEstate) -> None:
    half_made(isurus)
    assert isurus.findings() == {"isurus": ["half-made"]}
    mend(isurus, "--half-made", "finish")
    assert isurus.projects() == ["isurus"]
    isurus.run("exec", "isurus", "--", "true", code=0)
    half_made(isurus)
    mend(isurus, "--half-made", "remove")
    assert isurus.instances() == {}


@pytest.mark.shared
def test_new_replaces_a_half_made_container(isurus: ContainerEstate) -> None:
    half_made(isurus)
    isurus.exec_inside("isurus", "true")
    done = paste_cure(isurus, "half-made")
    assert "which is half made" in done.out
    assert isurus.findings() == {}


@pytest.mark.shared
def test_half_made_and_registered(isurus: ContainerEstate) -> None:
    isurus.incus("config", "set", "isurus", f"{MAKING_TAG}=token")
    assert isurus.findings() == {"isurus": ["half-made"]}
    assert isurus.state("isurus") == "half-made"
    assert "half made" in isurus.run("exec", "isurus", "--", "true", code=1).err
    paste_cure(isurus, "half-made", answers=("--half-made", "finish"))
    assert isurus.findings() == {}
    isurus.run("exec", "isurus", "--", "true", code=0)


# --- differs ------------------------------------------------------------------------------

CHANGES = {
    "a device more": ["config", "device", "add", "isurus", "x", "disk", "source=@", "path=/x"],
    "another source": ["config", "device", "set", "isurus", "repo", "source=@/other"],
    "no device": ["config", "device", "remove", "isurus", "repo"],
    "a profile less": ["profile", "remove", "isurus", "claude-share"],
    "a profile more": ["profile", "add", "isurus", "extra"],
    "a variable more": ["config", "set", "isurus", "environment.X=1"],
    "a tag of its own": ["config", "set", "isurus", "user.repoman.repo=elsewhere"],
}


@pytest.mark.shared
def test_drift_is_found_shown_and_repaired_by_update(isurus: ContainerEstate) -> None:
    (isurus.local_repos / "other").mkdir()
    isurus.incus("profile", "create", "extra")
    for change, argv in CHANGES.items():
        before = isurus.instances()["isurus"]
        isurus.incus(*(word.replace("@", str(isurus.local_repos)) for word in argv))
        assert isurus.findings() == {"isurus": ["differs"]}, change
        shown = isurus.run("update", "isurus", "--dry-run", code=0).out
        assert re.match(r"would change isurus: .+\n$", shown), change
        if change != "no device":
            said = isurus.run("exec", "isurus", "--", "true").err
            assert "isurus: its container differs from the registry" in said, (
                "other commands say it too"
            )
        isurus.run("update", "isurus", code=0)
        after = isurus.instances()["isurus"]
        for part in ("devices", "profiles"):
            assert after[part] == before[part], change
        assert isurus.findings() == {}, change
        assert isurus.run("update", "isurus", code=0).out == "nothing to do\n", change
        isurus.run("exec", "isurus", "--", "touch", "mine", code=0)
        (isurus.local_repos / "isurus/mine").unlink()


@pytest.mark.shared
def test_the_cure_for_another_image(isurus: ContainerEstate) -> None:
    text = isurus.registry.read_text()
    isurus.registry.write_text(text.replace('image = "busybox"', 'image = "local:busybox"'))
    assert isurus.findings() == {"isurus": ["differs"]}
    done = paste_cure(isurus, "differs")
    assert "from local:busybox" in done.out
    assert isurus.findings() == {}
    isurus.registry.write_text(text)
    paste_cure(isurus, "differs")
    assert isurus.findings() == {}


@pytest.mark.shared
def test_the_cure_for_a_repo_that_was_replaced_while_its_container_runs(
    isurus: ContainerEstate,
) -> None:
    """One that was renamed and is missing has its own cure: a restart would be refused."""
    repo, moved = isurus.local_repos / "isurus", isurus.local_repos / "moved"
    repo.rename(moved)
    assert "inside" not in isurus.findings().get("isurus", [])
    repo.mkdir()
    assert isurus.findings() == {"isurus": ["inside"]}
    paste_cure(isurus, "inside")
    isurus.run("exec", "isurus", "--", "touch", "here", code=0)
    assert (repo / "here").exists()
    assert isurus.findings() == {}
    moved.rmdir()


@pytest.mark.shared
def test_the_cure_for_a_container_without_a_shell(isurus: ContainerEstate) -> None:
    (isurus.local_repos / "isurus/kept").touch()
    isurus.exec_inside("isurus", "rm", "/bin/sh")
    assert isurus.findings() == {"isurus": ["inside"]}
    paste_cure(isurus, "inside")
    assert isurus.findings() == {}
    isurus.run("exec", "isurus", "--", "rm", "kept", code=0)


@pytest.mark.shared
def test_a_user_that_is_missing_inside(isurus: ContainerEstate) -> None:
    isurus.exec_inside("isurus", "sh", "-c", "grep root: /etc/passwd >/p; cat /p >/etc/passwd")
    assert isurus.findings() == {"isurus": ["inside"]}
    done = isurus.run("exec", "isurus", "--", "true", code=125)
    assert "repoman update" in done.err
    isurus.run("update", "isurus", code=0)
    assert isurus.findings() == {}
    isurus.run("exec", "isurus", "--", "true", code=0)


@pytest.mark.shared
def test_a_mount_that_is_hidden_inside(isurus: ContainerEstate) -> None:
    repo = f"{isurus.local_repos}/isurus"
    assert isurus.exec_inside("isurus", "sh", "-c", f"busybox umount {repo}").code == 0
    assert isurus.findings() == {"isurus": ["inside"]}
    isurus.run("restart", "isurus", "--force", code=0)
    assert isurus.findings() == {}


def test_an_incus_project_that_does_not_exist(isurus: ContainerEstate) -> None:
    text = isurus.registry.read_text()
    isurus.registry.write_text(text.replace(isurus.project, "nowhere & ?recursion=0"))
    assert isurus.findings() == {"incus": ["fence"], "isurus": ["missing"]}


@pytest.mark.shared
def test_a_user_who_may_not_ask(estate: ContainerEstate) -> None:
    as_nobody = ["sudo", "-n", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    environ = [f"INCUS_DIR={estate.environ['INCUS_DIR']}", "HOME=/nonexistent"]
    asking = ["incus", "query", "--force-local", "--raw", "local:/1.0"]
    said = run([*as_nobody, "env", *environ, *asking], estate.environ)
    assert "don't have the needed permissions" in said.err, "what tools.incus looks for"


@pytest.mark.shared
def test_a_flag_that_is_off(estate: ContainerEstate) -> None:
    assert "did you mean recreate" in estate.run("status", "--missing", "recreat", code=2).err
    assert "adopt or destroy" in estate.run("status", "--orphan", "x", code=2).err


@pytest.mark.shared
def test_what_a_container_mounts_stays_guarded(isurus: ContainerEstate) -> None:
    """Also if the registry knows another folder of repos by now."""
    repo, other = isurus.local_repos / "isurus", isurus.home / "other"
    other.mkdir()
    folders = isurus.home / ".local/state/repoman/guard/folders"
    folders.unlink()
    text = isurus.registry.read_text()
    isurus.registry.write_text(text.replace(str(isurus.local_repos), str(other)))
    isurus.run("status")
    assert {str(repo), str(other)} <= set(folders.read_text().splitlines())
    isurus.registry.write_text(text)
