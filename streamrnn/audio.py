"""What stands around a network in audio, made of layers: spectra of a signal, a signal of spectra, and models in a row.

Each function returns a `Model`, and `in_a_row` joins models. A spectrum of n bins is 2 n values, the real and the imaginary
part of each bin in turn, as in ONNX STFT-17 and in an array of complex numbers. The window is an array; its length is that of a
frame, W. The notes of a model say under "output" what its output stands for (`OutputRows`).
"""

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from streamrnn.activation import Activation
from streamrnn.errors import ModelError
from streamrnn.layers import Arithmetic, Conv1d, Dense, Frame, Pointwise, Select
from streamrnn.layers.layer import Tensor, frozen
from streamrnn.model import Model


class OutputRows(NamedTuple):
    """What the output of a step is.

    rows   of a signal, one after the other; with more than 1 the output has rows · channels values
    delay  rows of the model's input by which the output is later than what it answers
    """

    rows: int = 1
    delay: int = 0

    @classmethod
    def of(cls, model: Model) -> Self:
        """Those of a model. Raises ModelError if its notes do not fit its output."""
        noted = model.notes.get("output", {})
        try:
            output = cls(**noted)
        except TypeError:
            raise ModelError(f"the notes of the model say of its output: {noted!r:.80}; rows and delay are expected") from None
        whole = all(isinstance(number, int) and not isinstance(number, bool) for number in output)
        if not whole or output.rows < 1 or output.delay < 0 or model.output_size % output.rows:
            raise ModelError(f"the notes of the model say of its output: {noted!r:.80}, but it has {model.output_size} values")
        return output

    def noted(self) -> dict[str, Any]:
        """As notes of a model."""
        return {} if self == (1, 0) else {"output": self._asdict()}


