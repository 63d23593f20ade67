"""GRU in both forms: canonical form. The cells are in streamrnn/cells/gru.py."""

from dataclasses import dataclass, field
from types import ModuleType
from typing import ClassVar

from streamrnn.activation import SIGMOID, TANH, Activation
from streamrnn.cells import gru as cells
from streamrnn.errors import ModelError
from streamrnn.layers.layer import Tensor, absent, activation_options
from streamrnn.layers.recipe_layer import Parameters, SingleState, by_sum
from streamrnn.target.packing import SIGMOID_SCALE, TANH_SCALE

_STANDARD = (SIGMOID, TANH)
_FORMS = ("reset-after", "reset-before")
_SCALES = {"r": SIGMOID_SCALE, "z": SIGMOID_SCALE, "n": TANH_SCALE, "p": TANH_SCALE}


@dataclass(frozen=True, eq=False)
class GRU(SingleState):
    """Gated recurrent unit (Cho et al. 2014), as ONNX GRU-22 and torch.nn.GRU define it.

    With I inputs, H hidden units and the gates in the order r, z, n:

        r = σ(W_r x + R_r h + b_r)                       h' = (1 - z) n + z h
        z = σ(W_z x + R_z h + b_z)
        n = tanh(W_n x + b_n + r (R_n h + c_n))          reset-after: torch, cuDNN, ONNX linear_before_reset=1
        n = tanh(W_n x + b_n + R_n (r h))                reset-before: Cho et al. 2014 v3, ONNX default

    input_weights      (3, H, I)
    recurrent_weights  (3, H, H)
    bias               (3, H), the sum of both biases of a framework that has two (reset-after: n without c_n); None: zeros
    recurrent_bias     (H,), c_n, for reset-after only; None: zeros
    form               "reset-after" or "reset-before"
    initial_hidden     (H,); None: zeros
    activations        those of the gates and of the candidate (ONNX f, g)
    clip               pre-activations are limited to [-clip, clip]; None: no limit
    dtype              "float32" or "float64": compute precision
    stored             type of the weights in memory and archives: "bfloat16", "float16" or "int8"; None: dtype

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
    stored: str | None = None

    kind: ClassVar[str] = "gru"
    cells: ClassVar[ModuleType] = cells

    def __post_init__(self) -> None:
        if self.form not in _FORMS:
            raise ModelError(f"gru layer, form: {self.form!r} is not one of {', '.join(_FORMS)}")
        _, hidden, _ = self._freeze_weights("input_weights", (3, None, None)).shape
        self._freeze_weights("recurrent_weights", (3, hidden, hidden))
        self._freeze("bias", (3, hidden), or_zeros=True)
        if self.form == "reset-after":
            self._freeze("recurrent_bias", (hidden,), or_zeros=True)
        elif self.recurrent_bias is not None:
            raise ModelError("gru layer, recurrent_bias: the reset-before form has none; add it to the bias of n")
        self._freeze("initial_hidden", (hidden,), or_zeros=True)
        self._set_activations(self.activations, 2)
        self._set_clip(self.clip)
        if "h" in self.recipe.bounded:
            self._check_bounds("initial_hidden")

    @property
    def cell(self) -> str:
        return self.form.replace("-", "_") + ("_general" if not self._standard else "_plain" if self._plain else "")

    @property
    def _standard(self) -> bool:
        return self.activations == _STANDARD and self.clip is None

    def parameters(self) -> Parameters:
        weights = by_sum("x", "r z n", self.input_weights)
        biases = dict(zip("rzn", self.bias, strict=True))
        if self.recurrent_bias is not None:
            weights |= by_sum("h", "r z p", self.recurrent_weights)
            biases["p"] = self.recurrent_bias
        else:
            weights |= by_sum("h", "r z", self.recurrent_weights[:2]) | by_sum("reset_h", "n", self.recurrent_weights[2:])
        if self._standard:
            return Parameters(weights, biases, {} if self._plain else _SCALES)
        return Parameters(weights, biases, {}, activation_options(self.clip, self.activations))
