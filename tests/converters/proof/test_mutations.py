"""Each of these mistakes, made in the code of the importer or of a kernel, is found by the random nodes.

A mutation is a piece of a function's source and what stands there instead. The function keeps its identity and gets the code of
its mutant; a kernel is compiled again from its mutant.
"""

import ast
import inspect
import itertools
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from streamrnn import LSTM, StreamRNNError
from streamrnn.cells import gru, lstm, rnn
from streamrnn.code_cache import code, loader
from streamrnn.gates import GATE_ORDERS
from streamrnn.kernels.cells import compiled_cell
from streamrnn.kernels.compile import compiled
from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="imports ONNX graphs, and onnx is not installed")

from streamrnn_converters.onnx.axes.rules import recurrent as axis_rules
from streamrnn_converters.onnx.operators import attributes, directions, recurrent
from tests.converters.onnx.operators.test_random_nodes import OPS, TOLERANCE, Case, answered, drawn, error, expected

PERMUTATIONS = [
    (cell, "".join(order))
    for cell in ("lstm", "lstm.peepholes", "gru")
    for order in itertools.permutations(GATE_ORDERS[cell]["onnx"])
    if "".join(order) != GATE_ORDERS[cell]["onnx"]
]

#: What is wrong -> function, a piece of its source, what stands there instead.
IMPORTER: dict[str, tuple[Callable[..., Any], str, str]] = {
    "lstm without Rb": (recurrent._lstm, "own.input_bias + own.recurrent_bias", "own.input_bias"),
    "lstm without Wb": (recurrent._lstm, "own.input_bias + own.recurrent_bias", "own.recurrent_bias"),
    "lstm without h0": (recurrent._lstm, "own.initial[0]", "None"),
    "lstm without c0": (recurrent._lstm, "own.initial[1]", "None"),
    "lstm with h0 for c0": (recurrent._lstm, "own.initial[1]", "own.initial[0]"),
    "lstm without P": (recurrent._lstm, "peepholes=looks", "peepholes=None"),
    "lstm with P of the first direction": (recurrent._lstm, "for own in rows", "for own in [rows[0]] * len(rows)"),
    "lstm without input_forget": (recurrent._lstm, "coupled=coupled", "coupled=False"),
    "lstm without clip": (recurrent._lstm, "clip=bound", "clip=None"),
    "lstm without activations": (recurrent._lstm, "activations=chosen", 'activations=("sigmoid", "tanh", "tanh")'),
    "gru without Rb": (recurrent._gru, "own.input_bias + own.recurrent_bias", "own.input_bias"),
    "gru without Rbh": (recurrent._gru, 'reorder(own.recurrent_bias, "gru", "onnx")[2]', "None"),
    "gru with Rbh twice": (recurrent._gru, "bias[2] =", "_ ="),
    "gru without linear_before_reset": (recurrent._gru, '_before_reset"),', '_before_reset") and False,'),
    "gru with the other linear_before_reset": (recurrent._gru, "bound = flag(", "bound = not flag("),
    "gru without h0": (recurrent._gru, "own.initial[0]", "None"),
    "gru without clip": (recurrent._gru, "clip=bound", "clip=None"),
    "gru without activations": (recurrent._gru, "activations=chosen", 'activations=("sigmoid", "tanh")'),
    "rnn without Rb": (recurrent._rnn, "own.input_bias + own.recurrent_bias", "own.input_bias"),
    "rnn without h0": (recurrent._rnn, "own.initial[0]", "None"),
    "rnn without clip": (recurrent._rnn, "clip=bound", "clip=None"),
    "rnn without activations": (recurrent._rnn, "activations=chosen", 'activations=("tanh",)'),
    "W of the first direction": (recurrent._tensors, "weights[k]", "weights[0]"),
    "R of the first direction": (recurrent._tensors, "recurrent[k]", "recurrent[0]"),
    "Wb of the first direction": (recurrent._tensors, "halves[k, 0]", "halves[0, 0]"),
    "Rb of the first direction": (recurrent._tensors, "halves[k, 1]", "halves[0, 1]"),
    "states of the first direction": (recurrent._tensors, "state[k]", "state[0]"),
    "activations of the first direction": (attributes.activations, "chosen[k : k + len(default)]", "chosen[: len(default)]"),
    "activations of the directions swapped": (
        attributes.activations,
        "range(0, len(chosen), len(default))",
        "range(0, len(chosen), len(default))[::-1]",
    ),
    "alpha and beta from the end": (attributes.activations, "given[p].pop(0)", "given[p].pop()"),
    "beta ignored": (attributes.activations, "chosen.append(Activation(known, **taken))",
                     'chosen.append(Activation(known, taken.get("alpha")))'),
    "a direction read forwards": (
        directions.outputs_of,
        'importer.reversed(whole) if direction == "reverse" else whole',
        "whole",
    ),
    "a direction not turned back": (
        directions.outputs_of,
        'importer.reversed(one) if direction == "reverse" else one',
        "one",
    ),
    "every direction read backwards": (
        directions.outputs_of,
        'importer.reversed(whole) if direction == "reverse"',
        "importer.reversed(whole) if direction",
    ),
    "Y_h taken from the last Y": (directions.outputs_of, "FinalState(one, state) for one in applied", "one for one in steps"),
    "the states of the directions swapped": (
        directions.outputs_of,
        "FinalState(one, state) for one in applied",
        "FinalState(one, state) for one in applied[::-1]",
    ),
    "layout ignored": (directions.signal_of, 'node.take("layout", 0)', 'node.take("layout", 0) * 0'),
    "layout ignored in Y": (axis_rules.recurrent, "y = (time, direction, batch, feature) if layout == 0",
                            "y = (time, direction, batch, feature) if True"),
}  # fmt: skip


