"""A part of a model: what lies before a place in it."""

from streamrnn import Model


def up_to(model: Model, layer: int) -> Model:
    """The model that gives what the layer of that number gives: it, and the layers that it depends on."""
    needed = {layer}
    for place in range(layer, -1, -1):
        if place in needed:
            needed.update(model.sources[place])
    kept = sorted(needed - {-1})
    numbers = {-1: -1} | {place: number for number, place in enumerate(kept)}
    sources = [[numbers[read] for read in model.sources[place]] for place in kept]
    return Model([model.layers[place] for place in kept], sources=sources)
