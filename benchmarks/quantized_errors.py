"""python -m benchmarks.quantized_errors: what weights in fewer bytes cost in accuracy, over 10 000 steps of noise and signals.

A random LSTM with 256 inputs and units on noise; the forecasters of examples/host_load on noise and on their trace. With
--dtln model_1.onnx (https://github.com/breizhn/DTLN, MIT) its first model, a mask for magnitudes of spectra, on noise and on
the speech of examples/voice_activity, again and again.
"""

import argparse
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import LSTM, Model, quantize
from streamrnn.quantization import N_STEPS
from streamrnn.target.storage import STORED_TYPES
from streamrnn_converters import from_onnx

EXAMPLES = Path(__file__).parents[1] / "examples"
_SIZE, _FRAME, _HOP = 256, 512, 128


def main() -> None:
    """Print a table: the largest output, and the largest and the RMS error with each stored type."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtln", type=Path, help="the first model of DTLN")
    given = parser.parse_args()
    print("| model | signal | steps | largest output |", " | ".join(STORED_TYPES), "|")
    print("|---|---|---|---|" + "---|" * len(STORED_TYPES))
    for name, model, signal in cases(given.dtln):
        costs = [quantize(model, stored, signal).notes["quantization"] for stored in STORED_TYPES]
        shown = [f"{cost['largest_error']:.1e}, {cost['rms_error']:.1e}" for cost in costs]
        kind, steps = "noise" if signal is None else "its own", str(costs[0]["steps"])
        print(f"| {name} | {kind} | {steps} | {costs[0]['largest_output']:.2g} |", " | ".join(shown), "|", flush=True)


def cases(dtln: Path | None) -> Iterator[tuple[str, Model, NDArray[Any] | None]]:
    """Name, model and signal; None is noise."""
    yield "random LSTM, 256 inputs and units", random_lstm(), None
    trace = host_load()
    for name in ("gru", "lstm"):
        model = from_onnx(EXAMPLES / "host_load" / f"{name}.onnx")
        yield f"host_load, {name.upper()}", model, None
        yield f"host_load, {name.upper()}", model, trace
    if dtln is not None:
        yield "DTLN, first model", from_onnx(dtln), None
        yield "DTLN, first model", from_onnx(dtln), spectra()


def random_lstm() -> Model:
    """An LSTM with weights as torch draws them."""
    rng, bound = np.random.default_rng(0), _SIZE**-0.5
    draw = [rng.uniform(-bound, bound, shape) for shape in ((4, _SIZE, _SIZE), (4, _SIZE, _SIZE), (4, _SIZE))]
    return Model([LSTM(*draw)])


def host_load() -> NDArray[Any]:
    """The features of the trace of host_load: (n_steps, 12)."""
    sys.path.insert(0, str(EXAMPLES / "host_load"))
    from dataset import dataset, read_trace  # type: ignore[import-not-found]

    features: NDArray[Any] = dataset(read_trace(EXAMPLES / "host_load" / "trace.csv.gz")).x
    return features


def spectra() -> NDArray[Any]:
    """Magnitudes of the spectra of speech: (n_steps, 257)."""
    with wave.open(str(EXAMPLES / "voice_activity" / "speech.wav")) as file:
        speech = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32768
    frames = np.lib.stride_tricks.sliding_window_view(speech, _FRAME)[::_HOP]
    magnitudes = np.abs(np.fft.rfft(frames)).astype(np.float32)
    return np.tile(magnitudes, (-(-N_STEPS // len(magnitudes)), 1))


if __name__ == "__main__":
    main()
