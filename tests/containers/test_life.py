"""The life of a project: each command, once and again."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from repoman_tasks.planning.container.spec import IMAGE_TAG, MAKING_TAG, PROJECT_TAG, REPO_TAG
from tests.containers.conftest import ContainerEstate
from tests.support.counted_socket import counted_socket
from tests.support.estate import hash_tree, run
from tests.support.processes import WAIT_SECONDS
from tests.worlds.daemon.sandbox import POOL

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.mark.over_ssh
def test_new_makes_a_container_whose_user_is_ours(estate: ContainerEstate) -> None:
    (estate.local_repos / "isurus").mkdir()
    done = estate.run("new", "isurus", code=0)
    assert done.err.endswith("Next: repoman shell isurus\n")
    made = estate.instances()["isurus"]
    assert made["status"] == "Running"
    repo = str(estate.local_repos / "isurus")
    volume = {"type": "disk", "pool": POOL, "source": "isurus", "path": "/var/lib/repoman"}
    assert made["devices"] == {
        "repo": {"type": "disk", "source": repo, "path": repo},
        "volume": volume,
    }
    assert made["profiles"] == ["default", "claude-share"]
    config = made["config"]
    assert (config[PROJECT_TAG], config[REPO_TAG], config[IMAGE_TAG]) == (
        "isurus",
        "isurus",
        "busybox",
    )
    assert MAKING_TAG not in config
    who = estate.run("exec", "isurus", "--", "id", code=0).out
    assert who.startswith(f"uid={os.getuid()}({ME}) gid={os.getgid()}({ME})")
    assert estate.findings() == {}
    again = estate.run("new", "isurus", code=2)
    assert "exists already" in again.err


@pytest.mark.shared
def test_a_file_made_inside_is_ours_outside_and_roots_is_nobodys(isurus: ContainerEstate) -> None:
    isurus.run("exec", "isurus", "--", "touch", "mine", code=0)
    assert isurus.exec_inside("isurus", "touch", f"{isurus.local_repos}/isurus/roots").code == 0
    repo = isurus.local_repos / "isurus"
    assert (repo / "mine").stat().st_uid == os.getuid()
    assert (repo / "mine").stat().st_gid == os.getgid()
    assert (repo / "roots").stat().st_uid == 1_000_000
    assert isurus.exec_inside("isurus", "rm", f"{repo}/roots").code == 0


def test_a_repo_of_any_name(estate: ContainerEstate) -> None:
    names = ("with space", "ünïcode 木", "a,b=c", "quote'\"$x", "-dash")
    for number, name in enumerate(names):
        (estate.local_repos / name).mkdir()
        estate.run("new", f"p{number}", f"--repo=./{name}", code=0)
        argv = ["exec", f"p{number}", "--", "sh", "-c", "pwd; echo hello >made"]
        assert estate.run(*argv, code=0).out == f"{estate.local_repos}/{name}\n"
        assert (estate.local_repos / name / "made").read_text() == "hello\n"
    assert estate.findings() == {}


def test_new_without_backup_is_left_out_of_every_sync(estate: ContainerEstate) -> None:
    estate.new("isurus", "--no-backup")
    assert "no project has a backup" in estate.run("sync", code=0).out
    assert estate.run("status", code=0).out.endswith("1 project, all well\n")


@pytest.mark.over_ssh
def test_new_create_and_clone(estate: ContainerEstate) -> None:
    origin = estate.repo("origin")
    estate.run("new", "made", "--create", code=0)
    assert (estate.local_repos / "made/.git").is_dir()
    estate.run("new", "cloned", "--clone", f"file://{origin}", code=0)
    cloned = estate.local_repos / "cloned"
    assert (cloned / "README.md").read_text() == (origin / "README.md").read_text()
    assert sorted(os.listdir(estate.local_repos)) == ["cloned", "made", "origin"]


FAILING = (
    (["--clone", "file:///nowhere"], "can't be cloned"),
    (["--clone", "--upload-pack=x"], "needs a value"),
    (["--clone", "ext::sh -c touch% x"], "can't be cloned"),
    (["--clone", "x", "--create"], "choose one"),
    (["--create", "--image", "nothing"], "there is no local image 'nothing'"),
    (["--create", "--image", "nowhere:x"], "no remote 'nowhere'"),
    (["--create", "--image", "x y"], "not a valid image"),
    (["--create", "--profile", "nope"], "nope"),
    (["--create", "--profile", "a b"], "not a valid profile name"),
    (["--no-container", "--no-backup"], "can't be combined"),
    (["--no-container", "--image", "debian"], "leave out --no-container"),
)


def test_new_that_fails_leaves_nothing(estate: ContainerEstate) -> None:
    def outside() -> set[str]:
        return {k for k in estate.hash_files() if ".config" not in k and ".cache" not in k}

    before = outside()
    for argv, says in FAILING:
        done = estate.run("new", "isurus", *argv)
        assert done.code in (1, 2), (argv, done)
        assert says in done.err, (argv, done)
        assert estate.instances() == {}, argv
        assert outside() == before, argv
        assert estate.projects() == [], argv


def test_new_with_and_without_an_existing_folder(estate: ContainerEstate) -> None:
    (estate.local_repos / "there").mkdir()
    assert "already exists" in estate.run("new", "there", "--create", code=2).err
    assert "is missing" in estate.run("new", "ghost", code=2).err


@pytest.mark.shared
def test_list_shows_state_address_and_image(isurus: ContainerEstate) -> None:
    (row,) = isurus.run("list", "--json", code=0).json["projects"]
    assert (row["state"], row["image"], row["notes"]) == ("running", "busybox", [])
    assert row["ip"] is None, "the small image asks for no address"
    table = isurus.run("list", code=0)
    assert "busybox" in table.out
    assert table.err == "containers: 1 running\n"


def test_list_asks_incus_as_often_however_many_there_are(estate: ContainerEstate) -> None:
    path = estate.base / "incus.socket"
    with counted_socket(path, f"{estate.environ['INCUS_DIR']}/unix.socket") as sent:

        def calls() -> int:
            sent.clear()
            estate.run("list", environ={"INCUS_SOCKET": str(path)}, code=0)
            return sent.count(b"GET /1.0/instances")

        estate.incus("init", "--empty", "a")
        few = calls()
        for number in range(8):
            estate.incus("init", "--empty", f"a{number}")
        assert calls() == few == 1
        estate.new("isurus")
        estate.new("lamna")
        assert calls() == 2, "addresses, of all that run together"


# --- entering -----------------------------------------------------------------------------


@pytest.mark.shared
@pytest.mark.over_ssh("fabric")
def test_arguments_arrive_as_they_were_typed(isurus: ContainerEstate) -> None:
    argv = ["", "a b", "$HOME", "`id`", "'", '"', "\\", "*", "--", "-x", "é木", "a\nb", "--help"]
    script = 'for word do printf "[%s]" "$word"; done'
    done = isurus.run("exec", "isurus", "--", "sh", "-c", script, "sh", *argv, code=0)
    assert done.out == "".join(f"[{word}]" for word in argv)
    done = isurus.run("shell", "isurus", "--", "sh", "-c", script, "sh", *argv, code=0)
    assert done.out == "".join(f"[{word}]" for word in argv)


@pytest.mark.shared
@pytest.mark.over_ssh("fabric")
def test_the_exit_status_is_handed_through(isurus: ContainerEstate) -> None:
    for code in (0, 1, 3, 77, 255):
        isurus.run("exec", "isurus", "--", "sh", "-c", f"exit {code}", code=code)


@pytest.mark.shared
@pytest.mark.over_ssh("fabric")
def test_input_is_piped_through_and_output_streams(isurus: ContainerEstate) -> None:
    text = "line\n" * 100_000
    assert isurus.run("exec", "isurus", "--", "cat", given=text, code=0).out == text
    argv = ["exec", "isurus", "--", "sh", "-c", "echo out; echo err >&2"]
    done = isurus.run(*argv, code=0)
    assert (done.out, done.err) == ("out\n", "err\n")
    piped = subprocess.PIPE
    argv = ["exec", "isurus", "--", "sh", "-c", "echo first; cat"]
    process = isurus.start(*argv, stdin=piped, stdout=piped)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"first\n", "before the end of input"
    process.stdin.close()
    assert process.wait(WAIT_SECONDS) == 0


@pytest.mark.shared
def test_the_environment_is_that_of_a_login(isurus: ContainerEstate) -> None:
    secret = {"SECRET_TOKEN": "x", "SSH_AUTH_SOCK": "/s", "TERM": "xterm", "LANG": "C.UTF-8"}
    for command in ("exec", "shell"):
        done = isurus.run(command, "isurus", "--", "env", environ=secret, code=0)
        found = dict(line.split("=", 1) for line in done.out.splitlines() if "=" in line)
        assert found["HOME"] == str(isurus.home)
        assert found["USER"] == found["LOGNAME"] == ME
        assert found["SHELL"] == "/bin/sh", "the image has no bash"
        assert found["LANG"] == "C.UTF-8"
        assert "SECRET_TOKEN" not in found
        assert "SSH_AUTH_SOCK" not in found
        assert ("FROM_PROFILE" in found) is (command == "shell"), "a login reads the profile"


@pytest.mark.local_only("there is no working folder on another host")
def test_without_a_name_it_is_the_project_of_the_working_folder(isurus: ContainerEstate) -> None:
    isurus.new("lamna")
    sub = isurus.local_repos / "lamna/src/deep"
    sub.mkdir(parents=True)
    assert isurus.run("exec", "--", "pwd", cwd=sub, code=0).out == f"{sub}\n"
    assert isurus.run("exec", "lamna", "--", "pwd", cwd=sub, code=0).out == f"{sub}\n"
    other = isurus.run("exec", "isurus", "--", "pwd", cwd=sub, code=0).out
    assert other == f"{isurus.local_repos}/isurus\n"
    error = isurus.run("exec", "--", "pwd", cwd=isurus.home, code=2).err
    assert "needs a name" in error
    assert "needs a program" in isurus.run("exec", "isurus", code=2).err


def test_a_stopped_container_is_started_and_a_missing_one_is_reported(
    isurus: ContainerEstate,
) -> None:
    isurus.incus("stop", "--force", "isurus")
    done = isurus.run("exec", "isurus", "--", "pwd", code=0)
    assert done.err == "starting isurus\n"
    isurus.incus("pause", "isurus")
    assert isurus.run("exec", "isurus", "--", "true", code=0).err == "starting isurus\n"
    isurus.incus("delete", "--force", "isurus")
    done = isurus.run("shell", "isurus", code=1)
    assert "its container is missing" in done.err
    assert "--repair" in done.err


@pytest.mark.shared
def test_a_source_that_vanished_before_the_start(isurus: ContainerEstate) -> None:
    isurus.run("stop", "isurus", code=0)
    repo = isurus.local_repos / "isurus"
    repo.rename(isurus.local_repos / "away")
    for argv in (["start", "isurus"], ["exec", "isurus", "--", "true"]):
        error = isurus.run(*argv, code=6).err
        assert f"{repo} is missing" in error
    assert isurus.instances()["isurus"]["status"] == "Stopped"
    (isurus.local_repos / "away").rename(repo)
    isurus.run("start", "isurus", code=0)


@pytest.mark.shared
def test_a_failed_update_allows_nothing(isurus: ContainerEstate) -> None:
    """A folder that the Incus project allows for a mount is not allowed any more if that fails."""
    before = isurus.incus("project", "show", isurus.project).out
    text = isurus.registry.read_text()
    mounts = f'mounts = [{{source = "{isurus.home}/nowhere", path = "/srv/data"}}]\n'
    isurus.registry.write_text(text.replace('name = "isurus"\n', f'name = "isurus"\n{mounts}'))
    done = isurus.run("update", "isurus", code=1)
    assert "done: allow mounts from" in done.out
    assert "taken back: allow mounts from" in done.err
    assert isurus.incus("project", "show", isurus.project).out == before
    (isurus.home / "nowhere").mkdir()
    isurus.run("update", "isurus", code=0)
    assert isurus.findings() == {}
    isurus.registry.write_text(text)
    isurus.run("update", "isurus", code=0)
    isurus.run("setup", "--repair", code=0)


@pytest.mark.shared
def test_profiles_without_a_root_disk(isurus: ContainerEstate) -> None:
    (isurus.local_repos / "lamna").mkdir(exist_ok=True)
    done = isurus.run("new", "lamna", "--profile", "claude-share", code=1)
    assert "no profile of the container has a root disk" in done.err
    assert "have default among its profiles" in done.err
    assert isurus.projects() == ["isurus"]
    isurus.new("lamna", "--profile", "default", "--profile", "claude-share")
    isurus.run("remove", "lamna", "--yes", code=0)


@pytest.mark.nightly
def test_a_container_that_does_not_shut_down(isurus: ContainerEstate) -> None:
    pid = isurus.api("instances/isurus/state")["pid"]
    subprocess.run(["sudo", "-n", "kill", "-STOP", str(pid)], check=True)
    done = isurus.run("stop", "isurus", code=1)
    assert "isurus did not shut down within 30 s" in done.err
    (cure,) = re.findall(r"`repoman ([^`]*)`", done.err)
    assert isurus.run(*cure.split(), code=0).out == "done: stop isurus\n"


@contextlib.contextmanager
def mounted(estate: ContainerEstate, kind: str) -> Iterator[None]:
    """Make a folder of the home read-only, or let it be full."""
    folder = {"read-only home": estate.home, "read-only registry": estate.registry.parent}.get(
        kind, estate.home / ".local/state"
    )
    sudo = ["sudo", "-n"]
    if kind.startswith("full"):
        own = f"size=64k,uid={os.getuid()},mode=755"
        subprocess.run([*sudo, "mount", "-t", "tmpfs", "-o", own, "full", str(folder)], check=True)
        with contextlib.suppress(OSError), open(folder / "fill", "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
    else:
        subprocess.run([*sudo, "mount", "--bind", str(folder), str(folder)], check=True)
        again = ["mount", "-o", "remount,bind,ro", str(folder)]
        subprocess.run([*sudo, *again], check=True)
    try:
        yield
    finally:
        subprocess.run([*sudo, "umount", "-l", str(folder)], check=True)


@pytest.mark.shared
@pytest.mark.local_only("the folders are of this host")
@pytest.mark.parametrize("kind", ["read-only home", "read-only registry", "full state"])
def test_looking_and_stopping_work_where_nothing_can_be_written(
    isurus: ContainerEstate, kind: str
) -> None:
    with mounted(isurus, kind):
        assert isurus.state("isurus") == "running"
        assert isurus.run("exec", "isurus", "--", "echo", "well", code=0).out == "well\n"
        assert "error in repoman" not in isurus.run("status").err
        assert isurus.run("stop", "isurus", code=0).out == "done: stop isurus\n"
        assert isurus.run("start", "isurus", code=0).out == "done: start isurus\n"
        for argv in (["log"], ["update", "isurus", "--dry-run"], ["sync", "--dry-run"]):
            assert "error in repoman" not in isurus.run(*argv).err, argv
        done = isurus.run("sync")
        if done.code:
            assert re.search(r"(read-only file system|no space left on device)", done.err)
            assert "error in repoman" not in done.err


# --- states, each twice -------------------------------------------------------------------


@pytest.mark.shared
@pytest.mark.over_ssh("fabric")
def test_stop_start_restart(isurus: ContainerEstate) -> None:
    assert isurus.run("start", "isurus", code=0).out == "isurus is already running\n"
    assert isurus.run("stop", "isurus", code=0).out == "done: stop isurus\n"
    assert isurus.state("isurus") == "stopped"
    assert isurus.run("stop", "isurus", code=0).out == "isurus is already stopped\n"
    assert isurus.run("start", "--dry-run", "isurus", code=0).out == "would start isurus\n"
    assert isurus.state("isurus") == "stopped"
    assert isurus.run("restart", "isurus", code=0).out == "done: start isurus\n"
    assert isurus.run("restart", "isurus", "--force", code=0).out == "done: restart isurus\n"
    assert isurus.state("isurus") == "running"


# --- update -------------------------------------------------------------------------------


@pytest.mark.shared
def test_update_touches_only_what_differs(isurus: ContainerEstate) -> None:
    assert isurus.run("update", "isurus", code=0).out == "nothing to do\n"
    repo_file = isurus.local_repos / "isurus/.repoman.toml"
    repo_file.write_text('[env]\nGREETING = "hello world"\n')
    before = isurus.instances()["isurus"]
    shown = isurus.run("update", "isurus", "--dry-run", code=0).out
    assert "env: set GREETING" in shown
    assert isurus.instances()["isurus"] == before
    isurus.run("update", "isurus", code=0)
    done = isurus.run("exec", "isurus", "--", "sh", "-c", 'echo "$GREETING"', code=0)
    assert done.out == "hello world\n"
    assert isurus.run("update", "isurus", code=0).out == "nothing to do\n"
    assert isurus.findings() == {"isurus": ["protection"]}
    repo_file.unlink()
    assert "remove GREETING" in isurus.run("update", "isurus", code=0).out
    assert isurus.instances()["isurus"]["config"].keys() == before["config"].keys()
    assert isurus.run("update", "isurus", code=0).out == "nothing to do\n"


def test_update_rebuilds_only_on_request(isurus: ContainerEstate) -> None:
    isurus.exec_inside("isurus", "touch", "/installed")
    (isurus.local_repos / "isurus/.repoman.toml").write_text('image = "debian"\n')
    done = isurus.run("update", "isurus", code=0)
    assert "not changed without --rebuild: image: busybox -> debian" in done.err
    assert isurus.exec_inside("isurus", "test", "-e", "/installed").code == 0
    isurus.run("update", "isurus", "--rebuild", code=0)
    assert isurus.exec_inside("isurus", "test", "-e", "/installed").code == 1
    assert isurus.run("exec", "isurus", "--", "cat", "/etc/debian_version", code=0).out
    assert isurus.run("update", "isurus", "--rebuild", code=0).out == "nothing to do\n"
    assert isurus.findings() == {}


OFF = (
    ("imagee = 'x'", "unknown key 'imagee'"),
    ("image = '-x'", "not a valid image"),
    ("image = 3", "must be a string"),
    ("[env]\n'A B' = 'x'", "not a valid variable name"),
    ("[[mount]]\nsource = '/x'", "each with source and path"),
    ("[[mount]]\nsource = '/x'\npath = '../y'", "not a normalized absolute path"),
    ("x" * 70_000, "longer than 64 KiB"),
    ("[" * 30_000, "nested too deeply"),
    ("\xff", "not valid TOML"),
)


def test_a_repo_file_that_is_off(estate: ContainerEstate) -> None:
    (estate.local_repos / "isurus").mkdir()
    for text, says in OFF:
        (estate.local_repos / "isurus/.repoman.toml").write_text(text)
        done = estate.run("new", "isurus", code=2)
        assert says in done.err or "not valid TOML" in done.err, (text[:80], done)
        assert estate.instances() == {}, text[:80]


@pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
def test_a_repo_file_that_is_no_file(estate: ContainerEstate, kind: str) -> None:
    (estate.local_repos / "isurus").mkdir()
    path = estate.local_repos / "isurus/.repoman.toml"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/etc/passwd")
    else:
        path.mkdir()
    done = estate.run("new", "isurus")
    assert (done.code == 0) is (kind == "fifo"), "one that nobody writes asks for nothing"
    assert kind == "fifo" or "can't be read" in done.err


# --- remove -------------------------------------------------------------------------------


@pytest.mark.over_ssh
def test_remove_destroys_the_container_and_leaves_repo_and_mirror(isurus: ContainerEstate) -> None:
    (isurus.local_repos / "isurus/file").write_text("x")
    isurus.run("sync", code=0)
    before = isurus.hash_files()
    refused = isurus.run("remove", "isurus", code=2)
    assert "--yes" in refused.err
    assert "isurus" in isurus.instances()
    shown = isurus.run("remove", "isurus", "--dry-run", code=0).out
    assert "would delete the container isurus, which is running" in shown
    isurus.run("remove", "isurus", "--keep-repo", "--yes", code=0)
    assert isurus.instances() == {}
    assert isurus.projects() == []
    changed = {k for k, v in isurus.hash_files().items() if before.get(k) != v}
    assert all(".config" in path or ".cache" in path for path in changed)
    assert "no project is called" in isurus.run("remove", "isurus", "--yes", code=2).err


def test_remove_of_a_half_removed_project_succeeds(isurus: ContainerEstate) -> None:
    isurus.incus("delete", "--force", "isurus")
    isurus.run("remove", "isurus", "--yes", code=0)
    assert isurus.projects() == []
    isurus.new("lamna")
    text = isurus.registry.read_text()
    isurus.registry.write_text(text[: text.index("[[project]]")])
    isurus.run("remove", "lamna", "--yes", code=0)
    assert isurus.instances() == {}


def test_several_containers_and_all(isurus: ContainerEstate) -> None:
    isurus.new("lamna").new("carcharias", "--no-container")
    assert (
        isurus.run("stop", "isurus", "lamna", code=0).out == "done: stop isurus\ndone: stop lamna\n"
    )
    assert isurus.run("stop", "--all", code=0).out == "nothing to do\n"
    assert isurus.run("restart", "--all", code=0).out == "nothing to do\n"
    assert isurus.run("start", "lamna", "nosuch", code=2).out == "", "all are looked up first"
    assert "choose one" in isurus.run("start", "--all", "lamna", code=2).err
    assert isurus.run("start", "lamna", "lamna", code=0).out == "done: start lamna\n"
    (isurus.local_repos / "isurus").rename(isurus.local_repos / "moved")
    done = isurus.run("start", "--all", code=1)
    assert done.out == "lamna is already running\n", "the others are done"
    assert "1 of 2 containers did not start" in done.err
    (isurus.local_repos / "moved").rename(isurus.local_repos / "isurus")
    (cure,) = re.findall(r"then run `repoman ([^`]*)`", done.err)
    assert isurus.run(*cure.split(), code=0).out == "done: start isurus\n"
    assert isurus.state("isurus") == "running"


@pytest.mark.over_ssh
def test_update_takes_several_names_or_all(isurus: ContainerEstate) -> None:
    isurus.new("lamna").new("carcharias").new("notes", "--no-container")
    said = isurus.run("update", "--all", code=0)
    assert said.out.splitlines() == [
        f"{n}: nothing to do" for n in ("isurus", "lamna", "carcharias")
    ]
    text = isurus.registry.read_text()
    isurus.registry.write_text(text.replace("[defaults]", '[defaults]\nallow = ["192.0.2.7"]'))
    assert "choose one" in isurus.run("update", "--all", "lamna", code=2).err
    assert "name the projects" in isurus.run("update", "--all", "--trust", code=2).err
    assert isurus.run("update", "lamna", "nosuch", code=2).out == "", "all are looked up first"
    for name in ("isurus", "lamna"):
        (isurus.local_repos / name / ".repoman.toml").write_text(f'env = {{ WHO = "{name}" }}\n')
    isurus.incus("delete", "--force", "carcharias")
    done = isurus.run("update", "--all", "--yes", code=1)
    assert "carcharias: " in done.err
    assert "1 of 3 containers were not updated" in done.err
    for name in ("isurus", "lamna"):
        assert isurus.instances()[name]["config"]["environment.WHO"] == name
    again = isurus.run("update", "isurus", "lamna", code=0).out
    assert again == "isurus: nothing to do\nlamna: nothing to do\n"


@pytest.mark.over_ssh
def test_mounts_and_variables_of_all_containers(estate: ContainerEstate) -> None:
    home = estate.home
    (home / "files").mkdir()
    (home / "files/rc").write_text("of the host\n")
    (home / "shared").mkdir()
    (home / "own").mkdir()
    for name, text in (("all.env", "TOKEN=all\nALL=1\n"), ("own.env", "TOKEN=own\n")):
        (home / name).write_text(text)
        (home / name).chmod(0o600)
    defaults = """[defaults]
