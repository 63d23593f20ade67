"""A plan's layout: written to a file and bound to other memory; groups of ops, with a loop, and at a stride."""

import ctypes
import json
from typing import Any

import numpy as np
import pytest

from streamrnn import Arithmetic, Delay, Model, Pointwise, Select, Stream
from streamrnn.memory_layout import stream_layout
from streamrnn.plan import Group, Plan, plan_of, pool_plan_of
from streamrnn.target.layout import At, Layout, aligned
from tests.models import dense, mixed, one_width, signal  # noqa: F401  (a fixture)

DRIVER = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 4)


class Bound:
    """A layout that is bound to memory of its own, whose driver is called directly."""

    def __init__(self, plan: Plan, layout: Layout) -> None:
        self.plan = plan
        self.memory = {name: aligned(size, np.uint8) for name, size in layout.sizes.items()}
        self.table = aligned(len(layout.words), np.int64)
        layout.bind(self.table, plan.bases | {name: array.ctypes.data for name, array in self.memory.items()})

    def process(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        y = np.zeros((len(x), self.plan.output_size), x.dtype)
        assert DRIVER(self.plan.driver)(self.table.ctypes.data, x.ctypes.data, y.ctypes.data, len(x)) == 0
        return y


def test_a_layout_that_was_written_to_a_file_streams_with_the_same_bits() -> None:
    model, x = mixed(), signal(60)
    plan = plan_of(model)
    again = Layout.from_json(json.dumps(json.loads(stream_layout(plan).to_json())))
    bound, stream = Bound(plan, again), Stream(model)
    for part in x[:1], x[1:30], x[30:]:
        stream.reset()
        bound.memory["state"].view(np.float32)[:] = stream._workspace.state
        assert bound.process(np.ascontiguousarray(part)).tobytes() == stream.process(part).tobytes()


def test_regions_begin_on_cache_lines_and_do_not_overlap() -> None:
    layout = Layout()
    first, second = layout.reserve("here", 1), layout.reserve("here", 65)
    assert (first, second, layout.sizes) == (At("here", 0), At("here", 64), {"here": 192})
    words = layout.write([7, second, At("there", 3)])
    table = aligned(3, np.int64)
    layout.bind(table, {"here": 1000, "there": 5000})
    assert words == At("table", 0)
    assert table.tolist() == [7, 1064, 5003]


def of_parts() -> Model:
    """h' = W (x + h) + b with a loop over three layers, between a layer before it and one after."""
    rng, n = np.random.default_rng(0), 5
    layers = [dense(rng, n, n), Delay(n), Arithmetic(n, "add"), dense(rng, n, n), Select(n, tuple(range(n)))]
    return Model(layers, sources=[(-1,), (3,), (0, 1), (2,), (3,)])


def test_only_layers_that_read_each_other_are_stepped_together() -> None:
    plan = plan_of(of_parts())
    assert plan.groups == [Group((0,)), Group((1, 2, 3, 5), together=True), Group((4,))]
    assert plan.halves == {5: 1}
    assert plan.single_rows == {1, 2, 5}
    assert pool_plan_of(of_parts()).groups == [Group((0, 1, 2, 3, 5, 4))]


def test_a_delay_of_a_layer_further_on_is_no_loop_by_itself() -> None:
    model = Model([Delay(3), Pointwise(3, "tanh"), Arithmetic(3, "add")], sources=[(1,), (-1,), (0, 1)])
    assert plan_of(model).groups == [Group((1, 0, 2))]
    x = signal(30, 3)
    last = np.tanh(np.concatenate([np.zeros((1, 3)), x[:-1]]))
    np.testing.assert_allclose(Stream(model).process(x), last + np.tanh(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("cuts", [[40], [1] * 40, [3, 25, 12]], ids=["chunk", "steps", "cuts"])
def test_a_value_fed_back_from_a_later_layer_is_that_of_the_step_before(cuts: list[int]) -> None:
    """The last value, by hand: the same layer alone, given the sum."""
    looped, x = of_parts(), signal(40, 5)
    before, alone = Stream(Model([looped.layers[0]])), Stream(Model([looped.layers[3]]))
    h, expected = np.zeros(5, np.float32), []
    for row in before.process(x):
        h = alone.step(row + h)
        expected.append(h)
    stream, ends = Stream(looped), np.cumsum(cuts)
    found = [stream.process(x[end - count : end]) for end, count in zip(ends, cuts, strict=True)]
    assert np.concatenate(found).tobytes() == np.array(expected).tobytes()


class Strided(Plan):
    """A function of every row, then every second row of that: a step takes two rows and returns one."""

    def __init__(self) -> None:
        super().__init__(Model([Pointwise(3, "tanh"), Select(3, (0, 1, 2))]))
        self.groups = [Group((0,), rows=2), Group((1,))]
        self.input_size = 6
        self.ops[1] = Select(6, (3, 4, 5)).pack(self.widths[1])


def test_a_group_may_take_several_rows_for_a_step() -> None:
    x, plan = signal(60, 3), Strided()
    y = Bound(plan, stream_layout(plan)).process(x.reshape(30, 6))
    assert y.tobytes() == Stream(Model([Pointwise(3, "tanh")])).process(x)[1::2].tobytes()
