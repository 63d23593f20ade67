"""The plain recurrent layer: canonical form and packing. The kernels are in streamrnn/kernels/rnn.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from streamrnn.activation import RELU, TANH, Activation
from streamrnn.layers.layer import Layer, Tensor, absent, activation_constants
from streamrnn.target.packing import TANH_SCALE, Op, Width, pack_parts, rows


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
    all_passes: ClassVar[tuple[tuple[int, ...], ...]] = ((1,),)

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

    def pack(self, width: Width) -> Op:
        variant = {TANH: "tanh", RELU: "relu"}.get(self.activations[0], "general")
        if self.clip is not None:
            variant = "general"
        scale = TANH_SCALE if variant == "tanh" else 1.0
        return Op(
            kernel=f"rnn.{variant}",
            input_size=self.input_size,
            output_size=self.output_size,
            hidden_size=self.hidden_size,
            weights=pack_parts(
                width, [rows(self.bias, scale), rows(self.input_weights, scale)], [rows(self.recurrent_weights, scale)]
            ),
            state=self.states,
            scratch=1,
            constants=activation_constants(self.clip, self.activations, width.dtype),
        )
