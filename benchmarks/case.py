"""What is measured: one layer, by kind and size, with random weights, and its inputs."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import streamrnn
from streamrnn.command.measuring.loop import N_ROWS

Array = NDArray[np.float32]


class Case(NamedTuple):
    """A layer: "lstm" or "gru" (reset-after), inputs, hidden units."""

    kind: str
    inputs: int
    hidden: int

    def __str__(self) -> str:
        return f"{self.kind} {self.inputs}x{self.hidden}"

    @property
    def n_gates(self) -> int:
        return {"lstm": 4, "gru": 3}[self.kind]

    @property
    def weight_bytes(self) -> int:
        """Bytes that a step must read: weights and bias."""
        return 4 * self.n_gates * self.hidden * (self.inputs + self.hidden + 1)

    @property
    def n_calls(self) -> int:
        """Calls of a sample: a multiple of N_ROWS, and more where a call is short."""
        return N_ROWS * max(1, min(16, 1_000_000 // self.weight_bytes))

    @property
    def n_looped(self) -> int:
        """Steps of a sample in compiled code: more than `n_calls` where a step is short, since there is no call around it."""
        return self.n_calls * (16 if self.weight_bytes < 50_000 else 1)

    def model(self) -> streamrnn.Model:
        """The layer alone, with weights like torch's initial ones: U(-1/√H, 1/√H)."""
        rng = np.random.default_rng([self.inputs, self.hidden])

        def weights(*shape: int) -> Array:
            return (rng.uniform(-1, 1, shape) / np.sqrt(self.hidden)).astype(np.float32)

        n, h = self.n_gates, self.hidden
        tensors = weights(n, h, self.inputs), weights(n, h, h), weights(n, h)
        return streamrnn.Model([streamrnn.LSTM(*tensors) if self.kind == "lstm" else streamrnn.GRU(*tensors, weights(h))])

    def signal(self, n_steps: int) -> Array:
        """(n_steps, I)."""
        return np.random.default_rng(0).uniform(-1, 1, (n_steps, self.inputs)).astype(np.float32)


SIZES = "1x8,1x16,1x20,1x32,1x40,1x64,64x64,128x128,256x256,512x512"
KINDS = "lstm,gru"


def cases(kinds: str, sizes: str) -> list[Case]:
    """All cases of some kinds and sizes IxH, both given as lists with commas."""
    pairs = [tuple(map(int, size.split("x"))) for size in sizes.split(",")]
    return [Case(kind, inputs, hidden) for kind in kinds.split(",") for inputs, hidden in pairs]
