"""onnxruntime's answers to a signal of any length: in one run where the graph and memory allow it, else in parts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import VerificationError
from streamrnn.model import Model
from streamrnn_converters.onnx.imported import Imported
from streamrnn_converters.onnx.rerun.runnable import runnable
from streamrnn_converters.reference_runs.graph_arrays import first_states, input_array
from streamrnn_converters.reference_runs.process import ReferenceProcess, reference_process
from streamrnn_converters.reference_runs.stateful_graph import CarriedState, StatefulGraph, stateful_graph

Array = NDArray[Any]

_CELLS = {"lstm", "gru", "rnn"}
_PART = 1000  # steps
_MOST_BYTES = 256 << 20  # that onnxruntime may take for a signal in one run


class LongSignalReference:
    """How a graph answers a long signal.

    imported  the graph, as it was imported
    data      its file
    n_steps   of the signal
    timeout   seconds that onnxruntime may take for each part

    Raises VerificationError where the signal must be given in parts and the states cannot be carried between them.
    """

    def __init__(self, imported: Imported, data: bytes, n_steps: int, timeout: float) -> None:
        self._imported, self._n_steps, self._timeout = imported, n_steps, timeout
        #: The outputs that are compared: those that a stream gives too, or, where there are none, states.
        self.outputs = [o for o in imported.outputs if not o.states] or list(imported.outputs)
        self._data, remarks = runnable(data)
        #: Signals of one run, all of them the same.
        self.n_signals = imported.size_of("batch") or 1
        self._fixed, self._stride = imported.size_of("time"), imported.model.stride
        self._keeps = any(layer.states for layer in imported.model.layers)
        every_step = all("time" in output.axes for output in self.outputs)
        fits = _bytes_per_step(imported.model) * n_steps <= _MOST_BYTES
        lost = [] if imported.states else _lost_states(imported.model, self._data)
        if self._fixed is not None:
            self._part = max(1, self._fixed // self._stride)
        elif every_step and (fits or lost):
            self._part = n_steps
        else:
            self._part = _PART if every_step else 1
        if self._part < n_steps:
            if lost:
                raise VerificationError(
                    f"the graph answers {self._part} steps at a time, and what {lost[0]} cannot be carried over "
                    "from one answer to the next; export it with an open number of steps and an answer to each"
                )
            if not imported.states and self._keeps:
                steps = f"{self._part} step{'s' * (self._part > 1)}"
                remarks.append(f"onnxruntime got the signal in parts of {steps}, its states carried between them")
        #: Steps of one run. An output without a time axis belongs to the last of them.
        self.n_steps_at_once = self._part
        #: What was done to the graph, one sentence each.
        self.remarks = tuple(remarks)
        #: Of onnxruntime, after its first answer.
        self.version = ""

    def answers(self, signal: Callable[[int], Array]) -> Iterator[tuple[Array, dict[str, Array]]]:
        """The parts of a signal, (n_rows, input_size), each with the graph's outputs by name.

        signal  gives the next n rows of the signal, for n

        Raises VerificationError where onnxruntime refuses, crashes or is late.
        """
        graph = self._graph()
        states = {given.name: first_states(given, self.n_signals) for given in self._imported.states}
        x = signal(min(self._part, self._n_steps) * self._stride)
        with self._reference(graph.first) as reference:
            outputs = reference.run(self._feed(x) | states)
        yield x, outputs
        if self._part >= self._n_steps:
            return
        with self._reference(graph.next) as reference:
            for begin in range(self._part, self._n_steps, self._part):
                x = signal(min(self._part, self._n_steps - begin) * self._stride)
                states = {state.input: outputs[state.output] for state in graph.states}
                outputs = reference.run(self._feed(x) | states)
                yield x, outputs

    def _graph(self) -> StatefulGraph:
        """The graph itself where it takes and gives its states, or is run once."""
        if self._imported.states:
            states = tuple(CarriedState(given.source, given.name) for given in self._imported.states)
            return StatefulGraph(self._data, self._data, states)
        parts = self._part < self._n_steps and self._keeps
        return stateful_graph(self._data) if parts else StatefulGraph(self._data, self._data, ())

    @contextmanager
    def _reference(self, data: bytes) -> Iterator[ReferenceProcess]:
        with reference_process(data, self._timeout) as reference:
            self.version = reference.version
            yield reference

    def _feed(self, x: Array) -> dict[str, Array]:
        """Rows as the graph takes them: the same for each of its signals, zeros up to the number of rows that it fixes."""
        if self._fixed is not None and len(x) < self._fixed:
            x = np.concatenate([x, np.zeros((self._fixed - len(x), x.shape[1]), x.dtype)])
        values = np.repeat(x[:, None, :], self.n_signals, axis=1)
        return {given.name: input_array(values, given) for given in self._imported.inputs} | dict(self._imported.constants)


def _lost_states(model: Model, data: bytes) -> list[str]:
    """What keeps states from step to step that no copy of the graph can carry."""
    lost = [f"its {layer.kind} layer keeps" for layer in model.layers if layer.states and layer.kind not in _CELLS]
    n_states = sum(len(layer.states) for layer in model.layers if layer.kind in _CELLS)
    if n_states > len(stateful_graph(data).states):
        lost.append("its recurrent layers keep, which have no nodes of their own in the graph,")
    return lost


def _bytes_per_step(model: Model) -> int:
    """About what onnxruntime keeps of each step: the inputs, the outputs and the gates of each layer."""
    return sum(4 * (layer.input_size + 8 * layer.output_size) for layer in model.layers)
