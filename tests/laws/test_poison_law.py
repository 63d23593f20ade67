"""The poison law (fault isolation): NaN, infinity or too large a number never ruins a stream, nor changes another one."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrnn import LSTM, RNN, Dense, InputError, Model, NonFiniteInputError, NonFiniteStateError, Stream, StreamPool
from tests.models import ALL, mixed, model, quick, signal

every_variant = pytest.mark.parametrize("variant", ALL)
POISONS = [np.nan, np.inf, -np.inf]
poisons = st.sampled_from([*POISONS, -np.nan, np.uint32(0x7F800001).view(np.float32)])  # the last one a signalling NaN


@every_variant
@pytest.mark.parametrize("poison", POISONS, ids=str)
def test_a_poisoned_step_is_refused_and_forgotten(variant: str, poison: float) -> None:
    whole = model(variant)
    poisoned, clean, neighbour = Stream(whole), Stream(whole), Stream(whole)
    beside = neighbour.snapshot()
    for index, row in enumerate(signal(30)):
        bad = row.copy()
        bad[index % 3] = poison
        before = poisoned.snapshot()
        with pytest.raises(NonFiniteInputError, match=rf"\[{index % 3}\]"):
            poisoned.step(bad)
        assert poisoned.snapshot() == before
        assert poisoned.step(row).tobytes() == clean.step(row).tobytes()
    assert poisoned.snapshot() == clean.snapshot()
    assert neighbour.snapshot() == beside


@pytest.mark.parametrize("variant", ALL)
def test_poison_anywhere_in_a_chunk_is_refused_and_forgotten(variant: str) -> None:
    @quick
    @given(n_steps=st.integers(1, 100), inputs=st.integers(1, 40), index=st.integers(0, 10**6), poison=poisons)
    def law(n_steps: int, inputs: int, index: int, poison: float) -> None:
        whole = model(variant, inputs=inputs)
        poisoned, clean = Stream(whole), Stream(whole)
        x = signal(n_steps, inputs)
        bad = x.copy()
        at = index % bad.size
        bad.flat[at] = poison
        with pytest.raises(NonFiniteInputError, match=rf"{at // inputs}, {at % inputs}\]"):
            poisoned.process(bad)
        assert poisoned.snapshot() == clean.snapshot()
        assert poisoned.process(x).tobytes() == clean.process(x).tobytes()

    law()


@pytest.mark.parametrize("value", [1e39, -1e39, 1e308, np.nan, np.inf])
def test_a_float64_beyond_float32_is_not_finite_either(value: float) -> None:
    stream = Stream(model("lstm"))
    before = stream.snapshot()
    for call, x in (stream.step, [0.0, value, 0.0]), (stream.process, [[0.0, value, 0.0]]):
        with pytest.raises(NonFiniteInputError):
            call(x)
    assert stream.snapshot() == before
    assert issubclass(NonFiniteInputError, InputError)


def survive(stream: Stream, x: Any) -> bool:
    """Whether the stream took the step. If not, its state must be unchanged. The state must be finite in both cases."""
    before = stream.snapshot()
    try:
        stream.step(x)
        taken = True
    except NonFiniteStateError:
        assert stream.snapshot() == before
        taken = False
    assert all(np.isfinite(state).all() for states in stream.states for state in states.values())
    return taken


@pytest.mark.parametrize("gain", [1, 30])
@every_variant
def test_huge_inputs_leave_a_finite_state(variant: str, gain: float) -> None:
    whole = model(variant, hidden=20, gain=gain)
    poisoned, clean = Stream(whole), Stream(whole)
    huge = np.float32(3.4e38) * np.sign(signal(40))
    for x, quiet in zip(huge, signal(40, seed=1), strict=True):
        if survive(poisoned, x):
            survive(clean, x)
        if survive(poisoned, quiet):
            clean.step(quiet)
    assert poisoned.snapshot() == clean.snapshot()
    for stream in poisoned, clean:
        stream.reset()
    quiet = signal(3, seed=2)  # few: a loud relu diverges all by itself
    assert poisoned.process(quiet).tobytes() == clean.process(quiet).tobytes()


def overflowing() -> Model:
    """h' = relu(2 x - h): overflows for x > 1.7e38; one step later, infinity becomes an innocent 0."""
    return Model([RNN([[[2.0]]], [[[-1.0]]], activations=("relu",))])


