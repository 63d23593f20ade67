"""A layer with a state for each row of a step: canonical form. The kernels are in streamrnn/kernels/bank.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from streamrnn.errors import ModelError
from streamrnn.layers.layer import Layer, Tensor
from streamrnn.layers.over_rows import OverRows
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


@dataclass(frozen=True, eq=False)
class Bank(OverRows):
    """y_r = layer(x_r), r = 0, 1, ...: one layer with a state on each of the rows of a step, each with a state of its own.

    So are many bands of a spectrum taken through one recurrent layer: ONNX GRU-22 with the bands as its batch. Its states are
    those of the layer, (R · size,), row after row.

    layer  of one source, with a state, I inputs and O outputs; all rows begin with its initial states
    rows   R; x is (R · I,) and y (R · O,), row after row

    Raises ModelError for anything that does not fit.
    """

    layer: Layer
    rows: int

    kind: ClassVar[str] = "bank"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.layer.states:
            raise ModelError(f"bank layer, layer: a {self.layer.kind} layer has no state; use Rows")

    @property
    def states(self) -> Mapping[str, Tensor]:
        return {name: np.tile(initial, self.rows) for name, initial in self.layer.states.items()}

    def pack(self, width: Width) -> Op:
        return self._over_rows(width, "bank.bank", self.states)
