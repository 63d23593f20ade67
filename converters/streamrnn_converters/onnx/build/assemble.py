"""The layers of a model, from the vectors that the graph's outputs need. Each layer comes after those that it reads."""

from collections import Counter
from collections.abc import Mapping, Sequence

from streamrnn import Concat, Layer, Model, Select
from streamrnn_converters.onnx.build.fuse import fused
from streamrnn_converters.onnx.vectors import LayerOutput, Source, Vector


class Assembly:
    """The layers that give some vectors, which the model joins.

    signals  the graph's inputs by name with their sizes, in the order in which the model's input joins them
    outputs  the vectors
    dtype    compute precision of the layers
    """

    def __init__(self, signals: Mapping[str, int], outputs: Sequence[Vector], dtype: str) -> None:
        self._input = Source("", sum(signals.values()))
        self._signals: dict[str, Vector] = {}
        start = 0
        for name, size in signals.items():
            chosen = Select(self._input.size, tuple(range(start, start + size)), dtype)
            self._signals[name] = self._input if len(signals) == 1 else LayerOutput(chosen, (self._input,))
            start += size
        self._layers: dict[Vector, Layer] = {}
        self._reads: dict[Vector, list[Vector]] = {}
        out = (
            outputs[0]
            if len(outputs) == 1
            else LayerOutput(Concat(tuple(each.size for each in outputs), dtype), tuple(outputs))
        )
        self._take(out)
        self._merge()
        self._indices = {vector: index for index, vector in enumerate(self._layers)}

    def index(self, vector: Vector) -> int | None:
        """The index of a layer in the model; None where the model does not contain it."""
        return self._indices.get(vector)

    def model(self, notes: Mapping[str, object]) -> Model:
        """The model."""
        sources = [[self._indices.get(read, -1) for read in self._reads[vector]] for vector in self._layers]
        return Model(list(self._layers.values()), notes, sources)

    def _take(self, out: Vector) -> None:
        """Collect all layers that a vector needs, each after those that it reads."""
        waiting = [out]
        while waiting:
            vector = waiting[-1]
            if vector in self._layers or not isinstance(vector, LayerOutput):
                waiting.pop()
                continue
            reads = [self._signals[read.name] if isinstance(read, Source) and read.name else read for read in vector.reads]
            missing = [read for read in reads if read not in self._layers and isinstance(read, LayerOutput)]
            waiting += missing[::-1]
            if not missing:
                self._layers[vector], self._reads[vector] = vector.layer, reads

    def _merge(self) -> None:
        """Fuse a layer with the one that it reads, where no other layer reads that."""
        readers = Counter(read for reads in self._reads.values() for read in reads)
        for vector in list(self._layers):
            read = self._reads[vector][0]
            if len(self._reads[vector]) == 1 and read in self._layers and readers[read] == 1:
                one = fused(self._layers[read], self._layers[vector])
                if one is not None:
                    self._layers[vector], self._reads[vector] = one, self._reads[read]
                    del self._layers[read], self._reads[read]
