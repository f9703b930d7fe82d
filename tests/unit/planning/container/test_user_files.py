"""User databases of common images before and after the user is set up."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from repoman_tasks.errors import Failed
from repoman_tasks.model import Person
from repoman_tasks.planning.container.user_files import (
    UserChanges,
    UserFiles,
    parse_user_files,
    plan_user,
    user_data,
)

DEV = Person("dev", 1000, 1000, "dev", "/home/dev", "/bin/zsh")
ALL_SHELLS = ("/bin/zsh", "/bin/bash", "/bin/sh")

DEBIAN = UserFiles(
    "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n",
    "root:x:0:\nwww-data:x:33:\nusers:x:100:\nsudo:x:27:\n",
    "root:*:19000:0:99999:7:::\nwww-data:*:19000:0:99999:7:::\n",
    ("/bin/bash", "/bin/sh"),
)
UBUNTU = UserFiles(
    "root:x:0:0:root:/root:/bin/bash\nubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash\n",
    "root:x:0:\nadm:x:4:syslog,ubuntu\nsudo:x:27:ubuntu\nubuntu:x:1000:\n",
    "root:*:19000:0:99999:7:::\nubuntu:!:19001:0:99999:7:::\n",
    ("/bin/bash", "/bin/sh"),
    has_sudo=True,
)
ALPINE = UserFiles(
    "root:x:0:0:root:/root:/bin/ash\nguest:x:405:100:files:/dev/null:/sbin/nologin\n",
    "root:x:0:root\nusers:x:100:games\n",
    "root:*::0:::::\nguest:!::0:::::\n",
    ("/bin/sh",),
)
FEDORA = UserFiles(
    "root:x:0:0:Super User:/root:/bin/bash\ntss:x:59:59:tpm user:/:/usr/sbin/nologin\n",
    "root:x:0:\nwheel:x:10:\ntss:x:59:\n",
    "root:!unprovisioned::0:99999:7:::\ntss:!*:20000::::::\n",
    ALL_SHELLS,
    has_sudo=True,
)
BUSYBOX = UserFiles("root:x:0:0:root:/root:/bin/sh\n", "root:x:0:\n", "", ("/bin/sh",))
IMAGES = {
    "debian": DEBIAN,
    "ubuntu": UBUNTU,
    "alpine": ALPINE,
    "fedora": FEDORA,
    "busybox": BUSYBOX,
}

each_image = pytest.mark.parametrize("files", IMAGES.values(), ids=IMAGES)


def apply_changes(files: UserFiles, changes: UserChanges) -> UserFiles:
    """Return `files` as it is after the changes."""
    return replace(
        files,
        passwd=changes.passwd or files.passwd,
        group=changes.group or files.group,
        shadow=changes.shadow or files.shadow,
        home_owner=DEV.uid if changes.home else files.home_owner,
        has_sudo=False,
    )


@each_image
def test_one_user_has_the_name_and_the_ids(files: UserFiles) -> None:
    made = apply_changes(files, plan_user(files, DEV))
    theirs = [line for line in made.passwd.splitlines() if "dev:" in line or ":1000:" in line]
    shell = next(shell for shell in ALL_SHELLS if shell in files.shells)
    gecos = "Ubuntu" if files is UBUNTU else ""
    assert [line.replace(f":{gecos}:", "::", 1) for line in theirs] == [
        f"dev:x:1000:1000::/home/dev:{shell}"
    ]
    assert [line for line in made.group.splitlines() if ":1000:" in line] == ["dev:x:1000:"]
    shadows = [line for line in made.shadow.splitlines() if line.startswith("dev:")]
    assert len(shadows) == (0 if files is BUSYBOX else 1)


@each_image
def test_a_second_run_changes_nothing(files: UserFiles) -> None:
    assert plan_user(apply_changes(files, plan_user(files, DEV)), DEV).empty


@each_image
def test_other_users_are_unchanged(files: UserFiles) -> None:
    made = apply_changes(files, plan_user(files, DEV))
    for before, now in ((files.passwd, made.passwd), (files.shadow, made.shadow)):
        kept = [line for line in before.splitlines() if not line.startswith("ubuntu:")]
        assert [line for line in now.splitlines() if not line.startswith("dev:")] == kept


def test_a_user_with_the_uid_is_renamed_in_all_files() -> None:
    made = apply_changes(UBUNTU, plan_user(UBUNTU, DEV))
    for text in (made.passwd, made.group, made.shadow):
        assert "ubuntu" not in text
    assert "adm:x:4:syslog,dev\n" in made.group
    assert "sudo:x:27:dev\n" in made.group
    assert "dev:!:19001:0:99999:7:::" in made.shadow


def test_a_user_with_the_name_gets_the_ids() -> None:
    passwd = DEBIAN.passwd + "dev:x:500:500:old:/home/dev:/bin/sh\n"
    made = apply_changes(DEBIAN, plan_user(replace(DEBIAN, passwd=passwd), DEV))
    assert made.passwd.splitlines()[-1] == "dev:x:1000:1000:old:/home/dev:/bin/bash"


def test_users_with_the_name_and_with_the_uid_are_merged() -> None:
    passwd = UBUNTU.passwd + "dev:x:500:500::/home/dev:/bin/sh\n"
    made = apply_changes(UBUNTU, plan_user(replace(UBUNTU, passwd=passwd), DEV))
    assert [line.split(":")[0] for line in made.passwd.splitlines()] == ["root", "dev"]


@pytest.mark.parametrize(
    ("group", "gid", "line"),
    [
        pytest.param("users:x:100:\n", 100, "users:x:100:", id="an existing group"),
        pytest.param("dev:x:500:\n", 1000, "dev-1000:x:1000:", id="name taken"),
        pytest.param("", 1002, "dev:x:1002:", id="gid differs from uid"),
    ],
)
def test_a_group_has_the_gid(group: str, gid: int, line: str) -> None:
    files = replace(DEBIAN, group=f"root:x:0:\n{group}")
    made = apply_changes(files, plan_user(files, replace(DEV, gid=gid)))
    assert line in made.group.splitlines()
    assert f"dev:x:1000:{gid}::/home/dev:/bin/bash" in made.passwd.splitlines()


@pytest.mark.parametrize(("owner", "home"), [(None, True), (0, True), (1000, False)])
def test_the_home_is_created_or_given_to_the_user(owner: int | None, home: bool) -> None:
    assert plan_user(replace(DEBIAN, home_owner=owner), DEV).home is home


@pytest.mark.parametrize(
    "shadow", ["", "broken\n", "a:b\n"], ids=["none", "malformed line", "too few fields"]
)
def test_no_shadow_file_is_created(shadow: str) -> None:
    assert plan_user(replace(DEBIAN, shadow=shadow), DEV).shadow == ""


def test_parse_user_files() -> None:
    output = b"root:x:0:0::/:/bin/sh\n\0root:x:0:\n\0\0/bin/sh \x001000\0yes\0"
    found = parse_user_files(output)
    assert found.shells == ("/bin/sh",)
    assert found.home_owner == 1000
    assert found.has_sudo
    assert parse_user_files(b"\0\0\0\0\0\0").home_owner is None


@pytest.mark.parametrize("output", [b"", b"a\0b", b"\0" * 7, b"\xff" * 100])
def test_malformed_output_is_refused(output: bytes) -> None:
    with pytest.raises(Failed, match="can't be parsed"):
        parse_user_files(output)


def test_user_data_is_yaml_with_the_user() -> None:
    read = yaml.safe_load(yaml.safe_dump(user_data(DEV)))
    assert read["users"][0]["name"] == "dev"
    assert read["users"][0]["uid"] == 1000
    assert read["bootcmd"][0][-3:] == ["1000", "dev", "dev"]
