"""A part of a model: a layer and those that it depends on."""

from streamrnn import Concat, Layer, Model, Select


def up_to(model: Model, layer: int) -> Model:
    """The model that gives the output of the layer with that index: the layer and those that it depends on."""
    needed, found = {layer}, [layer]
    while found:
        following = set(model.sources[found.pop()]).difference(needed, {-1})
        needed |= following
        found += following
    kept = sorted(needed)
    new_index = {-1: -1} | {old: new for new, old in enumerate(kept)}
    layers: list[Layer] = [model.layers[old] for old in kept]
    sources = [tuple(new_index[source] for source in model.sources[old]) for old in kept]
    if kept[-1] != layer or not any(-1 in indices for indices in sources):  # it reads a later layer, or no input
        size, dtype = model.layers[layer].output_size, model.dtype.name
        joined = Concat((size, model.input_size), dtype)
        layers += [joined, Select(joined.output_size, tuple(range(size)), dtype)]
        sources += [(new_index[layer], -1), (len(kept),)]
    return Model(layers, sources=sources)
