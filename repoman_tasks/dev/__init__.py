"""Chores of those who work on repoman; not part of what a person types."""

from repoman_tasks.dev.chores import (
    bench,
    completion,
    demo,
    lint,
    man,
    matrix,
    package,
    pictures,
    reference,
    run_tests,
)

__all__ = ["CHORES"]

CHORES = (bench, completion, demo, lint, man, matrix, package, pictures, reference, run_tests)
