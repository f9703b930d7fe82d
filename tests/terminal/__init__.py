"""The command on a terminal."""
