"""The plain recurrent layer: canonical form. The cells are in streamrnn/cells/rnn.py."""

from dataclasses import dataclass, field
from types import ModuleType
from typing import ClassVar

from streamrnn.activation import RELU, TANH, Activation
from streamrnn.cells import rnn as cells
from streamrnn.layers.layer import Tensor, absent, activation_options
from streamrnn.layers.recipe_layer import Parameters, SingleState, by_sum
from streamrnn.target.packing import TANH_SCALE


@dataclass(frozen=True, eq=False)
class RNN(SingleState):
    """Simple recurrent layer (Elman 1990), as ONNX RNN-22 and torch.nn.RNN define it: h' = tanh(W x + R h + b).

    With I inputs and H hidden units:

    input_weights      (1, H, I)
    recurrent_weights  (1, H, H)
    bias               (1, H), the sum of both biases of a framework that has two; None: zeros
    initial_hidden     (H,); None: zeros
    activations        one, instead of tanh: "relu" for torch's nonlinearity="relu"
    clip               pre-activations are limited to [-clip, clip]; None: no limit
    dtype              "float32" or "float64": compute precision
    stored             type of the weights in memory and archives: "bfloat16", "float16" or "int8"; None: dtype

    Raises ModelError, naming the tensor, for anything that does not fit.
    """

    input_weights: Tensor
    recurrent_weights: Tensor
    bias: Tensor = field(default_factory=absent)
    initial_hidden: Tensor = field(default_factory=absent)
    activations: tuple[Activation, ...] = (TANH,)
    clip: float | None = None
    dtype: str = "float32"
    stored: str | None = None

    kind: ClassVar[str] = "rnn"
    cells: ClassVar[ModuleType] = cells

    def __post_init__(self) -> None:
        _, hidden, _ = self._freeze_weights("input_weights", (1, None, None)).shape
        self._freeze_weights("recurrent_weights", (1, hidden, hidden))
        self._freeze("bias", (1, hidden), or_zeros=True)
        self._freeze("initial_hidden", (hidden,), or_zeros=True)
        self._set_activations(self.activations, 1)
        self._set_clip(self.clip)
        if "h" in self.recipe.bounded:
            self._check_bounds("initial_hidden")

    @property
    def cell(self) -> str:
        names = {TANH: "tanh_plain" if self._plain else "tanh", RELU: "relu"}
        return "general" if self.clip is not None else names.get(self.activations[0], "general")

    def parameters(self) -> Parameters:
        weights = by_sum("x", "s", self.input_weights) | by_sum("h", "s", self.recurrent_weights)
        scales = {"s": TANH_SCALE} if self.cell == "tanh" else {}
        return Parameters(weights, {"s": self.bias[0]}, scales, activation_options(self.clip, self.activations))
