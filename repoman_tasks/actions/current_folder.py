"""The folder of a new project whose name was not given."""

from __future__ import annotations

from repoman_tasks.actions.facts import reconcile
from repoman_tasks.planning.current_project import candidate_repos
from repoman_tasks.planning.names import overlapping
from repoman_tasks.session import Session

__all__ = ["folder_without_project"]


def folder_without_project(session: Session) -> str:
    """Return the repo that the person is in, relative to local_repos.

    It is the git repo that contains the current folder, or else that folder itself. Return an
    empty string if it is not below local_repos, or overlaps the repo of a project.
    """
    facts, host = session.of(reconcile), session.host
    repos = candidate_repos(facts.local_repos, host.folder)
    if not repos:
        return ""
    git_dirs = host.real_folders([f"{repo}/.git" for repo in repos])
    found = [repo for repo, git_dir in zip(repos, git_dirs, strict=True) if git_dir is not None]
    repo = [*found, *repos][0].removeprefix(f"{facts.local_repos}/")
    return "" if overlapping(repo, facts.registry.repos) else repo
