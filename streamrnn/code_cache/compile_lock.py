"""A lock for each key: of many processes that need the same code at once, one compiles and the others wait for its file.

It only saves work. If a lock cannot be had, or its holder has stopped, every process compiles.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from streamrnn.code_cache.files import trusted_directory

if TYPE_CHECKING:
    from filelock import BaseFileLock

_LONGEST_WAIT = 30.0  # seconds; a kernel takes one or two
_POLL_INTERVAL = 0.02  # seconds

_gave_up = False  # this process has waited in vain, and does not wait again


@contextmanager
def lock_for(key: str) -> Iterator[None]:
    """Be the only process that compiles the code of a key, as long as the context lasts, if locks work here."""
    lock = _acquired(key)
    try:
        yield
    finally:
        if lock is not None:
            with suppress(OSError):
                os.unlink(lock.lock_file)  # whoever waits looks for the code first, so two holders do no harm
            with suppress(Exception):
                lock.release()


def _acquired(key: str) -> "BaseFileLock | None":
    global _gave_up
    try:
        from filelock import FileLock, Timeout  # here: a start that compiles nothing does not need it
    except ImportError:
        return None
    try:
        lock = FileLock(Path(trusted_directory(), f"{key}.lock"))
        lock.acquire(timeout=0 if _gave_up else _LONGEST_WAIT, poll_interval=_POLL_INTERVAL)
        return lock
    except Timeout:
        _gave_up = True
    except Exception:  # a file system without locks may raise anything
        pass
    return None
