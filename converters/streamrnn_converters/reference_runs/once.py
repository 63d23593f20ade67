"""What onnxruntime gives for a graph in a number of runs that are known beforehand."""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from streamrnn_converters.reference_runs.process import Arrays, reference_process


def run_reference(
    model: bytes, feeds: Sequence[Arrays], timeout: float = 600.0, carried: Mapping[str, str] | None = None
) -> tuple[list[dict[str, NDArray[Any]]], str]:
    """Run a graph once for each of `feeds` (name -> array). Returns the outputs by name, and onnxruntime's version.

    carried  input -> output: where a feed lacks such an input, it gets that output of the run before

    Raises VerificationError where onnxruntime refuses the graph, crashes, or takes longer than `timeout` seconds in total;
    MissingExtraError where it is not installed.
    """
    answers: list[dict[str, NDArray[Any]]] = []
    with reference_process(model, timeout, in_total=True) as reference:
        for feed in feeds:
            before = {} if carried is None or not answers else {name: answers[-1][output] for name, output in carried.items()}
            answers.append(reference.run(before | dict(feed)))
        return answers, reference.version
