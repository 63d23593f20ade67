"""The signals with which a model is compared, and the runs in which the graph gets them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.onnx.imported import Imported
from streamrnn_converters.proof.streaming import States
from streamrnn_converters.reference_runs.graph_arrays import random_signal

_RUNS = 3  # per case where the graph fixes the number of steps
_SHORT = (1, 3)  # steps of further runs where it leaves them open: a long run forgets its initial states
_FEWEST = 100  # steps of a case, where they take several rows each
_CARRIED = 100  # steps over which a graph carries its states before it gets ours: rounding grows in graphs that do not forget
_SPREAD = 0.5  # of random states


@dataclass(frozen=True)
class Case:
    """A kind of signal: normally distributed numbers times `scale`."""

    name: str
    scale: float
    n_steps: int  # where the graph leaves them open; rows, where a step takes several


@dataclass(frozen=True)
class Trial:
    """A signal, and how the graph gets it: in one run, or in several between which it carries its states.

    A model that answers whole recordings gets one run. Then `lengths` has the number of valid steps of each signal, `before`
    the states with which each begins, where these are not the model's own.
    """

    case: Case
    x: NDArray[np.float32]  # (n_steps · stride, n_signals, input_size)
    ends: tuple[int, ...]  # of the runs, in steps
    start: int = 0  # steps of the signal in earlier trials, which this one continues
    lengths: tuple[int, ...] = ()
    before: tuple[States, ...] = ()
    stride: int = 1  # rows of a step

    @property
    def n_steps(self) -> int:
        """Steps of the signal."""
        return self.ends[-1]

    def rows(self, start: int, end: int) -> NDArray[np.float32]:
        """Those of some steps. After the last step may be rows that make no whole one."""
        return self.x[start * self.stride : None if end == self.n_steps else end * self.stride]

    def beginning(self, n_runs: int) -> "Trial":
        """The same up to the end of the first `n_runs` runs."""
        ends = self.ends[:n_runs]
        return replace(self, x=self.x[: ends[-1] * self.stride], ends=ends)


def make_trials(imported: Imported, cases: Sequence[Case], seed: int, open_batch: int) -> list[Trial]:
    """The trials of all cases, with `open_batch` signals at once where the graph leaves their number open."""
    n_rows, n_signals, stride = imported.size_of("time"), imported.size_of("batch") or open_batch, imported.model.stride
    trials = []
    for index, case in enumerate(cases):
        rng = np.random.default_rng((seed, index))
        if imported.states and not imported.offline:
            run = n_rows // stride if n_rows else _CARRIED // 3
            length = -(-case.n_steps // run) * run
            x = random_signal(rng, imported.inputs, case.scale, length * stride, n_signals)
            part = -(-_CARRIED // run) * run
            for start in range(0, length, part):
                own = x[start * stride : (start + part) * stride]
                trials.append(Trial(case, own, tuple(range(run, len(own) // stride + 1, run)), start, stride=stride))
            continue
        fewest = max(imported.fewest_steps, 1 + ("time" in imported.several))
        short = [length for length in _SHORT if length >= fewest]
        usual = max(case.n_steps // stride, min(case.n_steps, _FEWEST))
        for number, length in enumerate([n_rows] * _RUNS if n_rows else [steps * stride for steps in (usual, *short)]):
            x = random_signal(rng, imported.inputs, case.scale, length, n_signals)
            before = _random_states(imported, rng, n_signals) if imported.states and number else ()
            lengths = _lengths(imported, rng, length, n_signals)
            trials.append(Trial(case, x, (length // stride,), lengths=lengths, before=before, stride=stride))
    return trials


def _random_states(imported: Imported, rng: np.random.Generator, n_signals: int) -> tuple[States, ...]:
    """States for the layers of each signal; onnxruntime computes in float32."""
    layers = imported.model.layers
    return tuple(
        [
            {name: _SPREAD * rng.normal(size=state.size).astype(np.float32) for name, state in layer.states.items()}
            for layer in layers
        ]
        for _ in range(n_signals)
    )


def _lengths(imported: Imported, rng: np.random.Generator, n_steps: int, n_signals: int) -> tuple[int, ...]:
    """The valid steps of each signal; () where the model does not answer whole recordings."""
    if not imported.offline:
        return ()
    if isinstance(imported.lengths, tuple):
        return imported.lengths
    if imported.lengths is None:
        return (n_steps,) * n_signals
    random_lengths = rng.integers(1, n_steps, n_signals, endpoint=True).tolist()
    return tuple([n_steps, *random_lengths[1:]] if n_signals > 1 else random_lengths)
