"""What the command prints: results on standard output, everything else on standard error.

To a terminal rich prints in colour and wraps to its width; anywhere else it is plain text, a line as long as it has to be.
"""

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TextIO

from rich.console import Console, RenderableType

from streamrnn.errors import StreamRNNError

_UNLIMITED = 1_000_000


def console(file: TextIO) -> Console:
    """A rich console that keeps to plain text where `file` is not a terminal."""
    terminal = file.isatty()
    width = None if terminal else _UNLIMITED
    return Console(file=file, force_terminal=terminal, width=width, markup=False, highlight=False, emoji=False)


def show(*results: RenderableType) -> None:
    """Print results on standard output. A reader that has gone away is no error.

    Raises StreamRNNError where standard output cannot be written.
    """
    if sys.stdout is None:
        raise StreamRNNError("standard output: is closed; give the results a place to go")
    try:
        sys.stdout.write(_rendered(console(sys.stdout), results))
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer must not fail once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise StreamRNNError(f"standard output: cannot be written ({error.strerror})") from error


def _rendered(to: Console, results: Iterable[RenderableType]) -> str:
    """What rich makes of the results, in the file's encoding, without the spaces that fill up the last column."""
    with to.capture() as captured:
        for result in results:
            to.print(result, soft_wrap=isinstance(result, str))
    text = "\n".join(line.rstrip(" ") for line in captured.get().split("\n"))
    return text.encode(to.encoding, "backslashreplace").decode(to.encoding)


def complain(message: str) -> None:
    """Print one line on standard error, whatever the message holds. Where nobody listens, that is no error."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(printable(message), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """The text on one line: line breaks, escape codes and the like, which a file's name may hold, are written out."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode() for char in text)
