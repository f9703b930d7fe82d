"""Which project a person means who names none: the one whose repo they stand in."""

from __future__ import annotations

from repoman_tasks.errors import UsageError
from repoman_tasks.model import Project, Registry
from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.planning.names import inside

__all__ = ["here", "named_or_current"]


def here(registry: Registry, local_repos: str, folder: str) -> Project | None:
    """The project in whose repo `folder` lies; None where that is none, or nobody stands there."""
    found = (p for p in registry.projects if inside(folder, f"{local_repos}/{p.repo}"))
    return next(found, None) if folder else None


def named_or_current(
    registry: Registry, local_repos: str, name: str | None, folder: str, command: str
) -> tuple[Project, str]:
    """The project called `name`, or the one that `folder` lies in; and the folder to go to.

    That is `folder` where it lies in the project's repo, else the repo. `UsageError` where
    nothing says which project.
    """
    if name is not None:
        project = find_project(registry, name)
    else:
        stood_in = here(registry, local_repos, folder)
        if stood_in is None:
            raise UsageError(
                f"{command} needs a name, because this folder is in no project's repo",
                f"`repoman {command} NAME`",
            )
        project = stood_in
    repo = f"{local_repos}/{project.repo}"
    return project, folder if folder and inside(folder, repo) else repo
