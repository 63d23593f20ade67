"""A layer with a state that runs along the rows of a step: canonical form. The kernel is streamrnn/kernels/scan.py."""

from dataclasses import dataclass
from typing import ClassVar

from streamrnn.errors import ModelError
from streamrnn.layers.layer import Layer
from streamrnn.layers.over_rows import OverRows
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


@dataclass(frozen=True, eq=False)
class Scan(OverRows):
    """y_r = layer(x_r), r = 0, 1, ...: a layer with a state that runs along the rows of a step, from its initial states.

    It is a recurrence along an axis that is not time, over the bands of a spectrum for example. All rows are there in each
    step, so it may also run backwards: between two Select layers that turn the rows around. The stream keeps no state of it.

    layer  of one source, with a state, I inputs and O outputs
    rows   R; x is (R · I,) and y (R · O,), row after row

    Raises ModelError for anything that does not fit.
    """

    layer: Layer
    rows: int

    kind: ClassVar[str] = "scan"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.layer.states:
            raise ModelError(f"scan layer, layer: a {self.layer.kind} layer has no state; use Rows")

    def pack(self, width: Width) -> Op:
        return self._over_rows(width, "scan.scan", {})
