"""Reverse a signal in time: canonical form. It has no kernel: a stream cannot answer before the signal ends."""

from dataclasses import dataclass
from typing import ClassVar

from streamrnn.errors import ModelError
from streamrnn.layers.layer import SizedLayer
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


@dataclass(frozen=True, eq=False)
class Reverse(SizedLayer):
    """y_t = x_(T - 1 - t), of a recording of T steps. ONNX ReverseSequence-10, over a whole sequence.

    A recurrent layer between two of them runs backwards, as ONNX's direction "reverse" and torch's bidirectional modules do. It
    takes the last step of the recording first, so its final state is the one after the first step of the recording.

    size   n, values of x
    dtype  "float32" or "float64": compute precision

    Raises ModelError for anything that does not fit.
    """

    size: int
    dtype: str = "float32"

    kind: ClassVar[str] = "reverse"
    streamable: ClassVar[bool] = False

    def pack(self, width: Width) -> Op:
        raise ModelError(
            "a reverse layer cannot be streamed, it needs the end of the signal; use streamrnn.run_offline(model, signal) for "
            "a whole recording"
        )
