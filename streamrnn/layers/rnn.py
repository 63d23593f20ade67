"""The plain recurrent layer: canonical form. The cells are in streamrnn/cells/rnn.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from streamrnn.activation import RELU, TANH, Activation
from streamrnn.cells import rnn as cells
from streamrnn.layers.layer import Layer, Tensor, absent, activation_constants
from streamrnn.recipe import Recipe
from streamrnn.target.op import Op, recipe_op
from streamrnn.target.packing import TANH_SCALE, Width
from streamrnn.target.panels import PanelLayout


@dataclass(frozen=True, eq=False)
class RNN(Layer):
    """Simple recurrent layer (Elman 1990), as ONNX RNN-22 and torch.nn.RNN define it: h' = tanh(W x + R h + b).

    With I inputs and H hidden units:

    input_weights      (1, H, I)
    recurrent_weights  (1, H, H)
    bias               (1, H), both biases of a framework that has two, added; None: zeros
    initial_hidden     (H,); None: zeros
    activations        one, in place of tanh: "relu" for torch's nonlinearity="relu"
    clip               pre-activations are limited to [-clip, clip]; None: not
    dtype              "float32" or "float64": what it computes in

    Raises ModelError, naming the tensor, for anything that does not fit.
    """

    input_weights: Tensor
    recurrent_weights: Tensor
    bias: Tensor = field(default_factory=absent)
    initial_hidden: Tensor = field(default_factory=absent)
    activations: tuple[Activation, ...] = (TANH,)
    clip: float | None = None
    dtype: str = "float32"

    kind: ClassVar[str] = "rnn"

    def __post_init__(self) -> None:
        _, hidden, _ = self._freeze("input_weights", (1, None, None)).shape
        self._freeze("recurrent_weights", (1, hidden, hidden))
        self._freeze("bias", (1, hidden), or_zeros=True)
        self._freeze("initial_hidden", (hidden,), or_zeros=True)
        self._set_activations(self.activations, 1)
        self._set_clip(self.clip)

    @property
    def input_size(self) -> int:
        return self.input_weights.shape[2]

    @property
    def hidden_size(self) -> int:
        """H."""
        return self.input_weights.shape[1]

    @property
    def output_size(self) -> int:
        return self.hidden_size

    @property
    def states(self) -> Mapping[str, Tensor]:
        return {"h": self.initial_hidden}

    @property
    def recipe(self) -> Recipe:
        found: Recipe = getattr(cells, self._cell)
        return found

    @property
    def _cell(self) -> str:
        return "general" if self.clip is not None else {TANH: "tanh", RELU: "relu"}.get(self.activations[0], "general")

    def pack(self, width: Width) -> Op:
        sizes = {"inputs": self.input_size, "hidden": self.hidden_size, "outputs": self.hidden_size}
        panels = PanelLayout(self.recipe, width, sizes)
        weights = {("x", "s"): self.input_weights[0], ("h", "s"): self.recurrent_weights[0]}
        packed = panels.packed(weights, {"s": self.bias[0]}, {"s": TANH_SCALE} if self._cell == "tanh" else None)
        constants = activation_constants(self.clip, self.activations, width.dtype)
        return recipe_op(f"cells.rnn.{self._cell}", panels, packed, sizes, self.states, constants)
