"""Chores for people who work on repoman: `inv dev.…` in the checkout. Never in the wheel."""
