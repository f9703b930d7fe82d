"""Tests on a real Incus daemon, as an ordinary user.

Run them by `python -m tests.worlds.daemon -- python -m pytest tests/containers`.
"""