def projected(scale: float, *, clip: float | None = None) -> Model:
    """An LSTM of two units that are projected to their sum times `scale`: about 2 · scale for x = 0, and 0 for x = 40.

    An infinite h closes the output gate while c stays finite: one step later, h is an innocent 0.
    """
    open_gates, closed_by = [10.0, 10.0, 10.0, 10.0], [-1.0, 1.0, 1.0, -1.0]
    return Model(
        [
            LSTM(
                [[[0.0]] * 2, [[0.0]] * 2, [[0.0]] * 2, [[-40.0]] * 2],
                [[[weight]] * 2 for weight in closed_by],
                [[bias] * 2 for bias in open_gates],
                projection=[[scale, scale]],
                initial_cell=[2.0, 2.0],
                clip=clip,
            )
        ]
    )


def test_an_overflow_is_an_error_that_is_undone() -> None:
    stream = Stream(overflowing())
    stream.step(1.0)
    before = stream.snapshot()
    with pytest.raises(NonFiniteStateError, match="undone"):
        stream.step(3e38)
    assert stream.snapshot() == before
    assert stream.step(1.0) == 0.0


@pytest.mark.parametrize("n_steps", [2, 31, 32, 33, 100])
@pytest.mark.parametrize("step", [0, -2, -1])
def test_an_overflow_anywhere_in_a_chunk_undoes_the_whole_chunk(n_steps: int, step: int) -> None:
    stream = Stream(overflowing())
    stream.process(np.ones((3, 1)))
    before = stream.snapshot()
    x = np.zeros((n_steps, 1), np.float32)
    x[step] = 3e38
    with pytest.raises(NonFiniteStateError):
        stream.process(x)
    assert stream.snapshot() == before


VANISHING = {
    "relu": (overflowing(), 3e38),
    "projected LSTM": (projected(3e38), 0.0),
    "projected LSTM with a clip": (projected(3e38, clip=200.0), 0.0),
}


@pytest.mark.parametrize("name", VANISHING)
@pytest.mark.parametrize("n_steps", [1, 2, 24, 25, 60])
def test_an_overflow_that_vanishes_within_a_chunk_is_refused_as_step_refuses_it(name: str, n_steps: int) -> None:
    """After the step that overflows, the state is finite again: a look at the end of the chunk finds nothing wrong."""
    whole, bad = VANISHING[name]
    stream, pool = Stream(whole), StreamPool(whole)
    before, slot = stream.snapshot(), pool.open()
    with pytest.raises(NonFiniteStateError):
        stream.step(bad)
    x = np.full((n_steps, 1), 1.0 if name == "relu" else 40.0)
    x[0] = bad
    with pytest.raises(NonFiniteStateError):
        stream.process(x)
    with pytest.raises(NonFiniteStateError):
        pool.process([slot], x[None])
    assert stream.snapshot() == pool.snapshot(slot) == before
    assert np.isfinite(stream.process(x[1:])).all()


@pytest.mark.parametrize("call", ["step", "process"])
@pytest.mark.parametrize("weight", [1.0, -1.0])
def test_an_overflow_between_layers_is_an_error_where_it_reaches_a_state(weight: float, call: str) -> None:
    """The first layer overflows to infinity; relu of it is an infinite state, relu of its negative is 0."""
    stream = Stream(Model([Dense([[2.0]]), RNN([[[weight]]], [[[0.5]]], activations=("relu",))]))
    stream.step(weight)
    before = stream.snapshot()
    assert stream.states[0] == {}
    assert stream.states[1]["h"] == 2.0
    run = (lambda: stream.step(3e38)) if call == "step" else (lambda: stream.process([[3e38], [0.0]])[0])
    if weight > 0:
        with pytest.raises(NonFiniteStateError, match="undone"):
            run()
        assert stream.snapshot() == before
    else:
        assert run() == 0.0
        assert stream.states[1]["h"] == 0.0


def test_a_diverging_model_ends_in_an_error_not_in_infinity() -> None:
    stream = Stream(Model([RNN([[[1.0]]], [[[4.0]]], activations=("relu",))]))
    while survive(stream, 1.0):
        assert np.isfinite(stream.states[0]["h"]).all()
    assert np.isfinite(stream.states[0]["h"]).all()
    assert stream.states[0]["h"][0] > 1e37
    stream.reset()
    assert stream.step(1.0) == 1.0


def test_neighbours_never_notice() -> None:
    whole = mixed()
    alone, poisoned, neighbour = Stream(whole), Stream(whole), Stream(whole)
    for row in signal(50):
        for poison in POISONS:
            with pytest.raises(NonFiniteInputError):
                poisoned.step([poison, 1.0, poison])
            with pytest.raises(NonFiniteInputError):
                poisoned.process([row, [0.0, 0.0, poison]])
        assert neighbour.step(row).tobytes() == alone.step(row).tobytes()
