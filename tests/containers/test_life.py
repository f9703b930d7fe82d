"""The whole life of a project: each command, once and again."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from repoman_tasks.planning.container.spec import IMAGE_TAG, MAKING_TAG, PROJECT_TAG, REPO_TAG
from tests.containers.conftest import Place
from tests.support.estate import run
from tests.support.processes import PATIENCE

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.mark.over_ssh
def test_new_makes_a_container_whose_user_is_ours(place: Place) -> None:
    (place.local_repos / "isurus").mkdir()
    done = place.run("new", "isurus", code=0)
    assert done.err.endswith("Next: repoman shell isurus\n")
    made = place.instances()["isurus"]
    assert made["status"] == "Running"
    repo = str(place.local_repos / "isurus")
    assert made["devices"] == {"repo": {"type": "disk", "source": repo, "path": repo}}
    assert made["profiles"] == ["default", "claude-share"]
    config = made["config"]
    assert (config[PROJECT_TAG], config[REPO_TAG], config[IMAGE_TAG]) == (
        "isurus",
        "isurus",
        "busybox",
    )
    assert MAKING_TAG not in config
    who = place.run("exec", "isurus", "--", "id", code=0).out
    assert who.startswith(f"uid={os.getuid()}({ME}) gid={os.getgid()}({ME})")
    assert place.findings() == {}
    again = place.run("new", "isurus", code=2)
    assert "exists already" in again.err


def test_a_file_made_inside_is_ours_outside_and_roots_is_nobodys(isurus: Place) -> None:
    isurus.run("exec", "isurus", "--", "touch", "mine", code=0)
    assert isurus.inside("isurus", "touch", f"{isurus.local_repos}/isurus/roots").code == 0
    repo = isurus.local_repos / "isurus"
    assert (repo / "mine").stat().st_uid == os.getuid()
    assert (repo / "mine").stat().st_gid == os.getgid()
    assert (repo / "roots").stat().st_uid == 1_000_000


@pytest.mark.parametrize("name", ["with space", "ünïcode 木", "a,b=c", "quote'\"$x", "-dash"])
def test_a_repo_of_any_name(place: Place, name: str) -> None:
    (place.local_repos / name).mkdir()
    done = place.run("new", "isurus", f"--repo=./{name}")
    assert done.code == 0, done
    argv = ["exec", "isurus", "--", "sh", "-c", "pwd; echo hello >made"]
    assert place.run(*argv, code=0).out == f"{place.local_repos}/{name}\n"
    assert (place.local_repos / name / "made").read_text() == "hello\n"
    assert place.findings() == {}


def test_new_without_backup_is_left_out_of_every_sync(place: Place) -> None:
    place.new("isurus", "--no-backup")
    assert "no project has a backup" in place.run("sync", code=0).out
    assert place.run("status", code=0).out.endswith("1 project, all well\n")


@pytest.mark.over_ssh
def test_new_create_and_clone(place: Place) -> None:
    origin = place.repo("origin")
    place.run("new", "made", "--create", code=0)
    assert (place.local_repos / "made/.git").is_dir()
    place.run("new", "cloned", "--clone", f"file://{origin}", code=0)
    cloned = place.local_repos / "cloned"
    assert (cloned / "README.md").read_text() == (origin / "README.md").read_text()
    assert sorted(os.listdir(place.local_repos)) == ["cloned", "made", "origin"]


FAILING = (
    (["--clone", "file:///nowhere"], "can't be cloned"),
    (["--clone", "--upload-pack=x"], "needs a value"),
    (["--clone", "ext::sh -c touch% x"], "can't be cloned"),
    (["--clone", "x", "--create"], "choose one"),
    (["--create", "--image", "nothing"], "no image 'nothing' is here"),
    (["--create", "--image", "nowhere:x"], "no remote 'nowhere'"),
    (["--create", "--image", "x y"], "not a valid image"),
    (["--create", "--profile", "nope"], "nope"),
    (["--create", "--profile", "a b"], "not a valid profile name"),
    (["--no-container", "--no-backup"], "neither"),
    (["--no-container", "--image", "debian"], "drop --no-container"),
)


def test_new_that_fails_leaves_nothing(place: Place) -> None:
    def outside() -> set[str]:
        return {k for k in place.everything() if ".config" not in k and ".cache" not in k}

    before = outside()
    for argv, says in FAILING:
        done = place.run("new", "isurus", *argv)
        assert done.code in (1, 2), (argv, done)
        assert says in done.err, (argv, done)
        assert place.instances() == {}, argv
        assert outside() == before, argv
        assert place.projects() == [], argv


def test_new_where_the_folder_is_there_or_is_not(place: Place) -> None:
    (place.local_repos / "there").mkdir()
    assert "is there already" in place.run("new", "there", "--create", code=2).err
    assert "is missing" in place.run("new", "ghost", code=2).err


def test_list_shows_state_address_and_image(isurus: Place) -> None:
    (row,) = isurus.run("list", "--json", code=0).json["projects"]
    assert (row["state"], row["image"], row["notes"]) == ("running", "busybox", [])
    assert row["ip"] is None, "the small image asks for no address"
    table = isurus.run("list", code=0)
    assert "busybox" in table.out
    assert table.err == "containers: 1 running\n"


def test_list_asks_incus_as_often_however_many_there_are(place: Place) -> None:
    log = place.base / "calls"
    counting = place.base / "counting"
    counting.mkdir()
    program = counting / "incus"
    program.write_text(f'#!/bin/sh\necho call >>{log}\nexec /usr/bin/incus "$@"\n')
    program.chmod(0o755)
    environ = {"PATH": f"{counting}:{place.environ['PATH']}"}

    def calls() -> int:
        log.write_text("")
        place.run("list", environ=environ, code=0)
        return len(log.read_text().splitlines())

    place.incus("init", "--empty", "a")
    few = calls()
    for number in range(8):
        place.incus("init", "--empty", f"a{number}")
    assert calls() == few == 1
    place.new("isurus")
    place.new("lamna")
    assert calls() == 2, "addresses, of all that run together"


# --- entering -----------------------------------------------------------------------------


@pytest.mark.over_ssh
def test_words_arrive_as_they_were_typed(isurus: Place) -> None:
    argv = ["", "a b", "$HOME", "`id`", "'", '"', "\\", "*", "--", "-x", "é木", "a\nb", "--help"]
    script = 'for word do printf "[%s]" "$word"; done'
    done = isurus.run("exec", "isurus", "--", "sh", "-c", script, "sh", *argv, code=0)
    assert done.out == "".join(f"[{word}]" for word in argv)
    done = isurus.run("shell", "isurus", "--", "sh", "-c", script, "sh", *argv, code=0)
    assert done.out == "".join(f"[{word}]" for word in argv)


@pytest.mark.over_ssh
def test_the_exit_status_is_handed_through(isurus: Place) -> None:
    for code in (0, 1, 3, 77, 255):
        isurus.run("exec", "isurus", "--", "sh", "-c", f"exit {code}", code=code)


@pytest.mark.over_ssh
def test_input_is_piped_through_and_output_streams(isurus: Place) -> None:
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
    assert process.wait(PATIENCE) == 0


def test_the_environment_is_that_of_a_login(isurus: Place) -> None:
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


@pytest.mark.here_only("nobody stands anywhere on another host")
def test_without_a_name_it_is_the_project_one_stands_in(isurus: Place) -> None:
    isurus.new("lamna")
    sub = isurus.local_repos / "lamna/src/deep"
    sub.mkdir(parents=True)
    assert isurus.run("exec", "--", "pwd", cwd=sub, code=0).out == f"{sub}\n"
    assert isurus.run("exec", "lamna", "--", "pwd", cwd=sub, code=0).out == f"{sub}\n"
    other = isurus.run("exec", "isurus", "--", "pwd", cwd=sub, code=0).out
    assert other == f"{isurus.local_repos}/isurus\n"
    error = isurus.run("exec", "--", "pwd", cwd=isurus.home, code=2).err
    assert "needs a name" in error
    assert "needs words" in isurus.run("exec", "isurus", code=2).err


def test_a_stopped_container_is_started_and_a_missing_one_is_reported(isurus: Place) -> None:
    isurus.incus("stop", "--force", "isurus")
    done = isurus.run("exec", "isurus", "--", "pwd", code=0)
    assert done.err == "starting isurus\n"
    isurus.incus("pause", "isurus")
    assert isurus.run("exec", "isurus", "--", "true", code=0).err == "starting isurus\n"
    isurus.incus("delete", "--force", "isurus")
    done = isurus.run("shell", "isurus", code=1)
    assert "its container is missing" in done.err
    assert "--repair" in done.err


def test_a_source_that_vanished_before_the_start(isurus: Place) -> None:
    isurus.run("stop", "isurus", code=0)
    repo = isurus.local_repos / "isurus"
    repo.rename(isurus.local_repos / "away")
    for argv in (["start", "isurus"], ["exec", "isurus", "--", "true"]):
        error = isurus.run(*argv, code=6).err
        assert f"{repo} is missing" in error
    assert isurus.instances()["isurus"]["status"] == "Stopped"
    (isurus.local_repos / "away").rename(repo)
    isurus.run("start", "isurus", code=0)


# --- states, each twice -------------------------------------------------------------------


@pytest.mark.over_ssh
def test_stop_start_restart(isurus: Place) -> None:
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


def test_update_touches_only_what_differs(isurus: Place) -> None:
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


def test_update_rebuilds_only_when_told(isurus: Place) -> None:
    isurus.inside("isurus", "touch", "/installed")
    (isurus.local_repos / "isurus/.repoman.toml").write_text('image = "debian"\n')
    done = isurus.run("update", "isurus", code=0)
    assert "it needs --rebuild: image: busybox -> debian" in done.err
    assert isurus.inside("isurus", "test", "-e", "/installed").code == 0
    isurus.run("update", "isurus", "--rebuild", code=0)
    assert isurus.inside("isurus", "test", "-e", "/installed").code == 1
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


def test_a_repo_file_that_is_off(place: Place) -> None:
    (place.local_repos / "isurus").mkdir()
    for text, says in OFF:
        (place.local_repos / "isurus/.repoman.toml").write_text(text)
        done = place.run("new", "isurus", code=2)
        assert says in done.err or "not valid TOML" in done.err, (text[:80], done)
        assert place.instances() == {}, text[:80]


@pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
def test_a_repo_file_that_is_no_file(place: Place, kind: str) -> None:
    (place.local_repos / "isurus").mkdir()
    path = place.local_repos / "isurus/.repoman.toml"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/etc/passwd")
    else:
        path.mkdir()
    done = place.run("new", "isurus")
    assert (done.code == 0) is (kind == "fifo"), "one that nobody writes asks for nothing"
    assert kind == "fifo" or "can't be read" in done.err


# --- remove -------------------------------------------------------------------------------


@pytest.mark.over_ssh
def test_remove_destroys_the_container_and_leaves_repo_and_mirror(isurus: Place) -> None:
    (isurus.local_repos / "isurus/file").write_text("x")
    isurus.run("sync", code=0)
    before = isurus.everything()
    refused = isurus.run("remove", "isurus", code=2)
    assert "--yes" in refused.err
    assert "isurus" in isurus.instances()
    shown = isurus.run("remove", "isurus", "--dry-run", code=0).out
    assert "would delete the container isurus, which is running" in shown
    isurus.run("remove", "isurus", "--keep-repo", "--yes", code=0)
    assert isurus.instances() == {}
    assert isurus.projects() == []
    changed = {k for k, v in isurus.everything().items() if before.get(k) != v}
    assert all(".config" in path or ".cache" in path for path in changed)
    assert "no project is called" in isurus.run("remove", "isurus", "--yes", code=2).err


def test_remove_of_what_is_half_gone_succeeds(isurus: Place) -> None:
    isurus.incus("delete", "--force", "isurus")
    isurus.run("remove", "isurus", "--yes", code=0)
    assert isurus.projects() == []
    isurus.new("lamna")
    text = isurus.registry.read_text()
    isurus.registry.write_text(text[: text.index("[[project]]")])
    isurus.run("remove", "lamna", "--yes", code=0)
    assert isurus.instances() == {}


@pytest.mark.over_ssh
def test_delete_repo_only_where_the_mirror_holds_everything(isurus: Place) -> None:
    repo = isurus.local_repos / "isurus"
    (repo / "file").write_text("one")
    (repo / "odd \n name").write_text("x")
    argv = ["remove", "isurus", "--delete-repo", "--yes"]
    error = isurus.run(*argv, code=6).err
    assert "the mirror of isurus lacks" in error
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


def test_delete_repo_counts_what_is_excluded(isurus: Place) -> None:
    repo = isurus.local_repos / "isurus"
    (repo / "secret").write_text("x")
    isurus.environ["REPOMAN_EXCLUDE"] = "secret"
    isurus.run("sync", code=0)
    error = isurus.run("remove", "isurus", "--delete-repo", "--yes", code=6).err
    assert "isurus/secret" in error
    assert (repo / "secret").exists()


def test_delete_repo_of_one_without_mirror(place: Place) -> None:
    place.new("isurus", "--no-backup")
    (place.local_repos / "isurus/file").write_text("x")
    place.run("remove", "isurus", "--delete-repo", "--yes", code=6)
    assert (place.local_repos / "isurus/file").exists()


# --- the systemd images --------------------------------------------------------------------


@pytest.mark.parametrize(
    "image", ["debian", pytest.param("debian-cloud", marks=pytest.mark.nightly)]
)
def test_an_image_with_systemd(place: Place, image: str) -> None:
    if place.incus("query", f"local:/1.0/images/aliases/{image}", check=False).code:
        pytest.skip(f"not here: `python -m tests.worlds.daemon --image {image}`")
    (place.local_repos / "isurus").mkdir()
    place.run("new", "isurus", "--image", image, code=0)
    who = place.run("exec", "isurus", "--", "id", code=0).out
    assert who.startswith(f"uid={os.getuid()}({ME}) gid={os.getgid()}({ME})")
    passwd = place.inside("isurus", "cat", "/etc/passwd").out
    assert sum(f":{os.getuid()}:" in line for line in passwd.splitlines()) == 1
    assert f"{place.home}:/bin/bash" in passwd
    assert place.run("exec", "isurus", "--", "sudo", "id", "-u", code=0).out == "0\n"
    up = place.inside("isurus", "systemctl", "is-system-running").out
    assert up in ("running\n", "degraded\n")
    login = place.run("shell", "isurus", "--", "sh", "-c", "echo $SHELL; id -Gn; pwd", code=0).out
    assert login == f"/bin/bash\n{ME}\n{place.local_repos}/isurus\n"
    assert place.findings() == {}
    if image == "debian-cloud":
        assert "ubuntu" not in passwd, "whoever had the uid was renamed"
        done = place.inside("isurus", "cloud-init", "status", "--long").out
        assert "status: done" in done, done


def test_a_login_has_its_supplementary_groups(place: Place) -> None:
    place.new("isurus", "--image", "debian")
    place.inside("isurus", "groupadd", "--gid", "4242", "extra")
    place.inside("isurus", "usermod", "--append", "--groups", "extra", ME)
    for command in ("exec", "shell"):
        assert "extra" in place.run(command, "isurus", "--", "id", "-Gn", code=0).out.split()


def test_git_works_inside(place: Place) -> None:
    place.repo("isurus")
    place.new("isurus", "--image", "debian")
    names = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    script = ["exec", "isurus", "--", "git", *names, "commit", "--allow-empty", "-qm", "inside"]
    place.run(*script, code=0)
    assert "inside" in place.git(place.local_repos / "isurus", "log", "--format=%s")


@pytest.mark.parametrize("where", ["checkout", "elsewhere"])
def test_inv_has_the_same_commands(isurus: Place, where: str) -> None:
    if where == "checkout":
        done = isurus.inv("exec", "isurus", "--", "sh", "-c", 'echo "$1"', "sh", "a  b")
    else:
        done = run([*isurus.argv, "exec", "isurus", "--", "echo", "a  b"], isurus.desk()[0])
    assert (done.code, done.out) == (0, "a  b\n"), done


def test_a_repo_outside_of_local_repos_is_no_project(place: Place, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    assert "not below local_repos" in place.run("new", "isurus", "--repo", str(outside)).err
    assert place.instances() == {}
