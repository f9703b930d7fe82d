"""The command line on top of invoke: parser, tasks, executor, help pages, exit codes."""
