"""Select values of a step: canonical form. The kernels are in streamrnn/kernels/select.py."""

from dataclasses import dataclass
from typing import ClassVar

from streamrnn.errors import ModelError
from streamrnn.layers.layer import Layer
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


@dataclass(frozen=True, eq=False)
class Select(Layer):
    """y[k] = x[indices[k]]. ONNX Slice-13, Split-18, Gather-13, and Reshape-21 and Transpose-21 within a step.

    size     n, values of x
    indices  m whole numbers from 0 to n - 1, in any order, with duplicates
    dtype    "float32" or "float64": compute precision

    Raises ModelError for anything that does not fit.
    """

    size: int
    indices: tuple[int, ...]
    dtype: str = "float32"

    kind: ClassVar[str] = "select"

    def __post_init__(self) -> None:
        self._check_sizes("size", (self.size,))
        try:
            indices = tuple(int(index) for index in self.indices)
        except (TypeError, ValueError):
            indices = ()
        if not indices or indices != tuple(self.indices) or not all(0 <= index < self.size for index in indices):
            raise ModelError(f"select layer, indices: {self.indices!r:.60} are not numbers from 0 to {self.size - 1}")
        object.__setattr__(self, "indices", indices)

    @property
    def input_size(self) -> int:
        return self.size

    @property
    def output_size(self) -> int:
        return len(self.indices)

    def pack(self, width: Width) -> Op:
        begin, n = self.indices[0], len(self.indices)
        is_range = self.indices == tuple(range(begin, begin + n))
        return Op(
            kernel="select.part" if is_range else "select.any_order",
            input_size=self.size,
            output_size=n,
            hidden_size=n,
            table=(begin,) if is_range else self.indices,
        )
