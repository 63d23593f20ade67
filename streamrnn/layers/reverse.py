"""A signal backwards in time: canonical form. It has no kernel, since no stream can answer before the signal ends."""

from dataclasses import dataclass
from typing import ClassVar

from streamrnn.errors import ModelError
from streamrnn.layers.layer import SizedLayer
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


@dataclass(frozen=True, eq=False)
class Reverse(SizedLayer):
    """y_t = x_(n - 1 - t), of a recording of n steps. ONNX ReverseSequence-10, over the whole of a sequence.

    A recurrent layer runs backwards between two of them, as ONNX's direction "reverse" and torch's bidirectional modules have
    it; its state after the last step is that which it has at the first step of the recording.

    size   n, values of x
    dtype  "float32" or "float64": what it computes in

    Raises ModelError for anything that does not fit.
    """

    size: int
    dtype: str = "float32"

    kind: ClassVar[str] = "reverse"
    streamable: ClassVar[bool] = False

    def pack(self, width: Width) -> Op:
        raise ModelError(
            "a reverse layer cannot be streamed, it needs the end of the signal; streamrnn.run_offline(model, signal) answers "
            "a whole recording"
        )
