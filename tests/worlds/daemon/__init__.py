"""A real Incus daemon beside any other, with an ordinary user who may talk to it.

All of it lives in a mount namespace: /etc/passwd and its kin, the daemon's folder, its mounts.
"""
