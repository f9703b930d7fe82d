"""A whole Linux machine for the system tests: a real NFS server, client and automounter.

A User-mode Linux kernel boots on the host's own files, which it sees read-only; everything written
inside stays in memory and is lost at the end. See ``__main__`` for the outside and ``share`` for
what the tests use inside.
"""
