"""What a graph gives in float64, by the definitions of its operators: the judge where two answers in float32 differ."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from streamrnn.errors import VerificationError
from streamrnn_converters.onnx.carried.flow import MOVES
from streamrnn_converters.onnx.recurrent_kinds import RECURRENT_KINDS
from streamrnn_converters.onnx.rerun.float_types import to_float64
from streamrnn_converters.reference_runs.float64_operators import jittered, own_operators
from streamrnn_converters.reference_runs.process import Arrays

#: Nodes that round nothing, or see to it themselves.
_EXACT = MOVES | RECURRENT_KINDS.keys() | {"Constant", "ConstantOfShape", "Pad", "ScatterND", "Shape"}


def float64_runs(
    graph: bytes, feeds: Sequence[Arrays], carried: Mapping[str, str], rng: np.random.Generator | None = None
) -> list[dict[str, NDArray[Any]]]:
    """The outputs of a graph by name for each of `feeds`. An input in `carried` that a feed lacks is that of the last run.

    graph  in float32, its recurrent nodes with layout 0
    rng    every weight, input and computed value is off as far as rounding to float32 may put it; None: exact

    Raises VerificationError where onnx's evaluator cannot run the graph.
    """
    model = to_float64(graph)
    exact = {node.input[1] for node in model.graph.node if node.op_type == "Pow"}  # a power of a negative number
    for tensor in model.graph.initializer:
        if tensor.name in exact:
            continue
        tensor.CopyFrom(numpy_helper.from_array(jittered(numpy_helper.to_array(tensor), rng), tensor.name))
    answers: list[dict[str, NDArray[Any]]] = []
    try:
        with np.errstate(all="ignore"):
            evaluator = ReferenceEvaluator(model, new_ops=own_operators(rng))
            for node in evaluator.rt_nodes_:
                if rng is not None and node.op_type not in _EXACT:
                    node.run = _rounding(node.run, rng)
            for feed in feeds:
                before = {name: answers[-1][output] for name, output in carried.items()} if answers else {}
                wide = {name: _wide(np.asarray(array), rng) for name, array in (before | dict(feed)).items()}
                results: Any = evaluator.run(None, wide)
                answers.append(dict(zip(evaluator.output_names, results, strict=True)))
    except Exception as error:  # its operators raise many types
        raise VerificationError(f"onnx cannot run the graph in float64 ({type(error).__name__}: {error})") from error
    return answers


def _rounding(run: Callable[..., Any], rng: np.random.Generator) -> Callable[..., Any]:
    """A node that rounds what it gives."""

    def rounded(value: Any) -> Any:
        return list(map(rounded, value)) if isinstance(value, list) else jittered(value, rng)  # a list is a sequence

    return lambda *inputs, **context: tuple(map(rounded, run(*inputs, **context)))


def _wide(array: NDArray[Any], rng: np.random.Generator | None) -> NDArray[Any]:
    return jittered(array.astype(np.float64), rng) if array.dtype.kind == "f" else array
