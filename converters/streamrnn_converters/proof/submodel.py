"""A part of a model: a layer and those before it."""

from streamrnn import Model


def up_to(model: Model, layer: int) -> Model:
    """The model that gives the output of the layer with that index: the layer and those that it depends on."""
    needed = {layer}
    for index in range(layer, -1, -1):
        if index in needed:
            needed.update(model.sources[index])
    kept = sorted(needed - {-1})
    new_index = {-1: -1} | {old: new for new, old in enumerate(kept)}
    sources = [[new_index[source] for source in model.sources[old]] for old in kept]
    return Model([model.layers[old] for old in kept], sources=sources)
