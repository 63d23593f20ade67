"""python -m benchmarks.whole_models: a step of the networks of the examples, and of DTLN where it is there, beside onnxruntime.

They take turns, ten steps each, and the fastest turn counts. In turns of one step each would find its weights pushed out of the
caches by the other.
"""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Stream
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.onnx.imported import Imported
from streamrnn_converters.reference_runs.graph_arrays import first_states, input_array
from streamrnn_converters.reference_runs.session import session_of

EXAMPLES = Path(__file__).parents[1] / "examples"
NETWORKS: dict[str, dict[str, int]] = {
    "denoiser/gtcrn_simple.onnx": {},
    "voice_activity/silero_vad_16k_op15.onnx": {"sr": 16_000, "batch": 1, "sequence": 576},
    "../../shared/models/dtln/model_1.onnx": {},  # no part of the project
}
ROUNDS, CALLS, ROWS, SCALE = 400, 10, 100, 0.1
TOLERANCE = 1e-5

Array = NDArray[np.float32]


def bound(data: bytes, imported: Imported) -> Callable[[Array], Array]:
    """A step of onnxruntime on fixed arrays: from a row to an answer. Two bindings alternate: states of one feed the other."""
    session = session_of(data)
    (given,), carried = imported.inputs, {state.name: state.source for state in imported.states}
    x = input_array(np.zeros((1, 1, given.size), np.float32), given)
    before, after = ({state.name: first_states(state, 1).copy() for state in imported.states} for _ in range(2))
    outputs = {output.name: np.zeros(output.sizes, np.float32) for output in imported.outputs if not output.states}

    def bind(fed: dict[str, Array], left: dict[str, Array]) -> Any:
        binding = session.io_binding()
        for name, array in {given.name: x, **fed, **imported.constants}.items():
            binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for name, array in {**outputs, **{carried[name]: array for name, array in left.items()}}.items():
            binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        return binding

    turns, values, (answer,) = [bind(after, before), bind(before, after)], x.reshape(-1), outputs.values()

    def step(row: Array) -> Array:
        values[:] = row
        turns.reverse()
        session.run_with_iobinding(turns[0])
        return answer.reshape(-1)

    vars(step)["held"] = before, after, imported.constants  # the bindings hold only their addresses
    return step


def main() -> None:
    """Print the times of each network."""
    for name, constants in NETWORKS.items():
        if not (EXAMPLES / name).exists():
            print(f"{Path(name).name} is not there")
            continue
        data = (EXAMPLES / name).read_bytes()
        imported = read_onnx(data, constants)
        ours, theirs = Stream(imported.model).step, bound(data, imported)
        x = np.random.default_rng(0).normal(0, SCALE, (ROWS, imported.model.input_size)).astype(np.float32)
        times = np.empty((ROUNDS, 2), np.int64)
        for index in range(ROUNDS):
            rows = [x[(CALLS * index + call) % ROWS] for call in range(CALLS)]
            begin = perf_counter_ns()
            expected = [theirs(row).copy() for row in rows]
            middle = perf_counter_ns()
            found = [ours(row) for row in rows]
            times[index] = middle - begin, perf_counter_ns() - middle
            if CALLS * index < ROWS:
                np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
        onnxruntime, streamrnn = times.min(axis=0) / (1000 * CALLS)
        print(
            f"{Path(name).name:26} onnxruntime {onnxruntime:6.1f} µs, streamrnn {streamrnn:6.1f} µs: "
            f"{onnxruntime / streamrnn:.1f} times as fast"
        )


if __name__ == "__main__":
    main()
