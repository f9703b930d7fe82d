"""With real processes, files, git and rsync."""
