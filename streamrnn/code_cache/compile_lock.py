"""Taking turns: of many processes that need the same code at once, one compiles and the others wait for its file.

A courtesy that saves work and nothing else: where there is no lock to be had, or its holder has stopped, everyone compiles.
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
_LOOK = 0.02  # seconds between two looks at a lock

_hurt = False  # waited in vain: not again


@contextmanager
def turn(key: str) -> Iterator[None]:
    """Be the only one that makes the code of a key, if there is a way to know, for as long as the context lasts."""
    lock = _taken(key)
    try:
        yield
    finally:
        if lock is not None:
            with suppress(OSError):
                os.unlink(lock.lock_file)  # who waits for it looks for the code first, so two holders do no harm
            with suppress(Exception):
                lock.release()


def _taken(key: str) -> "BaseFileLock | None":
    from filelock import FileLock, Timeout  # here: a warm start does without

    global _hurt
    try:
        lock = FileLock(Path(trusted_directory(), f"{key}.lock"))
        lock.acquire(timeout=0 if _hurt else _LONGEST_WAIT, poll_interval=_LOOK)
        return lock
    except Timeout:
        _hurt = True
    except Exception:  # whatever a file system that knows no locks makes of it
        pass
    return None
