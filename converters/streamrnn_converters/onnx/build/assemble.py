"""The layers of a model, from the vectors that the graph's outputs need. Each layer comes after those that it reads.

A state that layers read is a delay, which reads what the graph gives back, further on in the model.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from streamrnn import Concat, Delay, Layer, Model, Select
from streamrnn_converters.onnx.build.feedback import Feedback
from streamrnn_converters.onnx.build.fuse import fused
from streamrnn_converters.onnx.vectors import Carried, LayerOutput, Source, Vector, upstream


class Assembly:
    """The layers that give some vectors, which the model joins.

    signals   the graph's inputs by name with their sizes, in the order in which the model's input joins them
    outputs   the vectors
    dtype     compute precision of the layers
    feedback  the states that layers read
    fed       what delays read that stand among the layers
    begun     by graph input that brings states: the values that it begins with, where these are no zeros
    """

    def __init__(
        self,
        signals: Mapping[str, int],
        outputs: Sequence[Vector],
        dtype: str,
        feedback: Mapping[Carried, Feedback],
        begun: Mapping[str, Sequence[float]],
        fed: Mapping[LayerOutput, Vector],
    ) -> None:
        self._input, self._dtype, self._feedback = Source("", sum(signals.values())), dtype, feedback
        self._begun = begun
        self._signals: dict[str, Vector] = {}
        start = 0
        for name, size in signals.items():
            chosen = Select(self._input.size, tuple(range(start, start + size)), dtype)
            self._signals[name] = self._input if len(signals) == 1 else LayerOutput(chosen, (self._input,))
            start += size
        self._delays: dict[Vector, Vector] = {}  # with what each reads
        every = upstream([*outputs, *(own.returns for own in feedback.values())])
        self._delays |= {delay: read for delay, read in fed.items() if delay in every}
        self._holding: dict[Feedback, LayerOutput] = {}
        self._states: dict[Vector, LayerOutput] = {each: self._delayed(each, own) for each, own in feedback.items()}
        self._layers: dict[Vector, Layer] = {}
        self._reads: dict[Vector, list[Vector]] = {}
        out = (
            outputs[0]
            if len(outputs) == 1
            else LayerOutput(Concat(tuple(each.size for each in outputs), dtype), tuple(outputs))
        )
        for returned in self._delays.values():
            self._take(self._given(returned))
        self._take(out)
        self._merge(out)
        self._put_ends(out)
        self._indices = {vector: index for index, vector in enumerate(self._layers)}

    def index(self, vector: Vector) -> int | None:
        """The index of a layer in the model; None where the model does not contain it."""
        return self._indices.get(vector)

    def delayed(self, name: str) -> dict[int, tuple[int, int, int]]:
        """Of the values of a graph input, by index, those that delays hold: index and size of the layer, index in it."""
        found: dict[int, tuple[int, int, int]] = {}
        for each, own in self._feedback.items():
            if each.name == name:
                layer = self._indices[self._holding[own]]
                found = {entry: (layer, len(own.kept), index) for index, entry in enumerate(own.kept)} | found
        return found

    def model(self, notes: Mapping[str, object]) -> Model:
        """The model."""
        sources = [[self._indices.get(read, -1) for read in self._reads[vector]] for vector in self._layers]
        return Model(list(self._layers.values()), notes, sources)

    def _delayed(self, each: Carried, own: Feedback) -> LayerOutput:
        """What layers read of a state: all that a delay gives, or a part."""
        if own not in self._holding:
            values = self._begun.get(each.name)
            initial = np.array([values[index] if values else 0.0 for index in own.kept])
            self._holding[own] = LayerOutput(Delay(len(own.kept), initial, self._dtype), ())
            self._delays[self._holding[own]] = own.returns
        delay = self._holding[own]
        if own.kept == each.indices:
            return delay
        places = {index: place for place, index in enumerate(own.kept)}
        return LayerOutput(Select(delay.size, tuple(places[index] for index in each.indices), self._dtype), (delay,))

    def _given(self, vector: Vector) -> Vector:
        """The layer, or the model's input, that gives a vector."""
        if isinstance(vector, Carried):
            return self._states[vector]
        return self._signals[vector.name] if isinstance(vector, Source) and vector.name else vector

    def _take(self, out: Vector) -> None:
        """Collect all layers that a vector needs, each after those that it reads; a delay needs nothing of the same step."""
        waiting = [out]
        while waiting:
            vector = waiting[-1]
            if vector in self._layers or not isinstance(vector, LayerOutput):
                waiting.pop()
                continue
            reads = [self._given(read) for read in vector.reads]
            missing = [read for read in reads if read not in self._layers and isinstance(read, LayerOutput)]
            waiting += missing[::-1]
            if not missing:
                self._layers[vector] = vector.layer
                self._reads[vector] = [self._given(self._delays[vector])] if vector in self._delays else reads

    def _merge(self, out: Vector) -> None:
        """Fuse a layer with the one that it reads, where no other layer reads that."""
        readers = Counter([out, *(read for reads in self._reads.values() for read in reads)])
        for vector in list(self._layers):
            read = self._reads[vector][0]
            if len(self._reads[vector]) == 1 and read in self._layers and readers[read] == 1:
                one = fused(self._layers[read], self._layers[vector])
                if one is not None:
                    self._layers[vector], self._reads[vector] = one, self._reads[read]
                    del self._layers[read], self._reads[read]

    def _put_ends(self, out: Vector) -> None:
        """Put a layer that only reads the input first, and the output last; where there is none, add one that passes it on."""
        alone = [vector for vector, reads in self._reads.items() if set(reads) == {self._input} and vector not in self._delays]
        if not alone:
            passed = self._passed_on(self._input)
            self._reads = {v: [passed if read is self._input else read for read in reads] for v, reads in self._reads.items()}
            self._layers[passed], self._reads[passed] = passed.layer, [self._input]
            alone = [passed]
        first = alone[0]
        order: list[Vector] = [first, *(vector for vector in self._layers if vector is not first)]
        if order[-1] is not out:
            last = self._passed_on(out)
            self._layers[last], self._reads[last] = last.layer, [out]
            order.append(last)
        self._layers = {vector: self._layers[vector] for vector in order}

    def _passed_on(self, vector: Vector) -> LayerOutput:
        return LayerOutput(Select(vector.size, tuple(range(vector.size)), self._dtype), (vector,))
