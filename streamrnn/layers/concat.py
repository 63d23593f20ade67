"""Join several sources: canonical form. The kernel is streamrnn/kernels/concat.py."""

from dataclasses import dataclass
from typing import ClassVar

from streamrnn.layers.layer import Layer
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


@dataclass(frozen=True, eq=False)
class Concat(Layer):
    """y = the values of all sources, in their order. ONNX Concat-13.

    sizes  values of each source
    dtype  "float32" or "float64": compute precision

    Raises ModelError for anything that does not fit.
    """

    sizes: tuple[int, ...]
    dtype: str = "float32"

    kind: ClassVar[str] = "concat"

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", self._check_sizes("sizes", self.sizes))

    @property
    def input_sizes(self) -> tuple[int, ...]:
        return self.sizes

    @property
    def input_size(self) -> int:
        return sum(self.sizes)

    @property
    def output_size(self) -> int:
        return sum(self.sizes)

    def pack(self, width: Width) -> Op:
        n = self.output_size
        return Op(kernel="concat.concat", input_size=n, output_size=n, hidden_size=n)
