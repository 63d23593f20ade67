"""The progress bar of kernels that this process compiles, by what the package writes to its log."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from streamrnn.command.progress_bar import is_terminal, progress_bar


@contextmanager
def compiling_shown() -> Iterator[None]:
    """In this context a terminal shows what is compiled."""
    if not is_terminal():
        yield
        return
    logger, handler = logging.getLogger("streamrnn"), _Bar()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
        handler.close()


class _Bar(logging.Handler):
    """A bar from the first of some kernels to the last."""

    def __init__(self) -> None:
        super().__init__()
        self._shown = ExitStack()
        self._advance: Callable[[int, int], None] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Move the bar, which begins with the first record and ends with the last."""
        n_done, n_all = getattr(record, "compiled", (0, 0))
        if self._advance is None and n_all:
            self._advance = self._shown.enter_context(progress_bar("compiling: kernels", show_count=True))
        if self._advance is not None:
            self._advance(n_done, n_all)
        if n_done == n_all:
            self.close()

    def close(self) -> None:
        """Remove the bar."""
        self._shown.close()
        self._advance = None
        super().close()
