"""Templates: what they extend, the names of their images, and the steps of a build."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repoman_tasks.errors import Refused, UsageError
from repoman_tasks.model import Defaults, Project, Registry, Template
from repoman_tasks.planning.container.agents import AGENT_NAMES
from repoman_tasks.planning.container.spec import IMAGE_TAG, Container
from repoman_tasks.planning.container.template_plan import (
    AGENT_PACKAGES,
    BASE_KEY,
    MANAGERS,
    BuiltImage,
    abandoned_images,
    build_findings,
    build_steps,
    check_template_action,
    describe_recipe,
    image_properties,
    install_line,
    is_current,
    parse_images,
    replaced_images,
)
from repoman_tasks.planning.container.templates import (
    BUILT_IN,
    IMAGE_PREFIX,
    Recipe,
    check_no_built_image,
    find_template,
    image_name,
    image_owner,
    installed_agent_fault,
    package_fault,
    recipes,
    template_file_fault,
    template_name_fault,
    template_recipe,
)
from repoman_tasks.planning.estate_steps import chosen_agents
from repoman_tasks.planning.registry_edits import SetKeys
from repoman_tasks.registry import parse, parse_requested
from repoman_tasks.registry.edits import edited

ISURUS = Project(name="isurus", repo="isurus", image="images:debian/13", created="2026-01-01")
LOW = Template("low", image="images:alpine/3.22", packages=("git",), run=("a",), agents=("codex",))
HIGH = Template("high", extends="low", packages=("jq", "git"), run=("b",), run_user=("c",))


def registry(*templates: Template, **defaults: object) -> Registry:
    return Registry(defaults=Defaults(**defaults), templates=templates)  # type: ignore[arg-type]


# --- the registry -------------------------------------------------------------------------


def test_a_registry_with_templates() -> None:
    text = """
