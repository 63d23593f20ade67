"""The signals with which a model is compared, and what it answers: its streams, or whole recordings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamrnn import Model, NonFiniteStateError, Stream, run_offline
from streamrnn_converters.onnx.imported import Imported
from streamrnn_converters.reference_runs.graph_arrays import random_signal

Array = NDArray[np.floating]
States = Sequence[tuple[int, str]]  # index of a layer, name of a state

_SEGMENTS = 3  # runs per case where the graph fixes the number of steps
_SHORT = (1, 3)  # further runs where it leaves that open: what the initial states do is forgotten in a long one
_CARRIED = 100  # steps over which a graph carries its states before it gets ours: rounding grows in those that do not forget


@dataclass(frozen=True)
class Case:
    """A kind of signal: normally distributed numbers times `scale`."""

    name: str
    scale: float
    n_steps: int  # where the graph leaves them open


@dataclass(frozen=True)
class Trial:
    """A signal, and how the graph gets it: in one run, or in several between which it carries its states.

    Where the model answers whole recordings, there is one run, and `lengths` has how many steps of each signal count.
    """

    case: Case
    x: NDArray[np.float32]  # (n_steps, n_signals, input_size)
    ends: tuple[int, ...]  # of the runs, in steps
    start: int = 0  # if this goes on with the signal of the trial before: how many steps of it there were
    lengths: tuple[int, ...] = ()


def trials_of(imported: Imported, cases: Sequence[Case], seed: int, open_batch: int) -> list[Trial]:
    """The trials of all cases; `open_batch` signals at once where the graph leaves their number open."""
    n_steps, n_signals = imported.size_of("time"), imported.size_of("batch") or open_batch
    trials = []
    for index, case in enumerate(cases):
        rng = np.random.default_rng((seed, index))
        if imported.states:
            run = n_steps or _CARRIED // 3
            length = -(-case.n_steps // run) * run
            x = random_signal(rng, imported.inputs, case.scale, length, n_signals)
            part = -(-_CARRIED // run) * run
            for start in range(0, length, part):
                own = x[start : start + part]
                trials.append(Trial(case, own, tuple(range(run, len(own) + 1, run)), start))
            continue
        for length in [n_steps] * _SEGMENTS if n_steps else [case.n_steps, *_SHORT]:
            x = random_signal(rng, imported.inputs, case.scale, length, n_signals)
            trials.append(Trial(case, x, (length,), lengths=_lengths(imported, rng, length, n_signals)))
    return trials


def _lengths(imported: Imported, rng: np.random.Generator, n_steps: int, n_signals: int) -> tuple[int, ...]:
    """How many steps of each signal count in a trial of whole recordings."""
    if not imported.offline:
        return ()
    if isinstance(imported.lengths, tuple):
        return imported.lengths
    if imported.lengths is None:
        return (n_steps,) * n_signals
    drawn_lengths = rng.integers(1, n_steps, n_signals, endpoint=True).tolist()
    return tuple([n_steps, *drawn_lengths[1:]] if n_signals > 1 else drawn_lengths)


@dataclass(frozen=True)
class Answers:
    """What a model gives in a trial, fewer steps and runs of it where it overflows.

    signal  (n_steps, n_signals, output_size)
    ends    (n_runs, n_signals, output_size): the last step of each run, of a recording that of its own length
    before  the states of each signal at first
    after   by signal and run the states at its end
    """

    signal: Array
    ends: Array
    before: Sequence[Sequence[Mapping[str, Array]]]
    after: Sequence[Sequence[Sequence[Mapping[str, Array]]]]

    @property
    def n_steps(self) -> int:
        """Steps that there are of all signals."""
        return len(self.signal)

    @property
    def n_runs(self) -> int:
        """Runs that there are of all signals."""
        return len(self.ends)

    def states(self, wanted: States) -> Array:
        """States joined, after every run: (n_runs, n_signals, size)."""
        runs = [joined([own[run] for own in self.after], wanted) for run in range(self.n_runs)]
        return np.array(runs).reshape(self.n_runs, len(self.after), -1 if runs else 0)


def joined(streams: Sequence[Sequence[Mapping[str, Array]]], wanted: States) -> Array:
    """States of each stream, joined: (n_signals, size)."""
    return np.array([np.concatenate([own[layer][name] for layer, name in wanted]) for own in streams])


def answered(model: Model, trials: Sequence[Trial]) -> Iterator[Answers]:
    """The answers to trials one after the other."""
    streams: Sequence[Stream] = []
    for trial in trials:
        if trial.lengths:
            yield _of_recordings(model, trial)
            continue
        if not trial.start:
            streams = [Stream(model) for _ in range(trial.x.shape[1])]
        yield _of_streams(streams, trial)


def rounded_otherwise(model: Model, ours: Answers, trial: Trial) -> Answers:
    """The answers of the same model in its other type, begun with the states with which ours began."""
    other = model.astype("float64" if model.dtype == "float32" else "float32")
    if trial.lengths:
        return _of_recordings(other, trial)
    return _of_streams([Stream(_begun(other, states) if trial.start else other) for states in ours.before], trial)


def _begun(model: Model, states: Sequence[Mapping[str, Array]]) -> Model:
    """The model with other initial states."""
    fields = {"h": "initial_hidden", "c": "initial_cell"}
    layers = [
        type(layer)(**(vars(layer) | {fields[name]: value for name, value in own.items()}))
        for layer, own in zip(model.layers, states, strict=True)
    ]
    return Model([layer.astype(str(model.dtype)) for layer in layers], sources=model.sources)


def _of_recordings(model: Model, trial: Trial) -> Answers:
    """What a model gives for whole recordings; nothing, where one of them makes it overflow."""
    n_steps, n_signals, _ = trial.x.shape
    x = trial.x.astype(model.dtype)
    signal: Array = np.zeros((n_steps, n_signals, model.output_size), model.dtype)
    ends, after = signal[:1].copy(), []
    try:
        for k, length in enumerate(trial.lengths):
            signal[:length, k], states = run_offline(model, x[:length, k], states=True)
            ends[0, k] = signal[length - 1, k]
            after.append([states])
    except NonFiniteStateError:
        return Answers(signal[:0], ends[:0], [], [[]] * n_signals)
    return Answers(signal, ends, [], after)


def _of_streams(streams: Sequence[Stream], trial: Trial) -> Answers:
    """What streams give, one for each signal: the first half step by step, the rest as chunks."""
    before = [stream.states for stream in streams]
    x = trial.x.astype(streams[0].model.dtype)
    rows = [_streamed(stream, x[:, signal], trial.ends) for signal, stream in enumerate(streams)]
    n_steps, n_runs = (min(len(found) for found in column) for column in zip(*rows, strict=True))
    signal: Array = np.stack([y[:n_steps] for y, _ in rows], axis=1)
    ends = signal[np.array(trial.ends[:n_runs], int) - 1]
    return Answers(signal, ends, before, [states for _, states in rows])


def _streamed(stream: Stream, x: Array, ends: Sequence[int]) -> tuple[Array, list[Sequence[Mapping[str, Array]]]]:
    """What a stream gives, and its states at the ends; less of both where it overflows."""
    results: Array = np.zeros((len(x), stream.model.output_size), x.dtype)
    states: list[Sequence[Mapping[str, Array]]] = []
    half, done = (len(x) + 1) // 2, 0
    try:
        for end in ends:
            while done < min(end, half):
                results[done] = stream.step(x[done])
                done += 1
            results[done:end] = stream.process(x[done:end])
            done = end
            states.append(stream.states)
    except NonFiniteStateError:
        pass
    return results[:done], states
