"""What stands around a network in audio, against NumPy's Fourier transform in float64."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import Affine, Model, ModelError, Stream, StreamPool, audio, load
from tests.models import one_width, signal  # noqa: F401  (a fixture)

#: Windows and hops: whole and broken overlaps, odd and even lengths, one sample.
FRAMES = [(16, 4), (16, 5), (15, 5), (9, 4), (6, 6), (1, 1)]


def window(length: int) -> np.ndarray:
    """Not symmetric, and nowhere zero."""
    return np.hanning(length + 3)[1 : length + 1] + 0.2 + np.arange(length) / 100


def spectra(x: np.ndarray, w: np.ndarray, hop: int) -> np.ndarray:
    """(n_hops hop,) -> (n_hops, bins) complex, by np.fft."""
    padded = np.concatenate([np.zeros(w.size - hop), x])
    return np.stack([np.fft.rfft(w * padded[begin : begin + w.size]) for begin in range(0, x.size, hop)])


def as_complex(y: np.ndarray) -> np.ndarray:
    return y[:, ::2] + 1j * y[:, 1::2]


@pytest.mark.parametrize(("length", "hop"), FRAMES)
def test_spectra_are_those_of_numpy(length: int, hop: int) -> None:
    w, x = window(length), signal(20 * hop, 1)
    model = audio.stft(w, hop)
    assert (model.stride, model.output_size) == (hop, 2 * (length // 2 + 1))
    np.testing.assert_allclose(as_complex(Stream(model).process(x)), spectra(x[:, 0], w, hop), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("length", "hop"), FRAMES)
def test_a_signal_comes_back_from_its_spectra_after_the_delay_that_is_noted(length: int, hop: int) -> None:
    w, x = window(length), signal(20 * hop, 1)
    synthesis = np.sqrt(window(length)[::-1])
    model = audio.in_a_row(audio.stft(w, hop), audio.istft(synthesis, hop, w))
    assert audio.OutputRows.of(model) == (hop, length - hop)
    y = Stream(model).process(x).reshape(-1)
    expected = np.concatenate([np.zeros(length - hop), x[:, 0]])[: y.size]
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5)


def test_changed_spectra_are_added_as_overlapping_frames() -> None:
    w, hop, gain = window(16), 4, np.linspace(0.1, 2, 9)
    x = signal(80, 1)
    gains = Model([Affine(np.repeat(gain, 2), np.zeros(18))])
    y = Stream(audio.in_a_row(audio.stft(w, hop), gains, audio.istft(w, hop))).process(x).reshape(-1)
    total, weight = np.zeros(80 + 12), np.zeros(80 + 12)
    for index, spectrum in enumerate(spectra(x[:, 0], w, hop)):
        total[index * hop :][:16] += w * np.fft.irfft(gain * spectrum)
        weight[index * hop :][:16] += w**2
    expected = total[:80] / weight[40:44].repeat(1).reshape(1, 4).repeat(20, axis=0).reshape(-1)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5)


def test_power_magnitude_and_bands_are_those_of_complex_numbers() -> None:
    rng, x = np.random.default_rng(0), signal(30, 18)
    x[3] = 0
    z = as_complex(x.astype(np.float64))
    filters = rng.uniform(0, 1, (5, 9))
    np.testing.assert_allclose(Stream(audio.power(9)).process(x), np.abs(z) ** 2, rtol=1e-6)
    np.testing.assert_allclose(Stream(audio.magnitude(9)).process(x), np.abs(z), rtol=1e-6)
    expected = np.log(np.maximum(np.abs(z) ** 2 @ filters.T, 1e-6))
    np.testing.assert_allclose(Stream(audio.log_filterbank(filters, 1e-6)).process(x), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 7])
def test_a_delay_gives_the_row_of_some_steps_before(steps: int) -> None:
    x = signal(20, 3)
    expected = np.concatenate([np.zeros((steps, 3), np.float32), x[:-steps]])
    assert Stream(audio.delay(3, steps)).process(x).tobytes() == expected.tobytes()


def test_delays_add_up_in_rows_of_the_input() -> None:
    w = window(16)
    parts = [audio.delay(1, 3), audio.stft(w, 4), audio.delay(18, 2), audio.istft(w, 4)]
    model = audio.in_a_row(*parts)
    assert audio.OutputRows.of(model) == (4, 3 + 2 * 4 + 12)
    x = signal(80, 1)
    np.testing.assert_allclose(Stream(model).process(x).reshape(-1)[23:], x[:-23, 0], rtol=0, atol=1e-5)


def test_any_cutting_and_any_company_give_the_same_bits() -> None:
    w, hop = window(16), 4
    model = audio.in_a_row(audio.stft(w, hop), audio.istft(w, hop))
    x = np.stack([signal(12 * hop, 1, seed=seed) for seed in range(5)])
    expected = [Stream(model).process(one) for one in x]
    stream = Stream(model)
    cut = [stream.process(x[0, : 3 * hop]), *(stream.step(x[0, i : i + hop])[None] for i in range(3 * hop, 12 * hop, hop))]
    assert np.concatenate(cut).tobytes() == expected[0].tobytes()
    pool = StreamPool(model)
    slots = [pool.open() for _ in x]
    for index in range(12):
        y = pool.step(slots[::-1], np.ascontiguousarray(x[::-1, index * hop : (index + 1) * hop]))
        assert y.tobytes() == np.stack([one[index] for one in expected[::-1]]).tobytes()


def test_an_archive_keeps_what_the_output_is(tmp_path: Path) -> None:
    network = Model([Affine(np.ones(18), np.zeros(18))], notes={"source": {"file": "n.onnx"}})
    whole = audio.in_a_row(audio.stft(window(16), 4), network, audio.istft(window(16), 4))
    whole.save(tmp_path / "m")
    assert audio.OutputRows.of(load(tmp_path / "m")) == (4, 12)
    assert load(tmp_path / "m").notes["source"] == {"file": "n.onnx"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: audio.stft(np.ones((2, 2)), 1), r"window: shape \(2, 2\) does not fit"),
        (lambda: audio.stft([1.0, np.nan], 1), "window: nan at"),
        (lambda: audio.stft(["x"], 1), "window: not an array of numbers"),
        (lambda: audio.stft(np.ones(4), 5), "hop: 5 is not a whole number from 1 to 4"),
        (lambda: audio.istft(np.ones(4), 2, np.ones(3)), "has 3 values, but the window has 4"),
        (lambda: audio.istft(np.array([0.0, 1, 0, 1]), 2), "adds up to zero at sample 0"),
        (lambda: audio.istft(np.zeros(4), 2), "adds up to zero at sample 0"),
        (lambda: audio.power(0), "whole number, at least 1"),
        (lambda: audio.log_filterbank(np.ones(3)), r"filters: shape \(3,\) does not fit"),
        (lambda: audio.log_filterbank(np.ones((1, 3)), 0), "is not a number above 0"),
        (lambda: audio.delay(3, 0), "steps: 0 is not a whole number"),
        (lambda: audio.in_a_row(), "at least one model"),
        (lambda: audio.in_a_row(audio.power(3), audio.power(3)), "takes 6 values, but"),
        (lambda: audio.in_a_row(audio.istft(np.ones(2), 2), audio.stft(np.ones(2), 2)), "the 2 rows of a step as one"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(make: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make()


@pytest.mark.parametrize("noted", [3, {"rows": 0}, {"rows": 4}, {"delay": -1}, {"delay": 1.5}, {"lag": 1}])
def test_notes_that_do_not_fit_the_output_are_refused(noted: Any) -> None:
    with pytest.raises(ModelError, match="notes of the model"):
        audio.OutputRows.of(Model([Affine(np.ones(3), np.zeros(3))], notes={"output": noted}))
