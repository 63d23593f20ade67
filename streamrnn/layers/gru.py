"""GRU in both forms: canonical form. The cells are in streamrnn/cells/gru.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from streamrnn.activation import SIGMOID, TANH, Activation
from streamrnn.cells import gru as cells
from streamrnn.errors import ModelError
from streamrnn.layers.layer import Layer, Tensor, absent, activation_constants
from streamrnn.recipe import Recipe
from streamrnn.target.op import Op, recipe_op
from streamrnn.target.packing import SIGMOID_SCALE, TANH_SCALE, Width
from streamrnn.target.panels import PanelLayout

_STANDARD = (SIGMOID, TANH)
_FORMS = ("reset-after", "reset-before")
_SCALES = {"r": SIGMOID_SCALE, "z": SIGMOID_SCALE, "n": TANH_SCALE, "p": TANH_SCALE}


@dataclass(frozen=True, eq=False)
class GRU(Layer):
    """Gated recurrent unit (Cho et al. 2014), as ONNX GRU-22 and torch.nn.GRU define it.

    With I inputs, H hidden units and the gates in the order r, z, n:

        r = σ(W_r x + R_r h + b_r)                       h' = (1 - z) n + z h
        z = σ(W_z x + R_z h + b_z)
        n = tanh(W_n x + b_n + r (R_n h + c_n))          reset-after: torch, cuDNN, ONNX linear_before_reset=1
        n = tanh(W_n x + b_n + R_n (r h))                reset-before: Cho et al. 2014 v3, ONNX default

    input_weights      (3, H, I)
    recurrent_weights  (3, H, H)
    bias               (3, H), both biases of a framework that has two, added (reset-after: n without c_n); None: zeros
    recurrent_bias     (H,), c_n, of reset-after only; None: zeros
    form               "reset-after" or "reset-before"
    initial_hidden     (H,); None: zeros
    activations        of the gates, of the candidate (ONNX f, g)
    clip               pre-activations are limited to [-clip, clip]; None: not
    dtype              "float32" or "float64": what it computes in

    Raises ModelError, naming the tensor, for anything that does not fit.
    """

    input_weights: Tensor
    recurrent_weights: Tensor
    bias: Tensor = field(default_factory=absent)
    recurrent_bias: Tensor | None = None
    form: str = "reset-after"
    initial_hidden: Tensor = field(default_factory=absent)
    activations: tuple[Activation, ...] = _STANDARD
    clip: float | None = None
    dtype: str = "float32"

    kind: ClassVar[str] = "gru"

    def __post_init__(self) -> None:
        if self.form not in _FORMS:
            raise ModelError(f"gru layer, form: {self.form!r} is not one of {', '.join(_FORMS)}")
        _, hidden, _ = self._freeze("input_weights", (3, None, None)).shape
        self._freeze("recurrent_weights", (3, hidden, hidden))
        self._freeze("bias", (3, hidden), or_zeros=True)
        if self.form == "reset-after":
            self._freeze("recurrent_bias", (hidden,), or_zeros=True)
        elif self.recurrent_bias is not None:
            raise ModelError("gru layer, recurrent_bias: the reset-before form has none; add it to the bias of n")
        self._freeze("initial_hidden", (hidden,), or_zeros=True)
        self._set_activations(self.activations, 2)
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
    def _standard(self) -> bool:
        return self.activations == _STANDARD and self.clip is None

    @property
    def _cell(self) -> str:
        return self.form.replace("-", "_") + ("" if self._standard else "_general")

    def pack(self, width: Width) -> Op:
        sizes = {"inputs": self.input_size, "hidden": self.hidden_size, "outputs": self.hidden_size}
        panels = PanelLayout(self.recipe, width, sizes)
        weights = {("x", gate): array for gate, array in zip("rzn", self.input_weights, strict=True)}
        weights |= {("h", gate): array for gate, array in zip("rzp", self.recurrent_weights, strict=True)}
        weights["reset_h", "n"] = self.recurrent_weights[2]
        biases = dict(zip("rzn", self.bias, strict=True))
        if self.recurrent_bias is not None:
            biases["p"] = self.recurrent_bias
        packed = panels.packed(weights, biases, _SCALES if self._standard else None)
        constants = activation_constants(self.clip, self.activations, width.dtype)
        return recipe_op(f"cells.gru.{self._cell}", panels, packed, sizes, self.states, constants)
