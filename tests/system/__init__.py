"""The mirror on a real kernel NFS server with a real autofs, and each fault that these can have."""
