"""Deciding: the world goes in as values, decisions and steps come out as values.

Nothing here reads a file, the clock or the environment, or starts a process.
"""
