"""Models in float64: the same laws, with sixteen digits."""

from pathlib import Path

import numpy as np
import pytest

from streamrnn import GRU, Concat, Dense, InputError, Model, ModelError, NonFiniteInputError, SnapshotError, Stream, load
from tests import reference
from tests.models import ACTIVATIONS, ALL, dense, lstm, mixed, model, one_width, signal  # noqa: F401  (a fixture)

every_variant = pytest.mark.parametrize("variant", ALL)


def wide_signal(n_steps: int, inputs: int = 3, seed: int = 0) -> np.ndarray:
    """Numbers that float32 cannot hold."""
    return np.random.default_rng(seed).normal(size=(n_steps, inputs))


@every_variant
@pytest.mark.parametrize("hidden", [1, 9, 40])
def test_500_steps_are_those_of_the_reference_to_1e_12(variant: str, hidden: int) -> None:
    whole, x = model(variant, hidden=hidden).astype("float64"), wide_signal(500)
    stream = Stream(whole)
    y = stream.process(x)
    expected, states = reference.run(whole, x)
    assert y.dtype == np.float64
    # a relu is unbounded, and so is its rounding error
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12 * max(1, np.abs(expected).max()))
    for name, state in stream.states[0].items():
        np.testing.assert_allclose(state, states[0][name], rtol=0, atol=1e-12 * max(1, np.abs(states[0][name]).max()))


@pytest.mark.parametrize("dtype", [np.float64, np.dtype(np.float64), np.dtype(">f8"), float, "float64"], ids=repr)
def test_the_type_may_be_a_name_or_a_type_of_numpy(dtype: object) -> None:
    whole = mixed().astype(dtype)
    assert {layer.dtype for layer in whole.layers} == {"float64"}
    assert whole.fingerprint == mixed().astype("float64").fingerprint
    assert Dense([[1.0]], dtype=dtype).dtype == "float64"
    assert Dense([[1.0]], dtype=np.float32).astype(dtype).weights.dtype == np.float64
    assert Concat((2, 3), dtype).dtype == "float64"


@pytest.mark.parametrize("dtype", [np.float16, np.int64, int, None, 64, "f8", ["float64"], np.dtype([("a", "f8")])], ids=repr)
def test_another_type_is_refused_by_its_name(dtype: object) -> None:
    with pytest.raises(ModelError, match=r"dtype: .* is not one of float32, float64"):
        mixed().astype(dtype)


@every_variant
def test_any_chunking_gives_the_same_bits(variant: str) -> None:
    whole, x = model(variant, inputs=20, hidden=25).astype("float64"), wide_signal(100, 20)
    at_once, cut = Stream(whole), Stream(whole)
    expected = at_once.process(x)
    actual = np.concatenate([cut.process(x[:37]), [cut.step(row) for row in x[37:50]], cut.process(x[50:])])
    assert actual.tobytes() == expected.tobytes()
    assert cut.snapshot() == at_once.snapshot()


