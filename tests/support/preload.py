"""Import all of repoman, for `tests.support.forkserver`."""

from __future__ import annotations

import gc
import importlib
import pkgutil

import repoman_tasks
from repoman_tasks import entry

entry._program()  # imports what any command does, in the same order
for module in pkgutil.walk_packages(repoman_tasks.__path__, "repoman_tasks."):
    if not module.name.startswith(("dev", "repoman_tasks.__main__")):
        importlib.import_module(module.name)
importlib.import_module("fabric")  # for another host
gc.collect()
gc.freeze()  # the children copy no page on account of the collector
