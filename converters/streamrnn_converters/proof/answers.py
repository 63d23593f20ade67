"""What a model gives in trials: by streams, or for whole recordings by `run_offline`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamrnn import Model, NonFiniteStateError, Stream, run_offline
from streamrnn_converters.onnx.build.begun import begun_with
from streamrnn_converters.onnx.imported import GraphOutput
from streamrnn_converters.proof.streaming import States, stream_runs
from streamrnn_converters.proof.trials import Trial

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Answers:
    """What a model gives in a trial. Where it overflows there are fewer steps and runs.

    signal  (n_steps, n_signals, output_size)
    ends    (n_runs, n_signals, output_size): the last step of each run; of a recording, the last valid step
    before  the states of each signal before the trial
    after   the states after each run, by signal and run
    """

    signal: Array
    ends: Array
    before: Sequence[States]
    after: Sequence[Sequence[States]]

    @property
    def n_steps(self) -> int:
        """Steps that all signals have."""
        return len(self.signal)

    @property
    def n_runs(self) -> int:
        """Runs that all signals have."""
        return len(self.ends)

    def values(self, output: GraphOutput) -> Array:
        """What an output of the graph gives: (n_steps, n_signals, size), or (n_runs, n_signals, size) without a time axis.

        Of one that comes late, the answers to the last steps are missing.
        """
        if output.states:
            return self.states(output)
        values = self.signal[output.late :] if "time" in output.axes else self.ends
        return values[..., output.start : output.start + output.size]

    def states(self, output: GraphOutput) -> Array:
        """The states that an output of the graph gives, after each run: (n_runs, n_signals, size)."""
        runs = [output_states([signal[run] for signal in self.after], output) for run in range(self.n_runs)]
        return np.array(runs).reshape(self.n_runs, len(self.after), len(output.places))


def output_states(streams: Sequence[States], output: GraphOutput) -> Array:
    """The states of streams as an output of the graph gives them: (n_signals, size)."""
    joined = [np.concatenate([states[layer][name] for layer, name in output.states]) for states in streams]
    return np.array(joined)[:, list(output.places)]


def answer_trials(model: Model, trials: Sequence[Trial]) -> Iterator[Answers]:
    """The answers to trials in their order."""
    streams: Sequence[Stream] = []
    for trial in trials:
        if trial.lengths:
            yield _answer_recordings(model, trial)
            continue
        if not trial.start:
            streams = [Stream(model) for _ in range(trial.x.shape[1])]
        yield _answer_streams(streams, trial)


def _answer_recordings(model: Model, trial: Trial) -> Answers:
    """What a model gives for whole recordings; no steps where it overflows in one of them."""
    n_steps, n_signals, _ = trial.x.shape
    x = trial.x.astype(model.dtype)
    signal: Array = np.zeros((n_steps, n_signals, model.output_size), model.dtype)
    ends, after = signal[:1].copy(), []
    try:
        for k, length in enumerate(trial.lengths):
            own = begun_with(model, trial.before[k]) if trial.before else model
            signal[:length, k], states = run_offline(own, x[:length, k], states=True)
            ends[0, k] = signal[length - 1, k]
            after.append([states])
    except NonFiniteStateError:
        return Answers(signal[:0], ends[:0], trial.before, [[]] * n_signals)
    return Answers(signal, ends, trial.before, after)


def _answer_streams(streams: Sequence[Stream], trial: Trial) -> Answers:
    """What streams give, one for each signal: the first half step by step, the rest as chunks."""
    before = [stream.states for stream in streams]
    found = [stream_runs(stream, trial.x[:, signal], trial.ends) for signal, stream in enumerate(streams)]
    n_steps, n_runs = (min(len(part) for part in parts) for parts in zip(*found, strict=True))
    signal: Array = np.stack([outputs[:n_steps] for outputs, _ in found], axis=1)
    ends = signal[np.array(trial.ends[:n_runs], int) - 1]
    return Answers(signal, ends, before, [states for _, states in found])
