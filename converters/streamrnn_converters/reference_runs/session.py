"""A graph in onnxruntime for measuring latency: in this process, on one thread that does not spin."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import VerificationError
from streamrnn_converters.missing import naming_the_extra

Array = NDArray[np.float32]
_ERRORS_ONLY = 3


@dataclass(frozen=True)
class Calls:
    """How a graph is called step by step.

    n_steps     steps of one call: 1, unless the graph fixes it
    feed        gives x, (n_steps, I), as the inputs of the graph
    run         one call with these inputs
    remarks     what a reader of the times must know, one sentence each
    any_length  whether a call may have any number of steps
    """

    n_steps: int
    feed: Callable[[Array], dict[str, Array]]
    run: Callable[[dict[str, Array]], list[Any]]
    remarks: tuple[str, ...]
    any_length: bool


def session_of(model: bytes) -> Any:
    """An InferenceSession of one thread. Raises MissingExtraError without onnxruntime, VerificationError where it refuses."""
    with naming_the_extra("convert"):
        import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = _ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no base class
        raise VerificationError(f"onnxruntime cannot run the model: {' '.join(str(error).split())}") from error


def calls_of(source: bytes, input_size: int) -> Calls:
    """How onnxruntime is called for one step of a graph that takes `input_size` values per step.

    Raises ConversionError for a graph that is not understood, VerificationError for one of another size or one that
    onnxruntime refuses, MissingExtraError without onnx and onnxruntime.
    """
    from streamrnn_converters.onnx import read_onnx
    from streamrnn_converters.onnx.rerun.runnable import runnable
    from streamrnn_converters.reference_runs.graph_arrays import first_states, input_array

    imported = read_onnx(source)
    if imported.model.input_size != input_size:
        raise VerificationError(
            f"the model takes {input_size} values, but the graph {imported.model.input_size}; pass its own source"
        )
    model, remarks = runnable(source)
    session = session_of(model)
    n_steps, n_signals = imported.size_of("time") or 1, imported.size_of("batch") or 1
    if n_steps > 1:
        remarks.append(f"the graph takes {n_steps} steps at a time: each of its calls gives that many")
    elif not imported.states:
        remarks.append("the graph begins every call with its initial states: its times do not include carrying the state")
    if n_signals > 1:
        remarks.append(f"the graph takes {n_signals} signals at a time: each of its calls computes that many")
    names = [output.name for output in session.get_outputs()]
    states = {given.name: first_states(given, n_signals) for given in imported.states}
    carried = [(given.name, names.index(given.source)) for given in imported.states]

    def feed(x: Array) -> dict[str, Array]:
        every = np.repeat(x[:, None, :], n_signals, axis=1)
        return {given.name: input_array(every, given) for given in imported.inputs}

    def run(feeds: dict[str, Array]) -> list[Any]:
        results: list[Any] = session.run(None, feeds)
        return results

    def carry(feeds: dict[str, Array]) -> list[Any]:
        results: list[Any] = session.run(None, feeds | states)
        for name, index in carried:
            states[name] = results[index]
        return results

    return Calls(n_steps, feed, carry if carried else run, tuple(remarks), imported.size_of("time") is None)
