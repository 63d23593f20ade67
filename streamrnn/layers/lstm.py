"""LSTM: canonical form. The cell is in streamrnn/cells/lstm.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import ClassVar

import numpy as np

from streamrnn.activation import SIGMOID, TANH, Activation
from streamrnn.cells import lstm as cells
from streamrnn.errors import ModelError
from streamrnn.layers.layer import Tensor, absent, activation_options
from streamrnn.layers.recipe_layer import Parameters, Recurrent, by_sum
from streamrnn.target.packing import SIGMOID_SCALE, TANH_SCALE

_STANDARD = (SIGMOID, TANH, TANH)
_GATES = "i f g o"
_SCALES = {"i": SIGMOID_SCALE, "f": SIGMOID_SCALE, "g": TANH_SCALE, "o": SIGMOID_SCALE}


@dataclass(frozen=True, eq=False)
class LSTM(Recurrent):
    """Long short-term memory (Hochreiter & Schmidhuber 1997, Gers et al. 2000), as ONNX LSTM-22 and torch.nn.LSTM define it.

    With I inputs, H hidden units and the gates in the order i, f, g, o:

        i = σ(W_i x + R_i h + b_i)        c' = f c + i g
        f = σ(W_f x + R_f h + b_f)        h' = o tanh(c')
        g = tanh(W_g x + R_g h + b_g)
        o = σ(W_o x + R_o h + b_o)

    input_weights      (4, H, I)
    recurrent_weights  (4, H, H), or (4, H, P) with a projection
    bias               (4, H), the sum of both biases of a framework that has two; None: zeros
    peepholes          (3, H), order i f o: adds p_i c and p_f c before σ, and p_o c' (Gers & Schmidhuber 2000)
    projection         (P, H): h' = projection (o tanh(c')) (Sak et al. 2014; torch's proj_size)
    initial_hidden     (H,) or (P,), initial_cell (H,); None: zeros
    activations        those of the gates, of the candidate and of c' (ONNX f, g, h)
    clip               pre-activations are limited to [-clip, clip]; None: no limit
    coupled            f = 1 - i (ONNX input_forget; Greff et al. 2015)
    dtype              "float32" or "float64": compute precision
    stored             type of the weights in memory and archives: "bfloat16", "float16" or "int8"; None: dtype

    Raises ModelError, naming the tensor, for anything that does not fit.
    """

    input_weights: Tensor
    recurrent_weights: Tensor
    bias: Tensor = field(default_factory=absent)
    peepholes: Tensor | None = None
    projection: Tensor | None = None
    initial_hidden: Tensor = field(default_factory=absent)
    initial_cell: Tensor = field(default_factory=absent)
    activations: tuple[Activation, ...] = _STANDARD
    clip: float | None = None
    coupled: bool = False
    dtype: str = "float32"
    stored: str | None = None

    kind: ClassVar[str] = "lstm"
    cells: ClassVar[ModuleType] = cells

    def __post_init__(self) -> None:
        _, hidden, _ = self._freeze_weights("input_weights", (4, None, None)).shape
        outputs = hidden
        if self.projection is not None:
            outputs = self._freeze_weights("projection", (None, hidden)).shape[0]
        self._freeze_weights("recurrent_weights", (4, hidden, outputs))
        self._freeze("bias", (4, hidden), or_zeros=True)
        if self.peepholes is not None:
            self._freeze("peepholes", (3, hidden))
        self._freeze("initial_hidden", (outputs,), or_zeros=True)
        self._freeze("initial_cell", (hidden,), or_zeros=True)
        self._set_activations(self.activations, 3)
        self._set_clip(self.clip)
        if not isinstance(self.coupled, bool):
            raise ModelError(f"lstm layer, coupled: {self.coupled!r} is not True or False")
        if "h" in self.recipe.bounded:
            self._check_bounds("initial_hidden")

    @property
    def hidden_size(self) -> int:
        """H, the size of the cell state."""
        return self.input_weights.shape[1]

    @property
    def output_size(self) -> int:
        return self.recurrent_weights.shape[2]

    @property
    def states(self) -> Mapping[str, Tensor]:
        return {"h": self.initial_hidden, "c": self.initial_cell}

    @classmethod
    def matrix_names(cls) -> list[str]:
        return [*super().matrix_names(), "projection"]

    @property
    def cell(self) -> str:
        form = "general" if not self._standard else "plain" if self._plain else "standard"
        return form + ("" if self.projection is None else "_projected")

    @property
    def _standard(self) -> bool:
        return self.activations == _STANDARD and self.clip is None and self.peepholes is None and not self.coupled

    def parameters(self) -> Parameters:
        weights = by_sum("x", _GATES, self.input_weights) | by_sum("h", _GATES, self.recurrent_weights)
        if self.projection is not None:
            weights["m", "p"] = self.projection
        biases = dict(zip(_GATES.split(), self.bias, strict=True))
        if self._standard:
            return Parameters(weights, biases, {} if self._plain else _SCALES)
        peepholes = np.zeros((3, self.hidden_size)) if self.peepholes is None else self.peepholes
        flags = np.array([self.coupled, self.peepholes is not None], self.dtype)
        options = np.concatenate([activation_options(self.clip, self.activations), flags])
        return Parameters(weights, biases, {}, options, dict(zip(("p_i", "p_f", "p_o"), peepholes, strict=True)))
