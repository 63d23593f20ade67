"""`OverRows`: what the layers share that hold another layer and run it on the rows of a step."""

from collections.abc import Mapping

from streamrnn.errors import ModelError
from streamrnn.layers.holder import Holder
from streamrnn.layers.layer import Layer, Tensor
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


class OverRows(Holder):
    """A layer that runs the layer that it holds on each of `rows` equal parts of a step, one after the other."""

    rows: int

    def __post_init__(self) -> None:
        self._check_held()
        where = f"{self.kind} layer, layer: a {self.layer.kind} layer"
        if self.layer.row is not self.layer:
            raise ModelError(f"{where} goes over rows itself; give it the rows of both")
        if self.layer.stride != 1:
            raise ModelError(f"{where} answers every {self.layer.stride} rows only")
        if not self.layer.streamable or len(self.layer.input_sizes) != 1:
            raise ModelError(f"{where} {'needs later steps' if not self.layer.streamable else 'has several sources'}")
        self._check_sizes("rows", (self.rows,))

    @property
    def row(self) -> Layer:
        return self.layer

    @property
    def input_size(self) -> int:
        return self.rows * self.layer.input_size

    @property
    def output_size(self) -> int:
        return self.rows * self.layer.output_size

    def _over_rows(self, width: Width, kernel: str, state: Mapping[str, Tensor]) -> Op:
        """The op whose kernel goes over the rows, with the states that the stream keeps."""
        one = self.layer.pack(width)
        return Op(
            kernel=kernel,
            input_size=self.input_size,
            output_size=self.output_size,
            hidden_size=self.output_size,
            state=state,
            held=one,
            rows=self.rows,
        )
