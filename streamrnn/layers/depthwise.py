"""A weighted sum of rows: canonical form. The kernel is streamrnn/kernels/depthwise.py."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from streamrnn.layers.layer import Layer, Tensor, absent
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


@dataclass(frozen=True, eq=False)
class Depthwise(Layer):
    """y = bias + sum over k of weights[:, k] ⊙ x_k, where x is K rows of O values: each output has weights of its own.

    On the K taps of one position it is a depthwise convolution, ONNX Conv-11 with as many groups as channels; a Select gathers
    the taps, and a Rows goes over the positions. With (inputs of a group) · K rows it is one of any groups.

    weights  (O, K)
    bias     (O,); None: zeros
    dtype    "float32" or "float64": compute precision

    Raises ModelError, naming the tensor, for anything that does not fit.
    """

    weights: Tensor
    bias: Tensor = field(default_factory=absent)
    dtype: str = "float32"

    kind: ClassVar[str] = "depthwise"

    def __post_init__(self) -> None:
        outputs, _ = self._freeze("weights", (None, None)).shape
        self._freeze("bias", (outputs,), or_zeros=True)

    @property
    def input_size(self) -> int:
        return self.weights.size

    @property
    def output_size(self) -> int:
        return self.bias.size

    def pack(self, width: Width) -> Op:
        outputs, taps = self.weights.shape
        return Op(
            kernel="depthwise.depthwise",
            input_size=outputs * taps,
            output_size=outputs,
            hidden_size=outputs,
            constants=np.concatenate([self.bias, self.weights.T.ravel()]),
            table=(taps,),
        )
