"""Decisions and parsing, without any process or network."""
