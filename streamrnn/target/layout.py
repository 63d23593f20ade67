"""`Layout`: what a plan needs in memory, relative to where that memory will be: sizes of regions, and a table of words.

A layout knows no address, so that it can be written to a file. `Layout.bind` makes the table for regions that lie somewhere:
what a driver reads (streamrnn/target/record.py).
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

CACHE_LINE = 64  # bytes

#: The region of the table itself.
TABLE_REGION = "table"


class At(NamedTuple):
    """A relative address: so many bytes from the beginning of a region."""

    region: str
    offset: int = 0

    def __add__(self, n_bytes: int) -> "At":  # type: ignore[override]
        return At(self.region, self.offset + n_bytes)


Word = int | At


class Layout:
    """Regions, and a table of words: integers, and relative addresses.

    sizes  bytes of each region that `reserve` has made
    words  of the table
    """

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.words: list[Word] = []

    def reserve(self, region: str, n_bytes: int) -> At:
        """Room in a region, on a cache line of its own."""
        begin = self.sizes.get(region, 0)
        self.sizes[region] = begin + -(-n_bytes // CACHE_LINE) * CACHE_LINE
        return At(region, begin)

    def write(self, words: Iterable[Word]) -> At:
        """Words at the end of the table."""
        begin = At(TABLE_REGION, 8 * len(self.words))
        self.words += words
        return begin

    def fill(self, begin: At, fields: Mapping[int, Word]) -> None:
        """Put words at positions that count from a part of the table that has been written."""
        for position, word in fields.items():
            self.words[begin.offset // 8 + position] = word

    def bind(self, table: NDArray[np.int64], bases: Mapping[str, int]) -> None:
        """Write the table, (at least as many as `words`,), for regions at these addresses."""
        known = {**bases, TABLE_REGION: int(table.ctypes.data)}
        words = [known[word.region] + word.offset if isinstance(word, At) else word for word in self.words]
        table[: len(words)] = words

    def to_json(self) -> str:
        """The layout as JSON."""
        words = [list(word) if isinstance(word, At) else int(word) for word in self.words]
        return json.dumps({"sizes": self.sizes, "words": words})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The layout that `to_json` has written."""
        found, layout = json.loads(text), cls()
        layout.sizes = found["sizes"]
        layout.words = [At(*word) if isinstance(word, list) else word for word in found["words"]]
        return layout


def aligned(values: int, dtype: type[np.generic]) -> Any:
    """Zeros, shape (values,), that begin on a cache line."""
    n_bytes = values * np.dtype(dtype).itemsize
    raw = np.zeros(n_bytes + CACHE_LINE, np.uint8)
    begin = -raw.ctypes.data % CACHE_LINE
    return raw[begin : begin + n_bytes].view(dtype)
