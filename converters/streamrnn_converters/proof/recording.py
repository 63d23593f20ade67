"""A signal and a model's answers to it, recorded in another program: the reference where there is no graph to run."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import GRU, LSTM, RNN, ConversionError, Layer, Model, ModelError, Stream, VerificationError, __version__
from streamrnn_converters.proof.report import Comparison, said_of_unreached
from streamrnn_converters.proof.streaming import stream_chunk, stream_runs
from streamrnn_converters.proof.weights import mutants
from streamrnn_converters.reading.npz import npz_arrays

Array = NDArray[np.float64]
_INITIAL = re.compile(r"initial_(hidden|cell)(?:_(\d+))?")
_PART = 1000  # steps
_FORMAT = "write np.savez(path, input=…, output=…), each (n_steps, size), optionally initial_hidden and initial_cell, (H,)"


@dataclass(frozen=True)
class Recording:
    """The inputs and outputs of a model, from its first step on."""

    input: Array  # (n_steps, I)
    output: Array  # (n_steps, O)
    sha256: str  # of the file
    #: (k-th recurrent layer, "initial_hidden" or "initial_cell") -> (size,); those that are missing are zeros.
    initial: Mapping[tuple[int, str], Array] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecordingReport:
    """The outcome of `compare`. `proven` is the verdict; `str` is for people; `to_json` is what an archive keeps."""

    source_sha256: str
    model_fingerprint: str
    streamrnn: str
    tolerance: float
    n_steps: int
    comparisons: tuple[Comparison]
    remarks: tuple[str, ...] = ()
    unreached: tuple[str, ...] = ()  # weights on which nothing that was recorded depends

    @property
    def proven(self) -> bool:
        """Whether every value of every step agrees."""
        return self.comparisons[0].agrees

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {"proven": self.proven, **asdict(self)}

    def __str__(self) -> str:
        (c,) = self.comparisons
        where = " ".join(f"{axis} {index}" for axis, index in c.place.items())
        lines = [
            f"largest error {c.absolute:.2e} at {where}: ours {c.ours:.7g}, recorded {c.reference:.7g}",
            *self.remarks,
            *map(said_of_unreached, self.unreached),
            f"{'proven' if self.proven else 'NOT proven'}: {self.n_steps} recorded steps, "
            f"tolerance {self.tolerance:g} · max(1, |recorded|)"
            + ("" if self.proven else f"; differs from step {c.first_disagreement} on"),
        ]
        return "\n".join(lines)


def read_recording(data: bytes) -> Recording:
    """The recording in the bytes of an .npz: "input" (n_steps, I) and "output" (n_steps, O).

    Initial states other than zeros are "initial_hidden" and "initial_cell", (H,); those of the k-th recurrent layer,
    counted from 0, are "initial_hidden_k" and "initial_cell_k". Raises VerificationError, naming the array, for anything else.
    """
    try:
        arrays = npz_arrays(data)
    except ConversionError as error:
        raise VerificationError(f"not a recording, an .npz of plain arrays ({error}); {_FORMAT}") from None
    found = {name: _checked(name, array) for name, array in arrays.items()}
    for name in ("input", "output"):
        if name not in found:
            raise VerificationError(f"array {name!r} is missing; {_FORMAT}")
    x, y = found.pop("input"), found.pop("output")
    if len(x) != len(y):
        raise VerificationError(f"'input' has {len(x)} steps, 'output' {len(y)}; record one output for each input")
    if len(x) < 2:
        raise VerificationError("'input' has 1 step; recurrent weights act from the second on, record a few dozen")
    initial = {}
    for name, array in found.items():
        match = _INITIAL.fullmatch(name)
        assert match is not None
        initial[int(match[2] or 0), f"initial_{match[1]}"] = array
    return Recording(x, y, hashlib.sha256(data).hexdigest(), initial)


def compare(model: Model, recording: Recording, tolerance: float = 1e-5) -> RecordingReport:
    """Compare what a stream of `model` gives for the recorded input with the recorded output.

    tolerance  a value agrees where |ours - recorded| <= tolerance * max(1, |recorded|)

    Raises VerificationError where the sizes differ.
    """
    sizes, recorded = (model.input_size, model.output_size), (recording.input.shape[1], recording.output.shape[1])
    if sizes != recorded:
        raise VerificationError(
            f"the model takes {sizes[0]} values and gives {sizes[1]}, but the recording has {recorded[0]} and {recorded[1]}"
        )
    stream = Stream(_with_initial_states(model, recording.initial))
    ours, _ = stream_runs(stream, recording.input, [len(recording.input)])
    reference = recording.output[: len(ours)]
    error = np.abs(ours - reference)
    wrong = np.argwhere(~(error <= tolerance * np.maximum(1, np.abs(reference))))
    first = int(wrong[0, 0]) if len(wrong) else len(ours) if len(ours) < len(recording.output) else None
    remarks = list(recording.remarks)
    if recording.initial:
        remarks.append("compared from the recorded initial states; the model keeps its own")
    if len(ours) < len(recording.output):
        remarks.append(f"the model overflows {model.dtype} at step {len(ours)}")
    step, unit = np.unravel_index(np.argmax(error), error.shape) if error.size else (0, 0)
    comparison = Comparison(
        output="output",
        case="recorded",
        absolute=float(error[step, unit]) if error.size else float("inf"),
        relative=float(np.max(error / np.maximum(np.abs(reference), 1e-6), initial=0)),
        place={"time": int(step), "feature": int(unit)},
        ours=float(ours[step, unit]) if error.size else float("nan"),
        reference=float(recording.output[step, unit]),
        first_disagreement=first,
    )
    return RecordingReport(
        recording.sha256,
        model.fingerprint,
        __version__,
        tolerance,
        len(recording.output),
        (comparison,),
        tuple(remarks),
        tuple(_unreached(model, recording, tolerance)) if first is None else (),
    )


def _unreached(model: Model, recording: Recording, tolerance: float) -> Iterator[str]:
    """The weights in whose place noise gives the recorded output too."""
    for name, mutant in mutants(model, seed=0):
        stream, length = Stream(_with_initial_states(mutant, recording.initial)), len(recording.input)
        for begin in range(0, length, _PART):
            ours = stream_chunk(stream, recording.input[begin : begin + _PART])
            recorded = recording.output[begin : begin + _PART]
            if len(ours) < len(recorded) or (np.abs(ours - recorded) > tolerance * np.maximum(1, np.abs(recorded))).any():
                break
        else:
            yield name


def _checked(name: str, array: NDArray[Any]) -> Array:
    states = _INITIAL.fullmatch(name)
    if name not in ("input", "output") and not states:
        raise VerificationError(f"array {name!r} is not understood; {_FORMAT}")
    if array.dtype.kind not in "fiu":
        raise VerificationError(f"array {name!r}: dtype {array.dtype} is not a real number")
    if states:
        array = array.reshape(-1) if array.size == max(array.shape, default=1) else array  # (1, 1, H), as frameworks have it
    n_axes = 1 if states else 2
    if array.ndim != n_axes or not array.size:
        wanted = "(H,)" if states else "(n_steps, size)"
        raise VerificationError(f"array {name!r}: shape {array.shape}, but {wanted} is expected, each at least 1")
    wide = array.astype(np.float64)
    if not (np.abs(wide) <= np.finfo(np.float32).max).all():
        raise VerificationError(f"array {name!r}: holds NaN, infinity, or a number beyond float32")
    return wide


def _with_initial_states(model: Model, initial: Mapping[tuple[int, str], Array]) -> Model:
    """The model with other initial states."""
    if not initial:
        return model
    layers: list[Layer] = list(model.layers)
    recurrent = [index for index, layer in enumerate(layers) if isinstance(layer, LSTM | GRU | RNN)]
    for (k, name), array in initial.items():
        layer = layers[recurrent[k]] if k < len(recurrent) else None
        try:
            if not isinstance(layer, LSTM | GRU | RNN) or not hasattr(layer, name):
                raise ModelError(f"there is no recurrent layer {k} with such a state")
            layers[recurrent[k]] = replace(layer, **{name: array})  # type: ignore[arg-type]
        except ModelError as error:
            raise VerificationError(f"array {name!r} of the recording: {error}") from None
    return Model(layers, sources=model.sources)
