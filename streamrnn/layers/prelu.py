"""A leaky relu with learned slopes: canonical form. The kernel is streamrnn/kernels/prelu.py."""

from dataclasses import dataclass
from typing import ClassVar

from streamrnn.layers.layer import Layer, Tensor
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


@dataclass(frozen=True, eq=False)
class PRelu(Layer):
    """y = x if x >= 0 else slope ⊙ x. ONNX PRelu-16; torch.nn.PReLU.

    slope  (n,)
    dtype  "float32" or "float64": compute precision

    Raises ModelError, naming the tensor, for anything that does not fit.
    """

    slope: Tensor
    dtype: str = "float32"

    kind: ClassVar[str] = "prelu"

    def __post_init__(self) -> None:
        self._freeze("slope", (None,))

    @property
    def input_size(self) -> int:
        return self.slope.size

    @property
    def output_size(self) -> int:
        return self.slope.size

    def pack(self, width: Width) -> Op:
        n = self.slope.size
        return Op(kernel="prelu.prelu", input_size=n, output_size=n, hidden_size=n, constants=self.slope)
