"""Scale and shift of each value: canonical form. The kernel is streamrnn/kernels/affine.py."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from streamrnn.layers.layer import Layer, Tensor
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


@dataclass(frozen=True, eq=False)
class Affine(Layer):
    """y = scale ⊙ x + shift. ONNX BatchNormalization-15 in inference; Mul, Add, Sub and Div with constants.

    scale  (n,)
    shift  (n,)
    dtype  "float32" or "float64": compute precision

    Raises ModelError, naming the tensor, for anything that does not fit.
    """

    scale: Tensor
    shift: Tensor
    dtype: str = "float32"

    kind: ClassVar[str] = "affine"

    def __post_init__(self) -> None:
        self._freeze("shift", self._freeze("scale", (None,)).shape)

    @property
    def input_size(self) -> int:
        return self.scale.size

    @property
    def output_size(self) -> int:
        return self.scale.size

    def pack(self, width: Width) -> Op:
        n, constants = self.scale.size, np.concatenate([self.scale, self.shift])
        return Op(kernel="affine.affine", input_size=n, output_size=n, hidden_size=n, constants=constants)
