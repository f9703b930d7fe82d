"""`python -m repoman_tasks` is `repoman`."""

from repoman_tasks.cli.program import main

main()
