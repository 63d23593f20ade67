"""onnxruntime, one thread that does not spin: `run` with the state among the inputs, IO binding, one call for all steps."""

from itertools import cycle

import numpy as np

from benchmarks.case import Case
from benchmarks.contender import Contender
from benchmarks.crowd import Crowd
from benchmarks.graph import onnx_bytes
from streamrnn import Model
from streamrnn.command.measuring.loop import N_ROWS


def run(case: Case, model: Model) -> Contender:
    """One `run` for each step."""
    return _runs(case, model, list(case.signal(N_ROWS)[:, None, None]) * (case.n_calls // N_ROWS))


def one_call(case: Case, model: Model, n_steps: int) -> Contender:
    """One `run` for all steps."""
    return _runs(case, model, [case.signal(n_steps)[:, None]])


def _runs(case: Case, model: Model, pieces: list[np.ndarray]) -> Contender:
    from streamrnn_converters.reference_runs.session import session_of

    ask = session_of(onnx_bytes(model)).run
    names = list(model.layers[0].states)
    states = [np.zeros((1, 1, case.hidden), np.float32) for _ in names]

    def lstm() -> object:
        h, c = states
        for x in pieces:
            _, h, c = ask(None, {"X": x, "h": h, "c": c})
        states[:] = h, c
        return h[0, 0]

    def gru() -> object:
        (h,) = states
        for x in pieces:
            _, h = ask(None, {"X": x, "h": h})
        states[:] = [h]
        return h[0, 0]

    return Contender(lstm if case.kind == "lstm" else gru, sum(map(len, pieces)))


def io_binding(case: Case, model: Model) -> Contender:
    """One `run_with_iobinding` for each step, on fixed arrays. Two bindings alternate: the outputs of one feed the other."""
    from streamrnn_converters.reference_runs.session import session_of

    session = session_of(onnx_bytes(model))
    x, y = np.zeros((1, 1, case.inputs), np.float32), np.zeros((1, 1, 1, case.hidden), np.float32)
    states = [{name: np.zeros((1, 1, case.hidden), np.float32) for name in model.layers[0].states} for _ in range(2)]

    def bind(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> object:
        binding = session.io_binding()
        for name, array in {"X": x, **before}.items():
            binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        for name, array in {"Y": y, **{f"{name}_next": array for name, array in after.items()}}.items():
            binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        return binding

    bindings = bind(states[0], states[1]), bind(states[1], states[0])
    rows = list(case.signal(N_ROWS)) * (case.n_calls // N_ROWS)  # an even number: the next run begins where this one ends
    ask, row_of_x = session.run_with_iobinding, x[0, 0]

    def run() -> object:
        for row, binding in zip(rows, cycle(bindings), strict=False):
            row_of_x[:] = row
            ask(binding)
        return y[0, 0, 0]

    vars(run)["held"] = states  # the bindings hold only their addresses
    return Contender(run, case.n_calls)


def batch(crowd: Crowd, model: Model) -> Contender:
    """One `run` for each tick, with the streams as its batch."""
    from streamrnn_converters.reference_runs.session import session_of

    ask = session_of(onnx_bytes(model, crowd.n_streams)).run
    names = list(model.layers[0].states)
    states = {name: np.zeros((1, crowd.n_streams, crowd.case.hidden), np.float32) for name in names}
    x = crowd.inputs()[None]

    def run() -> object:
        for _ in range(crowd.n_ticks):
            _, *after = ask(None, {"X": x, **states})
            states.update(zip(names, after, strict=True))
        return states["h"][0]

    return Contender(run, crowd.n_ticks * crowd.n_streams)
