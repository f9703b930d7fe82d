"""Current project: the one whose repo contains the working directory. Pure."""

from __future__ import annotations

from repoman_tasks.errors import UsageError
from repoman_tasks.model import Project, Registry
from repoman_tasks.planning.mirror.sync_plan import check_registry, find_project
from repoman_tasks.planning.names import inside, with_parents

__all__ = ["candidate_repos", "named_or_current", "project_at"]


def project_at(registry: Registry, local_repos: str, folder: str) -> Project | None:
    """Return the project whose repo contains `folder`; None if there is none or no folder."""
    matches = (p for p in registry.projects if inside(folder, f"{local_repos}/{p.repo}"))
    return next(matches, None) if folder else None


def candidate_repos(local_repos: str, folder: str) -> list[str]:
    """Return `folder` and the folders above it that are below `local_repos`, the deepest first."""
    if folder == local_repos or not inside(folder, local_repos):
        return []
    relative = folder.removeprefix(f"{local_repos}/")
    return [f"{local_repos}/{path}" for path in reversed(with_parents(relative))]


def named_or_current(
    registry: Registry, local_repos: str, name: str | None, folder: str, command: str
) -> tuple[Project, str]:
    """Return the project called `name`, or the one at `folder`, and the folder to enter.

    The folder to enter is `folder` if it is in the project's repo, else the repo. Raise
    UsageError if there is no such project.
    """
    if name is not None:
        project = find_project(registry, name)
    else:
        current = project_at(registry, local_repos, folder)
        if current is None:
            check_registry(registry)
            raise UsageError(
                f"{command} needs a name, because this folder is in no project's repo",
                f"run `repoman {command} NAME`",
            )
        project = current
    repo = f"{local_repos}/{project.repo}"
    return project, folder if folder and inside(folder, repo) else repo
