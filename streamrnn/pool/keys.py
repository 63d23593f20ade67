"""`KeyTable`: from keys to slots."""

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from itertools import chain

_PARTS = 64


class KeyTable(Mapping[Hashable, int]):
    """A mapping from keys to slots, kept as many small dicts.

    Python rebuilds a dict that keys enter and leave from time to time. For a large dict that takes megabytes at once.
    """

    def __init__(self) -> None:
        self._parts: list[dict[Hashable, int]] = [{} for _ in range(_PARTS)]

    def __getitem__(self, key: Hashable) -> int:
        return self._parts[hash(key) % _PARTS][key]

    def __contains__(self, key: object) -> bool:
        return key in self._parts[hash(key) % _PARTS]

    def __iter__(self) -> Iterator[Hashable]:
        return chain.from_iterable(self._parts)

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __repr__(self) -> str:
        return f"KeyTable({dict(self)})"

    def find(self, keys: Iterable[Hashable]) -> list[int]:
        """The slot of each key. Raises KeyError for an unknown key."""
        parts = self._parts
        return [parts[hash(key) % _PARTS][key] for key in keys]

    def absent(self, keys: Iterable[Hashable]) -> list[Hashable]:
        """The keys that are not in the table."""
        parts = self._parts
        return [key for key in keys if key not in parts[hash(key) % _PARTS]]

    def add(self, keys: Collection[Hashable], slots: Iterable[int]) -> None:
        """Add keys with their slots. There may be more slots than keys: the rest is not used."""
        for key, slot in zip(keys, slots, strict=False):
            self._parts[hash(key) % _PARTS][key] = slot

    def replace(self, entries: Iterable[tuple[Hashable, int]]) -> None:
        """Replace the whole content."""
        parts: list[dict[Hashable, int]] = [{} for _ in range(_PARTS)]
        for key, slot in entries:
            parts[hash(key) % _PARTS][key] = slot
        self._parts = parts

    def remove(self, key: Hashable) -> None:
        """Remove a key. Raises KeyError for an unknown key."""
        del self._parts[hash(key) % _PARTS][key]
