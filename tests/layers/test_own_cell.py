"""Own cells: they keep the laws, give the same on NumPy arrays, are bound to their equation, and refusals name the reason."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import streamrnn
from streamrnn import (
    ArchiveError,
    InputError,
    Model,
    ModelError,
    NonFiniteStateError,
    SnapshotError,
    Stream,
    StreamPool,
    functions,
    load,
)
from streamrnn.functions import fma, relu, sigmoid, tanh
from streamrnn.layers import KINDS
from streamrnn.layers.layer import Layer
from streamrnn.recipe import OWN
from tests.models import one_width, own_cell, signal  # noqa: F401  (a fixture)

HALF = 0.5


def halved(x):  # type: ignore[no-untyped-def]
    return HALF * x


@streamrnn.cell("leaky", version=3, states=["h"], sums={"x": "s", "h": "s"})
def leaky(s, h):  # type: ignore[no-untyped-def]
    """A leaky integrator; calls a function of its module, and takes a number from it."""
    return halved(h) + halved(tanh(s))


def leaky_layer(inputs: int = 3, hidden: int = 9, **changes: Any) -> Any:
    rng = np.random.RandomState(0)
    given = {
        "input_weights": rng.uniform(-1, 1, (1, hidden, inputs)),
        "recurrent_weights": rng.uniform(-1, 1, (1, hidden, hidden)),
    }
    return leaky(**given | changes)


def test_steps_chunks_and_pools_give_the_same_bits_and_those_of_the_equation() -> None:
    layer, x = leaky_layer(), signal(60)
    whole, stream, pool = Stream(Model([layer])), Stream(Model([layer])), StreamPool(Model([layer]))
    y = whole.process(x)
    assert np.array([stream.step(row) for row in x]).tobytes() == y.tobytes()
    slots = [pool.open() for _ in range(5)]
    assert pool.process(slots, np.stack([x] * 5))[3].tobytes() == y.tobytes()
    expected, states = streamrnn.run_equations(layer, x)
    np.testing.assert_allclose(y, expected, atol=5e-7)
    np.testing.assert_allclose(states["h"], expected[-1])


@pytest.mark.parametrize("hidden", [1, 8, 33])
def test_passes_states_and_vectors_per_unit_are_those_of_the_equation(hidden: int) -> None:
    layer: Any = own_cell(np.random.default_rng(0), 3, hidden)
    x = signal(200)
    for dtype, tolerance in ("float32", 2e-6), ("float64", 1e-13):
        stream = Stream(Model([layer.astype(dtype)]))
        expected, states = streamrnn.run_equations(layer, x)
        np.testing.assert_allclose(stream.process(x), expected, atol=tolerance)
        for name, value in states.items():
            np.testing.assert_allclose(stream._workspace.vectors[0][name], value, atol=tolerance)


def test_our_own_layers_have_their_equations_too() -> None:
    from tests.models import VARIANTS

    x = signal(50)
    for variant in [name for name in VARIANTS if name.startswith(("lstm", "gru", "rnn", "dense"))]:
        layer = VARIANTS[variant](np.random.default_rng(1), 3, 9, 1.0)
        expected, _ = streamrnn.run_equations(layer, x)
        np.testing.assert_allclose(Stream(Model([layer])).process(x), expected, atol=2e-6, err_msg=variant)
    with pytest.raises(ModelError, match="affine layers have no recipe"):
        streamrnn.run_equations(VARIANTS["affine"](np.random.default_rng(1), 3, 3, 1.0), x)


def test_an_archive_brings_back_the_same_model_and_its_snapshots(tmp_path: Path) -> None:
    model = Model([leaky_layer(initial_h=np.linspace(-1, 1, 9))])
    model.save(tmp_path / "own")
    again = load(tmp_path / "own")
    assert again.fingerprint == model.fingerprint
    first, second = Stream(model), Stream(again)
    first.process(signal(20))
    second.restore(first.snapshot())
    assert first.process(signal(20, seed=1)).tobytes() == second.process(signal(20, seed=1)).tobytes()
    with pytest.raises(SnapshotError):
        Stream(Model([leaky_layer()])).restore(first.snapshot())


def test_declaration_and_version_are_part_of_the_fingerprint(kinds: None) -> None:
    def of(**changes: Any) -> str:
        declared: dict[str, Any] = {"version": 1, "states": ["h"], "sums": {"x": "s", "h": "s"}}
        kind = streamrnn.cell("other", **declared | changes)(lambda s, h: halved(h) + s)
        rng = np.random.RandomState(0)
        return Model(
            [kind(input_weights=rng.uniform(size=(1, 4, 2)), recurrent_weights=rng.uniform(size=(1, 4, 4)))]
        ).fingerprint

    assert len({of(), of(version=2), of(sums={"h": "s", "x": "s"})}) == 3


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells that a test defines are removed after it."""
    kept, recipes = dict(KINDS), dict(OWN)
    monkeypatch.setattr("streamrnn.layers.own_cell.KINDS", kept)
    monkeypatch.setattr("streamrnn.model.loading.KINDS", kept)
    monkeypatch.setattr("streamrnn.layers.own_cell.OWN", recipes)
    monkeypatch.setattr("streamrnn.kernels.compile.OWN", recipes, raising=False)


