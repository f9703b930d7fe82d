"""Chores of those who work on repoman; not part of what a person types."""

CHORES = ()
