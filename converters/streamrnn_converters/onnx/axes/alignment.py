"""How the sizes of a reshaped array lie in those that it had: a Reshape keeps the order of all values.

A size is a number, or a number times sizes that are not known before the graph runs (`Size`). Here both are a product: the
number, and the names of the unknown sizes.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from streamrnn_converters.onnx.values import Share, Size

_Product = tuple[int, tuple["str | Share | Size", ...]]


class Block(NamedTuple):
    """Axes that hold the same values before and after, as few as possible; none has size 1."""

    given: list[int]  # indices of axes before
    target: list[int]  # and after


def resolved(sizes: Sequence[int | Size], target: Sequence[int | Size]) -> list[int | Size] | None:
    """The target with its -1 worked out; None where the values do not fit."""
    whole = _product(sizes)
    part = _product([size for size in target if size != -1])
    rest = _over(whole, part)
    if rest is None or whole[0] < 1 or (-1 not in target and rest != (1, ())):
        return None
    return [_size(rest) if size == -1 else size for size in target]


def blocks(sizes: Sequence[int | Size], target: Sequence[int | Size]) -> list[Block]:
    """Which axes become which, of sizes that hold as many values as the target."""
    given = [(index, _product([size])) for index, size in enumerate(sizes) if size != 1]
    wanted = [(index, _product([size])) for index, size in enumerate(target) if size != 1]
    found = []
    while given and wanted:
        (one, left), (other, right) = given.pop(0), wanted.pop(0)
        block = Block([one], [other])
        while left != right and (given or wanted):
            if given and (not wanted or _is_less(left, right)):
                index, size = given.pop(0)
                block.given.append(index)
                left = _times(left, size)
            else:
                index, size = wanted.pop(0)
                block.target.append(index)
                right = _times(right, size)
        found.append(block)
    return found


def _is_less(left: _Product, right: _Product) -> bool:
    """Whether the left side of a block needs another axis before the right one does."""
    if _over(left, right) is not None:
        return False
    return _over(right, left) is not None or bool(set(right[1]) - set(left[1])) or left[0] < right[0]


def _product(sizes: Sequence[int | Size]) -> _Product:
    products = [size.product if isinstance(size, Size) else (int(size), ()) for size in sizes]
    return math.prod(factor for factor, _ in products), _sorted(name for _, names in products for name in names)


def _size(product: _Product) -> int | Size:
    factor, names = product
    if factor == 1 and len(names) == 1 and isinstance(names[0], Size):
        return names[0]
    return Size(factor, names) if names else factor


def _times(one: _Product, other: _Product) -> _Product:
    return one[0] * other[0], _sorted(one[1] + other[1])


def _sorted(names: Iterable["str | Share | Size"]) -> tuple["str | Share | Size", ...]:
    return tuple(sorted(names, key=str))


def _over(one: _Product, other: _Product) -> _Product | None:
    """One product divided by another; None where that is no product."""
    left = Counter(one[1])
    left.subtract(other[1])
    if other[0] < 1 or one[0] % other[0] or min(left.values(), default=0) < 0:
        return None
    return one[0] // other[0], _sorted(left.elements())