def other_leaky(s, h):  # type: ignore[no-untyped-def]
    return halved(h) + halved(sigmoid(s))


def test_another_equation_under_the_same_name_is_found(kinds: None, tmp_path: Path) -> None:
    Model([leaky_layer()]).save(tmp_path / "own")
    streamrnn.cell("leaky", version=3, states=["h"], sums={"x": "s", "h": "s"})(other_leaky)
    with pytest.raises(ArchiveError, match="'leaky', version 3, computes other values here than where the archive"):
        load(tmp_path / "own")


def test_another_version_is_found(kinds: None, tmp_path: Path) -> None:
    Model([leaky_layer()]).save(tmp_path / "own")
    streamrnn.cell("leaky", version=4, states=["h"], sums={"x": "s", "h": "s"})(leaky.equation)
    with pytest.raises(ArchiveError, match="is version 3 of its cell, but here version 4 is defined"):
        load(tmp_path / "own")


def test_a_kind_that_is_not_defined_is_refused_by_name(tmp_path: Path) -> None:
    Model([leaky_layer()]).save(tmp_path / "own")
    program = "import sys, streamrnn\ntry: streamrnn.load(sys.argv[1])\nexcept streamrnn.ArchiveError as error: print(error)"
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "own"], capture_output=True, text=True, check=True)
    assert "the kind 'leaky' is not defined here" in done.stdout


def test_a_test_vector_that_is_none_is_refused(tmp_path: Path) -> None:
    for wrong in [], [1.0] * 8, "text", [float("nan")] * 8, {"a": 1}:
        with pytest.raises(ModelError, match="computes other values"):
            leaky.check_test_vector(wrong)
    with pytest.raises(ModelError, match="layers of this kind have none"):
        KINDS["lstm"].check_test_vector([1.0])


def test_a_state_that_leaves_the_range_is_put_back() -> None:
    layer = leaky_layer(input_weights=np.full((1, 9, 3), 3e38), recurrent_weights=np.full((1, 9, 9), 1.0))

    @streamrnn.cell("linear_for_poison", version=1, states=["h"], sums={"x": "s", "h": "s"})
    def linear(s):  # type: ignore[no-untyped-def]
        return s

    stream = Stream(Model([linear(input_weights=layer.input_weights, recurrent_weights=layer.recurrent_weights)]))
    stream.step(np.zeros(3, np.float32))
    before = stream.snapshot()
    with pytest.raises(NonFiniteStateError):
        stream.process(np.full((4, 3), 9, np.float32))
    assert stream.snapshot() == before


def test_a_state_that_decays_becomes_zero() -> None:
    zeros = np.zeros((1, 9, 9))
    layer = leaky_layer(input_weights=np.zeros((1, 9, 3)), recurrent_weights=zeros, initial_h=np.ones(9))
    y = Stream(Model([layer])).process(np.zeros((200, 3), np.float32))
    assert not y[-1].any()
    assert ((y == 0) | (np.abs(y) >= 1e-30)).all()


