"""The value of the last step: canonical form. The kernels are in streamrnn/kernels/delay.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from streamrnn.layers.layer import SizedLayer, Tensor, absent
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


@dataclass(frozen=True, eq=False)
class Delay(SizedLayer):
    """y_t = x_(t-1), and the initial value at the first step. ONNX Scan-11 and Loop-11: a state variable.

    Its source may be a layer further on in the model, so that a model can feed its values back: whatever is carried from step
    to step, be it a cell of your own, a mean, a counter or a cache, is made of it. Its state "value" is the last x. A value
    nearer to zero than 1e-30 (1e-200 in float64) is kept as 0.

    size     n, values of x
    initial  (n,), the output of the first step; None: zeros
    dtype    "float32" or "float64": compute precision

    Raises ModelError for anything that does not fit.
    """

    size: int
    initial: Tensor = field(default_factory=absent)
    dtype: str = "float32"

    kind: ClassVar[str] = "delay"
    delays: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._freeze("initial", (self.size,), or_zeros=True)

    @property
    def states(self) -> Mapping[str, Tensor]:
        return {"value": self.initial}

    def pack(self, width: Width) -> Op:
        return Op(
            kernel="delay.delay",
            halves=("delay.give", "delay.take"),
            input_size=self.size,
            output_size=self.size,
            hidden_size=self.size,
            state=self.states,
        )
