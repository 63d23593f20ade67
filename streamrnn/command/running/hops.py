"""The rows of a step together: a model whose steps take several rows answers them with one."""

from collections.abc import Iterable, Iterator
from itertools import chain

from streamrnn.command.running.formats import Row


class Hops:
    """Joins rows to steps, over all calls of `joined`.

    stride  rows of a step
    """

    def __init__(self, stride: int) -> None:
        self._stride = stride
        self._begun: list[Row] = []

    def joined(self, rows: Iterable[Row]) -> Iterator[Row]:
        """A row for each whole step: the values of all its rows; all else is that of the last. Bad rows stay alone."""
        for row in rows:
            if row.error or self._stride == 1:
                yield row
                continue
            self._begun.append(row)
            if len(self._begun) == self._stride:
                values = list(chain.from_iterable(one.values for one in self._begun))
                self._begun.clear()
                yield row._replace(values=values)

    @property
    def left(self) -> str:
        """What has been read and not been answered, in words; "": nothing."""
        if not self._begun:
            return ""
        n, first, last = len(self._begun), self._begun[0].location, self._begun[-1].location
        which = first if n == 1 else f"{first} to {last}"
        return (
            f"{which}: not answered, as a step takes {self._stride} rows and the last one has only {n}; a saved state does not "
            "have them, so begin the next input with them"
        )
