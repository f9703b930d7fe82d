"""Attacks, each of which has to fail. docs/security.md lists all of them."""
