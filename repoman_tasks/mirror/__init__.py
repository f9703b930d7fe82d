"""Doing the mirror: `estate` runs the projects of a plan, `project` one of them, `passes` rsync."""
