"""A layer without a state on each row of a step: canonical form. The kernel is streamrnn/kernels/rows.py."""

from dataclasses import dataclass
from typing import ClassVar

from streamrnn.errors import ModelError
from streamrnn.layers.layer import Layer
from streamrnn.layers.over_rows import OverRows
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


@dataclass(frozen=True, eq=False)
class Rows(OverRows):
    """y_r = layer(x_r), r = 0, 1, ...: one layer on each of the rows of which a step consists.

    A Dense layer on rows is a product of matrices; on the patches of a frame or an image, a convolution (ONNX MatMul-13,
    Conv-11; Keras calls it TimeDistributed). A LayerNorm on rows normalises each by itself.

    layer  of one source and no state, with I inputs and O outputs
    rows   R; x is (R · I,) and y (R · O,), row after row

    Raises ModelError for anything that does not fit.
    """

    layer: Layer
    rows: int

    kind: ClassVar[str] = "rows"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layer.states:
            raise ModelError(f"rows layer, layer: a {self.layer.kind} layer has a state; use Bank, or Scan along the rows")

    def pack(self, width: Width) -> Op:
        return self._over_rows(width, "rows.rows", {})
