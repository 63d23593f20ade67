"""Warnings that a process gives once, on the line of the caller outside of the package."""

import sys
import warnings
from pathlib import Path

_PACKAGE = str(Path(__file__).parent)

_given: set[str] = set()


def warn_once(topic: str, message: str) -> None:
    """Give a RuntimeWarning, unless this process has given one about the topic."""
    if topic in _given:
        return
    _given.add(topic)
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, RuntimeWarning, stacklevel=level)
