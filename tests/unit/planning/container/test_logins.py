from __future__ import annotations

import pytest

from repoman_tasks.errors import UsageError
from repoman_tasks.model import Defaults, Project, Registry
from repoman_tasks.planning.container.agents import AGENTS
from repoman_tasks.planning.container.logins import (
    SharedLogin,
    StoredLogin,
    check_login_options,
    describe_users,
    find_agent,
    find_key,
    given_agents,
    login_steps,
    login_text,
    removal_steps,
    share_steps,
    unshare_steps,
)
from repoman_tasks.planning.registry_edits import SetKeys
from repoman_tasks.planning.steps import DeleteFile, Step, WriteFile, WriteRegistry

BODY = "abcdefghijklmnopqrstuvwxyz_0123-456789"
TOKEN = f"sk-ant-oat01-{BODY}"
ANTHROPIC, OPENAI, GEMINI = f"sk-ant-api03-{BODY}", f"sk-proj-{BODY}", f"AIza{BODY}"
PATH = "/home/dev/.local/state/repoman/logins/claude.env"
NONE = StoredLogin("claude", PATH)
STORED = StoredLogin("claude", PATH, exists=True)


def registry(*own: tuple[str, ...] | None, defaults: tuple[str, ...] = ()) -> Registry:
    projects = tuple(Project(f"p{n}", f"p{n}", logins=logins) for n, logins in enumerate(own))
    return Registry(defaults=Defaults(logins=defaults), projects=projects)


def edits(steps: list[Step]) -> list[SetKeys]:
    written = (step for step in steps if isinstance(step, WriteRegistry))
    return [edit for step in written for edit in step.edits if isinstance(edit, SetKeys)]


@pytest.mark.parametrize(
    ("agent", "secret", "variable"),
    [
        ("claude", TOKEN, "CLAUDE_CODE_OAUTH_TOKEN"),
        ("claude", ANTHROPIC, "ANTHROPIC_API_KEY"),
        ("codex", OPENAI, "CODEX_API_KEY"),
        ("gemini", GEMINI, "GEMINI_API_KEY"),
        ("opencode", ANTHROPIC, "ANTHROPIC_API_KEY"),
        ("opencode", OPENAI, "OPENAI_API_KEY"),
        ("aider", GEMINI, "GEMINI_API_KEY"),
    ],
)
def test_a_secret_goes_into_the_variable_of_its_form(
    agent: str, secret: str, variable: str
) -> None:
    key = find_key(find_agent(agent), secret)
    assert key.variable == variable
    assert login_text(key, secret).splitlines()[-1] == f"{variable}={secret}"


@pytest.mark.parametrize(
    ("agent", "secret"),
    [
        *(("claude", text) for text in ("", "sk-ant-oat01-", f"{TOKEN} ", f"{TOKEN}\nX=y", OPENAI)),
        ("claude", f"sk-ant-ort01-{BODY}"),  # a refresh token
        *(("codex", text) for text in (ANTHROPIC, TOKEN)),
        ("opencode", TOKEN),
        ("gemini", ANTHROPIC),
    ],
)
def test_a_secret_of_another_form_is_refused_and_not_shown(agent: str, secret: str) -> None:
    with pytest.raises(UsageError) as raised:
        find_key(find_agent(agent), secret)
    assert BODY not in str(raised.value)


def test_no_secret_fits_two_variables_of_an_agent() -> None:
    for agent in AGENTS:
        assert agent.keys, agent.name
        for secret in (TOKEN, ANTHROPIC, OPENAI, GEMINI):
            fitting = [key for key in agent.keys if key.pattern and _fits(key.pattern, secret)]
            assert len(fitting) < 2


def _fits(pattern: str, secret: str) -> bool:
    import re

    return re.fullmatch(pattern, secret) is not None


def test_an_unknown_agent_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean claude"):
        find_agent("claud")
    with pytest.raises(UsageError, match="choose one of claude, codex"):
        find_agent("x")


def test_a_project_without_a_list_is_given_that_of_the_defaults() -> None:
    defaults = Defaults(logins=("claude",))
    assert given_agents(Project("a"), defaults) == ("claude",)
    assert given_agents(Project("a", logins=()), defaults) == ()


# --- steps ----------------------------------------------------------------------------------


