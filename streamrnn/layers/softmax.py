"""Softmax over the values of a step: canonical form. The kernel is streamrnn/kernels/softmax.py."""

from dataclasses import dataclass
from typing import ClassVar

from streamrnn.layers.layer import SizedLayer
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


@dataclass(frozen=True, eq=False)
class Softmax(SizedLayer):
    """y = exp(x) / sum(exp(x)), over the n values of a step. ONNX Softmax-13. `Dense` has it too, as its activation.

    size   n
    dtype  "float32" or "float64": compute precision

    Raises ModelError for anything that does not fit.
    """

    size: int
    dtype: str = "float32"

    kind: ClassVar[str] = "softmax"

    def pack(self, width: Width) -> Op:
        return Op(kernel="softmax.softmax", input_size=self.size, output_size=self.size, hidden_size=self.size, scratch=1)