#: What is wrong -> kind, function of a cell, a piece of its source, what stands there instead, whether plain nodes show it.
KERNELS: dict[str, tuple[str, Any, str, str, bool]] = {
    "gru with z mixed the other way": ("gru", gru.mixed, "fma(z, h, (1 - z) * n)", "fma(z, n, (1 - z) * h)", True),
    "gru with the reset flipped": ("gru", gru.candidate_sum, "fma(sigmoid2(r)", "fma(1 - sigmoid2(r)", True),
    "gru with h not reset": ("gru", gru.reset_and_update, "sigmoid2(r) * h", "sigmoid2(r) + h", True),
    "lstm with i and f swapped": ("lstm", lstm.memory, "fma(sigmoid2(f), c, i * g)", "fma(i, c, sigmoid2(f) * g)", True),
    "lstm with c not squashed": ("lstm", lstm.output, "tanh(c)", "c", True),
    "lstm with gates not coupled": ("lstm", lstm.general_cell, "1 - i if coupled", "i if coupled", False),
    "rnn without clip": ("rnn", rnn.general_cell, "clipped(option(options, 0, s), s)", "s", False),
}
#: What makes a node one for a general kernel.
_UNUSUAL = {"activations", "clip", "input_forget", "P"}


def mutant(function: Any, piece: str, other: str) -> Any:
    """The function with one piece of its source replaced, without its decorators."""
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(piece) == 1, f"{piece!r} stands {source.count(piece)} times in {function.__name__}"
    tree = ast.parse(source.replace(piece, other))
    tree.body[0].decorator_list = []  # type: ignore[attr-defined]
    names: dict[str, Any] = {}
    exec(compile(tree, inspect.getfile(function), "exec"), function.__globals__, names)
    return names[function.__name__]


def found(cases: Iterable[Case]) -> bool:
    """Whether one of the random nodes is not what the definition says."""
    for case in cases:
        try:
            if not error(answered(case), expected(case)) <= TOLERANCE:
                return True
        except (StreamRNNError, AssertionError):  # another shape, or nothing that can be imported
            return True
    return False


def first(*ops: str, n_seeds: int = 60) -> Iterator[Case]:
    """The first random nodes, of all operators or some."""
    return (drawn(op, seed) for op in ops or OPS for seed in range(n_seeds))


def small(op: str, plain: bool) -> Iterator[Case]:
    """Those that one kernel of one width computes, the plain one or the general one."""
    for case in first(op, n_seeds=150):
        usual = _UNUSUAL.isdisjoint({*case.node.attributes, *case.node.tensors})
        if case.node.tensors["R"].shape[2] <= 8 and usual == plain:
            yield case


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert not found(first(n_seeds=30))
    assert not any(found(small(op, plain)) for op in OPS for plain in (True, False))


@pytest.mark.parametrize(("cell", "order"), PERMUTATIONS)
def test_any_other_order_of_gates_is_found(cell: str, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GATE_ORDERS[cell], "onnx", order)
    assert found(first("GRU" if cell == "gru" else "LSTM"))


@pytest.mark.parametrize("name", IMPORTER)
def test_a_mistake_of_the_importer_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, piece, other = IMPORTER[name]
    monkeypatch.setattr(function, "__code__", mutant(function, piece, other).__code__)
    assert found(first())


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Have the kernels of a kind compiled anew, in memory alone."""
    compiled_cell.cache_clear()

    def forget(kind: str) -> None:
        kept = {function: address for function, address in code._addresses.items() if f".{kind}." not in function.path}
        monkeypatch.setattr(code, "_addresses", kept)
        monkeypatch.setattr(code, "_kept", lambda function: loader.emit(*compiled(*function)))

    yield forget
    compiled_cell.cache_clear()


@pytest.mark.parametrize("name", KERNELS)
def test_a_mistake_of_a_cell_is_found(name: str, anew: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    kind, function, piece, other, plain = KERNELS[name]
    monkeypatch.setattr(function, "__code__", mutant(function, piece, other).__code__)
    anew(kind)
    assert found(small(kind.upper(), plain))


def test_a_layer_that_forgets_its_clip_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    function = LSTM.parameters
    monkeypatch.setattr(function, "__code__", mutant(function, "self.clip", "None").__code__)
    assert found(first("LSTM"))
