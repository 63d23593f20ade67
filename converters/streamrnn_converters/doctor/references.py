"""The reference that the right convention reproduces: a recording, or an ONNX graph that is run on a random signal."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import GRU, LSTM, RNN, ConversionError, VerificationError
from streamrnn_converters.missing import naming_the_extra
from streamrnn_converters.proof.recording import Recording, read_recording
from streamrnn_converters.reference_runs.once import run_reference

_STEPS = 47  # where the graph leaves them open; a prime, so that no other axis has this size by chance
_REMEDY = "record its input and output: np.savez('io.npz', input=…, output=…), (n_steps, size) each"


def read_reference(data: bytes, extension: str, seed: int = 0) -> Recording:
    """The recording in an .npz, or the answers of onnxruntime to a seeded signal that grows louder.

    Raises VerificationError where there is neither.
    """
    if extension == ".npz":
        return read_recording(data)
    if extension == ".onnx":
        return _run(data, seed)
    raise VerificationError(f"extension {extension!r} is neither .onnx nor .npz of recorded input and output")


def _run(data: bytes, seed: int) -> Recording:
    with naming_the_extra("convert"):
        import onnx

        from streamrnn_converters.onnx.rerun.runnable import runnable
    try:
        model, remarks = runnable(data)
        graph = onnx.load_model_from_string(data).graph
    except Exception as error:  # protobuf raises many types for wrong bytes
        raise VerificationError(f"not an ONNX model ({type(error).__name__}); export it again") from None
    constants = {tensor.name for tensor in graph.initializer}
    inputs = {entry.name: _sizes(entry) for entry in graph.input if entry.name not in constants}
    if not inputs:
        raise VerificationError(f"the graph takes no input; {_REMEDY}")
    name, *others = inputs
    zeros = {other: np.zeros([size or 1 for size in inputs[other]], np.float32) for other in others}
    if others:
        remarks.append(f"graph inputs other than {name!r} are given zeros: {', '.join(map(repr, others))}")
    reason = f"its input {name!r} is not a signal of one stream, shape {inputs[name]}"
    for shape in _arrangements(inputs[name]):
        x = _signal(shape, seed)
        disturbed = x.copy()
        disturbed.reshape(-1, shape[-1])[0] += 1
        try:
            (answer, changed), _ = run_reference(model, [{name: x, **zeros}, {name: disturbed, **zeros}])
        except VerificationError as error:
            reason = str(error)
            continue
        signals = _signals(answer, changed, max(shape[:-1]))
        if signals:
            output, y = signals[0]
            if len(signals) > 1:
                remarks.append(f"compared with graph output {output!r}, the first of {len(signals)} signals")
            rows = x.reshape(-1, shape[-1]).astype(np.float64)
            return Recording(rows, y, hashlib.sha256(data).hexdigest(), _initial_states(data), tuple(remarks))
        reason = f"none of its outputs is a signal that depends on {name!r} in the steps before"
    raise VerificationError(f"the graph cannot serve as the reference: {reason}; {_REMEDY}")


def _sizes(entry: Any) -> tuple[int | None, ...]:
    return tuple(dim.dim_value if dim.dim_value > 0 else None for dim in entry.type.tensor_type.shape.dim)


def _arrangements(sizes: tuple[int | None, ...]) -> Iterator[tuple[int, ...]]:
    """The shapes that one signal can have under the declared sizes: time first, batch first."""
    *axes, n_inputs = sizes or (None,)
    for time in range(len(axes)):
        n_steps = axes[time] or _STEPS
        one = all(size in (None, 1) for axis, size in enumerate(axes) if axis != time)
        if n_inputs and one and n_steps > 1 and len(axes) <= 2:
            yield (*(n_steps if axis == time else 1 for axis in range(len(axes))), n_inputs)


def _signal(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    n_steps, n_inputs = max(shape[:-1]), shape[-1]
    loudness = np.geomspace(0.1, 3, n_steps)[:, None]
    return (loudness * np.random.default_rng(seed).normal(size=(n_steps, n_inputs))).astype(np.float32).reshape(shape)


def _signals(
    answer: Mapping[str, NDArray[Any]], changed: Mapping[str, NDArray[Any]], n_steps: int
) -> list[tuple[str, NDArray[np.float64]]]:
    """The outputs, (n_steps, O), whose later steps change with the first step of the input: then the axis is time."""
    found = []
    for name, array in answer.items():
        y, other = (np.squeeze(value.astype(np.float64)) for value in (array, changed[name]))
        if y.ndim in (1, 2) and len(y) == n_steps and not np.array_equal(y[1:], other[1:]) and np.isfinite(y).all():
            found.append((name, y.reshape(n_steps, -1)))
    return found


def _initial_states(data: bytes) -> dict[tuple[int, str], NDArray[np.float64]]:
    """The initial states of the graph that are not zero; none where it cannot be imported."""
    from streamrnn_converters.onnx import read_onnx

    try:
        layers = [layer for layer in read_onnx(data).model.layers if isinstance(layer, LSTM | GRU | RNN)]
    except ConversionError:
        return {}
    names = {"h": "initial_hidden", "c": "initial_cell"}
    return {
        (k, names[state]): value.astype(np.float64)
        for k, layer in enumerate(layers)
        for state, value in layer.states.items()
        if value.any()
    }
