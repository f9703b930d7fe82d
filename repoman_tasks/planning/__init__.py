"""Planning: facts go in as values, steps and findings come out as values.

Nothing here reads a file, the clock or the environment, or starts a process.
"""
