"""`KeyTable`: the slots of a pool's streams by their keys."""

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from itertools import chain

_PARTS = 64


class KeyTable(Mapping[Hashable, int]):
    """A dict in parts. One that keys come to and leave is rebuilt now and then, which a large one takes megabytes for."""

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
        """The number of each key. Raises KeyError for one that there is not."""
        parts = self._parts
        return [parts[hash(key) % _PARTS][key] for key in keys]

    def absent(self, keys: Iterable[Hashable]) -> list[Hashable]:
        """Those of the keys that there are not."""
        parts = self._parts
        return [key for key in keys if key not in parts[hash(key) % _PARTS]]

    def add(self, keys: Collection[Hashable], numbers: Iterable[int]) -> None:
        """Have numbers for keys, as many or more."""
        for key, number in zip(keys, numbers, strict=False):
            self._parts[hash(key) % _PARTS][key] = number

    def replace(self, entries: Iterable[tuple[Hashable, int]]) -> None:
        """Have these keys and numbers, and no others."""
        parts: list[dict[Hashable, int]] = [{} for _ in range(_PARTS)]
        for key, number in entries:
            parts[hash(key) % _PARTS][key] = number
        self._parts = parts

    def remove(self, key: Hashable) -> None:
        """Have a key no more. Raises KeyError where there is not."""
        del self._parts[hash(key) % _PARTS][key]
