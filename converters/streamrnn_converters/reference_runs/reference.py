"""onnxruntime with a graph whose weights may be given with a run; it is started again where a run has ended it."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from numpy.typing import NDArray

from streamrnn.errors import VerificationError
from streamrnn_converters.onnx.rerun.open_weights import open_weights
from streamrnn_converters.reference_runs.process import Arrays, ReferenceProcess, reference_process


class Reference:
    """A context that ends onnxruntime's process with it.

    graph    what it runs
    timeout  seconds that loading, and each run, may take
    """

    def __init__(self, graph: bytes, timeout: float) -> None:
        self._graph, self.weights = open_weights(graph)
        self._timeout = timeout
        self._context = ExitStack()
        self._process: ReferenceProcess | None = None
        #: Of onnxruntime, after its first answer.
        self.version = ""

    def __enter__(self) -> "Reference":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._context.close()

    def run(self, feed: Arrays) -> dict[str, NDArray[Any]]:
        """The graph's outputs by name, for its inputs, and weights, by name. Raises VerificationError."""
        try:
            return self._started().run(feed)
        except VerificationError:
            self._context.close()
            self._process = None
            raise

    def runs(self, feeds: Sequence[Arrays], carried: Mapping[str, str]) -> list[dict[str, NDArray[Any]]]:
        """The outputs for each of `feeds`; an input in `carried` that a feed lacks is that output of the run before."""
        answers: list[dict[str, NDArray[Any]]] = []
        for feed in feeds:
            before = {name: answers[-1][output] for name, output in carried.items()} if answers else {}
            answers.append(self.run(before | dict(feed)))
        return answers

    def _started(self) -> ReferenceProcess:
        if self._process is None:
            self._process = self._context.enter_context(reference_process(self._graph, self._timeout))
            self.version = self._process.version
        return self._process
