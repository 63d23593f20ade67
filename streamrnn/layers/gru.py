"""GRU in both forms: canonical form and packing. The kernels are in streamrnn/kernels/gru.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from streamrnn.activation import SIGMOID, TANH, Activation
from streamrnn.errors import ModelError
from streamrnn.layers.layer import Layer, Tensor, absent, activation_constants
from streamrnn.target.packing import SIGMOID_SCALE, TANH_SCALE, Op, Width, pack_parts, rows

_STANDARD = (SIGMOID, TANH)
_FORMS = ("reset-after", "reset-before")


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
    all_passes: ClassVar[tuple[tuple[int, ...], ...]] = ((3,), (2, 1))

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
    def passes(self) -> tuple[int, ...]:
        return self.all_passes[_FORMS.index(self.form)]

    def pack(self, width: Width) -> Op:
        standard = self.activations == _STANDARD and self.clip is None
        scales = np.array([SIGMOID_SCALE, SIGMOID_SCALE, TANH_SCALE]) if standard else np.ones(3)
        bias = rows(self.bias, scales)
        inputs = rows(self.input_weights, scales)
        recurrent = rows(self.recurrent_weights, scales)
        if self.recurrent_bias is not None:
            inner = rows(self.recurrent_bias[None], scales[2])
            weights = pack_parts(width, [bias, inputs], [inner, recurrent])
        else:
            gates = pack_parts(width, [bias[:, :2], inputs[:, :2]], [recurrent[:, :2]])
            weights = np.concatenate([gates, pack_parts(width, [bias[:, 2:], inputs[:, 2:]], [recurrent[:, 2:]])])
        form = self.form.replace("-", "_")
        return Op(
            kernel=f"gru.{form}" if standard else f"gru.{form}_general",
            input_size=self.input_size,
            output_size=self.output_size,
            hidden_size=self.hidden_size,
            weights=weights,
            state=self.states,
            gates=3,
            scratch=2,
            constants=activation_constants(self.clip, self.activations, width.dtype),
        )
