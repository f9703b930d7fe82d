"""repoman: local repos, one Incus container per project, and a mirror on NFS."""

__version__ = "0.2.0"
__released__ = "2026-11-27"