def loops(s, h):  # type: ignore[no-untyped-def]
    for _ in range(3):
        h = h + s
    return h


def calls_numpy(s, h):  # type: ignore[no-untyped-def]
    return np.tanh(s) + h


def calls_a_builtin(s, h):  # type: ignore[no-untyped-def]
    return max(s, h)


def indexes(s, h):  # type: ignore[no-untyped-def]
    return s[0] + h


def uses_a_list(s, h):  # type: ignore[no-untyped-def]
    return s + h * _LIST


def shadows(tanh, h):  # type: ignore[no-untyped-def]
    return tanh(h)


def two_values(s, h):  # type: ignore[no-untyped-def]
    return s, h


def infinite(s, h):  # type: ignore[no-untyped-def]
    return s / (h - h)


def powers(s, h):  # type: ignore[no-untyped-def]
    return s**2 + h


def adds_in_place(s, h):  # type: ignore[no-untyped-def]
    h += s
    return h


def a_number(s, h):  # type: ignore[no-untyped-def]
    return 0.5


def a_comparison(s, h):  # type: ignore[no-untyped-def]
    return s > h


def decides(s, h):  # type: ignore[no-untyped-def]
    return s if s > h else h


def recurses(s, h):  # type: ignore[no-untyped-def]
    return also_recurses(s, h)


def also_recurses(s, h):  # type: ignore[no-untyped-def]
    return recurses(s, h)


_LIST = [1.0]


