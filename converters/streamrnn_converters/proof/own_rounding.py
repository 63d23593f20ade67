"""How far onnxruntime's own rounding moves a graph of integers from the graph of floats with which a model is compared."""

import numpy as np

from streamrnn import VerificationError
from streamrnn_converters.onnx.parse.dequantised import dequantised
from streamrnn_converters.onnx.rerun.float_types import to_float32
from streamrnn_converters.onnx.rerun.layout import time_first
from streamrnn_converters.proof.view import Answered
from streamrnn_converters.reference_runs.once import run_reference


def own_rounding(data: bytes, answered: Answered, timeout: float) -> tuple[str, ...]:
    """A sentence for each output of a graph of integers; () for a graph of floats. It is told, and not judged.

    answered  the runs of the graph of floats
    """
    if not dequantised(data)[1]:
        return ()
    graph, _ = to_float32(time_first(data)[0])
    largest: dict[str, tuple[float, str]] = {}
    try:
        for trial, ours, runs in zip(answered.trials, answered.ours, answered.runs, strict=True):
            found, _ = run_reference(graph, answered.view.feeds(trial, ours), timeout, answered.view.carried)
            for own, other in zip(found, runs, strict=True):
                for name, array in answered.view.apart(own, trial).items():
                    moved = float(np.max(np.abs(array.astype(np.float64) - other[name]), initial=0.0))
                    if not moved <= largest.get(name, (-1.0, ""))[0]:
                        largest[name] = moved, trial.case.name
    except VerificationError as error:
        return (f"the graph of integers itself was not run: {error}",)
    return tuple(
        f"output {name!r}: in onnxruntime the graph of integers differs from that of floats by {moved:.1e} (case {case!r})"
        for name, (moved, case) in largest.items()
    )
