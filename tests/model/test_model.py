"""`Model`: which layers fit together, sizes, fingerprint, notes."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import streamrnn
from streamrnn import GRU, Dense, Model, ModelError
from tests.models import ALL, VARIANTS, mixed, model, rebuilt


def test_sizes_are_those_of_the_ends() -> None:
    whole = mixed(inputs=3)
    assert (whole.input_size, whole.output_size) == (3, 4)
    assert [layer.kind for layer in whole.layers] == ["dense", "lstm", "gru", "gru", "rnn", "dense"]


def test_neighbours_whose_sizes_do_not_meet_are_refused_by_place() -> None:
    first, second = Dense(np.ones((2, 3))), GRU(np.ones((3, 4, 3)), np.ones((3, 4, 4)))
    with pytest.raises(ModelError, match=r"layer 1 \(gru\): takes 3 values, but layer 0 \(dense\) gives 2"):
        Model([first, second])


@pytest.mark.parametrize("layers", [[], ["lstm"], [None], [np.ones(3)], [Dense([[1.0]]), 3], None, 3], ids=repr)
def test_what_is_not_a_stack_of_layers_is_refused(layers: object) -> None:
    with pytest.raises(ModelError, match="layer"):
        Model(layers)  # type: ignore[arg-type]


@pytest.mark.parametrize("variant", VARIANTS)
def test_equal_models_have_equal_fingerprints(variant: str) -> None:
    one, same, other = model(variant), model(variant), model(variant, seed=1)
    assert one.fingerprint == same.fingerprint == pickle.loads(pickle.dumps(one)).fingerprint
    has_weights = bool(one.layers[0].tensors()) or variant == "select-any-order"
    assert (one.fingerprint != other.fingerprint) == has_weights
    assert len(bytes.fromhex(one.fingerprint)) == 32


@pytest.mark.parametrize("variant", VARIANTS)
def test_any_changed_weight_changes_the_fingerprint(variant: str) -> None:
    whole = model(variant)
    (layer,) = whole.layers
    seen = {whole.fingerprint}
    for name, tensor in layer.tensors().items():
        changed = tensor.copy()
        changed.flat[-1] = np.nextafter(changed.flat[-1], np.float32(9))
        seen.add(Model([layer.with_tensor(name, changed)]).fingerprint)
    assert len(seen) == 1 + len(layer.tensors())


def test_options_change_the_fingerprint() -> None:
    assert len({model(variant).fingerprint for variant in ALL}) == len(ALL)


def test_a_number_written_as_int_or_float_is_the_same_model() -> None:
    (layer,) = model("lstm-clipped").layers
    assert Model([rebuilt(layer, clip=1)]).fingerprint == Model([rebuilt(layer, clip=1.0)]).fingerprint


def test_notes_are_free_json_and_not_part_of_the_fingerprint() -> None:
    plain = model("lstm")
    noted = plain.with_notes({"source": {"sha256": "ab"}, "errors": [1.5, None]})
    assert noted.notes == {"source": {"sha256": "ab"}, "errors": [1.5, None]}
    assert plain.notes == {}
    assert noted.fingerprint == plain.fingerprint


def test_notes_are_copies() -> None:
    given = {"list": [1]}
    noted = model("lstm").with_notes(given)
    noted.notes["list"].append(2)
    given["list"].append(3)
    assert noted.notes == {"list": [1]}


@pytest.mark.parametrize("notes", [{"a": {1, 2}}, {"a": np.ones(2)}, {"a": float("nan")}, 3, "ab"], ids=repr)
def test_notes_that_are_not_json_are_refused(notes: object) -> None:
    with pytest.raises(ModelError, match="notes"):
        model("lstm").with_notes(notes)  # type: ignore[arg-type]


def test_parameters_are_counted_without_initial_states_of_zero() -> None:
    assert Model([Dense(np.ones((2, 3)), np.ones(2))]).n_parameters == 8
    gru = GRU(np.ones((3, 4, 2)), np.ones((3, 4, 4)))
    assert Model([gru]).n_parameters == 24 + 48 + 12 + 4
    assert Model([rebuilt(gru, initial_hidden=np.ones(4))]).n_parameters == 24 + 48 + 12 + 4 + 4


def test_a_model_prints_its_layers() -> None:
    assert repr(model("lstm", "dense-linear")).startswith("<Model lstm(3, 9) → dense(9, 9)")


def test_public_names_exist() -> None:
    assert all(hasattr(streamrnn, name) for name in streamrnn.__all__)


def test_importing_the_engine_loads_no_converter_and_no_framework() -> None:
    code = "import streamrnn, sys; print([m for m in ('onnx', 'onnxruntime', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
