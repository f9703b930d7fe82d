"""`setup` creates the fence on a real Incus, finds where it is weaker, and repairs it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pytest

from tests.containers.conftest import ContainerEstate
from tests.support.cures import paste_cure
from tests.support.estate import Result, run
from tests.support.processes import WAIT_SECONDS
from tests.worlds.daemon.sandbox import running_daemon

REPAIR = "run `repoman setup --repair`"


def project(estate: ContainerEstate) -> dict[str, str]:
    return dict(json.loads(estate.incus("query", f"/1.0/projects/{estate.project}").out)["config"])


def writes(estate: ContainerEstate) -> str:
    """Return what changes in Incus on a write: everything in the project, with times."""
    parts = ["instances?recursion=1", "profiles?recursion=1"]
    return json.dumps([project(estate), *map(estate.api, parts)], sort_keys=True)


def test_setup_makes_a_fenced_project_and_the_second_time_nothing(
    fresh_estate: ContainerEstate,
) -> None:
    fresh_estate.setup()
    config = project(fresh_estate)
    assert config["restricted"] == "true"
    assert config["restricted.devices.disk.paths"] == str(fresh_estate.local_repos)
    assert config["restricted.idmap.uid"] == str(os.getuid())
    profiles = {one["name"]: one for one in fresh_estate.api("profiles?recursion=1")}
    default = profiles["default"]
    assert default["config"]["raw.idmap"] == f"both {os.getuid()} {os.getgid()}"
    assert {"limits.cpu", "limits.memory", "limits.processes"} <= default["config"].keys()
    assert set(default["devices"]) == {"root", "eth0"}
    assert not profiles["claude-share"]["devices"]
    assert not profiles["claude-share"]["config"]
    before = writes(fresh_estate)
    for flags in ([], ["--repair"]):
        assert fresh_estate.run("setup", *flags, code=0).out == "nothing to do\n"
    assert writes(fresh_estate) == before


def test_a_dry_run_shows_the_steps_and_writes_nothing(fresh_estate: ContainerEstate) -> None:
    argv = [
        "--local-repos",
        str(fresh_estate.local_repos),
        "--nfs-repos",
        str(fresh_estate.share),
        "--dry-run",
    ]
    shown = fresh_estate.run("setup", *argv, code=0).out
    assert f"would create the restricted Incus project {fresh_estate.project}\n" in shown
    listed = fresh_estate.incus("project", "list", "--format", "csv").out
    assert fresh_estate.project not in listed
    assert not fresh_estate.registry.exists()


WEAKER = {
    "not restricted": ("project", "restricted", "false"),
    "more folders": ("project", "restricted.devices.disk.paths", "@,/srv"),
    "nesting": ("project", "restricted.containers.nesting", "allow"),
    "privileged": ("project", "restricted.containers.privilege", "allow"),
    "another id": ("project", "restricted.idmap.uid", "0-100000"),
    "low level": ("project", "restricted.containers.lowlevel", "allow"),
    "no limit": ("profile", "limits.processes", ""),
    "all processors": ("profile", "limits.cpu", "64"),
}


@pytest.mark.shared
def test_a_weaker_fence_is_found_and_strengthened(isurus: ContainerEstate) -> None:
    before = project(isurus)
    for weaker, (where, key, value) in WEAKER.items():
        setting = f"{key}={value}".replace("@", before["restricted.devices.disk.paths"])
        named = isurus.project if where == "project" else "default"
        isurus.incus(where, "set", named, setting)
        assert isurus.findings() == {"incus": ["fence"]}, weaker
        plain = isurus.run("setup", code=0)
        assert plain.out == "nothing to do\n", weaker
        assert key in plain.err
        assert REPAIR.split("`")[1] in plain.err, weaker
        done = paste_cure(isurus, "fence")
        assert key in done.out
        assert project(isurus) == before, weaker
    assert isurus.findings() == {}
    isurus.run("exec", "isurus", "--", "true", code=0)


def test_local_repos_that_moved(isurus: ContainerEstate) -> None:
    """Containers keep the old folder until `update`; then the fence excludes it."""
    other = isurus.home / "other"
    other.mkdir()
    old = isurus.local_repos / "isurus"
    done = isurus.run("setup", "--local-repos", str(other), code=0)
    assert "restricted.devices.disk.paths" in done.err
    isurus.run("setup", "--repair", code=0)
    assert str(isurus.local_repos) in project(isurus)["restricted.devices.disk.paths"]
    found = isurus.run("status", code=3).out
    assert f"{isurus.local_repos} is still allowed, because it is mounted by isurus" in found
    assert isurus.run("setup", "--repair", code=0).out == "nothing to do\n"
    old.rename(other / "isurus")
    isurus.run("update", "isurus", code=0)
    isurus.run("exec", "isurus", "--", "touch", "here", code=0)
    assert (other / "isurus/here").exists()
    isurus.run("setup", "--repair", code=0)
    assert project(isurus)["restricted.devices.disk.paths"] == str(other)
    assert isurus.findings() == {}


def test_nesting_is_switched_on_and_off_with_a_container_there(isurus: ContainerEstate) -> None:
    off = isurus.registry.read_text()
    on = off.replace("[defaults]\n", "[defaults]\nnesting = true\n")
    for text, nesting in ((on, "true"), (off, None)):
        isurus.registry.write_text(text)
        assert isurus.findings() == {"incus": ["fence", "fence"]}
        shown = isurus.run("setup", "--repair", code=0)
        assert "takes effect at the next start of a container" in shown.out
        assert isurus.api("profiles/default")["config"].get("security.nesting") == nesting
        allowed = project(isurus).get("restricted.containers.nesting")
        assert allowed == ("allow" if nesting else None)
        assert isurus.findings() == {}
        assert isurus.run("setup", "--repair", code=0).out == "nothing to do\n"


def kinds_beside_the_login(estate: ContainerEstate) -> list[str]:
    """Return the kinds of findings, without those about the login itself: none is logged in."""
    kinds = [kind for kinds in estate.findings().values() for kind in kinds]
    return [kind for kind in kinds if kind != "login"]


def share_login(estate: ContainerEstate) -> Path:
    """Have all containers share a login; return its folder on the host."""
    text = estate.registry.read_text()
    estate.registry.write_text(text.replace("[defaults]\n", "[defaults]\nshared_login = true\n"))
    assert kinds_beside_the_login(estate) == ["fence", "fence"]
    estate.run("setup", "--repair", code=0)
    assert estate.run("setup", "--repair", code=0).out == "nothing to do\n"
    return estate.home / ".local/share/repoman/claude-login"


def test_a_login_is_shared_on_request_and_nothing_else(isurus: ContainerEstate) -> None:
    folder = share_login(isurus)
    assert folder.stat().st_mode & 0o777 == 0o700
    write = 'echo x >"$CLAUDE_SECURESTORAGE_CONFIG_DIR/.credentials.json"'
    isurus.run("exec", "isurus", "--", "sh", "-c", write, code=0)
    assert (folder / ".credentials.json").read_text() == "x\n"
    assert kinds_beside_the_login(isurus) == []
    (folder / "settings.json").touch()
    assert "holds more than a login: settings.json" in isurus.run("status", code=3).out
    text = isurus.registry.read_text()
    isurus.registry.write_text(text.replace("shared_login = true\n", ""))
    isurus.run("setup", "--repair", code=0)
    assert isurus.findings() == {}
    printed = isurus.run("exec", "isurus", "--", "sh", "-c", "env; ls /var/lib/repoman-login")
    assert "SECURESTORAGE" not in printed.out
    assert "settings.json" not in printed.out


def test_a_link_in_place_of_the_folder_of_the_login(isurus: ContainerEstate) -> None:
    folder = share_login(isurus)
    folder.rmdir()
    folder.symlink_to(isurus.home / ".claude")
    assert f"{folder} leads to {isurus.home}/.claude" in isurus.run("status", code=3).out
    isurus.run("setup", "--repair", code=6)


@pytest.mark.shared
def test_an_estate_that_shares_an_agents_folder_is_closed_by_setup(
    isurus: ContainerEstate,
) -> None:
    folder = isurus.open_agents_folder()
    found = isurus.run("status", code=3).out
    assert f"{folder} is mounted by the profile claude-share: what is written there runs" in found
    assert isurus.findings() == {"incus": ["fence", "fence"]}
    plain = isurus.run("setup", code=0)
    assert plain.out == "nothing to do\n"
    assert f"{folder} is mounted by the profile claude-share" in plain.err
    done = isurus.run("setup", "--repair", code=0)
    assert f"containers lose {folder}, where nothing is deleted" in done.out
    assert isurus.findings() == {}
    assert folder not in project(isurus)["restricted.devices.disk.paths"]
    assert isurus.exec_inside("isurus", "ls", folder).code != 0


# --- the host -----------------------------------------------------------------------------


@pytest.fixture
def fresh(fresh_estate: ContainerEstate) -> Iterator[ContainerEstate]:
    """Yield an estate with a daemon that was never initialised."""
    folder = Path(tempfile.mkdtemp(prefix="rmf-", dir="/tmp"))
    before = dict(fresh_estate.environ)
    fresh_estate.environ |= {
        "INCUS_DIR": str(folder),
        "REPOMAN_BRIDGE": "",
        "REPOMAN_STORAGE_POOL": "",
    }
    try:
        with running_daemon(folder, "sudo", "-n"):
            yield fresh_estate
    finally:
        fresh_estate.environ = before
        bind_mounts = f"{folder}/storage-pools", f"{folder}/devices", f"{folder}/shmounts"
        subprocess.run(["sudo", "-n", "umount", "--recursive", *bind_mounts], check=False)
        subprocess.run(["sudo", "-n", "rm", "-rf", str(folder), f"{folder}.log"], check=False)


def test_an_incus_that_was_never_initialised(fresh: ContainerEstate) -> None:
    paths = ("--local-repos", str(fresh.local_repos), "--nfs-repos", str(fresh.share))
    done = fresh.run("setup", *paths, code=0)
    assert "not initialised" in done.err
    assert "--init-incus" in done.err
    error = fresh.run("setup", "--storage-pool", "x", code=1).err
    assert "not initialised" in error
    network = f"rmi{os.getpid() % 10000}"
    argv = ("setup", "--init-incus", "--network", network)
    shown = fresh.run(*argv, "--dry-run", code=0).out
    assert "would create the storage pool default" in shown
    done = fresh.run(*argv)
    if "bridge children" in done.err:  # Incus stumbles over another daemon's container that goes
        done = fresh.run(*argv)
    assert done.code == 0, done
    assert fresh.run(*argv, code=0).out == "nothing to do\n"
    assert fresh.findings() == {}
    fresh.incus("project", "delete", fresh.project, "--force", given="yes\n")
    fresh.incus("network", "delete", network, "--project", "default")


def test_the_project_of_the_environment_is_written_to_the_registry(
    fresh_estate: ContainerEstate,
) -> None:
    fresh_estate.setup()
    fresh_estate.new("isurus")
    del fresh_estate.environ["INCUS_PROJECT"]
    assert fresh_estate.state("isurus") == "running"
    assert fresh_estate.findings() == {}


def test_the_project_of_incus_itself_is_never_taken(fresh_estate: ContainerEstate) -> None:
    def read_profile() -> str:
        return fresh_estate.incus("query", "local:/1.0/profiles/default?project=default").out

    fresh_estate.environ["INCUS_PROJECT"] = "default"
    before = read_profile()
    for argv in (["setup", "--new-share"], ["setup", "--new-share", "--repair"]):
        assert "unset INCUS_PROJECT" in fresh_estate.run(*argv, "--yes", code=2).err
        assert read_profile() == before
    assert not fresh_estate.registry.exists()


IN_NAMESPACE = pytest.mark.local_only("repoman runs in a namespace with files of its own")


def with_subuid(estate: ContainerEstate, text: str, *argv: str) -> Result:
    """Run repoman with `text` in /etc/subuid, in a private namespace."""
    other = estate.base / "subuid"
    other.write_text(text)
    ids = [f"--reuid={os.getuid()}", f"--regid={os.getgid()}", "--init-groups"]
    script = 'mount --bind "$0" /etc/subuid && exec setpriv "$@"'
    namespace = ["sudo", "-n", "unshare", "--mount", "sh", "-c", script, str(other), *ids]
    environ = [f"{key}={value}" for key, value in estate.environ.items()]
    return run([*namespace, "env", "-i", *environ, *estate.argv, *argv], estate.environ)


@pytest.mark.shared
@IN_NAMESPACE
@pytest.mark.parametrize("text", ["root:1000000:65536\n", "", "dev:1000:1\n", "root:1:2\nx\n"])
def test_commands_for_root_are_printed(isurus: ContainerEstate, text: str) -> None:
    uid, gid = os.getuid(), os.getgid()
    done = with_subuid(isurus, text, "setup")
    assert done.code == 0, done
    line = f"sudo usermod --add-subuids {uid}-{uid} --add-subgids {gid}-{gid} root"
    assert line in done.err
    found = with_subuid(isurus, text, "status", "--json")
    assert f"/etc/subuid root:{uid}:1" in found.out


def in_own_etc(estate: ContainerEstate, *argv: str) -> list[str]:
    """Return an argv prefix that runs a command as this user, with a copy of /etc that root may
    change."""
    ids = [f"--reuid={os.getuid()}", f"--regid={os.getgid()}", "--init-groups"]
    script = 'mount --bind "$0" /etc && exec setpriv "$@"'
    namespace = ["sudo", "-n", "unshare", "--mount", "sh", "-c", script, f"{estate.base}/etc"]
    environ = [f"{key}={value}" for key, value in estate.environ.items()]
    return [*namespace, *ids, "env", "-i", *environ, *argv]


@pytest.fixture
def own_etc(estate: ContainerEstate) -> Iterator[Path]:
    """Create a copy of /etc in which root may not map this user's ids."""
    etc = estate.base / "etc"
    lacking = "root:1000000:65536"
    script = 'cp -a /etc "$1" && echo "$2" >"$1/subuid" && echo "$2" >"$1/subgid"'
    subprocess.run(["sudo", "-n", "sh", "-c", script, "sh", etc, lacking], check=True)
    yield etc
    subprocess.run(["sudo", "-n", "rm", "-rf", etc], check=True)


