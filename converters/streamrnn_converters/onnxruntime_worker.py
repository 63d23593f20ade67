"""Runs onnxruntime on prepared inputs, as a script: `python onnxruntime_worker.py FOLDER`.

Reads model.onnx and feeds.safetensors ("run/input") in the folder, writes results.safetensors ("run/output").
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from safetensors.numpy import load_file, save_file


def main(place: Path) -> None:
    """One thread, the CPU, no messages but errors, and the graph as it stands: optimizing trusts what it declares of shapes."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(place / "model.onnx", options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    runs: dict[str, dict[str, np.ndarray]] = {}
    for key, array in load_file(place / "feeds.safetensors").items():
        run, _, name = key.partition("/")
        runs.setdefault(run, {})[name] = array
    results = {
        f"{run}/{name}": np.ascontiguousarray(value)
        for run, feed in runs.items()
        for name, value in zip(names, session.run(names, feed), strict=True)
    }
    save_file(results, place / "results.safetensors", {"onnxruntime": onnxruntime.__version__})


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except Exception as error:  # whatever it is, one line of it is what the caller can tell
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split()))
