"""A graph beside a model: as it stands, or with its states laid open, so that it goes on where a stream goes on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import ConversionError, Model, VerificationError
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.onnx.imported import GraphInput, GraphOutput, Imported
from streamrnn_converters.proof.answers import Answers, answer_trials, output_states
from streamrnn_converters.proof.trials import Case, Trial, make_trials
from streamrnn_converters.reference_runs.graph_arrays import first_states, graph_array, input_array
from streamrnn_converters.reference_runs.reference import Reference
from streamrnn_converters.reference_runs.stateful_graph import stateful_graph

#: With which states laid open are compared: hundreds of steps, in which a wrong weight shows.
OPEN_CASE = Case("states open", 1.0, 300)

#: The inputs or the outputs of a run by name.
Run = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class View:
    """A graph, and how its inputs and outputs map to those of a model.

    graph   what onnxruntime runs
    cases   with which it is compared
    opened  whether its states were laid open: then it begins with the states of the model, not with zeros
    """

    imported: Imported
    graph: bytes
    cases: Sequence[Case]
    opened: bool = False

    @property
    def carried(self) -> dict[str, str]:
        """For each input of states the output that goes back into it."""
        return {given.name: given.source for given in self.imported.states}

    def apart(self, run: Run, trial: Trial) -> Run:
        """The outputs of a run, with time and batch apart where the graph gives them merged, as far as a stream answers."""
        outputs = {output.name: output for output in self.imported.outputs}
        return {name: outputs[name].answered(array, trial.n_steps, trial.x.shape[1]) for name, array in run.items()}

    def feeds(self, trial: Trial, ours: Answers) -> list[Run]:
        """The inputs of each run of a trial. States are left out where those of the run before go on."""
        outputs = {output.name: output for output in self.imported.outputs}
        feeds = []
        for start, end in zip((0, *trial.ends), trial.ends, strict=False):
            rows = trial.rows(start, end)
            feed = {given.name: input_array(rows, given) for given in self.imported.inputs}
            feed |= self.imported.constants
            if isinstance(self.imported.lengths, GraphInput):
                feed[self.imported.lengths.name] = np.array(trial.lengths, self.imported.lengths.integers)
            if not start and (trial.start or trial.before or self.opened):
                feed |= {given.name: _states_before(ours, outputs[given.source], given) for given in self.imported.states}
            elif not start:
                feed |= {given.name: first_states(given, trial.x.shape[1]) for given in self.imported.states}
            feeds.append(feed)
        return feeds


@dataclass(frozen=True)
class Answered:
    """The trials of a view, and both answers to each: the model's, and the outputs of the graph's runs by name."""

    view: View
    trials: Sequence[Trial]
    ours: Sequence[Answers]
    runs: Sequence[Sequence[Run]]
    reference: Reference
    remarks: tuple[str, ...] = ()


def opened(imported: Imported, graph: bytes) -> View | None:
    """The graph with its states laid open, where it takes a fixed number of steps and its model goes on after them.

    None where there is no such thing: it takes any number of steps or its states already, or keeps them where no copy of it can
    give them.

    graph  what onnxruntime runs
    """
    if imported.offline or imported.states or imported.size_of("time") is None:
        return None
    if not any(layer.states for layer in imported.model.layers):
        return None
    copy = stateful_graph(graph)
    try:
        found = read_onnx(copy.next, imported.constants, time_axis=imported.model.notes["source"].get("time_axis"))
    except ConversionError:
        return None
    same = _forms(found.model) == _forms(imported.model)
    return View(found, copy.next, (OPEN_CASE,), opened=True) if same and found.states else None


def _forms(model: Model) -> list[tuple[str, dict[str, int]]]:
    """What the layers of a model are, and the sizes of their states."""
    return [(layer.kind, {name: state.size for name, state in layer.states.items()}) for layer in model.layers]


def answered(model: Model, view: View, reference: Reference, seed: int, open_batch: int) -> Answered:
    """Both answers to all trials of a view.

    open_batch  signals at once where the graph leaves their number open

    Raises VerificationError where onnxruntime refuses, crashes or is late.
    """
    try:
        return _answered(model, view, reference, seed, open_batch)
    except VerificationError:
        if view.imported.size_of("batch") is not None:
            raise
        # Its initial states may be those of one signal, though it declares any number.
        found = _answered(model, view, reference, seed, 1)
        return replace(found, remarks=("onnxruntime runs the graph with one signal at a time only; compared so",))


def _answered(model: Model, view: View, reference: Reference, seed: int, open_batch: int) -> Answered:
    trials = make_trials(view.imported, view.cases, seed, open_batch)
    ours = list(answer_trials(model, trials))
    runs = [
        [view.apart(run, trial) for run in reference.runs(view.feeds(trial, own), view.carried)]
        for trial, own in zip(trials, ours, strict=True)
    ]
    return Answered(view, trials, ours, runs, reference)


def _states_before(ours: Answers, output: GraphOutput, given: GraphInput) -> NDArray[Any]:
    """The states of our streams before a trial, as an output of the graph gives them and an input takes them."""
    return graph_array(output_states(ours.before, output)[None].astype(given.integers or np.float32), output)