def closed_over() -> Any:
    values = np.ones(3)

    def equation(s, h):  # type: ignore[no-untyped-def]
        return s + h * values

    return equation


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "a loop": (loops, {}, "loops uses range, which is not among|uses a loop"),
    "numpy": (
        calls_numpy,
        {},
        "calls_numpy uses np, which is neither a number|an attribute|a method",
    ),
    "a builtin": (calls_a_builtin, {}, "uses max, which is not among streamrnn.functions"),
    "an index": (indexes, {}, "uses an index"),
    "a list": (uses_a_list, {}, "uses _LIST, which is neither a number nor a plain function"),
    "a closure": (closed_over(), {}, "takes values from the function around it, but it is no number"),
    "recursion": (recurses, {}, "recurses calls itself; an equation has no recursion"),
    "a power": (powers, {}, r"powers uses the operator \*\*"),
    "in place": (adds_in_place, {}, r"adds_in_place uses the operator \+="),
    "a number": (a_number, {}, "returns 0.5 for h, which is no value for each unit"),
    "a comparison": (a_comparison, {}, "for h, which is no value for each unit"),
    "a decision": (decides, {}, "cannot be computed"),
    "a parameter that shadows": (shadows, {"sums": {"x": "tanh", "h": "tanh"}}, "cannot be computed"),
    "too many values": (two_values, {}, "returns 2 values, but h are expected"),
    "infinity": (infinite, {}, "every value must be finite|cannot be computed"),
    "no function": (3, {}, "3 is not a"),
    "a sum that it does not take": (leaky.equation, {"sums": {"x": "s t", "h": "s"}}, "the cell takes no t"),
    "a vector that is none": (leaky.equation, {"sums": {"x": "s", "g": "s"}}, "no vector is called g"),
    "no inputs": (leaky.equation, {"sums": {"h": "s"}}, "'x', the inputs, feeds no sum"),
    "no states": (leaky.equation, {"states": []}, "cell 'refused'"),
    "no version": (leaky.equation, {"version": 0}, "version 0 is not a whole number from 1 on"),
    "a name of ours": (leaky.equation, {"kind": "lstm"}, "there is a layer of that name already"),
    "no name": (leaky.equation, {"kind": "li gru"}, "'li gru' is not a name"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_equation_is_refused_where_it_is_defined(name: str, kinds: None) -> None:
    function, changes, message = REFUSED[name]
    declared: dict[str, Any] = {"version": 1, "states": ["h"], "sums": {"x": "s", "h": "s"}} | changes
    with pytest.raises(ModelError, match=message):
        streamrnn.cell(declared.pop("kind", "refused"), **declared)(function)


def test_numbers_from_around_an_equation_are_taken_and_counted(kinds: None) -> None:
    def kind(factor: float) -> Any:
        @streamrnn.cell("scaled", version=1, states=["h"], sums={"x": "s"})
        def scaled(s, h):  # type: ignore[no-untyped-def]
            return factor * h + s

        return scaled

    x, paths, last = signal(20), set(), []
    for factor in 0.25, 0.75:
        made = kind(factor)
        paths.add(made.own_path)
        layer = made(input_weights=np.ones((1, 2, 3)))
        y = Stream(Model([layer])).process(x)
        np.testing.assert_allclose(y, streamrnn.run_equations(layer, x)[0], atol=1e-5)
        last.append(y[-1, 0])
    assert len(paths) == 2
    assert last[0] != last[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_weights": np.zeros((2, 9, 3))}, r"leaky layer, input_weights: shape \(2, 9, 3\) does not fit, expected \(1"),
        ({"recurrent_weights": np.zeros((1, 9, 8))}, "leaky layer, recurrent_weights"),
        ({"bias": np.zeros((2, 9))}, "leaky layer, bias"),
        ({"initial_h": np.full(9, np.nan)}, "leaky layer, initial_h: nan"),
        ({"dtype": "float16"}, "leaky layer, dtype"),
        ({"version": 7}, "is version 7 of its cell, but here version 3"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_array_that_does_not_fit_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        leaky_layer(**changes)


def test_input_is_checked_as_for_any_model() -> None:
    with pytest.raises(InputError):
        Stream(Model([leaky_layer()])).step(np.zeros(4, np.float32))


def test_the_functions_of_cells_mean_the_same_compiled(kinds: None) -> None:
    """Each public function, compiled in an own cell, against the same function on NumPy arrays."""
    public = [name for name in functions.__all__ if name != "option"]
    assert len(public) > 10
    arguments = {"fma": "s, s, s", "where": "s < 0, s, 2 * s", "minimum": "s, 0.5", "maximum": "s, 0.5"}
    domain = {"log": "1 + absolute(s)", "square_root": "absolute(s)"}
    x = np.linspace(-3, 3, 50).reshape(50, 1)
    for name in public:
        source = f"def equation(s):\n    return {name}({arguments.get(name, domain.get(name, 's'))})\n"
        names = {each: getattr(functions, each) for each in public}
        exec(source, names)
        kind = streamrnn.cell(f"only_{name}", version=1, states=["h"], sums={"x": "s"})(names["equation"])
        layer = kind(input_weights=np.ones((1, 1, 1)))
        y = Stream(Model([layer])).process(x)
        np.testing.assert_allclose(y, streamrnn.run_equations(layer, x)[0], rtol=2e-6, atol=2e-7, err_msg=name)


def test_a_kind_can_be_pickled_and_described() -> None:
    import pickle

    layer = leaky_layer()
    again = pickle.loads(pickle.dumps(Model([layer])))
    assert again.fingerprint == Model([layer]).fingerprint
    assert json.dumps(layer.options())
    assert isinstance(layer, Layer)
    assert re.search("leaky integrator", leaky.__doc__ or "")


def test_the_docstring_of_cell_is_a_program_that_runs(kinds: None) -> None:
    made = streamrnn.cell("li_gru", version=1, states=["h"], sums={"x": "z n", "h": "z n"})(li_gru)
    layer = made(input_weights=np.ones((2, 4, 3)), recurrent_weights=np.zeros((2, 4, 4)), bias=np.zeros((2, 4)))
    y = Stream(Model([layer])).step([0.1, 0.2, 0.3])
    assert math.isclose(y[0], (1 - 1 / (1 + math.exp(-0.6))) * 0.6, rel_tol=1e-5)


def li_gru(z, n, h):  # type: ignore[no-untyped-def]
    z = sigmoid(z)
    return (1 - z) * relu(n) + z * fma(h, 1, 0)
