"""Printing: results go to standard output, all other messages to standard error.

In a terminal, rich adds colour and wraps lines to the width of the window. In a file or a pipe the text is plain, and lines
have any length.
"""

import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from rich.console import Console, RenderableType

from streamrnn.errors import StreamRNNError

_NO_WRAPPING = 1_000_000  # characters on a line


def console(file: TextIO) -> Console:
    """A rich console for `file`, plain text where it is not a terminal."""
    terminal = file.isatty()
    width = None if terminal else _NO_WRAPPING
    return Console(file=file, force_terminal=terminal, width=width, markup=False, highlight=False, emoji=False)


def show(*results: RenderableType) -> None:
    """Print results on standard output. It is no error when the reader of a pipe has gone away.

    Raises StreamRNNError if standard output cannot be written.
    """
    if sys.stdout is None:
        raise StreamRNNError("standard output: is closed; redirect it to a file or a pipe")
    try:
        sys.stdout.write(_rendered(console(sys.stdout), results))
        sys.stdout.flush()
    except OSError as error:
        # The interpreter flushes once more when it ends; what is still in the buffer must not fail again there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise StreamRNNError(f"standard output: cannot be written ({error.strerror})") from error


def _rendered(to: Console, results: Iterable[RenderableType]) -> str:
    """The results as text in the file's encoding, without the spaces that pad the last column."""
    with to.capture() as captured:
        for result in results:
            to.print(result, soft_wrap=isinstance(result, str))
    text = "\n".join(line.rstrip(" ") for line in captured.get().split("\n"))
    return text.encode(to.encoding, "backslashreplace").decode(to.encoding)


def print_message(message: str) -> None:
    """Print one line on standard error, whatever the message contains. It is no error if standard error is closed."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(printable(message), file=sys.stderr, flush=True)


@contextmanager
def warnings_printed() -> Iterator[None]:
    """In this context Python's warnings are messages of one line, without the line of source that gave them."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: print_message(f"warning: {message}")
        yield


def printable(text: str) -> str:
    """The text on one line: line breaks, escape codes and the like are written out, as in "\\n"."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode() for char in text)