def fails_once_and_says_so(estate: ContainerEstate) -> None:
    """Run `setup` where the command that root needs fails: it is printed, and once only."""
    empty = estate.base / "empty"
    empty.mkdir()
    environ = {**estate.environ, "PATH": f"{empty}:{estate.environ['PATH']}"}
    (empty / "sudo").write_text("#!/bin/sh\nexit 1\n")
    (empty / "sudo").chmod(0o755)
    argv = in_own_etc(estate, "env", f"PATH={environ['PATH']}", *estate.argv, "setup", "--yes")
    done = run(argv, estate.environ)
    assert done.code == 1, done
    assert "a command as root failed, to permit Incus to map your uid and gid" in done.err
    assert done.err.count("usermod --add-subuids") == 1
    cure = "run the command of `repoman setup --dry-run` yourself, then `repoman setup`"
    assert cure in done.err
    shown = run(in_own_etc(estate, *estate.argv, "setup", "--dry-run"), estate.environ)
    assert "would run as root `usermod" in shown.out


@pytest.mark.shared
@IN_NAMESPACE
def test_commands_for_root_are_run_by_sudo(estate: ContainerEstate, own_etc: Path) -> None:
    """With --yes; root's line is permanent then."""
    line = f"root:{os.getuid()}:1\n"
    answered = run(in_own_etc(estate, *estate.argv, "setup"), estate.environ)
    assert (answered.code, line in (own_etc / "subuid").read_text()) == (0, False)
    fails_once_and_says_so(estate)
    done = run(in_own_etc(estate, *estate.argv, "setup", "--yes"), estate.environ)
    assert done.code == 0, done
    assert "done: run as root `usermod" in done.out
    for name in ("subuid", "subgid"):
        assert line in (own_etc / name).read_text()
    again = run(in_own_etc(estate, *estate.argv, "setup"), estate.environ)
    assert (again.out, again.err) == ("nothing to do\n", "")


