"""Layers from the arrays of Keras layers, as get_weights() gives them: matrices (inputs, gates · units), gates side by side.

Gate orders are those of streamrnn/gates.py.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import GRU, LSTM, RNN, Activation, Affine, Conv1d, Dense, Layer
from streamrnn.activation import LINEAR, SIGMOID, TANH
from streamrnn.errors import ConversionError
from streamrnn.gates import reorder
from streamrnn_converters.formats.json_values import floats

_MOST_WEIGHTS = 1 << 24  # of a convolution that is made of smaller kernels


class KerasWeights:
    """The arrays of one Keras layer, in the order of get_weights()."""

    def __init__(self, where: str, arrays: list[Any], dtype: str) -> None:
        self._where = where
        self._arrays = arrays
        self._dtype = dtype

    def __len__(self) -> int:
        return len(self._arrays)

    def lstm(self, activations: tuple[Activation, ...] = (SIGMOID, TANH, TANH)) -> LSTM:
        """keras.layers.LSTM: kernel (I, 4 H), recurrent kernel (H, 4 H), and a bias (4 H,) unless it has none."""
        kernel, recurrent = self._recurrent("lstm", 4)
        hidden = kernel.shape[1]
        bias = self._gates("lstm", self._array(2, "bias", 4 * hidden), hidden) if self.expect(2, 3) == 3 else None
        return LSTM(
            kernel, recurrent, np.zeros((4, hidden)) if bias is None else bias, activations=activations, dtype=self._dtype
        )

    def gru(self, reset_after: bool, activations: tuple[Activation, ...] = (SIGMOID, TANH)) -> GRU:
        """keras.layers.GRU: kernel (I, 3 H), recurrent kernel (H, 3 H), bias (2, 3 H) with `reset_after`, else (3 H,)."""
        kernel, recurrent = self._recurrent("gru", 3)
        hidden = kernel.shape[1]
        has_bias = self.expect(2, 3) == 3
        if not reset_after:
            bias = self._gates("gru", self._array(2, "bias", 3 * hidden), hidden) if has_bias else np.zeros((3, hidden))
            return GRU(kernel, recurrent, bias, form="reset-before", activations=activations, dtype=self._dtype)
        both = self._array(2, "bias", 2, 3 * hidden) if has_bias else np.zeros((2, 3 * hidden))
        of_inputs, of_states = (self._gates("gru", row, hidden) for row in both)
        bias = np.concatenate([of_inputs[:2] + of_states[:2], of_inputs[2:]])  # the reset gate multiplies n's second bias
        return GRU(kernel, recurrent, bias, of_states[2], form="reset-after", activations=activations, dtype=self._dtype)

    def rnn(self, activation: Activation = TANH) -> RNN:
        """keras.layers.SimpleRNN: kernel (I, H), recurrent kernel (H, H), and a bias (H,) unless it has none."""
        kernel, recurrent = self._recurrent("rnn", 1)
        hidden = kernel.shape[1]
        bias = self._array(2, "bias", hidden) if self.expect(2, 3) == 3 else np.zeros(hidden)
        return RNN(kernel, recurrent, bias[None], activations=(activation,), dtype=self._dtype)

    def dense(self, activation: Activation = LINEAR) -> Dense:
        """keras.layers.Dense: kernel (I, O), and a bias (O,) unless it has none."""
        kernel = self._kernel(0, "kernel", None, None)
        bias = self._array(1, "bias", kernel.shape[1]) if self.expect(1, 2) == 2 else np.zeros(kernel.shape[1])
        return Dense(kernel.T, bias, activation, self._dtype)

    def conv1d(self, dilation: int) -> Layer:
        """keras.layers.Conv1D, causal: kernel (K, I, O), the last tap the present, and a bias (O,) unless it has none."""
        return self._convolution(self._kernel(0, "kernel", None, None, None), dilation, 1)

    def separable_conv1d(self, dilation: int) -> Layer:
        """keras.layers.SeparableConv1D, causal: depthwise kernel (K, I, M), pointwise kernel (1, I · M, O), a bias (O,) if any.

        Nothing lies between the two kernels, so they are one convolution.
        """
        depthwise = self._array(0, "depthwise kernel", None, None, None)
        _, inputs, multiplier = depthwise.shape
        pointwise = self._array(1, "pointwise kernel", 1, inputs * multiplier, None)
        self._check_size(depthwise.shape[0] * inputs * pointwise.shape[2])
        with np.errstate(over="ignore"):
            kernel = np.einsum("kim,imo->kio", depthwise, pointwise.reshape(inputs, multiplier, -1))
        return self._convolution(kernel, dilation, 2)

    def depthwise_conv1d(self, dilation: int) -> Layer:
        """keras.layers.DepthwiseConv1D, causal: kernel (K, I, M), and a bias (I · M,) unless it has none."""
        depthwise = self._array(0, "depthwise kernel", None, None, None)
        taps, inputs, _ = depthwise.shape
        self._check_size(depthwise.size * inputs)
        kernel = np.einsum("kim,ij->kijm", depthwise, np.eye(inputs))  # an output reads its own input only
        return self._convolution(kernel.reshape(taps, inputs, -1), dilation, 1)

    def _check_size(self, n_weights: int) -> None:
        """Refuse a convolution over all channels that is too large to write out."""
        if n_weights > _MOST_WEIGHTS:
            raise ConversionError(
                f"{self._where}: is a convolution of {n_weights} weights, more than {_MOST_WEIGHTS} that are read"
            )

    def _convolution(self, kernel: NDArray[np.floating[Any]], dilation: int, n_kernels: int) -> Layer:
        """A kernel (K, I, O), with the bias that comes after so many arrays of kernels."""
        has_bias = self.expect(n_kernels, n_kernels + 1) > n_kernels
        bias = self._array(n_kernels, "bias", kernel.shape[2]) if has_bias else np.zeros(kernel.shape[2])
        if len(kernel) == 1:
            return Dense(kernel[0].T, bias, LINEAR, self._dtype)
        return Conv1d(kernel.transpose(2, 1, 0), bias, dilation, self._dtype)

    def batch_normalization(self, epsilon: float, scale: bool = True, center: bool = True) -> Affine:
        """keras.layers.BatchNormalization in inference: gamma with `scale`, beta with `center`, moving mean and variance."""
        self.expect(2 + scale + center)
        mean = self._array(scale + center, "moving mean", None)
        variance = self._array(scale + center + 1, "moving variance", len(mean))
        gamma = self._array(0, "gamma", len(mean)) if scale else np.ones(len(mean))
        beta = self._array(int(scale), "beta", len(mean)) if center else np.zeros(len(mean))
        if not (variance + epsilon > 0).all():
            raise ConversionError(f"{self._where}: a variance plus epsilon {epsilon:g} is not positive; save the model again")
        factor = gamma / np.sqrt(variance + epsilon)
        return Affine(factor, beta - mean * factor, self._dtype)

    def expect(self, *expected: int) -> int:
        """How many arrays there are. Raises ConversionError for another number than expected."""
        if len(self._arrays) not in expected:
            wanted = " or ".join(map(str, expected))
            raise ConversionError(f"{self._where}: has {len(self._arrays)} arrays of weights, but {wanted} are expected")
        return len(self._arrays)

    def raw(self, index: int) -> Any:
        """One array as it is, of any shape; None where it is missing."""
        return self._arrays[index] if index < len(self._arrays) else None

    def vector(self, index: int, name: str, *shape: int | None) -> NDArray[np.float64]:
        """One array, flat."""
        return self._array(index, name, *shape).reshape(-1)

    def _array(self, index: int, name: str, *shape: int | None) -> NDArray[np.float64]:
        return self._kernel(index, name, *shape).astype(np.float64, copy=False)

    def _kernel(self, index: int, name: str, *shape: int | None) -> NDArray[np.floating[Any]]:
        """One array, of its own type: nothing is computed from it."""
        if index >= len(self._arrays):
            raise ConversionError(f"{self._where}: has no {name} among its {len(self._arrays)} arrays of weights")
        return floats(f"{self._where}, {name}", self._arrays[index], *shape)

    def _recurrent(self, kind: str, n_gates: int) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
        """Kernel and recurrent kernel as (gates, units, inputs)."""
        kernel = self._kernel(0, "kernel", None, None)
        hidden, remainder = divmod(kernel.shape[1], n_gates)
        if remainder:
            raise ConversionError(f"{self._where}, kernel: {kernel.shape[1]} columns are not {n_gates} gates of one size")
        recurrent = self._kernel(1, "recurrent kernel", hidden, n_gates * hidden)
        return self._gates(kind, kernel, hidden), self._gates(kind, recurrent, hidden)

    def _gates(self, kind: str, array: NDArray[np.floating[Any]], hidden: int) -> NDArray[np.floating[Any]]:
        """An array (…, gates · units) as (gates, units, …), the gates in the order of streamrnn."""
        gates = np.moveaxis(array.reshape(*array.shape[:-1], -1, hidden), [-2, -1], [0, 1])
        return gates if kind == "rnn" else reorder(gates, kind, "keras")
