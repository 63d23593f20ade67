"""The mutation law: noise in the place of any one weight makes `verify` say NOT proven, or name the weight.

python -m tests.converters.proof.mutation_law FILES        # of ONNX; every weight of each, and a count of the survivors
"""

import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from streamrnn import ConversionError, Model, StreamRNNError, VerificationError
from streamrnn_converters import from_onnx, verify
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.proof.verification import Case

BRIEF = (Case("normal", 1.0, 30),)


def mutants(data: bytes, seed: int, states: Any = None) -> Iterator[tuple[str, Model]]:
    """Each tensor of the model and each matrix of the graph by name, and the model with noise there instead."""
    rng = np.random.default_rng(seed)
    model = read_onnx(data, offline=True, states=states).model
    for index, layer in enumerate(model.layers):
        for name, tensor in layer.tensors().items():
            layers = list(model.layers)
            layers[index] = layer.with_tensor(name, rng.normal(size=tensor.shape))
            yield f"{name} of layer {index} ({layer.kind})", Model(layers, model.notes, model.sources)
    graph = onnx.load_model_from_string(data)
    for tensor in graph.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype.kind == "f" and array.ndim > 1:
            kept = tensor.SerializeToString()
            tensor.CopyFrom(numpy_helper.from_array(rng.normal(size=array.shape).astype(array.dtype), tensor.name))
            try:
                yield f"{tensor.name!r} of the graph", from_onnx(graph.SerializeToString(), offline=True, states=states)
            except ConversionError:  # weights that must be the same in each step are not any more
                pass
            tensor.ParseFromString(kept)


def survivors(data: bytes, seed: int = 0, states: Any = None, cases: tuple[Case, ...] = BRIEF) -> Iterator[tuple[str, str]]:
    """What became of each mutant: its name, and "found", "named" or "SURVIVES"."""
    for name, mutant in mutants(data, seed, states):
        try:
            report = verify(mutant, data, cases=cases)
        except VerificationError:  # another model altogether, or one that overflows at once
            yield name, "found"
            continue
        of_gates = any(
            each.endswith(f" of {name.partition(' of ')[2]}") and each.startswith(name.split()[0]) for each in report.unreached
        )
        named = any(each.startswith(name) for each in report.unreached) or of_gates
        yield name, "named" if report.proven and named else "SURVIVES" if report.proven else "found"


def main(paths: list[str]) -> None:
    """Print the survivors of all files."""
    warnings.simplefilter("ignore")
    counts: dict[str, int] = {}
    for path in paths:
        with open(path, "rb") as file:
            data = file.read()
        try:
            for name, outcome in survivors(data):
                counts[outcome] = counts.get(outcome, 0) + 1
                if outcome != "found":
                    print(path, name, outcome, flush=True)
        except StreamRNNError as refused:
            print(f"{path}: {refused}", flush=True)
    print(counts)


if __name__ == "__main__":
    main(sys.argv[1:])