@IN_NAMESPACE
def test_a_person_is_asked_before_sudo_runs(estate: ContainerEstate, own_etc: Path) -> None:
    argv = in_own_etc(estate, *estate.argv, "setup")
    line = f"root:{os.getuid()}:1\n"
    for answer, written in (("\r", False), ("n\r", False), ("y\r", True)):
        child = pexpect.spawn(argv[0], argv[1:], encoding="utf-8", timeout=WAIT_SECONDS)
        child.expect_exact("Run this with sudo now? [y/N] ")
        child.send(answer)
        if written:
            child.expect_exact("Go ahead?")
            child.send("y\r")
        child.expect_exact("First project")
        child.send("\r")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0
        assert (line in (own_etc / "subuid").read_text()) is written


@pytest.mark.shared
@IN_NAMESPACE
def test_a_line_of_a_range_is_enough(estate: ContainerEstate) -> None:
    done = with_subuid(estate, "root:1000000:65536\nroot:500:1000\n", "setup")
    assert (done.out, done.err) == ("nothing to do\n", "")


@pytest.mark.local_only("the command runs with other groups than those of the login")
def test_a_member_of_the_group_who_has_not_logged_in_again(fresh_estate: ContainerEstate) -> None:
    ids = [f"--reuid={os.getuid()}", f"--regid={os.getgid()}", "--clear-groups"]
    environ = [f"{key}={value}" for key, value in fresh_estate.environ.items()]
    argv = ["setup", "--nfs-repos", str(fresh_estate.share), "--repair"]
    typed = ["sudo", "-n", "setpriv", *ids, "env", "-i", *environ, *fresh_estate.argv, *argv]
    done = run(typed, fresh_estate.environ)
    assert done.code == 1
    assert "you are in the group incus-admin: log in again" in done.err


def test_a_pool_or_network_that_is_not_there(fresh_estate: ContainerEstate) -> None:
    paths = ("--nfs-repos", str(fresh_estate.share))
    assert (
        "Incus has no storage pool 'x'"
        in fresh_estate.run("setup", *paths, "--storage-pool", "x", code=2).err
    )
    assert (
        "Incus has no managed bridge 'x'"
        in fresh_estate.run("setup", *paths, "--network", "x", code=2).err
    )
    assert not fresh_estate.registry.exists()


def test_new_before_setup(fresh_estate: ContainerEstate) -> None:
    fresh_estate.prepare()
    (fresh_estate.local_repos / "isurus").mkdir()
    error = fresh_estate.run("new", "isurus", code=2).err
    assert f"run `repoman setup{fresh_estate.host_flag}`" in error