@pytest.mark.parametrize("variant", ["lstm", "gru-reset-after", "gru-reset-before", "rnn-with-everything", "dense-softmax"])
def test_every_width_gives_the_same_bits(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = set()
    for lanes in "4", "8", "16":
        monkeypatch.setenv("STREAMRNN_LANES", lanes)
        answers.add(Stream(model(variant, inputs=9, hidden=11).astype("float64")).process(wide_signal(30, 9)).tobytes())
    assert len(answers) == 1


@pytest.mark.parametrize("chosen", ACTIVATIONS, ids=str)
def test_an_activation_is_exact_to_its_last_places(chosen: object) -> None:
    magnitudes = np.concatenate([np.geomspace(1e-30, 300, 4000), np.random.default_rng(0).uniform(0, 40, 20_000)])
    x = np.concatenate([-magnitudes, [0.0], magnitudes])
    y = Stream(Model([Dense([[1.0]], activation=chosen, dtype="float64")])).process(x[:, None])[:, 0]
    truth = reference.activate(chosen, x)
    bound = 2**-50 * np.maximum(np.abs(truth), 1e-30)
    if chosen.name in ("tanh", "scaled_tanh", "sigmoid", "softplus", "elu"):  # type: ignore[attr-defined]
        bound *= np.maximum(1, np.abs(x))  # the argument of an exponential is rounded
    if chosen.name in ("affine", "hard_sigmoid"):  # type: ignore[attr-defined]
        bound = 2**-50 * (1 + np.abs(x))  # near its root, two nearly equal numbers are subtracted
    assert (np.abs(y - truth) <= np.maximum(bound, 1e-200)).all(), x[(np.abs(y - truth) - bound).argmax()]


def test_both_doors_take_and_give_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, rows = mixed().astype("float64"), wide_signal(20)
    answers = []
    for door in "compiled", "plain":
        monkeypatch.setenv("STREAMRNN_DOOR", door)
        stream, out = Stream(whole), np.zeros(4)
        kept = [stream.step(row) for row in rows]
        assert stream.step(rows[0], out=out) is out
        answers.append(np.concatenate([*kept, out]).tobytes())
        assert all(y.dtype == np.float64 for y in kept)
        with pytest.raises(InputError, match="float64"):
            stream.step(rows[0], out=np.zeros(4, np.float32))
    assert answers[0] == answers[1]


def test_float32_input_is_taken_as_the_numbers_that_it_holds() -> None:
    whole, x = mixed().astype("float64"), signal(10)
    one, other = Stream(whole), Stream(whole)
    assert one.process(x).tobytes() == other.process(x.astype(np.float64)).tobytes()
    assert one.step(x[0]).tobytes() == other.step(x[0].astype(np.float64)).tobytes()


def test_what_float32_cannot_hold_is_finite_here() -> None:
    stream = Stream(Model([Dense([[1.0]], dtype="float64")]))
    assert stream.step([1e300]) == 1e300
    with pytest.raises(NonFiniteInputError):
        stream.step([np.inf])


def test_a_state_that_decays_never_becomes_subnormal() -> None:
    halving = Model([GRU(np.zeros((3, 1, 1)), np.zeros((3, 1, 1)), initial_hidden=[1.0], dtype="float64")])
    stream = Stream(halving)
    seen = stream.process(np.zeros((1200, 1)))[:, 0]
    assert seen[0] == 0.5
    assert seen[-1] == 0.0
    assert (seen[seen > 0] > 1e-201).all()


def test_a_snapshot_holds_all_digits_and_fits_its_own_type_only() -> None:
    narrow, whole = mixed(), mixed().astype("float64")
    stream = Stream(whole)
    stream.process(wide_signal(50))
    saved = stream.snapshot()
    expected = stream.process(wide_signal(5, seed=1))
    stream.restore(saved)
    assert stream.process(wide_signal(5, seed=1)).tobytes() == expected.tobytes()
    with pytest.raises(SnapshotError):
        Stream(narrow).restore(saved)


def test_an_archive_keeps_the_type(tmp_path: Path) -> None:
    whole = Model([lstm(np.random.default_rng(0), 3, 5).astype("float64")])
    whole.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.dtype == np.float64
    assert again.fingerprint == whole.fingerprint


def test_converting_up_and_down_gives_the_model_back() -> None:
    whole = mixed()
    wide = whole.astype("float64")
    assert (whole.dtype, wide.dtype) == (np.float32, np.float64)
    assert wide.fingerprint != whole.fingerprint
    assert wide.astype("float32").fingerprint == whole.fingerprint


def test_layers_of_two_types_form_no_model() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ModelError, match=r"layer 1 \(dense\): computes in float64, but layer 0 in float32"):
        Model([dense(rng, 3, 4), dense(rng, 4, 2).astype("float64")])


@pytest.mark.parametrize("dtype", ["float16", "int32", "", None, np.float16, ["float32"]], ids=repr)
def test_another_type_is_refused(dtype: object) -> None:
    with pytest.raises(ModelError, match="dtype"):
        Dense([[1.0]], dtype=dtype)  # type: ignore[arg-type]
