"""The fully connected layer: canonical form and packing. The kernels are in streamrnn/kernels/dense.py."""

from dataclasses import dataclass, field
from typing import ClassVar

from streamrnn.activation import LINEAR, Activation, activation
from streamrnn.layers.layer import Layer, Tensor, absent, activation_constants
from streamrnn.target.packing import SIGMOID_SCALE, TANH_SCALE, Op, Width, pack, rows


@dataclass(frozen=True, eq=False)
class Dense(Layer):
    """Fully connected layer: y = activation(W x + b). ONNX Gemm-13 and MatMul-13 + Add-14; torch.nn.Linear.

    With I inputs and O outputs:

    weights     (O, I)
    bias        (O,); None: zeros
    activation  any of `Activation`, softmax included
    dtype       "float32" or "float64": what it computes in

    Raises ModelError, naming the tensor, for anything that does not fit.
    """

    weights: Tensor
    bias: Tensor = field(default_factory=absent)
    activation: Activation = LINEAR
    dtype: str = "float32"

    kind: ClassVar[str] = "dense"
    all_passes: ClassVar[tuple[tuple[int, ...], ...]] = ((1,),)

    def __post_init__(self) -> None:
        outputs, _ = self._freeze("weights", (None, None)).shape
        self._freeze("bias", (outputs,), or_zeros=True)
        object.__setattr__(self, "activation", activation(self.activation))

    @property
    def input_size(self) -> int:
        return self.weights.shape[1]

    @property
    def output_size(self) -> int:
        return self.weights.shape[0]

    def pack(self, width: Width) -> Op:
        chosen = self.activation
        variant = chosen.name if chosen.name in ("linear", "tanh", "sigmoid", "relu", "softmax") else "general"
        scale = {"tanh": TANH_SCALE, "sigmoid": SIGMOID_SCALE, "softmax": -SIGMOID_SCALE}.get(variant, 1.0)
        return Op(
            kernel=f"dense.{variant}",
            input_size=self.input_size,
            output_size=self.output_size,
            hidden_size=self.output_size,
            weights=pack(width, rows(self.bias[None], scale), rows(self.weights[None], scale)),
            scratch=1,
            constants=activation_constants(None, (chosen,), width.dtype),
        )
