"""A function of each value: canonical form. The kernels are in streamrnn/kernels/pointwise.py."""

from dataclasses import dataclass
from typing import ClassVar

from streamrnn.activation import Activation, activation
from streamrnn.errors import ModelError
from streamrnn.layers.layer import DTYPES, SizedLayer, activation_options
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


@dataclass(frozen=True, eq=False)
class Pointwise(SizedLayer):
    """y = activation(x), value by value. ONNX Relu-14, Exp-13 and so on.

    size        n, values per step
    activation  any of `Activation` but softmax
    dtype       "float32" or "float64": compute precision

    Raises ModelError for anything that does not fit.
    """

    size: int
    activation: Activation
    dtype: str = "float32"

    kind: ClassVar[str] = "pointwise"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "activation", activation(self.activation))
        if self.activation.name == "softmax":
            raise ModelError("pointwise layer, activation: softmax is no function of a single value; use a Softmax layer")

    def pack(self, width: Width) -> Op:
        name = self.activation.name
        return Op(
            kernel=f"pointwise.{name if name in ('tanh', 'sigmoid', 'relu') else 'general'}",
            input_size=self.size,
            output_size=self.size,
            hidden_size=self.size,
            constants=activation_options(None, (self.activation,)).astype(DTYPES[self.dtype]),
        )
