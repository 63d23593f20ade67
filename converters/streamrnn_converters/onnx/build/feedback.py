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
    """What a delay holds. Parts of a state that overlap have the same one.

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
    found = _Found(importer, sources, flows)
    found.follow(vectors)
    held = {(each.name, index) for each, own in found.by_state.items() for index in own.kept}
    named = set[str]()
    for each, own in list(found.by_state.items()):  # what nothing reads is kept too, beside the first that is
        elements = enumerate(flows[sources[each.name]].elements()) if each.name not in named else ()
        named.add(each.name)
        unread = [index for index, (part, _) in elements if not isinstance(part, FinalState) and (each.name, index) not in held]
        if unread:
            found.hold(each, (*own.kept, *unread))
    return found.by_state


class _Found:
    """The states that are read so far. A cache that moves on by a row reads, at the step before, all of its rows but one."""

    def __init__(self, importer: Importer, sources: Mapping[str, str], flows: Mapping[str, Flow]) -> None:
        self._importer, self._sources, self._flows = importer, sources, flows
        self._order = {name: place for place, name in enumerate(sources)}
        self.by_state: dict[Carried, Feedback] = {}

    def follow(self, vectors: Iterable[Vector]) -> None:
        """Find the states that some vectors read, those that give these states, and so on."""
        new = {each for each in upstream(vectors) if isinstance(each, Carried) and each not in self.by_state}
        for each in sorted(new, key=lambda each: (self._order[each.name], each.indices)):
            if each not in self.by_state:
                others = self._overlapping(each.name, each.indices)
                held = (index for other in others for index in self.by_state[other].kept)
                self.hold(each, tuple(dict.fromkeys((*held, *each.indices))))

    def hold(self, each: Carried, kept: tuple[int, ...]) -> None:
        """Let one delay hold some values of a state, in the place of all that hold a part of them."""
        output = self._sources[each.name]
        flow = self._flows[output]
        given = replace(flow, index_map=flow.index_map.ravel()[list(kept)])
        own = Feedback(kept, self._importer.vector(End(output), given))
        self.by_state |= dict.fromkeys((*self._overlapping(each.name, kept), each), own)
        self.follow([own.returns])

    def _overlapping(self, name: str, indices: Iterable[int]) -> list[Carried]:
        wanted = set(indices)
        return [each for each, own in self.by_state.items() if each.name == name and not wanted.isdisjoint(own.kept)]


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
