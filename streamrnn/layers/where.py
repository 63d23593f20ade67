"""Choose between two vectors, value by value: canonical form. The kernel is streamrnn/kernels/where.py."""

from dataclasses import dataclass
from typing import ClassVar

from streamrnn.layers.layer import Layer
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


@dataclass(frozen=True, eq=False)
class Where(Layer):
    """y = a where the condition is not 0, else b: three sources of one size, the condition first. ONNX Where-16.

    size   n, values of each source
    dtype  "float32" or "float64": compute precision

    Raises ModelError for anything that does not fit.
    """

    size: int
    dtype: str = "float32"

    kind: ClassVar[str] = "where"

    def __post_init__(self) -> None:
        self._check_sizes("size", (self.size,))

    @property
    def input_sizes(self) -> tuple[int, ...]:
        return (self.size,) * 3

    @property
    def input_size(self) -> int:
        return 3 * self.size

    @property
    def output_size(self) -> int:
        return self.size

    def pack(self, width: Width) -> Op:
        return Op(kernel="where.where", input_size=self.size, output_size=self.size, hidden_size=self.size)
