"""`python tests/without_posix.py MODULE ARGUMENTS` runs a module in a Python as on Windows, as far as another system has one.

What Windows does not have is taken away before anything of streamrnn is imported. A folder cannot be opened, and a file that is
opened without O_BINARY, whose line ends would change, is an error.
"""

import importlib
import os
import runpy
import select
import shutil
import signal
import stat
import sys
import tempfile
from typing import Any

_MISSING = {
    os: (
        "fork forkpty register_at_fork getuid geteuid getgid getegid fchown fchmod chown lchown fdatasync set_blocking getpgid "
        "killpg mkfifo openpty posix_spawn posix_spawnp sched_getaffinity sched_setaffinity statvfs wait3 wait4 "
        "O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_SYNC"
    ),
    select: "poll epoll PIPE_BUF",
    signal: "SIGHUP SIGQUIT SIGALRM SIGUSR1 SIGUSR2 SIGCHLD SIGPIPE pthread_sigmask pthread_kill sigwait setitimer",
}
_MODULES = "fcntl grp pwd resource termios tty pty"
_O_BINARY = 1 << 30
_open, _BY_OPEN = os.open, os.O_CLOEXEC  # a flag of the builtin `open`, which adds O_BINARY there


def _open_as_on_windows(path: Any, flags: int, *more: Any, **others: Any) -> int:
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", path)
    descriptor = _open(path, flags & ~_O_BINARY, *more, **others)
    if stat.S_ISREG(os.fstat(descriptor).st_mode) and not flags & (_O_BINARY | _BY_OPEN):
        raise AssertionError(f"{path} is opened without O_BINARY")
    return descriptor


def _take_away() -> None:
    os.O_BINARY = _O_BINARY  # type: ignore[attr-defined]
    os.supports_dir_fd.clear()
    for module in tempfile, shutil:  # they ask once, when they are imported
        importlib.reload(module)
    import subprocess  # noqa: F401  it has found its way to start processes, which is this system's

    for owner, names in _MISSING.items():
        for name in names.split():
            if hasattr(owner, name):
                delattr(owner, name)
    sys.modules |= dict.fromkeys(_MODULES.split())  # type: ignore[arg-type]  None: importing it fails
    os.open = _open_as_on_windows


if __name__ == "__main__":
    _take_away()
    del sys.argv[0], sys.path[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
