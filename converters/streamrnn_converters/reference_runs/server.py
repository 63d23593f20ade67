"""Runs onnxruntime on requests, as a script: `python server.py MODEL`.

Requests come on standard input, answers go to standard output. Both are the number of bytes that follow (8 bytes, little
endian) and arrays by name, as safetensors. A request holds the graph's inputs, an answer its outputs. The first answer comes
without a request and holds the version.
"""

import os
import struct
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
import onnxruntime
from safetensors.numpy import load, save


def main(model: Path) -> None:
    """Serve until standard input ends: one thread, CPU, only errors as messages. The graph is not optimized, since the
    optimizer believes the shapes that it declares."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print goes to standard error, not among the answers
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    _write(answers, {"version": np.frombuffer(onnxruntime.__version__.encode(), np.uint8)})
    while header := sys.stdin.buffer.read(8):
        feed = load(sys.stdin.buffer.read(*struct.unpack("<Q", header)))
        results = session.run(names, feed)
        _write(answers, {name: np.ascontiguousarray(value) for name, value in zip(names, results, strict=True)})


def _write(answers: BinaryIO, arrays: dict[str, np.ndarray]) -> None:
    blob = save(arrays)
    answers.write(struct.pack("<Q", len(blob)))
    answers.write(blob)
    answers.flush()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except BrokenPipeError:
        pass
    except Exception as error:  # the caller shows the last line
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split()))
