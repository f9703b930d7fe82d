"""The person's name and e-mail for commits that are made in a container. Pure."""

from __future__ import annotations

__all__ = ["git_identity_file"]


def git_identity_file(records: str) -> str:
    """Return a configuration of git with the name and e-mail in `records`; empty if it has none.

    `records` is what `git config --null --get-regexp` prints of `user.name` and `user.email`.
    """
    pairs = (record.partition("\n") for record in records.split("\0"))
    found = {key: value for key, _, value in pairs if value.isprintable() and value}
    lines = [
        f'\t{key} = "{_escape(found[f"user.{key}"])}"\n'
        for key in ("name", "email")
        if f"user.{key}" in found
    ]
    return "".join(["[user]\n", *lines]) if lines else ""


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
