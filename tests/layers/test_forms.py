"""The canonical forms: what each kind accepts, freezes and reports, and that refusals name the tensor."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from streamrnn import (
    GRU,
    LSTM,
    RNN,
    Activation,
    Affine,
    Arithmetic,
    Bank,
    Concat,
    Conv1d,
    Delay,
    Dense,
    Depthwise,
    Embedding,
    Frame,
    Layer,
    LayerNorm,
    ModelError,
    Pointwise,
    PRelu,
    Reduce,
    Reverse,
    Rows,
    Scan,
    Select,
    Softmax,
    StateOutput,
    Where,
)
from streamrnn.layers import KINDS, OwnCell
from tests.models import ACTIVATIONS, RECURRENT, VARIANTS, name_of, rebuilt

I, H, P = 3, 5, 4  # noqa: E741 - the field's names


def zeros(*shape: int) -> Any:
    return np.zeros(shape, np.float32)


#: kind -> (class, shape of each array field)
SHAPES: dict[str, tuple[type[Layer], dict[str, tuple[int, ...]]]] = {
    "lstm": (
        LSTM,
        {
            "input_weights": (4, H, I),
            "recurrent_weights": (4, H, P),
            "bias": (4, H),
            "peepholes": (3, H),
            "projection": (P, H),
            "initial_hidden": (P,),
            "initial_cell": (H,),
        },
    ),
    "gru": (
        GRU,
        {
            "input_weights": (3, H, I),
            "recurrent_weights": (3, H, H),
            "bias": (3, H),
            "recurrent_bias": (H,),
            "initial_hidden": (H,),
        },
    ),
    "rnn": (
        RNN,
        {"input_weights": (1, H, I), "recurrent_weights": (1, H, H), "bias": (1, H), "initial_hidden": (H,)},
    ),
    "dense": (Dense, {"weights": (H, I), "bias": (H,)}),
    "conv1d": (Conv1d, {"weights": (H, I, 3), "bias": (H,)}),
    "embedding": (Embedding, {"table": (H, I)}),
    "depthwise": (Depthwise, {"weights": (H, I), "bias": (H,)}),
    "prelu": (PRelu, {"slope": (I,)}),
    "affine": (Affine, {"scale": (I,), "shift": (I,)}),
    "layernorm": (LayerNorm, {"scale": (I,), "bias": (I,)}),
}
#: Kinds without weights, with sizes and options only (tests/test_graph.py, tests/test_stride.py).
WITHOUT_WEIGHTS = [Pointwise, Softmax, Arithmetic, Concat, Select, Reduce, Reverse, Where, Delay, Frame]
#: Kinds that hold another layer (tests/layers/test_over_rows.py).
HOLDERS = [Rows, Bank, Scan, StateOutput]
FIELDS = [(kind, name) for kind, (_, shapes) in SHAPES.items() for name in shapes]
every_array = pytest.mark.parametrize(("kind", "name"), FIELDS, ids=["-".join(entry) for entry in FIELDS])


def build(kind: str, **changes: Any) -> Layer:
    cls, shapes = SHAPES[kind]
    return cls(**({name: zeros(*shape) for name, shape in shapes.items()} | changes))


def test_every_kind_is_listed_under_its_name() -> None:
    ours = {kind: cls for kind, cls in KINDS.items() if not issubclass(cls, OwnCell)}
    assert {kind: cls for kind, (cls, _) in SHAPES.items()} | {cls.kind: cls for cls in WITHOUT_WEIGHTS + HOLDERS} == ours
    assert all(cls.kind == kind for kind, cls in KINDS.items())


@every_array
def test_an_array_of_a_wrong_shape_is_refused_by_name(kind: str, name: str) -> None:
    shape = SHAPES[kind][1][name]
    wrong = [shape[1:], (*shape, 1), (1, *shape)]
    # a size that the layer takes from an array, H and I from the first, P from the projection, can be any there
    is_first = name == next(iter(SHAPES[kind][1])) and kind not in ("lstm", "gru", "rnn")
    wrong += [(shape[0] + 1, *shape[1:])] * (not is_first and name != "projection")
    for shape in wrong:
        with pytest.raises(ModelError, match=rf"^{kind} layer, \w+: .*shape"):
            build(kind, **{name: zeros(*shape)})


@every_array
def test_an_empty_array_is_refused_by_name(kind: str, name: str) -> None:
    shape = SHAPES[kind][1][name]
    for axis in range(len(shape)):
        empty = (*shape[:axis], 0, *shape[axis + 1 :])
        with pytest.raises(ModelError, match=rf"{kind} layer, {name}: .*shape"):
            build(kind, **{name: zeros(*empty)})


@every_array
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39], ids=str)
def test_a_weight_that_is_not_finite_in_float32_is_refused_with_its_place(kind: str, name: str, value: float) -> None:
    array = np.zeros(SHAPES[kind][1][name])
    array.flat[array.size - 1] = value
    index = ", ".join(str(size - 1) for size in array.shape)
    with pytest.raises(ModelError, match=rf"{kind} layer, {name}: .*\({index},?\).*finite"):
        build(kind, **{name: array})


@every_array
@pytest.mark.parametrize("value", ["x", [["a"]], [[1], [2, 3]], 1j, object(), b"1", {}, lambda: 0], ids=name_of)
def test_what_is_not_an_array_of_real_numbers_is_refused_by_name(kind: str, name: str, value: object) -> None:
    with pytest.raises(ModelError, match=rf"{kind} layer, {name}"):
        build(kind, **{name: value})


@every_array
def test_arrays_are_read_only_float32_copies(kind: str, name: str) -> None:
    given = np.random.default_rng(0).normal(size=SHAPES[kind][1][name])
    layer = build(kind, **{name: given})
    kept = getattr(layer, name)
    assert (kept.dtype, kept.flags.c_contiguous, kept.flags.writeable) == (np.float32, True, False)
    before = kept.copy()
    given[...] = 9
    np.testing.assert_array_equal(kept, before)
    with pytest.raises(ValueError, match="read-only"):
        kept[...] = 0


@every_array
def test_any_layout_and_real_type_of_an_array_is_the_same_layer(kind: str, name: str) -> None:
    whole = np.arange(np.prod(SHAPES[kind][1][name]), dtype=np.float32).reshape(SHAPES[kind][1][name])
    expected = getattr(build(kind, **{name: whole}), name)
    doubled = np.repeat(whole, 2, axis=-1)[..., ::2]
    layouts = [doubled, np.asfortranarray(whole), whole.astype(np.int32), whole.astype(">f4"), whole.tolist()]
    for given in [*layouts, whole.astype(np.float64), whole[..., ::-1].copy()[..., ::-1]]:
        np.testing.assert_array_equal(getattr(build(kind, **{name: given}), name), expected)


@pytest.mark.parametrize("variant", [name for name in VARIANTS if not name.startswith(("rows", "bank", "scan", "state"))])
def test_a_layer_is_rebuilt_from_its_tensors_and_options(variant: str) -> None:
    layer = VARIANTS[variant](np.random.default_rng(1), I, H, 1.0)
    again = type(layer)(**{name: getattr(layer, name) for name in [*layer.tensors(), *layer.options()]})
    assert again.options() == layer.options()
    assert again.tensors().keys() == layer.tensors().keys()
    for name, tensor in layer.tensors().items():
        np.testing.assert_array_equal(again.tensors()[name], tensor)


#: Variants whose sizes do not follow from `hidden`.
OF_ROWS = tuple(
    name for name in VARIANTS if name.startswith(("rows", "bank", "scan", "state", "depthwise", "reduce", "select-runs"))
)


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name not in OF_ROWS])
def test_sizes_and_states_are_those_of_the_arrays(variant: str) -> None:
    layer = VARIANTS[variant](np.random.default_rng(2), I, H, 1.0)
    sizes = {name: state.size for name, state in layer.states.items()}
    assert layer.input_size == I
    same_size = ("pointwise", "prelu", "affine", "layernorm", "softmax", "delay")
    outputs = {"lstm-projected": 1 + H // 2, "lstm-with-everything": 1 + H // 2, "select-part": I - I // 2}
    assert layer.output_size == outputs.get(variant, I if layer.kind in same_size else H)
    assert sizes.get("h", layer.output_size) == layer.output_size
    names = {"lstm": "h c", "gru": "h", "rnn": "h", "own_cell": "h c", "conv1d": "x", "delay": "value"}
    assert list(sizes) == names.get(layer.kind, "").split()
    assert sizes.get("x") in (None, 2 * I, 3 * I)
    assert sizes.get("c", H) == H


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_layer_cannot_be_changed_but_copied_and_pickled(variant: str) -> None:
    layer = VARIANTS[variant](np.random.default_rng(3), I, H, 1.0)
    with pytest.raises(AttributeError):
        layer.bias = None  # type: ignore[attr-defined]
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert twin.options() == layer.options()
        for name, tensor in layer.tensors().items():
            np.testing.assert_array_equal(twin.tensors()[name], tensor)


@pytest.mark.parametrize("variant", RECURRENT)
@pytest.mark.parametrize("clip", [0, -1, float("nan"), float("inf"), 1e39, 1e-60, "1", True, [1.0]], ids=repr)
def test_a_clip_that_is_not_a_positive_float32_is_refused(variant: str, clip: object) -> None:
    layer = VARIANTS[variant](np.random.default_rng(4), I, H, 1.0)
    with pytest.raises(ModelError, match=f"{layer.kind} layer, clip"):
        rebuilt(layer, clip=clip)


@pytest.mark.parametrize("variant", ["lstm", "gru-reset-after", "gru-reset-before", "rnn-tanh"])
@pytest.mark.parametrize(
    "activations", [(), "tanh", ["tanh"] * 5, ["softmax"] * 4, None, 3, [None, None, None], [["tanh"]]], ids=repr
)
def test_activations_that_do_not_fit_the_kind_are_refused(variant: str, activations: object) -> None:
    layer = VARIANTS[variant](np.random.default_rng(5), I, H, 1.0)
    with pytest.raises(ModelError, match="activation"):
        rebuilt(layer, activations=activations)


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_softmax_fits_a_dense_layer_only(kind: str) -> None:
    count = {"lstm": 3, "gru": 2, "rnn": 1}[kind]
    with pytest.raises(ModelError, match="softmax"):
        build(kind, activations=["softmax"] * count)
    assert Dense(zeros(2, 2), activation="softmax").activation == Activation("softmax")


@pytest.mark.parametrize("activation", [None, 3, ["tanh"], {"name": "tanh"}, "TANH"], ids=repr)
def test_an_unknown_activation_of_a_dense_layer_is_refused(activation: object) -> None:
    with pytest.raises(ModelError, match="activation"):
        Dense(zeros(2, 2), activation=activation)  # type: ignore[arg-type]


@pytest.mark.parametrize("coupled", [None, 1, "yes", np.ones(2)], ids=repr)
def test_coupled_is_true_or_false(coupled: object) -> None:
    with pytest.raises(ModelError, match="coupled"):
        build("lstm", coupled=coupled)


@pytest.mark.parametrize("form", ["reset_after", "", None, 1, ["reset-after"]], ids=repr)
def test_a_gru_has_one_of_two_forms(form: object) -> None:
    with pytest.raises(ModelError, match="form"):
        build("gru", form=form)


def test_a_reset_before_gru_has_no_recurrent_bias() -> None:
    with pytest.raises(ModelError, match="recurrent_bias"):
        build("gru", form="reset-before")
    assert "recurrent_bias" not in build("gru", form="reset-before", recurrent_bias=None).tensors()


@pytest.mark.parametrize("chosen", ACTIVATIONS, ids=str)
def test_options_are_json_that_names_what_differs_from_nothing(chosen: Activation) -> None:
    (option,) = build("rnn", activations=(chosen,)).options()["activations"]
    assert option.pop("name") == chosen.name
    assert option == {key: value for key in ("alpha", "beta") if (value := getattr(chosen, key)) is not None}


def test_what_is_left_out_is_zero() -> None:
    layer = LSTM(zeros(4, H, I), zeros(4, H, H))
    np.testing.assert_array_equal(layer.bias, zeros(4, H))
    np.testing.assert_array_equal(layer.initial_cell, zeros(H))
    assert layer.peepholes is None
    assert layer.projection is None
    np.testing.assert_array_equal(GRU(zeros(3, H, I), zeros(3, H, H)).recurrent_bias, zeros(H))
