"""The signals with which a model is compared, and what its streams answer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamrnn import Model, NonFiniteStateError, Stream
from streamrnn_converters.arrange import drawn
from streamrnn_converters.onnx.imported import Imported

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
    """A signal, and how the graph gets it: in one run, or in several between which it carries its states."""

    case: Case
    x: NDArray[np.float32]  # (n_steps, n_signals, input_size)
    ends: tuple[int, ...]  # of the runs, in steps
    start: int = 0  # if this goes on with the signal of the trial before: how many steps of it there were


def trials_of(imported: Imported, cases: Sequence[Case], seed: int, open_batch: int) -> list[Trial]:
    """The trials of all cases; `open_batch` signals at once where the graph leaves their number open."""
    n_steps, n_signals = imported.size_of("time"), imported.size_of("batch") or open_batch
    trials = []
    for index, case in enumerate(cases):
        rng = np.random.default_rng((seed, index))
        if imported.states:
            run = n_steps or _CARRIED // 3
            length = -(-case.n_steps // run) * run
            x = drawn(rng, imported.inputs, case.scale, length, n_signals)
            part = -(-_CARRIED // run) * run
            for start in range(0, length, part):
                own = x[start : start + part]
                trials.append(Trial(case, own, tuple(range(run, len(own) + 1, run)), start))
            continue
        for length in [n_steps] * _SEGMENTS if n_steps else [case.n_steps, *_SHORT]:
            trials.append(Trial(case, drawn(rng, imported.inputs, case.scale, length, n_signals), (length,)))
    return trials


class Answers:
    """What streams give in a trial, one for each signal: the first half step by step, the rest as chunks."""

    def __init__(self, streams: Sequence[Stream], trial: Trial) -> None:
        self.streams = streams
        self.before = [stream.states for stream in streams]
        x = trial.x.astype(streams[0].model.dtype)
        rows = [_streamed(stream, x[:, signal], trial.ends) for signal, stream in enumerate(streams)]
        self.n_steps = min(len(y) for y, _ in rows)  # fewer than given where the state overflows
        self.n_runs = min(len(states) for _, states in rows)
        self.signal: Array = np.stack([y[: self.n_steps] for y, _ in rows], axis=1)
        self._after = [states for _, states in rows]

    def states(self, wanted: States) -> Array:
        """States joined, after every run: (n_runs, n_signals, size)."""
        runs = [joined([own[run] for own in self._after], wanted) for run in range(self.n_runs)]
        return np.array(runs).reshape(self.n_runs, len(self.streams), -1 if runs else 0)


def joined(streams: Sequence[Sequence[Mapping[str, Array]]], wanted: States) -> Array:
    """States of each stream, joined: (n_signals, size)."""
    return np.array([np.concatenate([own[layer][name] for layer, name in wanted]) for own in streams])


def answered(model: Model, trials: Sequence[Trial]) -> Iterator[Answers]:
    """The answers to trials one after the other."""
    streams: Sequence[Stream] = []
    for trial in trials:
        if not trial.start:
            streams = [Stream(model) for _ in range(trial.x.shape[1])]
        yield Answers(streams, trial)


def rounded_otherwise(model: Model, ours: Answers, trial: Trial) -> Answers:
    """The answers of the same model in its other type, begun with the states with which ours began."""
    other = model.astype("float64" if model.dtype == "float32" else "float32")
    return Answers([Stream(_begun(other, states) if trial.start else other) for states in ours.before], trial)


def _begun(model: Model, states: Sequence[Mapping[str, Array]]) -> Model:
    """The model with other initial states."""
    fields = {"h": "initial_hidden", "c": "initial_cell"}
    layers = [
        type(layer)(**(vars(layer) | {fields[name]: value for name, value in own.items()}))
        for layer, own in zip(model.layers, states, strict=True)
    ]
    return Model([layer.astype(str(model.dtype)) for layer in layers], sources=model.sources)


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
