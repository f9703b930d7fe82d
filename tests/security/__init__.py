"""Attacks, each of which has to fail. docs/security.md tells of every one."""
