"""Run a command as root in a new machine, from the root of the checkout:

    python -m tests.worlds.machine [--timeout SECONDS] [--mem SIZE] -- ARGV…

Prints its output as it comes and exits with its status. 124: it took longer than the timeout and
was killed with the machine. 3: there is no machine; the message says why.
"""

import argparse
import signal
import sys

from tests.worlds.machine.boot import MachineError, run

NO_MACHINE = 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.worlds.machine")
    parser.add_argument("--timeout", type=float, default=600, metavar="SECONDS")
    parser.add_argument("--mem", default="1G", metavar="SIZE")
    parser.add_argument("argv", nargs="+", metavar="ARGV")
    arguments = parser.parse_args()
    # So that the machine is ended by `finally` here too.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        return run(arguments.argv, arguments.timeout, arguments.mem)
    except MachineError as error:
        print(f"tests.worlds.machine: {error}", file=sys.stderr)
        return NO_MACHINE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
