"""The few system calls that Python lacks. Each raises OSError.

They are called directly because starting a program takes 50 ms and more in the machine, and because
umount(8) looks at the file system it is to unmount, which hangs on a dead server.
"""

import ctypes
import errno
import os
from pathlib import Path

MS_RDONLY = 0x1
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MNT_FORCE = 0x1
MNT_DETACH = 0x2

_PR_SET_CHILD_SUBREAPER = 36
# User-mode Linux exists for x86 only, so this is the x86-64 number.
_SYS_FINIT_MODULE = 313

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, subject: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), subject)


def mount(
    source: str, target: str | Path, kind: str = "", flags: int = 0, options: str = ""
) -> None:
    """Call mount(2). An empty `kind` is for MS_BIND and MS_REMOUNT, which take none."""
    arguments = (source, str(target), kind)
    result = _libc.mount(
        *(text.encode() for text in arguments), ctypes.c_ulong(flags), options.encode()
    )
    _check(result, str(target))


def umount(target: str | Path, flags: int = 0) -> None:
    """Call umount2(2)."""
    _check(_libc.umount2(str(target).encode(), flags), str(target))


def load_module(name: str, modules: Path) -> None:
    """Load a kernel module and its dependencies, by the modules.dep of the folder `modules`.

    Neither kmod nor a /lib/modules on the host is needed.
    """
    lines = (modules / "modules.dep").read_text().splitlines()
    dependencies = {path: rest.split() for path, _, rest in (line.partition(":") for line in lines)}
    module = next(path for path in dependencies if Path(path).stem == name)
    # modules.dep lists the deepest dependency last.
    for path in [*reversed(dependencies[module]), module]:
        with open(modules / path, "rb") as file:
            result = _libc.syscall(_SYS_FINIT_MODULE, file.fileno(), b"", 0)
        if not (result != 0 and ctypes.get_errno() == errno.EEXIST):
            _check(result, path)


def adopt_orphans() -> None:
    """Make this process, and not PID 1, the parent of orphans among its descendants."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "PR_SET_CHILD_SUBREAPER")
