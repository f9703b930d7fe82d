"""A real Incus daemon beside any other, with an ordinary user who may talk to it.

All of it is in a mount namespace: /etc/passwd and the like, the daemon's folder, its mounts.
"""
