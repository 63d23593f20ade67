"""Roles and sizes of axes follow from the nodes that a graph input reaches, wherever in the graph they are."""

import re
from itertools import permutations
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="the drawings of graphs compare with onnxruntime")

from streamrnn import ConversionError
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.onnx.axes.constants import FOLDINGS
from streamrnn_converters.onnx.axes.rules import RULES
from streamrnn_converters.onnx.axes.solver import Solution, solve
from streamrnn_converters.onnx.importer import OPERATORS
from streamrnn_converters.onnx.parse.file import parse
from streamrnn_converters.onnx.values import Constant, Signal
from tests.converters.onnx.sketch import HIDDEN, INPUTS, N_STEPS, Sketch

NAMES = {"T": "time", "B": "batch", "F": "feature"}


def solved(g: Sketch, *outputs: str) -> Solution:
    return solve(parse(g.bytes(*outputs)), {})


def roles_of_x(solution: Solution, n_axes: int = 3) -> list[str]:
    return [solution.roles.roles[f"x.{index}"] for index in range(n_axes)]


@pytest.mark.parametrize("axes", ["".join(order) for order in permutations("TBF")])
def test_a_recurrent_node_tells_the_roles_of_all_axes_of_the_input(axes: str) -> None:
    g = Sketch(axes, open_axes="TBF")
    y = g.add("Transpose", "x", perm=[axes.index(letter) for letter in "TBF"])
    solution = solved(g, g.rnn(y)[0])
    assert roles_of_x(solution) == [NAMES[letter] for letter in axes]
    assert solution.roles.sizes == {f"x.{axes.index('F')}": INPUTS}
    assert not solution.roles.assumed


def test_a_node_at_the_end_tells_of_the_input_of_nodes_before_it() -> None:
    """A MatMul leaves open which of the other axes is time; the GRU after it says so."""
    g = Sketch("BTF", open_axes="BT")
    y = g.add("Relu", g.add("MatMul", "x", g.draw(INPUTS, INPUTS)))
    assert roles_of_x(solved(g, g.rnn(g.add("Transpose", y, perm=[1, 0, 2]))[0])) == ["batch", "time", "feature"]


def test_one_branch_tells_of_another_that_it_meets() -> None:
    g = Sketch("TBF", open_axes="TB")
    g.inputs.append(g.info("other", [None, None, HIDDEN]))
    y = g.squeezed(g.rnn("x")[0], 1)
    solution = solved(g, g.add("Add", y, g.add("Tanh", "other")))
    assert [solution.roles.roles[f"other.{index}"] for index in range(3)] == ["time", "batch", "feature"]


def test_what_no_node_tells_is_assumed_and_noted() -> None:
    solution = solved(g := Sketch("TBF"), g.add("MatMul", "x", g.draw(INPUTS, 2)))
    assert roles_of_x(solution) == ["time", "batch", "feature"]
    assert solution.roles.assumed == {"x.0", "x.1"}


def test_an_input_that_becomes_an_initial_state_is_known_as_one() -> None:
    g = Sketch()
    g.inputs.append(g.info("h", [1, None, HIDDEN]))
    assert solved(g, *g.rnn("x", initial_h=g.add("Identity", "h"))).roles.states == {"h"}


def test_the_shape_of_a_signal_is_a_constant_and_its_open_sizes_stay_open() -> None:
    g = Sketch(open_axes="B")
    shape = g.add("Shape", "x")
    size = g.add("Mul", g.add("Gather", shape, np.int64(0)), np.int64(3))
    y = g.rnn(g.add("Reshape", "x", g.add("Slice", shape, [0], [3], [0])))[0]
    solution = solved(g, y, size, shape)
    (product,) = solution.nodes[(size,)].outputs
    (sizes,) = solution.nodes[(shape,)].outputs
    assert isinstance(product, Constant)
    assert isinstance(sizes, Constant)
    assert product.array == 21
    assert sizes.array.dtype == object
    assert sizes.array[0] == 7


def test_why_a_node_does_not_fit_is_kept_for_the_node_alone() -> None:
    g = Sketch()
    y = g.rnn("x")[0]
    bad = g.add("Transpose", y, perm=[0, 1])
    solution = solved(g, bad, y)
    assert "perm [0, 1] does not fit" in str(solution.nodes[(bad,)].error)
    assert [error for found in solution.nodes.values() if (error := found.error)] == [solution.nodes[(bad,)].error]
    assert all(isinstance(value, Signal) for value in solution.nodes[("my_GRU.0", "my_GRU.1")].outputs)


def test_every_operator_has_a_rule_or_only_reads_constants() -> None:
    assert set(OPERATORS) == set(RULES) | set(FOLDINGS)


@pytest.mark.parametrize("time_axis", [1, -3, {"x": 1}], ids=str)
def test_the_caller_tells_which_axis_is_time(time_axis: int | dict[str, int]) -> None:
    g = Sketch("BTTF", open_axes="B")
    imported = read_onnx(g.bytes(g.add("Add", "x", g.draw(1, N_STEPS, INPUTS))), time_axis=time_axis)
    assert imported.input.axes == ("batch", "time", "feature", "feature")
    assert imported.model.input_size == N_STEPS * INPUTS
    assert imported.model.notes["source"]["time_axis"] == {"x": 1}


@pytest.mark.parametrize(
    ("time_axis", "why"),
    [
        (3, "graph input 'x': time_axis=3 is none of its 3 axes"),
        ({"u": 0}, "time_axis names 'u', which is no graph input; these are: x"),
        ({"x": "1"}, "time_axis='1' is none of"),
        (1, "what is its batch axis is the time axis of the signal, as time_axis tells"),
    ],
    ids=str,
)
def test_an_axis_of_time_that_cannot_be_is_refused(time_axis: Any, why: str) -> None:
    g = Sketch()
    with pytest.raises(ConversionError, match=re.escape(why)):
        read_onnx(g.bytes(g.rnn("x")[0]), time_axis=time_axis)
