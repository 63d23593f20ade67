"""Causal convolution over time: canonical form. Its sums are in streamrnn/cells/conv1d.py, its kernel in streamrnn/kernels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from streamrnn.cells.conv1d import conv1d
from streamrnn.errors import ModelError
from streamrnn.layers.layer import DTYPES, Layer, Tensor, absent
from streamrnn.recipe import Recipe
from streamrnn.target.integers import row_scales
from streamrnn.target.op import Op
from streamrnn.target.packing import Width
from streamrnn.target.panels import PanelLayout


@dataclass(frozen=True, eq=False)
class Conv1d(Layer):
    """A convolution over the present and the past. ONNX Conv-11 with all its padding at the beginning; torch.nn.Conv1d.

    With C inputs, O outputs and K taps, y_t = sum over k of W_k x_(t - (K - 1 - k) dilation) + b. Its state "x" is the
    past, (K - 1) · dilation steps of C values; zeros at first, like that padding.

    weights   (O, C, K), the last tap is that of the present; K is at least 2
    bias      (O,); None: zeros
    dilation  steps from one tap to the next
    dtype     "float32" or "float64": compute precision
    stored    type of the weights in memory and archives: "bfloat16", "float16" or "int8"; None: dtype

    Raises ModelError, naming the tensor, for anything that does not fit.
    """

    weights: Tensor
    bias: Tensor = field(default_factory=absent)
    dilation: int = 1
    dtype: str = "float32"
    stored: str | None = None

    kind: ClassVar[str] = "conv1d"

    def __post_init__(self) -> None:
        outputs, _, taps = self._freeze_weights("weights", (None, None, None)).shape
        if taps < 2:
            raise ModelError("conv1d layer, weights: a convolution with one tap has no past; use a Dense layer")
        self._freeze("bias", (outputs,), or_zeros=True)
        self._check_sizes("dilation", (self.dilation,))

    @property
    def input_size(self) -> int:
        return self.weights.shape[1]

    @property
    def output_size(self) -> int:
        return self.weights.shape[0]

    @property
    def states(self) -> Mapping[str, Tensor]:
        _, inputs, taps = self.weights.shape
        return {"x": np.zeros((taps - 1) * self.dilation * inputs, DTYPES[self.dtype])}

    @property
    def recipe(self) -> Recipe:
        return conv1d

    def row_scales(self, weights: Tensor) -> Tensor:
        """One for the past taps of each row, and one for the present: they are matrices of their own."""
        outputs, _, taps = weights.shape
        past = row_scales(weights[:, :, :-1].reshape(outputs, -1))
        present = row_scales(weights[:, :, -1])
        return np.concatenate([np.repeat(past, taps - 1, axis=1), present], axis=1)[:, None]

    def pack(self, width: Width) -> Op:
        outputs, inputs, taps = self.weights.shape
        n_before = (taps - 1) * inputs
        sizes = {"inputs": inputs, "hidden": outputs, "outputs": outputs, "before": n_before}
        panels = PanelLayout(conv1d, width, sizes)
        before = self.weights[:, :, :-1].transpose(0, 2, 1).reshape(outputs, n_before)
        weights = {("before", "s"): before, ("x", "s"): self.weights[:, :, -1]}
        return Op(
            kernel="conv1d.conv1d",
            input_size=inputs,
            output_size=outputs,
            hidden_size=outputs,
            weights=panels.packed(weights, {"s": self.bias}),
            state=self.states,
            table=(taps, self.dilation),
            panels=panels,
            most_inputs=panels.most_inputs(weights),
            scratch=2,
            pool_scratch=2,
        )
