"""Normalisation over the values of a step: canonical form. The kernel is streamrnn/kernels/layernorm.py."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from streamrnn.errors import ModelError
from streamrnn.layers.layer import Layer, Tensor
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


@dataclass(frozen=True, eq=False)
class LayerNorm(Layer):
    """y = scale ⊙ (x - mean) / sqrt(variance + epsilon) + bias, over the n values of a step (Ba et al. 2016).

    ONNX LayerNormalization-17; torch.nn.LayerNorm. The variance is divided by n, not by n - 1.

    scale    (n,)
    bias     (n,)
    epsilon  positive
    dtype    "float32" or "float64": compute precision

    Raises ModelError, naming the tensor, for anything that does not fit.
    """

    scale: Tensor
    bias: Tensor
    epsilon: float = 1e-5
    dtype: str = "float32"

    kind: ClassVar[str] = "layernorm"

    def __post_init__(self) -> None:
        self._freeze("bias", self._freeze("scale", (None,)).shape)
        epsilon = self.epsilon
        if isinstance(epsilon, bool) or not isinstance(epsilon, int | float) or not 1e-37 < epsilon < 3e38:
            raise ModelError(f"layernorm layer, epsilon: {epsilon!r} is not a positive number")
        object.__setattr__(self, "epsilon", float(epsilon))

    @property
    def input_size(self) -> int:
        return self.scale.size

    @property
    def output_size(self) -> int:
        return self.scale.size

    def pack(self, width: Width) -> Op:
        n, constants = self.scale.size, np.concatenate([self.scale, self.bias, np.array([self.epsilon], width.dtype)])
        return Op(
            kernel="layernorm.layernorm", input_size=n, output_size=n, hidden_size=max(n, 64), scratch=1, constants=constants
        )
