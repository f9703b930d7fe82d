"""The mirror on a real kernel NFS server with a real autofs, and each of their faults."""
