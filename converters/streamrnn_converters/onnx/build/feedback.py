"""States that layers read: what an output of the graph gave at the step before, for those of its values that they need."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.graph import End
from streamrnn_converters.onnx.imported import GraphInput
from streamrnn_converters.onnx.importer import Importer
from streamrnn_converters.onnx.values import Flow
from streamrnn_converters.onnx.vectors import Carried, FinalState, Vector, upstream


@dataclass(frozen=True)
class Feedback:
    """What a delay holds.

    kept     the values of the graph input that it brings; those that are read come first, then those that nothing reads
    returns  the vector that gives them at each step
    """

    kept: tuple[int, ...]
    returns: Vector


def fed_back(
    importer: Importer, vectors: Iterable[Vector], sources: Mapping[str, str], flows: Mapping[str, Flow]
) -> dict[Carried, Feedback]:
    """By state that the layers of some vectors read, and those of the states themselves: where it comes from.

    sources  by graph input that is a state, the output that goes back into it
    flows    by output
    """
    found: dict[Carried, Feedback] = {}
    rest = {name: set(range(flows[output].index_map.size)) for name, output in sources.items()}
    for name, output in sources.items():
        rest[name] -= {index for index, (part, _) in enumerate(flows[output].elements()) if isinstance(part, FinalState)}
    order = {name: place for place, name in enumerate(sources)}
    waiting = list(vectors)
    while new := [each for each in upstream(waiting) if isinstance(each, Carried) and each not in found]:
        new.sort(key=lambda each: (order[each.name], each.indices))
        for each in new:
            rest[each.name] -= set(each.indices)
            found[each] = Feedback(each.indices, _returned(importer, each.indices, sources[each.name], flows))
        waiting = [found[each].returns for each in new]
    for each in list(found):  # what nothing reads is kept too, beside the first that is
        if unread := tuple(sorted(rest[each.name])):
            rest[each.name] = set()
            kept = each.indices + unread
            found[each] = Feedback(kept, _returned(importer, kept, sources[each.name], flows))
    return found


def _returned(importer: Importer, indices: tuple[int, ...], output: str, flows: Mapping[str, Flow]) -> Vector:
    flow = flows[output]
    return importer.vector(End(output), replace(flow, index_map=flow.index_map.ravel()[list(indices)]))


def check_single_step(inputs: Iterable[GraphInput], states: Iterable[Carried]) -> None:
    """Refuse a graph of several steps whose states go in and out once for all of them.

    states  those that no loop takes from step to step
    """
    once = list(states)
    for entry in inputs:
        size = dict(zip(entry.axes, entry.sizes, strict=True)).get("time", 1)
        for each in once if size != 1 else ():
            steps = "any number of steps" if size is None else f"{size} steps"
            raise ConversionError(
                f"graph input {each.name!r}: is a state that goes in and out once for {steps} of {entry.name!r}, and no "
                "recurrent node or loop takes it from step to step; export the model for a single step"
            )
