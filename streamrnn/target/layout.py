"""`Layout`: the memory that a plan needs, without addresses: the size of each region, and a table of words.

A region is a block of memory with a name. A word of the table is an integer, or an address relative to a region. A layout holds
no real address, so it can be written to a file. `Layout.bind` writes the table for regions at given addresses; a driver reads
that table (streamrnn/target/record.py).
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

CACHE_LINE = 64  # bytes

#: The name of the region that is the table itself.
TABLE_REGION = "table"


class At(NamedTuple):
    """A relative address: `offset` bytes after the beginning of a region."""

    region: str
    offset: int = 0

    def __add__(self, n_bytes: int) -> "At":  # type: ignore[override]
        return At(self.region, self.offset + n_bytes)


Word = int | At


class Layout:
    """The sizes of regions, and a table of words.

    sizes  name of a region -> bytes that `reserve` has given out
    words  of the table: integers and relative addresses, int64 each once they are bound
    """

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.words: list[Word] = []

    def reserve(self, region: str, n_bytes: int) -> At:
        """Reserve bytes in a region, in cache lines of their own. Returns their relative address."""
        begin = self.sizes.get(region, 0)
        self.sizes[region] = begin + -(-n_bytes // CACHE_LINE) * CACHE_LINE
        return At(region, begin)

    def write(self, words: Iterable[Word]) -> At:
        """Append words to the table. Returns the relative address of the first."""
        begin = At(TABLE_REGION, 8 * len(self.words))
        self.words += words
        return begin

    def fill(self, begin: At, fields: Mapping[int, Word]) -> None:
        """Replace words that `write` has written: `fields` maps positions, counted in words from `begin`, to the new words."""
        for position, word in fields.items():
            self.words[begin.offset // 8 + position] = word

    def bind(self, table: NDArray[np.int64], bases: Mapping[str, int]) -> None:
        """Write the words as int64 to `table`, (at least len(words),), for regions at the addresses `bases`."""
        known = {**bases, TABLE_REGION: int(table.ctypes.data)}
        words = [known[word.region] + word.offset if isinstance(word, At) else word for word in self.words]
        table[: len(words)] = words

    def to_json(self) -> str:
        """The layout as JSON."""
        words = [list(word) if isinstance(word, At) else int(word) for word in self.words]
        return json.dumps({"sizes": self.sizes, "words": words})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The layout from what `to_json` returned."""
        parsed, layout = json.loads(text), cls()
        layout.sizes = parsed["sizes"]
        layout.words = [At(*word) if isinstance(word, list) else word for word in parsed["words"]]
        return layout


def aligned(values: int, dtype: type[np.generic]) -> Any:
    """An array of zeros, (values,), that begins on a cache line."""
    n_bytes = values * np.dtype(dtype).itemsize
    raw = np.zeros(n_bytes + CACHE_LINE, np.uint8)
    begin = -raw.ctypes.data % CACHE_LINE
    return raw[begin : begin + n_bytes].view(dtype)
