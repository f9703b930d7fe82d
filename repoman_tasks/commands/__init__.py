"""What a person types: a file for each subcommand, thin."""

from repoman_tasks.commands.adopt import adopt
from repoman_tasks.commands.exec import exec_
from repoman_tasks.commands.list import list_
from repoman_tasks.commands.new import new
from repoman_tasks.commands.remove import remove
from repoman_tasks.commands.restart import restart
from repoman_tasks.commands.setup import setup
from repoman_tasks.commands.shell import shell
from repoman_tasks.commands.start import start
from repoman_tasks.commands.status import status
from repoman_tasks.commands.stop import stop
from repoman_tasks.commands.sync import sync
from repoman_tasks.commands.update import update

__all__ = ["COMMANDS"]

COMMANDS = (
    *(adopt, exec_, list_, new, remove, restart, setup, shell, start, status, stop, sync),
    update,
)
