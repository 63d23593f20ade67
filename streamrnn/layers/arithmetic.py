"""Combine or compare two vectors, value by value: canonical form. The kernels are in streamrnn/kernels/arithmetic.py."""

from dataclasses import dataclass
from typing import ClassVar

from streamrnn.errors import ModelError
from streamrnn.layers.layer import Layer
from streamrnn.target.op import Op
from streamrnn.target.packing import Width

_OPERATIONS = (
    *("add", "subtract", "multiply", "divide", "maximum", "minimum"),
    *("greater", "greater_equal", "less", "less_equal", "equal"),
)


@dataclass(frozen=True, eq=False)
class Arithmetic(Layer):
    """y = a + b, a - b, max(a, b), a > b, ... of two sources of one size.

    ONNX Add-14, Sub-14, Mul-14, Div-14, Max-13, Min-13, Greater-13, GreaterOrEqual-16, Less-13, LessOrEqual-16, Equal-13.

    size       n, values of each source
    operation  "add", "subtract", "multiply", "divide", "maximum", "minimum"; or a comparison, which gives 1
               where it holds, else 0: "greater", "greater_equal", "less", "less_equal", "equal"
    dtype      "float32" or "float64": compute precision

    Raises ModelError for anything that does not fit.
    """

    size: int
    operation: str
    dtype: str = "float32"

    kind: ClassVar[str] = "arithmetic"

    def __post_init__(self) -> None:
        self._check_sizes("size", (self.size,))
        if self.operation not in _OPERATIONS:
            raise ModelError(f"arithmetic layer, operation: {self.operation!r} is not one of {', '.join(_OPERATIONS)}")

    @property
    def input_sizes(self) -> tuple[int, ...]:
        return (self.size, self.size)

    @property
    def input_size(self) -> int:
        return 2 * self.size

    @property
    def output_size(self) -> int:
        return self.size

    def pack(self, width: Width) -> Op:
        return Op(kernel=f"arithmetic.{self.operation}", input_size=self.size, output_size=self.size, hidden_size=self.size)
