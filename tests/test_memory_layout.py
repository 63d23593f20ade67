"""A plan's layout: written to a file and bound to other memory; groups of ops, with a loop, and at a stride."""

import ctypes
import json
from typing import Any

import numpy as np
import pytest

from benchmarks.tune import every_width
from streamrnn import Arithmetic, Delay, Frame, Model, Pointwise, Select, Stream
from streamrnn.exporting.small_plan import SmallPlan
from streamrnn.memory_layout import stream_layout
from streamrnn.plan import Group, Plan, PoolPlan, plan_of, pool_plan_of
from streamrnn.target.caches import Caches
from streamrnn.target.layout import At, Layout, aligned
from streamrnn.target.packing import Width
from streamrnn.target.record import ONLY_OP, RECORDS
from tests.models import dense, lstm, mixed, one_width, rnn, signal  # noqa: F401  (a fixture)

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


def test_a_single_op_takes_the_rows_of_the_caller_with_the_bits_of_an_op_that_reads_a_buffer() -> None:
    alone, x = Model([rnn(np.random.default_rng(0), 3, 5)]), signal(60, 3)
    layout = stream_layout(plan_of(alone))
    assert layout.words[ONLY_OP] == layout.words[RECORDS]
    through_buffers = Layout.from_json(layout.to_json())
    through_buffers.words[ONLY_OP] = 0
    assert Bound(plan_of(alone), layout).process(x).tobytes() == Bound(plan_of(alone), through_buffers).process(x).tobytes()
    for other in mixed(), Model([Frame(3, 2, 2), rnn(np.random.default_rng(0), 6, 5)]), Model([Select(3, (2, 0))]):
        assert stream_layout(plan_of(other)).words[ONLY_OP] == 0


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


def test_layers_before_a_frame_take_several_rows_for_a_step() -> None:
    rng = np.random.default_rng(0)
    layers = [Pointwise(2, "tanh"), rnn(rng, 2, 4), Frame(4, 3, 5), Frame(20, 2), dense(rng, 40, 3)]
    plan, pool_plan = plan_of(Model(layers)), pool_plan_of(Model(layers))
    assert plan.groups == [Group((0, 1), rows=6), Group((2,), rows=2), Group((3, 4))]
    assert pool_plan.groups == [
        Group((0,), rows=6),
        Group((1,), together=True, rows=6),
        Group((2,), together=True, rows=2),
        Group((3, 4)),
    ]
    assert [plan.rows_of(index) for index in range(-1, 5)] == [6, 6, 6, 2, 1, 1]


def test_weights_far_larger_than_the_second_cache_make_the_tiles_of_a_stream_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model([dense(np.random.default_rng(0), 64, 64)])
    tiles = []
    for second in 1 << 10, 1 << 20:
        monkeypatch.setattr("streamrnn.plan.caches", lambda second=second: Caches(1 << 10, second))
        tiles.append([kind(model).tile for kind in (Plan, PoolPlan, SmallPlan)])
    assert tiles == [[48, 96, 1], [24, 96, 1]]


def test_tiles_are_longer_where_steps_compute_input_sums_of_coming_steps() -> None:
    model = Model([lstm(np.random.default_rng(0), 8, 8), dense(np.random.default_rng(0), 8, 8)])
    with every_width(Width(4, 1, beside=True)):
        assert [kind(model).tile for kind in (Plan, PoolPlan, SmallPlan)] == [96, 96, 1]


def test_many_rows_before_a_frame_make_the_tiles_smaller() -> None:
    def tile(hop: int) -> int:
        return plan_of(Model([Pointwise(8, "tanh"), Frame(8, hop, 1)])).tile

    assert [tile(hop) for hop in (1, 2, 1 << 8, 1 << 12, 1 << 20)] == [24, 24, 16, 1, 1]
    assert plan_of(Model([Frame(8, 1 << 12), Select(8 << 12, (0,))])).tile == 24  # only the input has many rows
