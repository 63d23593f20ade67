"""Which weights the comparisons of a proof do not depend on: noise in their place changes nothing that was compared.

Looked at are the weights of the model, in our own engine, and those of the graph, in onnxruntime: of a weight that the import
has left out, only the graph knows.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from streamrnn import Model, VerificationError
from streamrnn_converters.onnx.imported import GraphOutput
from streamrnn_converters.onnx.rerun.open_weights import OpenWeight
from streamrnn_converters.proof.answers import Answers, Array, answer_trials
from streamrnn_converters.proof.trials import Trial
from streamrnn_converters.proof.view import Answered, Run
from streamrnn_converters.proof.weights import mutants, noise_like

#: What a value may differ by and still agree, by name of the output and the case.
Slack = Mapping[tuple[str, str], float]

_FEW = 8  # runs


def unreached(model: Model, views: Sequence[Answered], tolerance: float, slack: Slack, seed: int) -> tuple[str, ...]:
    """The names of the weights on which nothing that was compared depends, those of the model first."""
    found = []
    for name, mutant in mutants(model, seed):
        # With its states laid open, a graph begins with those of the model, whatever they are.
        telling = [view for view in views if not (view.view.opened and name.startswith("initial_"))]
        if not any(_moves(mutant, view, tolerance, slack) for view in telling):
            found.append(name)
    of_graph: dict[str, OpenWeight] | None = None
    for view in views:
        weights = {weight.name: weight for weight in view.reference.weights}
        of_graph = weights if of_graph is None else of_graph
        asked = [weights[name] for name in of_graph if name in weights]
        moving = {weight.name for weight in asked if _moves_graph(weight, view, tolerance, slack, seed)}
        of_graph = {name: weight for name, weight in of_graph.items() if name not in moving}
    return (*found, *map(str, (of_graph or {}).values()))


def _moves(mutant: Model, answered: Answered, tolerance: float, slack: Slack) -> bool:
    """Whether a model with another weight gives something else in one of the trials that begin anew."""
    for trial, ours in zip(answered.trials, answered.ours, strict=True):
        if trial.start:
            continue
        # Most weights move the first few runs, which are soon answered.
        parts = [trial.beginning(_FEW), trial] if len(trial.ends) > _FEW else [trial]
        if any(_moves_trial(mutant, answered.view.imported.outputs, part, ours, tolerance, slack) for part in parts):
            return True
    return False


def _moves_trial(
    mutant: Model, outputs: Sequence[GraphOutput], trial: Trial, ours: Answers, tolerance: float, slack: Slack
) -> bool:
    """Whether a model with another weight gives something else in a trial, which may be the beginning of that of `ours`."""
    (other,) = answer_trials(mutant, [trial])
    if other.n_steps < min(ours.n_steps, trial.n_steps):
        return True
    for output in outputs:
        theirs = _compared(output, trial, other)
        mine = _compared(output, trial, ours)[: len(theirs)]
        if _differ(mine, theirs[: len(mine)], tolerance, slack.get((output.name, trial.case.name), 0.0)):
            return True
    return False


def _compared(output: GraphOutput, trial: Trial, answers: Answers) -> Array:
    """The values of an output that mean something: not those after the end of a recording."""
    values = answers.values(output)
    if "time" in output.axes and trial.lengths:
        valid = np.arange(len(values))[:, None] < np.array(trial.lengths)
        return np.where(valid[:, :, None], values, 0)
    return values


def _differ(mine: Array, other: Array, tolerance: float, slack: float) -> bool:
    with np.errstate(invalid="ignore"):
        return bool((~(np.abs(other - mine.astype(np.float64)) <= tolerance * np.maximum(1, np.abs(mine)) + slack)).any())


def _moves_graph(weight: OpenWeight, answered: Answered, tolerance: float, slack: Slack, seed: int) -> bool:
    """Whether the graph with noise in the place of a weight gives something else in one of the trials that begin anew."""
    override = {weight.name: noise_like(np.random.default_rng((seed, weight.array.size)), weight.array, weight.array)}
    for trial, ours, runs in zip(answered.trials, answered.ours, answered.runs, strict=True):
        if trial.start:
            continue
        last: Run = {}
        for feed, expected in zip(answered.view.feeds(trial, ours), runs, strict=True):
            states = {name: last[output] for name, output in answered.view.carried.items() if last}
            try:
                last = answered.reference.run(states | feed | override)
            except VerificationError:  # it has ended over another value there: so it matters
                return True
            found = answered.view.apart(last, trial)
            for name, value in expected.items():
                other = found[name]
                if value.shape != other.shape or _differ(value, other, tolerance, slack.get((name, trial.case.name), 0)):
                    return True
    return False
