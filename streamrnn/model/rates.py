"""How many rows each layer returns in a step, where some layers answer every few rows only."""

from collections.abc import Sequence

from streamrnn.errors import ModelError
from streamrnn.layers import Layer


def rows_in_a_step(layers: Sequence[Layer], sources: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Rows in a step, which returns one row of the last layer: of each layer, and, as the last number, of the input.

    Raises ModelError for a layer whose sources do not have the same rate.
    """
    hops = _hops(layers, sources)
    for index, (layer, read) in enumerate(zip(layers, sources, strict=True)):
        for source in read:
            if hops.get(index) is None or hops.get(source) is None or hops[source] * layer.stride != hops[index]:
                other = next((one for one in read if one in hops and hops[one] * layer.stride == hops.get(index)), None)
                named = "its own loop" if other is None else _rate(other, hops)
                raise ModelError(
                    f"layer {index} ({layer.kind}): reads {_rate(source, hops)}, but also {named}; all that a layer reads must "
                    "have the same rate, and a loop cannot lower it"
                )
    stride = hops[len(layers) - 1]
    return tuple(stride // hops[index] for index in [*range(len(layers)), -1])


def _hops(layers: Sequence[Layer], sources: Sequence[Sequence[int]]) -> dict[int, int]:
    """Rows of the input for each row of a layer, or of the input, -1. What reads no input takes its readers' rate."""
    hops, n_before = {-1: 1}, 0
    while n_before < len(hops):
        n_before = len(hops)
        for index, layer in enumerate(layers):
            for source in sources[index]:
                if source in hops:
                    hops.setdefault(index, hops[source] * layer.stride)
        if n_before < len(hops):
            continue
        for index, layer in enumerate(layers):
            for source in sources[index]:
                if index in hops and hops[index] % layer.stride == 0:
                    hops.setdefault(source, hops[index] // layer.stride)
    return hops


def _rate(source: int, hops: dict[int, int]) -> str:
    named = "the input" if source == -1 else f"layer {source}"
    return f"{named}, with a row for every {hops[source]} of the input" if source in hops else named
