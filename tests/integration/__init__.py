"""Tests with real processes, files, git and rsync."""
