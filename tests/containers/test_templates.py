"""Templates: built once inside the fence, cloned for each project, and rebuilt when they change."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.containers.conftest import ContainerEstate
from tests.support.cures import paste_cure
from tests.support.json_schemas import find_schema_errors
from tests.support.processes import WAIT_SECONDS, wait_until

BLOCKED = 'run = ["touch /begun; while :; do sleep 600; done"]'


def define(estate: ContainerEstate, name: str, *lines: str) -> None:
    """Put a template into the registry, in place of an earlier one of its name."""
    text = estate.registry.read_text()
    before, _, after = text.partition(f"[templates.{name}]\n")
    rest = after[after.index("# end\n") + 6 :] if after else ""
    table = "\n".join([f"[templates.{name}]", *lines, "# end", ""])
    estate.registry.write_text(f"{before.rstrip()}\n\n{table}{rest}")


def built(estate: ContainerEstate) -> list[dict[str, Any]]:
    """Return the images that were built in the estate."""
    done = estate.incus("query", "local:/1.0/images?recursion=1&project=default")
    images: list[dict[str, Any]] = json.loads(done.out)
    return [i for i in images if i["properties"].get("repoman.project") == estate.project]


def file_of(estate: ContainerEstate, name: str, text: str, mode: int = 0o644) -> None:
    """Write a file in the folder of templates, beside the registry."""
    path = estate.registry.parent / "templates" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def inside(estate: ContainerEstate, name: str, path: str) -> str:
    return estate.exec_inside(name, "cat", path).out


def containers_of_builds(estate: ContainerEstate) -> list[str]:
    return [name for name in estate.instances() if name.startswith("repoman-build-")]


@pytest.mark.over_ssh
def test_a_template_is_built_once_and_containers_start_from_it(estate: ContainerEstate) -> None:
    file_of(estate, "motd", "hello\n")
    file_of(estate, "folder/tool", "#!/bin/sh\necho tool\n", 0o755)
    define(
        estate,
        "base",
        'files = ["motd:/etc/motd", "folder:/usr/local/bin"]',
        'run = ["mkdir -p /opt && date >/opt/built && mkdir -p /home", "tool >>/opt/built"]',
    )
    define(estate, "whole", 'extends = "base"', "run_user = ['id -un >~/who && pwd >>~/who']")
    (estate.local_repos / "isurus").mkdir()
    done = estate.run("new", "isurus", "--template", "whole", code=0)
    assert "done: build the image of the template whole on busybox" in done.out
    assert inside(estate, "isurus", "/etc/motd") == "hello\n"
    assert inside(estate, "isurus", "/opt/built").endswith("tool\n")
    who = estate.run("exec", "isurus", "--", "sh", "-c", "cat ~/who; stat -c %u /etc/motd ~/who")
    user, home, *uids = who.out.splitlines()
    assert (home, uids) == (estate.environ["HOME"], ["0", str(os.getuid())]), user
    assert estate.findings() == {}
    estate.new("lamna", "--template", "whole")
    assert inside(estate, "lamna", "/opt/built") == inside(estate, "isurus", "/opt/built")
    assert len(built(estate)) == 1
    assert containers_of_builds(estate) == []
    (row, _) = estate.run("list", "--json", code=0).json["projects"]
    assert row["image"] == "template whole"
    assert estate.run("template", "build", "whole", code=0).out == "nothing to do\n"
    printed = estate.run("template", "--json", code=0).json
    assert find_schema_errors("template", printed) == []
    rows = printed["templates"]
    assert {row["name"]: row["projects"] for row in rows} == {
        "agent": [],
        "base": [],
        "minimal": [],
        "whole": ["isurus", "lamna"],
    }
    assert "whole" in estate.run("template", "list", code=0).out
    shown = estate.run("template", "show", "whole", code=0)
    assert "run: tool >>/opt/built" in shown.out
    assert "builds/whole.log" in shown.err


def test_a_step_that_fails_is_named_and_leaves_its_log_only(estate: ContainerEstate) -> None:
    define(estate, "bad", 'run = ["true", "echo said it >&2; exit 3"]', "packages = []")
    (estate.local_repos / "isurus").mkdir()
    done = estate.run("new", "isurus", "--template", "bad", code=1)
    assert "the template bad can't be built, this failed: run echo said it" in done.err
    log = done.err.partition("see the log ")[2].split()[0]
    assert "said it" in Path(log).read_text()
    assert (estate.instances(), built(estate), estate.projects()) == ({}, [], [])
    define(estate, "bad", 'packages = ["jq"]')
    done = estate.run("template", "build", "bad", code=2)
    assert "has none of the package managers" in done.err
    define(estate, "bad", 'files = ["none:/x"]')
    assert "none" in estate.run("template", "build", "bad", code=2).err
    file_of(estate, "motd", "")
    (estate.registry.parent / "templates/none").symlink_to("/etc/passwd")
    assert "outside of" in estate.run("template", "build", "bad", code=6).err
    assert (estate.instances(), built(estate)) == ({}, [])
    # What a repo adds is built, but no container starts from it: the image goes, too
    (estate.local_repos / "isurus/.repoman.toml").write_text('run = ["rm /sbin/init"]\n')
    done = estate.run("new", "isurus", code=1)
    assert "done: build the image of what isurus adds" in done.out
    assert (estate.instances(), built(estate), estate.projects()) == ({}, [], [])
    # The image of a `new` that was killed goes with the next one
    (estate.local_repos / "isurus/.repoman.toml").write_text('run = ["true"]\n')
    before = estate.registry.read_text()
    estate.run("new", "isurus", code=0)
    estate.registry.write_text(before)
    estate.incus("delete", "--force", "isurus")
    (left,) = built(estate)
    estate.run("new", "isurus", code=0)
    (one,) = built(estate)
    assert one["properties"]["repoman.owner"] != left["properties"]["repoman.owner"]


def begun(estate: ContainerEstate, name: str) -> subprocess.Popen[bytes]:
    """Start a build that does not end, and wait until its command runs."""
    argv = ("template", "build", name, "--yes")
    process = estate.start(*argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def runs() -> bool:
        assert process.poll() is None
        found = containers_of_builds(estate)
        return bool(found) and estate.exec_inside(found[0], "ls", "/begun").code == 0

    wait_until(runs)
    return process


def test_an_interrupt_leaves_nothing_and_a_kill_what_status_removes(
    estate: ContainerEstate,
) -> None:
    define(estate, "slow", BLOCKED)
    process = begun(estate, "slow")
    assert "another command builds" in estate.run("template", "build", "slow", code=4).err
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(WAIT_SECONDS) == 130
    assert (estate.instances(), built(estate)) == ({}, [])
    process = begun(estate, "slow")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (left,) = containers_of_builds(estate)
    assert estate.findings() == {left: ["half-built"]}
    paste_cure(estate, "half-built")
    assert (estate.instances(), estate.findings()) == ({}, {})


def test_containers_of_an_older_build_are_noted_and_moved(estate: ContainerEstate) -> None:
    file_of(estate, "motd", "one\n")
    define(estate, "base", 'files = ["motd:/etc/motd"]')
    estate.new("isurus", "--template=base").new("lamna", "--template=base")
    file_of(estate, "motd", "two\n")
    assert estate.findings() == {}, "nothing was built since"
    estate.run("template", "build", "base", "--yes", code=0)
    assert len(built(estate)) == 1, "the older one is replaced"
    assert estate.findings() == {"isurus": ["build"], "lamna": ["build"]}
    told = estate.run("update", "isurus", code=0).err
    assert "not changed without --rebuild: image: a newer build" in told
    paste_cure(estate, "build")
    assert inside(estate, "isurus", "/etc/motd") == "two\n"
    assert estate.findings() == {"lamna": ["build"]}
    estate.run("template", "build", "base", "--anew", "--yes", code=0)
    assert estate.findings() == {"isurus": ["build"], "lamna": ["build"]}
    assert len(built(estate)) == 1
    file_of(estate, "motd", "three\n")
    estate.run("update", "--all", "--rebuild", "--yes", code=0)
    assert [inside(estate, name, "/etc/motd") for name in ("isurus", "lamna")] == ["three\n"] * 2
    assert estate.run("update", "isurus", "--rebuild", code=0).out == "nothing to do\n"
    define(estate, "base", 'files = ["motd:/etc/motd"]', 'run = ["echo new >/new"]')
    assert estate.findings() == {"isurus": ["differs"], "lamna": ["differs"]}
    estate.run("update", "isurus", "--rebuild", "--yes", code=0)
    assert inside(estate, "isurus", "/new") == "new\n"
    estate.incus("delete", "--force", "lamna")
    estate.run("status", "--missing", "recreate", "--yes")
    assert inside(estate, "lamna", "/new") == "new\n"
    estate.run("template", "remove", "base", "--yes", code=0)
    assert built(estate) == []


def test_what_a_repo_adds_is_for_its_project_alone(estate: ContainerEstate) -> None:
    define(estate, "base", 'run = ["echo base >/base"]')
    for name in ("isurus", "lamna"):
        (estate.local_repos / name).mkdir()
    config = estate.local_repos / "isurus/.repoman.toml"
    config.write_text('run = ["cat /base >/added; ls /sys/class/net >/net"]\n')
    done = estate.run("new", "isurus", "--template", "base", code=0)
    assert "build the image of what isurus adds" in done.out
    assert inside(estate, "isurus", "/added") == "base\n"
    assert "eth0" in inside(estate, "isurus", "/net")
    (own,) = [image for image in built(estate) if image["properties"]["repoman.owner"]]
    for image in (own["aliases"][0]["name"], own["fingerprint"][:20]):
        (estate.local_repos / "lamna/.repoman.toml").write_text(f'image = "local:{image}"\n')
        done = estate.run("new", "lamna", code=6)
        assert "was built for a template" in done.err
        assert (
            "was built for a template" in estate.run("new", "x", "--create", "--image", image).err
        )
    config.write_text('run = ["ls /sys/class/net >/net"]\n')
    estate.run("update", "isurus", "--rebuild", "--yes", code=0)
    assert estate.exec_inside("isurus", "cat", "/added").code != 0
    assert len(built(estate)) == 2, "the older one is replaced"
    text = estate.registry.read_text()
    estate.registry.write_text(
        text.replace('name = "isurus"\n', 'name = "isurus"\nnetwork = "none"\n')
    )
    estate.run("update", "isurus", "--rebuild", "--restart", "--yes", code=0)
    assert "eth0" not in inside(estate, "isurus", "/net"), "what may not reach the network"
    estate.run("rename", "isurus", "--to", "carcharodon", "--yes")
    config.unlink()
    estate.run("update", "carcharodon", "--yes", code=0)
    estate.run("remove", estate.projects()[0], "--yes", code=0)
    assert [image["properties"]["repoman.owner"] for image in built(estate)] == [""]
    estate.run("uninstall", "--yes", code=0)
    assert built(estate) == []


def test_the_default_template_is_that_of_new_projects_only(estate: ContainerEstate) -> None:
    define(estate, "base", 'run = ["echo base >/base"]')
    estate.new("isurus")
    text = estate.registry.read_text()
    estate.registry.write_text(text.replace("[defaults]\n", '[defaults]\ntemplate = "base"\n'))
    assert estate.findings() == {}
    estate.new("lamna")
    assert inside(estate, "lamna", "/base") == "base\n"
    assert 'template = "base"' in estate.registry.read_text().partition('name = "lamna"')[2]
    estate.new("raja", "--template", "minimal")
    assert estate.exec_inside("raja", "cat", "/base").code != 0
    assert "there is no template 'bsae': did you mean 'base'?" in (
        estate.run("new", "x", "--create", "--template", "bsae", code=2).err
    )


PACKAGE = """\
Package: {}
Version: 1.0
Architecture: all
Maintainer: nobody <nobody@example.org>
Description: a tool
"""


def make_package(estate: ContainerEstate, name: str) -> None:
    """Put a package with a program of its name into the folder of templates, as apt can load it."""
    tree, repo = estate.base / name, estate.registry.parent / "templates/repo"
    for folder in (tree / "DEBIAN", tree / "usr/bin", repo):
        folder.mkdir(parents=True, exist_ok=True)
    (tree / "DEBIAN/control").write_text(PACKAGE.format(name))
    (tree / "usr/bin" / name).write_text("#!/bin/sh\necho works\n")
    (tree / "usr/bin" / name).chmod(0o755)
    made = repo / f"{name}.deb"
    argv = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(made)]
    subprocess.run(argv, check=True, capture_output=True)
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    where = f"Filename: ./{made.name}\nSize: {made.stat().st_size}\nSHA256: {digest}\n\n"
    with (repo / "Packages").open("a") as index:
        index.write(PACKAGE.format(name) + where)


def test_packages_by_the_images_own_manager_and_a_reset(estate: ContainerEstate) -> None:
    make_package(estate, "isurus-tool")
    make_package(estate, "hand-tool")
    make_package(estate, "tmux")
    file_of(estate, "sources.list", "deb [trusted=yes] file:/opt/repo ./\n")
    files = 'files = ["repo:/opt/repo", "sources.list:/etc/apt/sources.list"]'
    define(estate, "tools", 'image = "debian"', files, 'packages = ["isurus-tool"]')
    estate.new("isurus", "--template", "tools")
    assert estate.run("exec", "isurus", "--", "isurus-tool", code=0).out == "works\n"
    shown = estate.run("reset", "isurus", "--dry-run", code=0)
    assert "by hand" not in shown.err
    assert "lost: all on its own disk, such as what npm or pip installed" in shown.err
    assert estate.exec_inside("isurus", "apt-get", "-qy", "install", "hand-tool").code == 0
    assert estate.exec_inside("isurus", "touch", "/root/x", "/var/lib/repoman/y").code == 0
    (estate.local_repos / "isurus/z").touch()
    shown = estate.run("reset", "isurus", "--dry-run", code=0)
    assert "lost: 1 package installed by hand: hand-tool" in shown.err
    assert "lost: all else on its own disk" in shown.err
    assert "kept: its repo, and its volume" in shown.err
    assert estate.run("reset", "isurus", "--no-input").code == 2
    assert estate.exec_inside("isurus", "hand-tool").out == "works\n", "it was not approved"
    before = inside(estate, "isurus", "/etc/machine-id")
    estate.run("reset", "isurus", "--yes", code=0)
    assert estate.exec_inside("isurus", "ls", "/root/x", "/usr/bin/hand-tool").out == ""
    assert estate.run("exec", "isurus", "--", "isurus-tool", code=0).out == "works\n"
    assert estate.exec_inside("isurus", "ls", "/var/lib/repoman/y").code == 0
    assert (estate.local_repos / "isurus/z").exists()
    assert inside(estate, "isurus", "/etc/machine-id") != before, "a machine of its own"
    assert "by hand" not in estate.run("reset", "isurus", "--dry-run", code=0).err
    assert estate.findings() == {}
    define(estate, "tools", 'image = "debian"', files, 'packages = ["no-such-tool"]')
    done = estate.run("template", "build", "tools", "--yes", code=1)
    assert "this failed: install no-such-tool" in done.err
    assert "without a way to the internet, set http_proxy" in done.err
    assert estate.run("reset", "isurus", "--yes", code=1).err.count("no-such-tool") == 1
    assert estate.run("exec", "isurus", "--", "isurus-tool", code=0).out == "works\n", (
        "nothing lost"
    )
    installs_what_an_agent_needs(estate)


def installs_what_an_agent_needs(estate: ContainerEstate) -> None:
    """Paste the command that `agent` prints if tmux is not in the container."""
    done = estate.run("agent", "isurus", "--detach", code=1)
    assert "tmux, which keeps the terminal of an agent, is not installed in isurus" in done.err
    (cure,) = re.findall("`repoman (exec [^`]*)`", done.err)
    estate.run(*shlex.split(cure), code=0)
    assert estate.exec_inside("isurus", "tmux").out == "works\n"
    done = estate.run("agent", "isurus", "--detach", code=1)
    assert "claude is not installed in isurus" in done.err
    assert "nodejs npm && apt-get clean && npm install --global" in done.err


@pytest.mark.over_ssh
def test_a_reset_of_a_stopped_container_and_of_its_volume(isurus: ContainerEstate) -> None:
    assert isurus.exec_inside("isurus", "touch", "/root/x", "/var/lib/repoman/y").code == 0
    assert isurus.exec_inside("isurus", "mkdir", "-p", "/var/lib/repoman/.hidden/..x").code == 0
    isurus.run("stop", "isurus", code=0)
    done = isurus.run("reset", "isurus", "--volume", "--yes", code=0)
    assert "can't be listed, as it does not run" in done.err
    assert "done: empty the volume isurus" in done.out
    assert isurus.exec_inside("isurus", "ls", "/root/x").code != 0
    assert isurus.exec_inside("isurus", "ls", "-d", "/var/lib/repoman/y").code != 0
    assert isurus.exec_inside("isurus", "ls", "-d", "/var/lib/repoman/.hidden").code != 0
    assert isurus.exec_inside("isurus", "ls", "/var/lib/repoman/claude/.claude.json").code == 0
    assert isurus.findings() == {}
    isurus.incus("delete", "--force", "isurus")
    assert "its container is missing" in isurus.run("reset", "isurus", "--yes", code=1).err
