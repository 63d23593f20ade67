"""`OverRows`: what the layers share that hold another layer and run it on the rows of a step."""

from collections.abc import Mapping
from typing import Any, Self

from numpy.typing import ArrayLike, DTypeLike

from streamrnn.errors import ModelError
from streamrnn.layers.layer import Layer, Tensor
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


class OverRows(Layer):
    """A layer that runs the layer that it holds on each of `rows` equal parts of a step, one after the other."""

    layer: Layer
    rows: int

    def __post_init__(self) -> None:
        if not isinstance(self.layer, Layer):
            raise ModelError(f"{self.kind} layer, layer: {self.layer!r:.60} is not a layer")
        where = f"{self.kind} layer, layer: a {self.layer.kind} layer"
        if self.layer.row is not self.layer:
            raise ModelError(f"{where} goes over rows itself; give it the rows of both")
        if self.layer.stride != 1:
            raise ModelError(f"{where} answers every {self.layer.stride} rows only")
        if not self.layer.streamable or len(self.layer.input_sizes) != 1:
            raise ModelError(f"{where} {'needs later steps' if not self.layer.streamable else 'has several sources'}")
        self._check_sizes("rows", (self.rows,))

    @property
    def dtype(self) -> str:  # type: ignore[override]
        """The compute precision of the layer that it holds."""
        return self.layer.dtype

    @property
    def stored(self) -> str | None:  # type: ignore[override]
        """The type in which the layer that it holds stores its weights."""
        return self.layer.stored

    @property
    def can_store(self) -> bool:
        return self.layer.can_store

    def with_stored(self, stored: str | None) -> Self:
        return type(self)(self.layer.with_stored(stored), self.rows)  # type: ignore[call-arg]

    @property
    def row(self) -> Layer:
        return self.layer

    @property
    def input_size(self) -> int:
        return self.rows * self.layer.input_size

    @property
    def output_size(self) -> int:
        return self.rows * self.layer.output_size

    def tensors(self) -> dict[str, Any]:
        """The canonical arrays of the layer that it holds, by "layer." and the field name."""
        return {f"layer.{name}": tensor for name, tensor in self.layer.tensors().items()}

    def with_tensor(self, name: str, values: "ArrayLike") -> Self:
        return type(self)(self.layer.with_tensor(name.removeprefix("layer."), values), self.rows)  # type: ignore[call-arg]

    def options(self) -> dict[str, Any]:
        """How many rows. The layer that it holds is not among the options: see `description`."""
        return {"rows": self.rows}

    def description(self) -> dict[str, Any]:
        return super().description() | {"layer": self.layer.description()}

    def astype(self, dtype: "DTypeLike") -> Self:
        return type(self)(self.layer.astype(dtype), self.rows)  # type: ignore[call-arg]

    def _check_dtype(self) -> None:
        """The layer that it holds has checked it."""

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
