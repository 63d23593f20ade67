"""A plan's layout: written to a file and bound to other memory; with an op that feeds back, and with ops at a stride."""

import ctypes
import json
from typing import Any

import numpy as np
import pytest

from streamrnn import Arithmetic, Dense, Model, Pointwise, Select, Stream
from streamrnn.memory_layout import stream_layout
from streamrnn.plan import Group, Plan, plan_of
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


class FedBack(Plan):
    """h' = W (x + h) + b: the sum reads the output of the last op in the previous step."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.sources = ((-1, 2), (0,), (1,))
        self.output, self.kept = 1, frozenset({2})
        self.groups = [Group(3, together=True)]


@pytest.mark.parametrize("cuts", [[40], [1] * 40, [3, 25, 12]], ids=["chunk", "steps", "cuts"])
def test_a_value_fed_back_from_a_later_op_is_that_of_the_step_before(cuts: list[int]) -> None:
    n, x = 5, signal(40, 5)
    layer: Dense = dense(np.random.default_rng(0), n, n)
    looped = FedBack(Model([Arithmetic(n, "add"), layer, Select(n, tuple(range(n)))], sources=[(-1, -1), (0,), (1,)]))
    bound, alone = Bound(looped, stream_layout(looped)), Stream(Model([layer]))
    h, expected, found, begin = np.zeros(n, np.float32), [], [], 0
    for row in x:
        h = alone.step(row + h)
        expected.append(h)
    for count in cuts:
        found.append(bound.process(np.ascontiguousarray(x[begin : begin + count])))
        begin += count
    assert np.concatenate(found).tobytes() == np.array(expected).tobytes()


class Strided(Plan):
    """A function of every row, then every second row of that: a step takes two rows and returns one."""

    def __init__(self) -> None:
        super().__init__(Model([Pointwise(3, "tanh"), Select(3, (0, 1, 2))]))
        self.groups = [Group(1, rows=2), Group(1)]
        self.input_size = 6
        self.ops[1] = Select(6, (3, 4, 5)).pack(self.widths[1])


def test_a_group_may_take_several_rows_for_a_step() -> None:
    x, plan = signal(60, 3), Strided()
    y = Bound(plan, stream_layout(plan)).process(x.reshape(30, 6))
    assert y.tobytes() == Stream(Model([Pointwise(3, "tanh")])).process(x)[1::2].tobytes()
