"""The sources of a model's layers: which outputs each of them reads."""

from collections.abc import Sequence

from streamrnn.errors import ModelError
from streamrnn.layers import Layer


def chain(layers: Sequence[Layer]) -> tuple[tuple[int, ...], ...]:
    """The sources of layers each of which reads the one before, the first one the input."""
    return tuple((index - 1,) for index in range(len(layers)))


def in_words(sources: Sequence[int]) -> str:
    """Sources in words."""
    return ", ".join("the input" if source == -1 else f"layer {source}" for source in sources)


def checked_sources(layers: Sequence[Layer], sources: Sequence[Sequence[int]] | None) -> tuple[tuple[int, ...], ...]:
    """The sources as tuples. Raises ModelError if they do not fit the layers, or leave an output or the input unread."""
    try:
        checked = chain(layers) if sources is None else tuple(tuple(indices) for indices in sources)
    except TypeError:
        raise ModelError(f"sources: {sources!r} is not a sequence of indices for each layer") from None
    if len(checked) != len(layers):
        raise ModelError(f"sources: {len(checked)} given, but there are {len(layers)} layers; give one entry for each layer")
    sizes: dict[int, int] = {}
    for index, (layer, indices) in enumerate(zip(layers, checked, strict=True)):
        where = f"layer {index} ({layer.kind})"
        if len(indices) != len(layer.input_sizes):
            raise ModelError(f"{where}: needs {len(layer.input_sizes)} sources, but {len(indices)} are given")
        for source, size in zip(indices, layer.input_sizes, strict=True):
            if isinstance(source, bool) or not isinstance(source, int) or not -1 <= source < index:
                raise ModelError(f"{where}: source {source!r} is neither the index of an earlier layer nor -1, the input")
            if sizes.setdefault(source, size) != size:
                named = "the input" if source == -1 else f"layer {source} ({layers[source].kind})"
                raise ModelError(f"{where}: takes {size} values, but {named} gives {sizes[source]}")
        sizes[index] = layer.output_size
    unread = set(range(-1, len(layers) - 1)).difference(*checked)
    if unread:
        raise ModelError(f"no layer reads {in_words([min(unread)])}; leave it out, or name it as a source")
    if -1 not in checked[0]:
        raise ModelError(f"layer 0 ({layers[0].kind}): must have the source -1, the input")
    return checked
