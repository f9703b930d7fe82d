"""`python -m repoman_tasks` is `repoman`."""

from repoman_tasks.entry import main

main()
