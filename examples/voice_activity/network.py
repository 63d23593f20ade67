"""Silero VAD as a graph without `If` nodes: its sizes are fixed to one hop, and onnxruntime decides what they decide."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

FILE = Path(__file__).parent / "silero_vad_16k_op15.onnx"
RATE, HOP, CONTEXT = 16_000, 512, 64  # the network takes the last 64 samples of the hop before, too
_SIZES = {"input": (1, CONTEXT + HOP), "state": (2, 1, 128)}


def one_hop() -> bytes:
    """The graph for one hop, as ONNX: input (1, 576) and state (2, 1, 128) -> output (1, 1), a probability, and stateN.

    The file has branches for other sample rates and shapes. With its sizes known their conditions are constants, and the basic,
    machine-independent optimisations of onnxruntime keep only what runs.
    """
    graph = onnx.load(FILE)
    inputs = {each.name: each for each in graph.graph.input}
    for name, sizes in _SIZES.items():
        for axis, size in zip(inputs[name].type.tensor_type.shape.dim, sizes, strict=True):
            axis.dim_value = size
    graph.graph.input.remove(inputs["sr"])
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array(RATE), "sr"))
    for output in graph.graph.output:
        output.type.tensor_type.ClearField("shape")
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder) / "one_hop.onnx")
        onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return Path(options.optimized_model_filepath).read_bytes()


def by_onnxruntime(hops: Iterable[NDArray[np.float32]]) -> Iterator[float]:
    """The probability of speech in each hop, by onnxruntime and the file as it is, with the context and the state carried."""
    session = onnxruntime.InferenceSession(FILE, providers=["CPUExecutionProvider"])
    context, state = np.zeros(CONTEXT, np.float32), np.zeros(_SIZES["state"], np.float32)
    for hop in hops:
        samples = np.concatenate([context, hop.ravel()])
        context = samples[-CONTEXT:]
        probability, state = session.run(None, {"input": samples[None], "state": state, "sr": np.array(RATE)})
        yield float(probability[0, 0])
