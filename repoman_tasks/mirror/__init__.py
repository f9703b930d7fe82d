"""Run a sync: `sync_run` all projects of a plan, `project_sync` one, `rsync_pass` one rsync."""
