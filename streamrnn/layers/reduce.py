"""Reduce rows to one: canonical form. The kernels are in streamrnn/kernels/reduce.py."""

from dataclasses import dataclass
from typing import ClassVar

from streamrnn.errors import ModelError
from streamrnn.layers.layer import Layer
from streamrnn.target.op import Op
from streamrnn.target.packing import Width

_OPERATIONS = ("sum", "mean", "max", "min", "l1", "l2", "argmax", "argmin")


@dataclass(frozen=True, eq=False)
class Reduce(Layer):
    """y[j] = the sum, mean, maximum, ... of x_k[j] over the rows x_k, where x is `rows` rows of `size` values.

    ONNX ReduceSum-13, ReduceMean-18 and so on, ArgMax-13, and with a Select the pooling operators.

    rows       rows of x
    size       values of a row
    operation  "sum", "mean", "max", "min"; "l1", the sum of absolute values; "l2", the square root of the sum of squares;
               "argmax", "argmin", the index of the first row that has it, as a number
    dtype      "float32" or "float64": compute precision

    Raises ModelError for anything that does not fit.
    """

    rows: int
    size: int
    operation: str
    dtype: str = "float32"

    kind: ClassVar[str] = "reduce"

    def __post_init__(self) -> None:
        self._check_sizes("rows", (self.rows,))
        self._check_sizes("size", (self.size,))
        if self.operation not in _OPERATIONS:
            raise ModelError(f"reduce layer, operation: {self.operation!r} is not one of {', '.join(_OPERATIONS)}")
        if self.operation.startswith("arg") and self.rows > 1 << 24:
            raise ModelError(f"reduce layer, rows: {self.rows} have indices that are no numbers in float32")

    @property
    def input_size(self) -> int:
        return self.rows * self.size

    @property
    def output_size(self) -> int:
        return self.size

    def pack(self, width: Width) -> Op:
        return Op(
            kernel=f"reduce.{self.operation}",
            input_size=self.rows * self.size,
            output_size=self.size,
            hidden_size=max(self.size, 64),
            table=(self.rows,),
            scratch=1,
        )
