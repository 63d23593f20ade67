"""Runs onnxruntime on prepared inputs, as a script: `python worker.py FOLDER`.

Reads model.onnx and feeds.safetensors ("run/input") in the folder, writes results.safetensors ("run/output"). What the feeds'
metadata tells under "carried" (input -> output) a run that lacks such an input takes from the run before.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from safetensors import safe_open
from safetensors.numpy import save_file


def main(place: Path) -> None:
    """One thread, the CPU, no messages but errors, and the graph as it stands: optimizing trusts what it declares of shapes."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(place / "model.onnx", options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    runs: dict[int, dict[str, np.ndarray]] = {}
    with safe_open(place / "feeds.safetensors", "numpy") as feeds:
        carried = json.loads(feeds.metadata()["carried"])
        for key in feeds.keys():  # noqa: SIM118 - no mapping
            run, _, name = key.partition("/")
            runs.setdefault(int(run), {})[name] = feeds.get_tensor(key)
    results: dict[str, np.ndarray] = {}
    before: dict[str, np.ndarray] = {}
    for run, feed in sorted(runs.items()):
        feed |= {name: before[output] for name, output in carried.items() if name not in feed}
        before = dict(zip(names, session.run(names, feed), strict=True))
        results |= {f"{run}/{name}": np.ascontiguousarray(value) for name, value in before.items()}
    save_file(results, place / "results.safetensors", {"onnxruntime": onnxruntime.__version__})


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except Exception as error:  # whatever it is, one line of it is what the caller can tell
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split()))