[defaults]
template = "mine"
[templates.mine]
extends = "agent"
image = "images:debian/13"
files = ["npmrc:/etc/npmrc"]
packages = ["jq"]
run = ["echo 'a'", "b"]
agents = ["codex@0.171.0"]
run_user = ["c"]
[[project]]
name = "isurus"
template = "minimal"
"""
    read = parse(text, "r", {})
    (mine,) = read.templates
    assert (mine.name, mine.extends, mine.run) == ("mine", "agent", ("echo 'a'", "b"))
    assert read.projects[0].template == "minimal"
    whole = find_template(read, "mine")
    assert whole.agents == ("claude", "codex@0.171.0")
    assert whole.packages == (*BUILT_IN["agent"].packages, "jq")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('[templates.a]\nimages = "x"', 2, "did you mean 'image'"),
        ('[templates.a]\n\nextends = "b"', 3, "there is no template 'b'"),
        ('[templates.a]\nextends = "b"\n[templates.b]\nextends = "a"', 2, "extends itself"),
        ('[templates."A b"]\n', 1, "not a valid name of a template"),
        ("[templates]\na = 1", 1, r"write \[templates.NAME\]"),
        ('[templates.a]\nrun = ["x\\u0000"]', 2, "must not contain NUL"),
        ('[templates.a]\nrun = "x"', 2, "a list of strings"),
        ('[templates.a]\npackages = ["--x"]', 2, "not a valid name of a package"),
        ('[templates.a]\nfiles = ["../x:/y"]', 2, "must be SOURCE:PATH"),
        ('[templates.a]\nagents = ["cloude"]', 2, "no agent is called 'cloude'"),
        ('[templates.a]\nimage = "a b"', 2, "not a valid image"),
        ('[defaults]\ntemplate = "agnet"', 2, "did you mean 'agent'"),
        ('[[project]]\nname = "a"\n[[project]]\nname = "b"\ntemplate = "x"', 5, "no template 'x'"),
    ],
)
def test_a_fault_in_a_template_has_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(UsageError, match=rf"r, line {line}: .*{says}"):
        parse(text, "r", {})


def test_a_repo_requests_packages_and_commands_but_no_template() -> None:
    requested = parse_requested('packages = ["jq"]\nrun = ["a"]\nrun_user = ["b"]', "f")
    assert (requested.packages, requested.run, requested.run_user) == (("jq",), ("a",), ("b",))
    for key in ('template = "agent"', 'agents = ["claude"]', 'files = ["a:/b"]'):
        with pytest.raises(UsageError, match="unknown key"):
            parse_requested(key, "f")
    with pytest.raises(UsageError, match="not a valid name of a package"):
        parse_requested('packages = ["-o x"]', "f")


def test_faults() -> None:
    assert not template_file_fault("a/b.c:/d/e")
    for wrong in ("/a:/b", "a:b", "a", "a:/", "./a:/b", "a/../b:/c", "-a:/b", "a:/b/../c"):
        assert template_file_fault(wrong)
    assert not package_fault("g++-12:amd64=1.0~rc")
    assert not package_fault("@development-tools")
    for wrong in ("", "-x", "a b", "a;b", "a\n"):
        assert package_fault(wrong)
    assert not installed_agent_fault("claude@2.1.197")
    for wrong in ("claude@", "claude@1 2", "x", "claude@-g"):
        assert installed_agent_fault(wrong)
    assert template_name_fault("x" * 33)


def test_setup_writes_the_agents_and_their_template() -> None:
    chosen = chosen_agents("claude, codex@0.171.0,claude")
    assert chosen == {"template": "agent", "agents": ("claude", "codex@0.171.0")}
    assert chosen_agents("") == {}
    with pytest.raises(UsageError, match="no agent is called 'cloude'"):
        chosen_agents("claude,cloude")
    text = edited("", [SetKeys(chosen)])
    (agents,) = [find_template(parse(text, "r", {}), "agent").agents]
    assert agents == ("claude", "codex@0.171.0")


# --- recipes --------------------------------------------------------------------------------


def test_a_template_has_what_it_extends_first() -> None:
    whole = find_template(registry(LOW, HIGH), "high")
    assert (whole.packages, whole.run, whole.image) == (("git", "jq"), ("a", "b"), LOW.image)
    assert (whole.agents, whole.run_user) == (("codex",), ("c",))
    with pytest.raises(UsageError, match="did you mean 'high'"):
        find_template(registry(LOW, HIGH), "hihg")


def test_a_table_of_a_built_in_name_replaces_single_keys() -> None:
    own = registry(Template("agent", packages=("git",)), agents=("gemini",))
    assert find_template(own, "agent") == Template("agent", packages=("git",), agents=("gemini",))
    assert find_template(registry(), "agent").agents == ("claude",)


def test_without_a_template_or_with_an_empty_one_the_image_is_that_of_the_project() -> None:
    for project in (ISURUS, replace(ISURUS, template="minimal")):
        assert list(recipes(project, registry())) == []
        assert image_name(project, registry()) == "images:debian/13"
    only = Template("only", image="images:alpine/3.22")
    project = replace(ISURUS, template="only")
    assert image_name(project, registry(only)) == "images:alpine/3.22"


def test_an_image_has_another_name_for_anything_else_in_its_recipe() -> None:
    base = Recipe("x", "", "images:y", packages=("a",))
    others = [
        base,
        replace(base, template="z"),
        replace(base, base="images:z"),
        replace(base, packages=("a", "b")),
        replace(base, packages=(), run=("a",)),
        replace(base, packages=(), run_user=("a",)),
        replace(base, files=("a:/b",)),
        replace(base, agents=("claude",)),
        replace(base, owner="0123"),
        replace(base, owner="0124"),
        replace(base, offline=True),
        replace(base, incus_project="other"),
    ]
    names = {recipe.image for recipe in others}
    assert len(names) == len(others)
    assert all(name.startswith(IMAGE_PREFIX) for name in names)


def test_what_a_repo_adds_is_on_top_of_the_template_and_of_one_project() -> None:
    isurus = replace(ISURUS, template="high", requested_run=("x",))
    template, added = recipes(isurus, registry(LOW, HIGH))
    assert (template.template, template.owner, template.base) == ("high", "", LOW.image)
    assert (added.template, added.base, added.run) == ("isurus", template.image, ("x",))
    assert image_name(isurus, registry(LOW, HIGH)) == added.image
    lamna = replace(isurus, name="lamna", created="2026-01-02")
    assert image_name(lamna, registry(LOW, HIGH)) != added.image
    renamed = replace(isurus, name="lamna")
    assert image_name(renamed, registry(LOW, HIGH)) == added.image, "a rename builds nothing"


@pytest.mark.parametrize(
    ("default", "own", "offline"),
    [
        ("internet", "", False),
        ("internet", "internet", False),
        ("internet", "none", True),
        ("none", "", True),
        ("open", "internet", True),
        ("internet", "open", True),
    ],
)
def test_a_repo_builds_with_no_network_that_its_container_does_not_have(
    default: str, own: str, offline: bool
) -> None:
    project = replace(ISURUS, network=own, requested_run=("x",))
    (added,) = recipes(project, registry(network=default))
    assert added.offline is offline


@pytest.mark.parametrize("image", [f"{IMAGE_PREFIX}x-1", f"local:{IMAGE_PREFIX}x-1"])
def test_nobody_requests_a_built_image_by_its_name(image: str) -> None:
    with pytest.raises(Refused, match="was built for a template"):
        check_no_built_image(image)
    check_no_built_image("images:debian/13")


# --- builds ---------------------------------------------------------------------------------


@pytest.mark.parametrize("manager", MANAGERS)
def test_the_steps_of_a_build_in_each_image(manager: str) -> None:
    recipe = template_recipe(registry(), "agent", "images:x")
    recipe = replace(recipe, run=("r",), agents=("claude@1.2", "aider"), run_user=("u",))
    steps = build_steps(recipe, [manager])
    whats = [step.what for step in steps]
    (install,) = [step for step in steps if "ripgrep" in step.argv]
    assert install.argv[0] == manager
    assert install.loads
    assert "ripgrep" in install.argv
    assert "node" not in install.argv
    assert "build-tools" not in install.argv
    assert whats.index("run r") < whats.index("install the agent claude@1.2")
    assert whats[-1] == "run as the user u"
    assert [(step.line, step.user) for step in steps if step.line] == [("r", False), ("u", True)]
    npm, pipx = (step for step in steps if "agent" in step.what)
    assert npm.argv[-1] == "@anthropic-ai/claude-code@1.2"
    assert pipx.argv[-3:] == ("pipx", "install", "aider-chat")


def test_an_agent_brings_its_installer_unless_the_image_has_it() -> None:
    recipe = Recipe("x", "", "y", agents=("codex",))
    assert any("npm" in step.argv[1:] for step in build_steps(recipe, ["apt-get"]))
    (only,) = build_steps(recipe, ["apt-get", "npm"])
    assert only.argv[-1] == "@openai/codex@latest"
    with pytest.raises(UsageError, match="none of the package managers"):
        build_steps(recipe, [])
    assert build_steps(Recipe("x", "", "y", run=("a",)), [])[0].line == "a"
    assert set(AGENT_PACKAGES) == set(AGENT_NAMES)


def test_one_line_installs_a_package_or_an_agent() -> None:
    apt = "apt-get -q install --yes --no-install-recommends --"
    line = f"apt-get -q update && {apt} {{}} && apt-get clean"
    npm = "npm install --global --no-fund --no-audit @openai/codex@latest"
    assert install_line(["apt-get"], package="tmux") == line.format("tmux")
    assert install_line(["apt-get"], agent="codex") == f"{line.format('nodejs npm')} && {npm}"
    assert install_line(["npm"], agent="codex") == npm
    assert install_line(["apk", "npm"]) == ""
    assert install_line(["npm"], package="tmux") == ""


def test_a_long_command_is_shortened_in_messages() -> None:
    (step,) = build_steps(Recipe("x", "", "y", run=("a" * 99 + "\nb",)), [])
    assert step.what == f"run {'a' * 59}…"
    recipe = Recipe("x", "", "y", files=("a:/b",), packages=("c", "d"), run=("e",), agents=("f",))
    assert describe_recipe(recipe) == "1 file or folder, 2 packages, 1 command, f"


RECIPE = Recipe("x", "", "images:y", run=("a",), incus_project="repoman")


def built(fingerprint: str, recipe: Recipe = RECIPE, files: str = "") -> BuiltImage:
    (image,) = parse_images(
        [
            {
                "fingerprint": fingerprint,
                "aliases": [{"name": recipe.image}],
                "properties": image_properties(recipe, "base", files),
                "created_at": "2026-01-01T00:00:00Z",
                "size": 1,
            },
            {"fingerprint": "f", "aliases": None, "properties": {"os": "Debian"}},
        ],
        recipe.incus_project,
    )
    return image


def test_an_image_is_current_for_its_files_and_its_base() -> None:
    image = built("1", files="f")
    assert is_current(image, "f", "base")
    assert is_current(image, "f", ""), "only a build can tell"
    assert not is_current(image, "g", "base")
    assert not is_current(image, "f", "other")
    assert not is_current(None, "f", "base")
    assert parse_images(None, "repoman") == []


def test_a_build_replaces_those_of_the_same_template_and_owner_only() -> None:
    added = replace(RECIPE, template="isurus", owner="0123")
    images = [
        built("1"),
        built("2", replace(RECIPE, run=("b",))),
        built("3", replace(RECIPE, base="images:z")),
        built("4", added),
        built("5", replace(added, base="images:z")),
        built("6", replace(added, owner="0124")),
    ]
    assert [i.fingerprint for i in replaced_images(images, RECIPE, "1")] == ["2"]
    assert [i.fingerprint for i in replaced_images(images, added, "4")] == ["5"]


def test_what_a_killed_new_left_is_of_nobody() -> None:
    own = replace(RECIPE, template="isurus", owner=image_owner(ISURUS))
    images = [
        built("1"),
        built("2", own),
        built("3", replace(own, owner="0123")),
        built("4", replace(own, owner="0124")),
        built("5", replace(own, template="lamna", owner="0125")),
    ]
    known = replace(registry(LOW, HIGH), projects=(ISURUS,))

    def left(known: Registry, but: str = "") -> list[str]:
        return [i.fingerprint for i in abandoned_images(images, "isurus", known, but=but)]

    assert left(known) == ["3", "4"]
    assert left(known, "0124") == ["3"]
    assert left(replace(known, projects=())) == ["2", "3", "4"]


def test_a_container_of_an_older_build_is_noted() -> None:
    isurus, reg = replace(ISURUS, template="high"), registry(LOW, HIGH)
    reg = replace(reg, projects=(isurus,))
    (recipe,) = recipes(isurus, reg)
    config = {IMAGE_TAG: recipe.image, BASE_KEY: "1"}
    container = Container("isurus", "running", config, {}, ())

    def kinds(image: BuiltImage, one: Container = container) -> list[str]:
        found = build_findings(reg, ["isurus", "lamna"], {"isurus": one}, [image])
        assert not any(finding.problem for finding in found)
        return [finding.kind for finding in found]

    assert kinds(built("2", recipe)) == ["build"]
    assert kinds(built("1", recipe)) == []
    assert kinds(built("2", replace(recipe, run=()))) == [], "it differs, as is reported"
    assert kinds(built("2", recipe), replace(container, config={BASE_KEY: "1"})) == []


@pytest.mark.parametrize(
    ("action", "name", "json", "says"),
    [
        ("biuld", "x", False, "did you mean build"),
        ("list", "x", False, "list takes no name"),
        ("show", None, False, "show needs a name"),
        ("build", "x", True, "--json needs list"),
        ("show", "x", False, "--anew needs build"),
    ],
)
def test_wrong_calls(action: str, name: str | None, json: bool, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        check_template_action(action, name, json=json, anew="anew" in says)
