"""The sources of a model's layers: which outputs each of them reads."""

from collections.abc import Sequence

from streamrnn.boundary import refusing
from streamrnn.errors import ModelError
from streamrnn.layers import Layer
from streamrnn.model.loops import is_loop, parts

Sources = tuple[tuple[int, ...], ...]


def chain(layers: Sequence[Layer]) -> Sources:
    """The sources of layers each of which reads the one before, the first one the input."""
    return tuple((index - 1,) for index in range(len(layers)))


def in_words(sources: Sequence[int]) -> str:
    """Sources in words."""
    return ", ".join("the input" if source == -1 else f"layer {source}" for source in sources)


def checked_sources(layers: Sequence[Layer], sources: Sequence[Sequence[int]] | None) -> Sources:
    """The sources as tuples. Raises ModelError if they do not fit the layers, or leave an output or the input unread."""
    with refusing(ModelError, "sources: not a sequence of indices for each layer"):
        checked = chain(layers) if sources is None else tuple(tuple(indices) for indices in sources)
    if len(checked) != len(layers):
        raise ModelError(f"sources: {len(checked)} given, but there are {len(layers)} layers; give one entry for each layer")
    sizes = {index: layer.output_size for index, layer in enumerate(layers)}
    for index, (layer, indices) in enumerate(zip(layers, checked, strict=True)):
        where = f"layer {index} ({layer.kind})"
        if len(indices) != len(layer.input_sizes):
            raise ModelError(f"{where}: needs {len(layer.input_sizes)} sources, but {len(indices)} are given")
        for source, size in zip(indices, layer.input_sizes, strict=True):
            if isinstance(source, bool) or not isinstance(source, int) or not -1 <= source < len(layers):
                raise ModelError(f"{where}: source {source!r} is neither the index of a layer nor -1, the input")
            if source >= index and not layer.delays:
                raise ModelError(
                    f"{where}: source {source} is no earlier layer; only a Delay may read a later one, so put a Delay "
                    "between the two, or change the order of the layers"
                )
            if sizes.setdefault(source, size) != size:
                named = "the input" if source == -1 else f"layer {source} ({layers[source].kind})"
                raise ModelError(f"{where}: takes {size} values, but {named} gives {sizes[source]}")
    _check_all_read(layers, checked)
    return checked


def _check_all_read(layers: Sequence[Layer], sources: Sources) -> None:
    """Raise ModelError unless the input and each layer reach the model's output, and no loop needs the end of the signal."""
    unread = set(range(-1, len(layers) - 1)).difference(*sources)
    if unread:
        raise ModelError(f"no layer reads {in_words([min(unread)])}; leave it out, or name it as a source")
    reached = {len(layers) - 1}
    for part in reversed(list(parts(sources))):
        if reached.isdisjoint(part):
            raise ModelError(f"{in_words(part)}: no layer outside reads them, so they never reach the output; leave them out")
        reached.update(part)
        reached.update(source for index in part for source in sources[index])
        for index in part if is_loop(part, sources) else ():
            if not layers[index].streamable:
                raise ModelError(
                    f"layer {index} ({layers[index].kind}): is in a loop, but needs the end of the signal; take it out"
                )