env_file = "~/all.env"
env = {EDITOR = "vi", PAGER = "cat"}
mounts = [
  {source = "~/files/rc", path = "/etc/rc-of-all", readonly = true},
  {source = "~/shared", path = "/srv/shared"},
]
"""
    text = estate.registry.read_text()
    estate.registry.write_text(text.replace("[defaults]\n", defaults))
    estate.new("isurus").new("lamna")
    own = """name = "lamna"
env_file = "~/own.env"
env = {PAGER = "less"}
mounts = [{source = "~/own", path = "/srv/shared", readonly = true}]
"""
    text = estate.registry.read_text()
    estate.registry.write_text(text.replace('name = "lamna"\n', own))
    estate.run("update", "--all", "--yes", code=0)
    script = "echo $EDITOR $PAGER $TOKEN $ALL; cat /etc/rc-of-all; touch /srv/shared/$1; echo $?"
    for name, shown in (("isurus", "vi cat all 1"), ("lamna", "vi less own 1")):
        done = estate.run("exec", name, "--", "sh", "-c", script, "sh", name, code=0)
        assert done.out.splitlines()[:2] == [shown, "of the host"]
        assert done.out.endswith("0\n") is (name == "isurus"), "lamna may only read"
        refused = estate.exec_inside(name, "sh", "-c", "echo x >/etc/rc-of-all")
        assert refused.code != 0, "root inside may not write it either"
        for path in ("/etc/rc-of-all", *(["/srv/shared"] if name == "lamna" else [])):
            for options in ("remount,rw,bind", "remount,rw"):
                estate.exec_inside(name, "busybox", "mount", "-o", options, "none", path)
                write = f"test -d {path} && cd {path} || exec >{path}; echo x >root-was-here"
                estate.exec_inside(name, "sh", "-c", f"cd /tmp; {write}")
    assert (home / "files/rc").read_text() == "of the host\n"
    assert [path.name for path in (home / "shared").iterdir()] == ["isurus"]
    assert list((home / "own").iterdir()) == []
    again = estate.run("update", "--all", code=0).out
    assert again == "isurus: nothing to do\nlamna: nothing to do\n"
    kinds = {kind for found in estate.findings().values() for kind in found}
    assert kinds & {"fence", "differs"} == set()
    values = estate.run("status", "--json").json["values"]
    assert values["env"]["value"] == ["EDITOR", "PAGER"], "values may be secret"
    assert values["mounts"]["value"] == [
        "~/files/rc at /etc/rc-of-all, read-only",
        "~/shared at /srv/shared",
    ]
    assert "nothing to do" in estate.run("setup", "--repair", "--yes", code=0).out
    (home / ".inputrc").touch()
    text = estate.registry.read_text()
    estate.registry.write_text(text.replace("~/files/rc", "~/.inputrc"))
    error = estate.run("update", "isurus", "--yes", code=6).err
    assert "Incus allows only its whole folder" in error
    folders = estate.api(f"projects/{estate.project}")["config"]["restricted.devices.disk.paths"]
    assert str(home) not in folders.split(",")


def test_remove_all_with_their_containers(isurus: ContainerEstate) -> None:
    isurus.new("lamna")
    isurus.run("remove", "--all", "--yes", code=0)
    assert isurus.instances() == {}
    assert isurus.projects() == []


@pytest.mark.over_ssh
def test_delete_repo_only_where_the_mirror_holds_everything(isurus: ContainerEstate) -> None:
    repo = isurus.local_repos / "isurus"
    (repo / "file").write_text("one")
    (repo / "odd \n name").write_text("x")
    argv = ["remove", "isurus", "--delete-repo", "--yes"]
    error = isurus.run(*argv, code=6).err
    assert "the mirror of isurus differs from the repo" in error
    isurus.run("sync", code=0)
    stamp = (repo / "file").stat()
    (repo / "file").write_text("two")
    os.utime(repo / "file", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    error = isurus.run(*argv, code=6).err
    assert "isurus/file" in error, "compared by content: size and time are the same"
    assert isurus.instances()["isurus"]["status"] == "Running"
    (repo / "file").write_text("one")
    assert "choose one" in isurus.run(*argv, "--keep-repo", code=2).err
    assert "--yes" in isurus.run("remove", "isurus", "--delete-repo", code=2).err
    assert repo.exists()
    isurus.run(*argv, code=0)
    assert not repo.exists()
    assert isurus.projects() == []
    assert (isurus.mirror("isurus") / "file").read_text() == "one"


def test_delete_repo_deletes_all_or_nothing(isurus: ContainerEstate) -> None:
    """Folders that are read-only are deleted; those of another user keep all of it."""
    repo = isurus.local_repos / "isurus"
    cache = repo / ".go/pkg/mod/x@v1"
    cache.mkdir(parents=True)
    (cache / "x.go").write_text("package x\n")
    cache.chmod(0o555)
    cache.parent.chmod(0o500)
    (repo / "of root").mkdir()
    (repo / "of root/file").write_text("x\n")
    isurus.run("sync", "isurus", code=0)
    before = hash_tree(repo).keys()
    isurus.exec_inside("isurus", "chown", "-R", "root:root", str(repo / "of root"))
    argv = ["remove", "isurus", "--delete-repo", "--yes"]
    done = isurus.run(*argv, code=6)
    assert str(repo / "of root") in done.err
    assert hash_tree(repo).keys() == before
    assert isurus.instances()["isurus"]["status"] == "Running"
    (cure,) = re.findall(r"`(sudo chown[^`]*)`", done.err)
    subprocess.run(["sh", "-c", cure], check=True)
    isurus.run(*argv, code=0)
    assert not repo.exists()


def test_delete_repo_counts_what_is_excluded(isurus: ContainerEstate) -> None:
    repo = isurus.local_repos / "isurus"
    (repo / "secret").write_text("x")
    isurus.environ["REPOMAN_EXCLUDE"] = "secret"
    isurus.run("sync", code=0)
    error = isurus.run("remove", "isurus", "--delete-repo", "--yes", code=6).err
    assert "isurus/secret" in error
    assert (repo / "secret").exists()


def test_delete_repo_of_one_without_mirror(estate: ContainerEstate) -> None:
    estate.new("isurus", "--no-backup")
    (estate.local_repos / "isurus/file").write_text("x")
    estate.run("remove", "isurus", "--delete-repo", "--yes", code=6)
    assert (estate.local_repos / "isurus/file").exists()


# --- the systemd images --------------------------------------------------------------------


@pytest.mark.parametrize(
    "image", ["debian", pytest.param("debian-cloud", marks=pytest.mark.nightly)]
)
def test_an_image_with_systemd(estate: ContainerEstate, image: str) -> None:
    if estate.incus("query", f"local:/1.0/images/aliases/{image}", check=False).code:
        pytest.skip(f"not here: `python -m tests.worlds.daemon --image {image}`")
    (estate.local_repos / "isurus").mkdir()
    estate.run("new", "isurus", "--image", image, code=0)
    who = estate.run("exec", "isurus", "--", "id", code=0).out
    assert who.startswith(f"uid={os.getuid()}({ME}) gid={os.getgid()}({ME})")
    passwd = estate.exec_inside("isurus", "cat", "/etc/passwd").out
    assert sum(f":{os.getuid()}:" in line for line in passwd.splitlines()) == 1
    assert f"{estate.home}:/bin/bash" in passwd
    assert estate.run("exec", "isurus", "--", "sudo", "id", "-u", code=0).out == "0\n"
    up = estate.exec_inside("isurus", "systemctl", "is-system-running").out
    assert up in ("running\n", "degraded\n")
    login = estate.run("shell", "isurus", "--", "sh", "-c", "echo $SHELL; id -Gn; pwd", code=0).out
    assert login == f"/bin/bash\n{ME}\n{estate.local_repos}/isurus\n"
    assert estate.findings() == {}
    if image == "debian-cloud":
        assert "ubuntu" not in passwd, "whoever had the uid was renamed"
        done = estate.exec_inside("isurus", "cloud-init", "status", "--long").out
        assert "status: done" in done, done


def test_a_login_has_its_supplementary_groups(estate: ContainerEstate) -> None:
    estate.new("isurus", "--image", "debian")
    estate.exec_inside("isurus", "groupadd", "--gid", "4242", "extra")
    estate.exec_inside("isurus", "usermod", "--append", "--groups", "extra", ME)
    for command in ("exec", "shell"):
        assert "extra" in estate.run(command, "isurus", "--", "id", "-Gn", code=0).out.split()


def test_git_works_inside(estate: ContainerEstate) -> None:
    estate.repo("isurus")
    estate.new("isurus", "--image", "debian")
    names = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    script = ["exec", "isurus", "--", "git", *names, "commit", "--allow-empty", "-qm", "inside"]
    estate.run(*script, code=0)
    assert "inside" in estate.git(estate.local_repos / "isurus", "log", "--format=%s")


@pytest.mark.shared
@pytest.mark.parametrize("where", ["checkout", "elsewhere"])
def test_inv_has_the_same_commands(isurus: ContainerEstate, where: str) -> None:
    if where == "checkout":
        done = isurus.inv("exec", "isurus", "--", "sh", "-c", 'echo "$1"', "sh", "a  b")
    else:
        done = run(
            [*isurus.argv, "exec", "isurus", "--", "echo", "a  b"], isurus.prepare_client()[0]
        )
    assert (done.code, done.out) == (0, "a  b\n"), done


def test_a_repo_outside_of_local_repos_is_no_project(
    estate: ContainerEstate, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    assert "not below local_repos" in estate.run("new", "isurus", "--repo", str(outside)).err
    assert estate.instances() == {}


# --- restore ------------------------------------------------------------------------------


@pytest.mark.shared
def test_restore_in_place_needs_a_container_that_is_stopped(isurus: ContainerEstate) -> None:
    readme = isurus.local_repos / "isurus/README.md"
    readme.write_text("mirrored\n")
    isurus.run("sync", "isurus", code=0)
    readme.write_text("written since\n")
    refused = isurus.run("restore", "isurus", "--in-place", "--yes", code=6)
    assert readme.read_text() == "written since\n"
    pasted = re.findall(r"`repoman ([^`]*)`", refused.err)
    isurus.run(*pasted[0].split(), code=0)
    isurus.run("restore", "isurus", "--in-place", "--yes", code=0)
    assert readme.read_text() == "mirrored\n"
    inside = isurus.run("exec", "isurus", "--", "cat", "README.md", code=0)  # the same folder
    assert inside.out == "mirrored\n"
