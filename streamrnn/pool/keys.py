"""`KeyTable`: from keys to slots."""

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from itertools import chain

_PARTS = 64
_SMALL = 4096  # keys whose dict is rebuilt in no time


class KeyTable(Mapping[Hashable, int]):
    """A mapping from keys to slots, kept as one dict or as many.

    Python rebuilds a dict that keys enter and leave from time to time. For a large dict that takes megabytes at once.

    capacity  how many keys are expected
    """

    def __init__(self, capacity: int = 0) -> None:
        self._parts: list[dict[Hashable, int]] = [{} for _ in range(_PARTS if capacity > _SMALL else 1)]

    def __getitem__(self, key: Hashable) -> int:
        return self._part(key)[key]

    def __contains__(self, key: object) -> bool:
        return key in self._part(key)

    def __iter__(self) -> Iterator[Hashable]:
        return chain.from_iterable(self._parts)

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __repr__(self) -> str:
        return f"KeyTable({dict(self)})"

    def find(self, keys: Iterable[Hashable]) -> Iterator[int]:
        """The slot of each key. Raises KeyError for an unknown key."""
        parts = self._parts
        if len(parts) == 1:
            return map(parts[0].__getitem__, keys)
        return (parts[hash(key) % _PARTS][key] for key in keys)

    def absent(self, keys: Iterable[Hashable]) -> list[Hashable]:
        """The keys that are not in the table."""
        return [key for key in keys if key not in self._part(key)]

    def add(self, keys: Collection[Hashable], slots: Iterable[int]) -> None:
        """Add keys with their slots. There may be more slots than keys: the rest is not used."""
        for key, slot in zip(keys, slots, strict=False):
            self._part(key)[key] = slot

    def replace(self, entries: Iterable[tuple[Hashable, int]]) -> None:
        """Replace the whole content."""
        parts: list[dict[Hashable, int]] = [{} for _ in self._parts]
        for key, slot in entries:
            parts[hash(key) % len(parts)][key] = slot
        self._parts = parts

    def remove(self, key: Hashable) -> None:
        """Remove a key. Raises KeyError for an unknown key."""
        del self._part(key)[key]

    def _part(self, key: object) -> dict[Hashable, int]:
        return self._parts[hash(key) % len(self._parts)]
