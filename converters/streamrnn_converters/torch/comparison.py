"""Runs a module of torch beside the model that a description of it gave: its forward may do more than the description says."""

import copy
import warnings
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn import Arithmetic, Concat, Layer, Model, Reverse, Select, run_equations
from streamrnn.boundary import refusing
from streamrnn.errors import ConversionError
from streamrnn_converters.torch.modules import EXPORT

Array = NDArray[np.float64]

#: Steps and loudness of the signals.
_SIGNALS = ((41, 1.0), (41, 0.01), (41, 100.0), (7, 10.0), (2, 1.0))

#: The types in which a module is run, the second where it cannot be run in the first; and the largest error of each.
_TOLERANCES = {"float64": 1e-5, "float32": 1e-4}


class _Seen(NamedTuple):
    """What is seen of a module beside its model."""

    error: float  # the largest, as a share of the largest output, or of 1; infinite where there is nothing to compare
    comparable: bool
    words: str


def why_not_compared(module: Any, model: Model) -> str:
    """Why a module could not be run beside its model; "" where it was, and gave the same.

    It is called with one signal: (1, n_steps, n_inputs), (n_steps, 1, n_inputs) or (n_steps, n_inputs). Copies of it are run,
    in inference.

    model  in float64

    Raises ConversionError where it gives something else.
    """
    rng = np.random.default_rng(0)
    signals = [loudness * rng.standard_normal((n_steps, model.input_size)) for n_steps, loudness in _SIGNALS]
    pairs = [(x, _answers(model, x)) for x in signals]
    failed, ran = list[str](), list[_Seen]()
    for batch_axis in _batch_axes(module):
        for dtype, tolerance in _TOLERANCES.items():
            try:
                runs = [_outputs(module, x, batch_axis, dtype) for x, _ in pairs]
            except ConversionError as refused:
                failed.append(str(refused))
                continue
            slacks = [_rounding(model, x, ours) if dtype == "float32" else np.zeros_like(ours) for x, ours in pairs]
            compared = (_compared(*each) for each in zip(runs, (ours for _, ours in pairs), slacks, strict=True))
            seen = max(compared, key=attrgetter("error"))
            if seen.error <= tolerance:
                return ""
            if batch_axis is not None:  # else each row may be a signal of its own to the module
                ran.append(seen)
            break
    if not ran or not ran[0].comparable:
        return ran[0].words if ran else failed[0]
    raise ConversionError(
        f"layers: run in torch, the module gives something else, {ran[0].words}; layers= is right only if forward is exactly "
        f"these layers in this order; if it is not, {EXPORT}"
    )


def _batch_axes(module: Any) -> tuple[int | None, ...]:
    """Where the axis of the batch may be, None for nowhere, the usual first."""
    told = [one.batch_first for one in module.modules() if hasattr(one, "batch_first")]
    return (1, 0, None) if told and not any(told) else (0, 1, None)


def _outputs(module: Any, x: Array, batch_axis: int | None, dtype: str) -> list[Array]:
    """All tensors that a module gives for a signal. Each run is of a new copy, since a module may keep its state.

    Raises ConversionError where the module cannot be called so.
    """
    import torch  # the module has it loaded

    signal = x if batch_axis is None else np.expand_dims(x, batch_axis)
    with (
        refusing(ConversionError, f"called with one signal, of shape {signal.shape}, it fails"),
        warnings.catch_warnings(action="ignore"),
        torch.no_grad(),
        torch.random.fork_rng(devices=[]),
    ):
        own = copy.deepcopy(module).cpu().to(getattr(torch, dtype)).eval()
        answer = own(torch.tensor(signal, dtype=getattr(torch, dtype), device="cpu"))
        return [tensor.double().numpy() for tensor in _tensors(answer)]


def _tensors(answer: Any) -> Iterator[Any]:
    if hasattr(answer, "detach"):
        yield answer
    elif isinstance(answer, Mapping | list | tuple):
        for part in answer.values() if isinstance(answer, Mapping) else answer:
            yield from _tensors(part)


def _rounding(model: Model, x: Array, ours: Array) -> Array:
    """How far rounding to float32 may move the answers, up to each step: some models amplify it at every step."""
    moved = np.abs(_answers(model, x * (1 + 1e-6)) - ours)
    return np.asarray(10 * np.maximum.accumulate(moved.max(axis=1, keepdims=True)))


def _compared(outputs: list[Array], ours: Array, slack: Array) -> _Seen:
    """What is seen beside the model's answers.

    outputs  of the module, the first counts that has the shape of `ours`, or of its last step
    slack    what is taken off the errors of each step
    """
    for output in outputs:
        for rows in (ours, ours[-1:]):
            if _lengths(output) == _lengths(rows):
                errors = np.maximum(np.abs(output.reshape(rows.shape) - rows) - slack[-len(rows) :], 0)
                errors[~np.isfinite(errors)] = np.inf
                step = int(errors.max(axis=1).argmax()) + len(ours) - len(rows)
                share = errors.max() / max(1.0, np.abs(rows).max())
                return _Seen(float(share), True, f"{errors.max():.3g} away at step {step} of {len(ours)}")
    shapes = ", ".join(str(output.shape) for output in outputs) or "no tensor"
    return _Seen(np.inf, False, f"for {len(ours)} steps it gives {shapes}, where the model gives {ours.shape}")


def _lengths(array: Array) -> list[int]:
    """Of its axes, but for those of one element."""
    return [length for length in array.shape if length > 1]


def _answers(model: Model, x: Array) -> Array:
    """What a model gives for a signal, by its equations: nothing is compiled."""
    values = {-1: x}
    for index, (layer, sources) in enumerate(zip(model.layers, model.sources, strict=True)):
        values[index] = _layer_answers(layer, [values[source] for source in sources])
    return values[len(model.layers) - 1]


def _layer_answers(layer: Layer, signals: list[Array]) -> Array:
    match layer:
        case Reverse():
            return signals[0][::-1]
        case Concat():
            return np.concatenate(signals, axis=1)
        case Select():
            return signals[0][:, layer.indices]
        case Arithmetic():
            return signals[0] + signals[1]  # of a skip
    return run_equations(layer, signals[0])[0]
