"""The fully connected layer: canonical form. The cells are in streamrnn/cells/dense.py."""

from dataclasses import dataclass, field
from types import ModuleType
from typing import ClassVar

from streamrnn.activation import LINEAR, Activation, activation
from streamrnn.cells import dense as cells
from streamrnn.layers.layer import Tensor, absent, activation_options
from streamrnn.layers.recipe_layer import Parameters, RecipeLayer
from streamrnn.target.packing import SIGMOID_SCALE, TANH_SCALE

_SCALES = {"tanh": TANH_SCALE, "sigmoid": SIGMOID_SCALE, "softmax": -SIGMOID_SCALE}


@dataclass(frozen=True, eq=False)
class Dense(RecipeLayer):
    """Fully connected layer: y = activation(W x + b). ONNX Gemm-13 and MatMul-13 + Add-14; torch.nn.Linear.

    With I inputs and O outputs:

    weights     (O, I)
    bias        (O,); None: zeros
    activation  any of `Activation`, softmax included
    dtype       "float32" or "float64": compute precision
    stored      type of the weights in memory and archives: "bfloat16", "float16" or "int8"; None: dtype

    Raises ModelError, naming the tensor, for anything that does not fit.
    """

    weights: Tensor
    bias: Tensor = field(default_factory=absent)
    activation: Activation = LINEAR
    dtype: str = "float32"
    stored: str | None = None

    kind: ClassVar[str] = "dense"
    cells: ClassVar[ModuleType] = cells

    def __post_init__(self) -> None:
        outputs, _ = self._freeze_weights("weights", (None, None)).shape
        self._freeze("bias", (outputs,), or_zeros=True)
        object.__setattr__(self, "activation", activation(self.activation))

    @property
    def input_size(self) -> int:
        return self.weights.shape[1]

    @property
    def output_size(self) -> int:
        return self.weights.shape[0]

    @property
    def cell(self) -> str:
        name = self.activation.name
        if name in _SCALES:
            return f"{name}_plain" if self._plain else name
        return name if name in ("linear", "relu") else "general"

    def parameters(self) -> Parameters:
        scale = _SCALES.get(self.cell, 1.0)
        options = activation_options(None, (self.activation,))
        return Parameters({("x", "s"): self.weights}, {"s": self.bias}, {"s": scale}, options)