def test_the_first_login_is_stored_and_given_to_all() -> None:
    steps = login_steps(NONE, "TEXT", registry(None, None), [])
    assert [type(step) for step in steps] == [WriteFile, WriteRegistry]
    assert edits(steps) == [SetKeys({"logins": ("claude",)})]
    assert "TEXT" not in f"{steps!r} {[str(step) for step in steps]}"


def test_a_login_for_one_project_is_given_to_that_one_only() -> None:
    estate = registry(None, None, defaults=("codex",))
    steps = login_steps(NONE, "TEXT", estate, [estate.projects[1]])
    assert edits(steps) == [SetKeys({"logins": ("codex", "claude")}, project="p1")]


@pytest.mark.parametrize("estate", [registry(None, defaults=("claude",)), registry(("claude",))])
def test_a_new_token_is_given_to_nobody_else(estate: Registry) -> None:
    steps = login_steps(STORED, "TEXT", estate, [])
    assert [type(step) for step in steps] == [WriteFile]
    assert str(steps[0]).startswith("replace ")


def test_a_file_with_a_fault_is_deleted_first() -> None:
    broken = StoredLogin("claude", PATH, exists=True, fault="is not a regular file")
    steps = login_steps(broken, "TEXT", registry(("claude",)), [])
    assert steps[0] == DeleteFile(PATH)
    assert [type(step) for step in steps] == [DeleteFile, WriteFile]


def test_nothing_is_written_if_the_stored_login_is_kept_and_given_already() -> None:
    estate = registry(("claude",))
    assert login_steps(STORED, None, estate, [estate.projects[0]]) == []


def test_removal_forgets_the_login_and_takes_it_from_everybody() -> None:
    estate = registry(("claude", "codex"), None, (), ("claude",), defaults=("claude",))
    steps = removal_steps(STORED, estate, [])
    assert edits(steps) == [
        SetKeys({"logins": None}),
        SetKeys({"logins": ("codex",)}, project="p0"),
        SetKeys({"logins": ()}, project="p3"),
    ]
    assert steps[-1] == DeleteFile(PATH)
    assert removal_steps(NONE, registry(None), []) == []


def test_removal_from_a_project_keeps_the_login() -> None:
    estate = registry(None, None, defaults=("claude",))
    steps = removal_steps(STORED, estate, [estate.projects[0]])
    assert edits(steps) == [SetKeys({"logins": ()}, project="p0")]
    assert len(steps) == 1


def test_sharing_is_switched_on_and_the_account_recorded() -> None:
    login = SharedLogin("/login", exists=True, account="org-1", account_path="/account")
    steps = share_steps(login, registry())
    assert edits(steps) == [SetKeys({"shared_login": True})]
    assert isinstance(steps[1], WriteFile)
    assert (steps[1].path, steps[1].text) == ("/account", "org-1\n")


def test_the_end_of_sharing_deletes_what_was_shared() -> None:
    login = SharedLogin("/login", exists=True, account_path="/account", recorded_account="org-1")
    shared = Registry(defaults=Defaults(shared_login=True))
    steps = unshare_steps(login, shared)
    assert edits(steps) == [SetKeys({"shared_login": False})]
    assert steps[1:] == [DeleteFile("/login"), DeleteFile("/account")]
    assert unshare_steps(SharedLogin("/login", account_path="/account"), registry()) == []


def test_who_is_given_a_login_is_described() -> None:
    assert describe_users("claude", registry(None, None, defaults=("claude",))) == "all projects"
    assert describe_users("claude", registry(None, (), defaults=("claude",))) == "p0"
    assert describe_users("claude", registry(None)) == "nobody"


@pytest.mark.parametrize(
    ("agent", "given", "says"),
    [
        (None, {"remove": True}, "needs the name of an agent"),
        ("codex", {"shared": True}, "codex has no login that can be shared"),
        ("claude", {"shared": True, "stdin": True}, "--shared can't be combined"),
        ("claude", {"remove": True, "stdin": True}, "--remove and --stdin"),
    ],
)
def test_options_that_can_not_be_combined(
    agent: str | None, given: dict[str, bool], says: str
) -> None:
    options = {"stdin": False, "shared": False, "remove": False} | given
    with pytest.raises(UsageError, match=says):
        check_login_options(agent, [], **options)
