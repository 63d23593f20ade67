"""The last rows of a signal as one vector, every few rows: canonical form. The kernel is in streamrnn/kernels/frame.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from streamrnn.layers.layer import DTYPES, Layer, Tensor
from streamrnn.target.op import Op
from streamrnn.target.packing import Width


@dataclass(frozen=True, eq=False)
class Frame(Layer):
    """y_r = the rows x_(r hop + hop - window) to x_(r hop + hop - 1), the oldest first. Its rate is a hop-th of its source's.

    librosa.util.frame and torch.Tensor.unfold, with window - hop rows of zeros before the signal. A window of 1 keeps every
    hop-th row (downsampling). A Dense layer after it is a convolution with a stride. Where the window is longer than the hop,
    the state "x" holds its first rows, (window - hop) · size values.

    size    values of a row of x
    hop     rows of x for each row of y
    window  rows of x that a row of y holds; None: as many as the hop
    dtype   "float32" or "float64": compute precision

    Raises ModelError for anything that does not fit.
    """

    size: int
    hop: int
    window: int | None = None
    dtype: str = "float32"

    kind: ClassVar[str] = "frame"

    def __post_init__(self) -> None:
        self._check_sizes("size, hop", (self.size, self.hop))
        window = self.hop if self.window is None else self.window
        self._check_sizes("window", (window,))
        object.__setattr__(self, "window", window)

    @property
    def stride(self) -> int:
        return self.hop

    @property
    def input_size(self) -> int:
        return self.size

    @property
    def output_size(self) -> int:
        assert self.window is not None
        return self.window * self.size

    @property
    def states(self) -> Mapping[str, Tensor]:
        n_kept = self.output_size - self.hop * self.size
        return {"x": np.zeros(n_kept, DTYPES[self.dtype])} if n_kept > 0 else {}

    def pack(self, width: Width) -> Op:
        return Op(
            kernel="frame.frame",
            input_size=self.hop * self.size,
            output_size=self.output_size,
            hidden_size=self.output_size,
            state=self.states,
        )
