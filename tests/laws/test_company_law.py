"""The company law (batch invariance): a stream gives the same bits in a pool, whatever the other streams do, as alone."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrnn import Model, Stream, StreamPool
from tests.models import ALL, mixed, model, quick, signal
from tests.test_graph import gated, graphs, residual

ACTIONS = ["open", "close", "step", "step", "step", "step out", "step keys", "process", "reset", "snapshot", "restore", "leave"]
histories = st.lists(st.sampled_from(ACTIONS), min_size=8, max_size=25)


class Company:
    """A pool, and for each of its streams the same one alone."""

    def __init__(self, whole: Model, seed: int, capacity: int = 3, pool: type[StreamPool] = StreamPool) -> None:
        self.pool, self.alone = pool(whole, capacity), dict[int, Stream]()
        self.rng, self.whole, self.n_opened, self.saved = np.random.default_rng(seed), whole, 0, [Stream(whole).snapshot()]

    def some(self) -> list[int]:
        """Some of the slots, in any order."""
        slots = self.rng.permutation(list(self.alone))
        return [int(slot) for slot in slots[: self.rng.integers(0, len(slots) + 1)]]

    def inputs(self, *shape: int) -> Any:
        return self.rng.normal(size=(*shape, self.whole.input_size)).astype(self.whole.dtype)

    def do(self, action: str) -> None:
        slots = self.some()
        if action == "open":
            for _ in range(self.rng.integers(1, 8)):
                slot = self.pool.open(f"stream {self.n_opened}")
                assert slot not in self.alone
                self.alone[slot] = Stream(self.whole)
                self.n_opened += 1
        elif action == "close":
            for slot in slots[:3]:
                self.pool.close(slot)
                del self.alone[slot]
        elif action in ("step", "step out"):
            x = self.inputs(len(slots))
            out = np.zeros((len(slots), self.whole.output_size), self.whole.dtype) if action == "step out" else None
            as_array = self.rng.random() < 0.7  # what the compiled door takes
            y = self.pool.step(np.array(slots, np.int64) if as_array else slots, x, out)
            assert out is None or y is out
            for slot, row, result in zip(slots, x, y, strict=True):
                assert result.tobytes() == self.alone[slot].step(row).tobytes()
        elif action == "step keys":
            rows = {key: self.inputs() for key, slot in self.pool.keys.items() if slot in slots}
            for key, result in self.pool.step_keys(rows).items():
                assert result.tobytes() == self.alone[self.pool.keys[key]].step(rows[key]).tobytes()
        elif action == "process":
            x = self.inputs(len(slots), int(self.rng.integers(0, 12)))
            for slot, block, result in zip(slots, x, self.pool.process(slots, x), strict=True):
                assert result.tobytes() == self.alone[slot].process(block).tobytes()
        elif action == "reset":
            self.pool.reset(slots)
            for slot in slots:
                self.alone[slot].reset()
        elif action == "snapshot":
            self.saved += self.pool.snapshot(slots)
        elif action == "restore":
            states = [self.saved[self.rng.integers(len(self.saved))] for _ in slots]
            self.pool.restore(slots, states)
            for slot, state in zip(slots, states, strict=True):
                self.alone[slot].restore(state)
        elif slots:  # out of the pool, into another, and back
            other = StreamPool(self.whole, 1)
            other.restore(other.open(), self.pool.snapshot(slots[0]))
            x = self.inputs(1)
            y = other.step([0], x)[0]
            assert y.tobytes() == self.alone[slots[0]].step(x[0]).tobytes()
            self.pool.restore(slots[0], other.snapshot(0))

    def check(self) -> None:
        assert self.pool.slots.tolist() == sorted(self.alone)
        assert self.pool.snapshot() == [self.alone[slot].snapshot() for slot in sorted(self.alone)]


def live(whole: Model, history: list[str], seed: int, pool: type[StreamPool] = StreamPool) -> None:
    company = Company(whole, seed, pool=pool)
    for action in ["open", *history, "step"]:
        company.do(action)
    company.check()


@pytest.mark.parametrize("variant", ALL)
def test_any_company_leaves_every_stream_the_same_bits(variant: str) -> None:
    @quick
    @given(hidden=st.integers(1, 40), inputs=st.integers(1, 12), seed=st.integers(0, 99), history=histories)
    def law(hidden: int, inputs: int, seed: int, history: list[str]) -> None:
        live(model(variant, inputs=inputs, hidden=hidden, gain=2, seed=seed), history, seed)

    law()


@quick
@given(whole=graphs(), seed=st.integers(0, 99), history=histories)
def test_any_company_of_any_graph_leaves_every_stream_the_same_bits(whole: Model, seed: int, history: list[str]) -> None:
    live(whole, history, seed)


@pytest.mark.parametrize("build", [residual, gated])
def test_a_graph_in_company_gives_the_same_bits(build: Any) -> None:
    live(build(np.random.default_rng(0)), ACTIONS * 3, 1)


@pytest.mark.parametrize(
    ("variant", "lanes"),
    [("lstm", "4"), ("lstm", "16"), ("gru-reset-after", "4"), ("gru-reset-before", "16"), ("rnn-tanh", "16"), ("conv1d", "4")],
)
def test_every_width_gives_the_same_bits_in_company(variant: str, lanes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bits as a stream at eight lanes."""
    whole, x = model(variant, inputs=9, hidden=37, gain=2), signal(45, 9)
    monkeypatch.setenv("STREAMRNN_LANES", "8")
    alone = Stream(whole)
    expected = [alone.step(row).tobytes() for row in x]
    monkeypatch.setenv("STREAMRNN_LANES", lanes)
    pool = StreamPool(model(variant, inputs=9, hidden=37, gain=2), 8)
    slots = [pool.open() for _ in range(15)]
    for step, row in enumerate(x):
        assert {result.tobytes() for result in pool.step(slots, np.tile(row, (15, 1)))} == {expected[step]}


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6, 7, 95, 96, 97, 200])
def test_any_number_of_streams_gives_the_same_bits(n: int) -> None:
    """Around what a kernel takes at once, and what a tile does."""
    company = Company(mixed(), n, capacity=256)
    company.alone = {company.pool.open(): Stream(company.whole) for _ in range(n)}
    slots = list(company.rng.permutation(n))
    x = company.inputs(n, 3)
    y = company.pool.process(slots, x)
    for slot, block, result in zip(slots, x, y, strict=True):
        assert result.tobytes() == company.alone[slot].process(block).tobytes()
    company.check()


@pytest.mark.parametrize("n", [1, 16, 40])
def test_the_width_that_this_cpu_chooses_gives_the_same_bits_in_company(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMRNN_LANES")
    live(model("lstm", hidden=n), ACTIONS, n)


@pytest.mark.parametrize("variant", ["lstm", "gru-reset-before", "conv1d", "dense-softmax"])
def test_float64_in_company_gives_the_same_bits(variant: str) -> None:
    live(model(variant, hidden=9).astype("float64"), ACTIONS, 3)