def in_a_row(*models: Model) -> Model:
    """One model of several: each reads the output of the one before it. Their delays add up; later notes replace earlier ones.

    Raises ModelError where sizes or types do not match, or no model is given.
    """
    if not models:
        raise ModelError("in_a_row needs at least one model")
    layers, sources, notes = [*models[0].layers], [*models[0].sources], models[0].notes
    stride, output = models[0].stride, OutputRows.of(models[0])
    for index, model in enumerate(models[1:], 1):
        if output.rows > 1 and model.stride > 1:
            raise ModelError(
                f"model {index}: takes {model.stride} rows a step, but the one before it gives the {output.rows} rows of a "
                "step as one; run the two one after the other"
            )
        n = len(layers)
        sources += [tuple(source + n for source in read) for read in model.sources]
        layers += model.layers
        notes |= model.notes
        stride *= model.stride
        own = OutputRows.of(model)
        output = OutputRows(own.rows, output.delay + own.delay * stride // own.rows)
    return Model(layers, {**{name: note for name, note in notes.items() if name != "output"}, **output.noted()}, sources)


def stft(window: ArrayLike, hop: int) -> Model:
    """The spectrum of the last W samples after each hop: (hop, 1) -> (2 n,), n = W // 2 + 1 bins. Zeros before the signal.

    X_k = sum over m of window_m x_m exp(-2 pi i k m / W). ONNX STFT-17; torch.stft with center=False, of which it is frame by
    frame the answer after W - hop zeros.

    window  (W,)
    hop     samples from one spectrum to the next, at most W

    Raises ModelError for a window or a hop that does not fit.
    """
    w = _window(window, hop)
    return Model([Frame(1, hop, w.size), Dense(_stored(_to_spectrum(w.size) * w))])


def istft(window: ArrayLike, hop: int, analysis: ArrayLike | None = None) -> Model:
    """The signal of spectra by overlap-add: (2 n,) -> (hop,), the samples that no later frame adds to.

    After `stft` with the window `analysis` and the same hop it gives the signal W - hop samples later, as torch.istft does:
    each frame is multiplied with the window, and the sum is divided by that of window ⊙ analysis over all frames there. The
    imaginary parts of the first bin, and of the last one of an even W, have no effect.

    window    (W,), after the inverse transform
    hop       samples from one spectrum to the next, at most W
    analysis  (W,), the window before the transform; None: the same

    Raises ModelError for a window or a hop that does not fit, and where the sum is zero, so that a sample cannot be told.
    """
    w = _window(window, hop)
    before = w if analysis is None else _window(analysis, hop)
    if before.size != w.size:
        raise ModelError(f"istft, analysis: has {before.size} values, but the window has {w.size}")
    overlaps = -(-w.size // hop)
    padded = np.zeros(overlaps * hop)
    padded[: w.size] = w * before
    total = padded.reshape(overlaps, hop).sum(axis=0)
    if (np.abs(total) < 1e-6 * np.abs(padded).max(initial=0.0)).any() or not total.any():
        at = int(np.argmin(np.abs(total)))
        raise ModelError(
            f"istft, window: window ⊙ analysis adds up to zero at sample {at} of each hop, so it cannot be told; take a "
            "smaller hop or a window without zeros there"
        )
    frames = np.zeros((overlaps * hop, 2 * (w.size // 2 + 1)))
    frames[: w.size] = _to_frame(w.size) * w[:, None]
    taps = (frames / np.tile(total, overlaps)[:, None]).reshape(overlaps, hop, -1)
    # The first samples of the newest frame meet the later samples of older ones: the newest tap is the last.
    layer = Dense(_stored(taps[0])) if overlaps == 1 else Conv1d(_stored(taps.transpose(1, 2, 0)[:, :, ::-1]))
    return Model([layer], OutputRows(hop, w.size - hop).noted())


def power(n_bins: int) -> Model:
    """The power |X_k|² of each bin: (2 n,) -> (n,)."""
    n = n_bins
    real, imaginary = Select(2 * n, tuple(range(0, 2 * n, 2))), Select(2 * n, tuple(range(1, 2 * n, 2)))
    squares = Arithmetic(2 * n, "multiply")
    return Model([squares, real, imaginary, Arithmetic(n, "add")], sources=[(-1, -1), (0,), (0,), (1, 2)])


def magnitude(n_bins: int) -> Model:
    """The magnitude |X_k| of each bin: (2 n,) -> (n,)."""
    return in_a_row(power(n_bins), Model([Pointwise(n_bins, Activation("sqrt"))]))


def log_filterbank(filters: ArrayLike, floor: float = 1e-10) -> Model:
    """The logarithm of the power in bands: (2 n,) -> (b,), log(max(filters |X|², floor)). With mel filters: a log-mel spectrum.

    filters  (b, n), what each band takes of the power of each bin: librosa.filters.mel, torchaudio's melscale_fbanks transposed
    floor    the smallest power, more than 0

    Raises ModelError for filters that do not fit.
    """
    f = frozen("log_filterbank, filters", filters, (None, None), np.float64)
    if not 0 < floor < np.inf:
        raise ModelError(f"log_filterbank, floor: {floor!r} is not a number above 0")
    bands = Dense(_stored(f), activation=Activation("clip", alpha=floor))
    return in_a_row(power(f.shape[1]), Model([bands, Pointwise(f.shape[0], Activation("log"))]))


def delay(size: int, steps: int) -> Model:
    """The row of some steps before: (size,) -> (size,), zeros at first. What a model that looks ahead is compared with.

    size   values of a row
    steps  1 or more

    Raises ModelError for numbers that do not fit.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ModelError(f"delay, steps: {steps!r} is not a whole number, at least 1")
    frame = Frame(size, 1, steps + 1)
    return Model([frame, Select(frame.output_size, tuple(range(size)))], OutputRows(delay=steps).noted())


def _window(window: ArrayLike, hop: int) -> Tensor:
    """The window as an array. Raises ModelError if it or the hop does not fit."""
    w = frozen("window", window, (None,), np.float64)
    if isinstance(hop, bool) or not isinstance(hop, int) or not 1 <= hop <= w.size:
        raise ModelError(f"hop: {hop!r} is not a whole number from 1 to {w.size}, the length of the window")
    return w


def _turns(length: int) -> Tensor:
    """The angle 2 pi k m / W of each bin k at each sample m: (n, W)."""
    k, m = np.arange(length // 2 + 1)[:, None], np.arange(length)
    return 2 * np.pi * (k * m % length) / length


def _to_spectrum(length: int) -> Tensor:
    """The discrete Fourier transform: (2 n, W)."""
    turns = _turns(length)
    return np.stack([np.cos(turns), -np.sin(turns)], axis=1).reshape(-1, length)


def _to_frame(length: int) -> Tensor:
    """Its inverse: (W, 2 n). Bins between the first and the middle stand for two."""
    turns = _turns(length)
    twice = np.full(len(turns), 2.0)
    twice[0] = 1.0
    if length % 2 == 0:
        twice[-1] = 1.0
    parts: Tensor = np.stack([np.cos(turns), -np.sin(turns)], axis=1) * twice[:, None, None] / length
    return parts.reshape(-1, length).T


def _stored(weights: Tensor) -> Tensor:
    """Weights in the type of a layer."""
    return weights.astype(np.float32)
