"""Wizards: on a terminal, prompt for the arguments that a command line left out.

They look as the commands do and change nothing. An argument that they leave unset has the value
that it has without a terminal.
"""
