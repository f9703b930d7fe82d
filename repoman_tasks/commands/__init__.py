"""What a person types: a file for each subcommand, thin."""

from repoman_tasks.commands.list import list_
from repoman_tasks.commands.new import new
from repoman_tasks.commands.remove import remove
from repoman_tasks.commands.setup import setup
from repoman_tasks.commands.status import status
from repoman_tasks.commands.sync import sync

__all__ = ["COMMANDS"]

COMMANDS = (list_, new, remove, setup, status, sync)
