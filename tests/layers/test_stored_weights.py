"""Weights that are stored in fewer bytes: layers whose weights are rounded, and what their streams compute.

Of 16 bits: the bits of a stream are those of a float32 model with the rounded weights. A clip that is never reached gives that
model the cells without scaled rows. Of integers: the sums are compared with NumPy's, in exact arithmetic.
"""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from streamrnn import GRU, LSTM, RNN, Dense, Layer, Model, ModelError, Stream, StreamPool, load, plan, run_equations
from streamrnn.layers.recipe_layer import RecipeLayer
from streamrnn.target import storage
from streamrnn.target.integers import LEAST_STEP, corrections
from streamrnn.target.packed_form import packed_form
from streamrnn.target.packing import INT8, INT8_BY_FOUR
from tests.models import VARIANTS, Array, dense, gru, lstm, model, rebuilt, rnn, signal

STORED = ["int8", "bfloat16", "float16"]

#: A variant for each recipe of a layer whose weights can be stored in another type.
WITH_SUMS = [name for name in VARIANTS if VARIANTS[name](np.random.default_rng(0), 6, 5, 1.0).can_store]


#: Those whose equations `run_equations` computes.
RECIPES = [name for name in WITH_SUMS if isinstance(VARIANTS[name](np.random.default_rng(0), 6, 5, 1.0), RecipeLayer)]


@pytest.fixture(autouse=True)
def one_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMRNN_LANES", "8")


def quantised(whole: Model, stored: str | None) -> Model:
    layers = [layer.with_stored(stored) if layer.can_store else layer for layer in whole.layers]
    return Model(layers, sources=whole.sources)


def bits(whole: Model, x: Array) -> set[bytes]:
    """The outputs of a stream in steps and in chunks, and of a stream in a pool in ticks: all different ones."""
    by_step, by_chunk, pool = Stream(whole), Stream(whole), StreamPool(whole)
    slots = [pool.open() for _ in range(5)]
    steps = np.stack([by_step.step(row) for row in x])
    chunks = np.concatenate([by_chunk.process(part) for part in np.split(x, [3, 4, 28])])
    ticks = np.stack([pool.step(slots, np.stack([row * scale for scale in (2, 0, 1, -1, 9)]))[2] for row in x])
    assert by_step.snapshot() == by_chunk.snapshot()
    return {steps.tobytes(), chunks.tobytes(), ticks.tobytes()}


#: Each way of computing once: one pass and two, states with a fixed scale and without, gathered vectors, rows of a step.
COMPUTED = [
    *(
        (variant, "int8")
        for variant in ("lstm", "lstm-projected", "gru-reset-before", "rnn-relu", "own-cell", "conv1d", "bank-gru")
    ),
    *((variant, "bfloat16") for variant in ("lstm", "gru-reset-before", "dense-softmax")),
    ("rnn-tanh", "float16"),
]


@pytest.mark.few(3)
@pytest.mark.parametrize(("variant", "stored"), COMPUTED)
def test_steps_chunks_and_pools_give_the_same_bits(variant: str, stored: str) -> None:
    assert len(bits(quantised(model(variant, inputs=12, hidden=19), stored), signal(40, 12))) == 1


@pytest.mark.few(1)
@pytest.mark.parametrize("stored", STORED)
def test_every_width_gives_the_same_bits(stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found, x = set(), signal(30, 9)
    for lanes in "4", "8", "16":
        monkeypatch.setenv("STREAMRNN_LANES", lanes)
        found |= bits(Model([gru(np.random.default_rng(1), 9, 37).with_stored(stored)]), x)
    assert len(found) == 1


@pytest.mark.skipif(packed_form(INT8) == INT8, reason="this CPU has no AVX-512 VNNI, so rows of integers lie by twos only")
@pytest.mark.parametrize("inputs", [4, 7, 33])
def test_rows_by_fours_give_the_bits_of_rows_by_twos(inputs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, x = Model([gru(np.random.default_rng(1), inputs, 21).with_stored("int8")]), signal(30, inputs)
    by_four = bits(whole, x)
    assert any(one.width.stored == INT8_BY_FOUR for one in plan.Plan(whole).functions)
    monkeypatch.setattr(plan, "packed_form", lambda stored: stored)
    by_two = Model([gru(np.random.default_rng(1), inputs, 21).with_stored("int8")])
    assert all(one.width.stored != INT8_BY_FOUR for one in plan.Plan(by_two).functions)
    assert bits(by_two, x) == by_four
    assert len(by_four) == 1


def test_corrections_make_sums_with_shifted_inputs_right_modulo_32_bits() -> None:
    rng = np.random.default_rng(0)
    weights, x = rng.integers(-127, 128, (5, 700)).astype(np.int8), rng.integers(-3000, 3001, 700)
    shifted = (x + (1 << 15)).astype(np.int64)
    low, high = weights @ (shifted & 255), weights @ (shifted >> 8)
    found = (low + (high << 8) + corrections(weights)).astype(np.int32)
    assert found.tolist() == (weights.astype(np.int64) @ x).tolist()


def full(layer: Layer) -> Layer:
    """The same weights, stored and computed with in float32, in the form of the layer whose rows are not scaled."""
    if isinstance(layer, Dense):
        return rebuilt(layer, stored=None)
    return rebuilt(layer, stored=None, clip=1e30)


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "layer",
    [
        lstm(np.random.default_rng(2), 9, 37),
        lstm(np.random.default_rng(2), 9, 37, outputs=11),
        gru(np.random.default_rng(2), 9, 37),
        gru(np.random.default_rng(2), 9, 37, form="reset-before"),
        rnn(np.random.default_rng(2), 9, 37),
        dense(np.random.default_rng(2), 9, 37, activation="relu"),
        gru(np.random.default_rng(2), 70, 8).astype("float64"),
    ],
    ids=["lstm", "projected", "reset-after", "reset-before", "rnn", "dense", "float64"],
)
def test_16_bits_give_the_bits_of_float32_with_the_rounded_weights(layer: Layer) -> None:
    rounded, x = layer.with_stored("bfloat16"), signal(40, layer.input_size)
    assert Stream(Model([rounded])).process(x).tobytes() == Stream(Model([full(rounded)])).process(x).tobytes()


@pytest.mark.few(3)
@pytest.mark.parametrize(("variant", "stored"), [(variant, stored) for variant, stored in COMPUTED if variant in RECIPES])
def test_a_stream_computes_the_equations_with_the_rounded_weights(variant: str, stored: str) -> None:
    layer = model(variant, inputs=12, hidden=19).layers[0].with_stored(stored)
    assert isinstance(layer, RecipeLayer)
    x = signal(60, 12)
    y, (expected, _) = Stream(Model([layer])).process(x), run_equations(layer, x)
    # an input of 16 bits is rounded by 2**-16 of the largest at most
    tolerance = 5e-6 if stored != "int8" else 4e-5
    np.testing.assert_allclose(y, expected, rtol=0, atol=tolerance * max(1.0, float(np.abs(expected).max())))


@pytest.mark.parametrize("loudness", [1.0, 1e-20, 1e-31, 0.0, 1e30])
@pytest.mark.parametrize("inputs", [1, 7, 8, 33, 700])
def test_integer_sums_are_exact(inputs: int, loudness: float) -> None:
    """y = fma(sum of integers, factor times step, bias): exact, and rounded to float32 where the kernel rounds."""
    rng = np.random.default_rng(inputs)
    layer = dense(rng, inputs, 5).with_stored("int8")
    scales = layer.row_scales(layer.weights)[:, 0]
    integers = np.rint(layer.weights / scales[:, None]).astype(int)
    most = min(32767, (2**31 - 1) // int(np.abs(integers).sum(axis=1).max()))
    stream = Stream(Model([layer]))
    for x in (rng.normal(size=(6, inputs)) * loudness).astype(np.float32):
        step = max(np.float32(np.abs(x).max()) / np.float32(most), LEAST_STEP)
        factor = np.float32(1) / step
        rounded = [round(Fraction(float(value)) * Fraction(float(factor))) for value in x]  # ties to even, as the kernel's
        assert max(map(abs, rounded)) <= most
        for row, scale, bias, y in zip(integers, scales, layer.bias, stream.step(x), strict=True):
            whole = np.float32(int(np.dot(row, rounded)))
            exact = Fraction(float(whole)) * Fraction(float(scale * step)) + Fraction(float(bias))
            assert y == np.float32(float(exact))


def test_no_sum_of_integers_overflows() -> None:
    """Rows of one size, and inputs of one size: the largest sum that there can be."""
    layer = Dense(np.ones((3, 5000)), stored="int8")
    (y,) = Stream(Model([layer])).process(np.ones((1, 5000), np.float32))
    np.testing.assert_allclose(y, 5000, rtol=1e-3)


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("variant", WITH_SUMS)
def test_rounding_is_done_once_and_kept_in_archives(variant: str, stored: str, tmp_path: Path) -> None:
    whole = quantised(model(variant, inputs=12, hidden=19), stored)
    assert quantised(whole, stored).fingerprint == whole.fingerprint
    whole.save(tmp_path / "a.safetensors")
    again = load(tmp_path / "a.safetensors")
    assert again.fingerprint == whole.fingerprint
    assert again.archive_format == 2
    assert whole.weight_bytes < quantised(whole, None).weight_bytes
    assert (tmp_path / "a.safetensors").stat().st_size >= whole.weight_bytes


def test_bfloat16_is_rounded_to_nearest_ties_to_even() -> None:
    given = np.array([1, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -(1 + 2**-8), 1e-40, 3.3e38], np.float32)
    expected = np.array([1, 1, 1 + 2**-6, 1 + 2**-7, -1, 0, 0], np.float32)
    rounded = storage.rounded(given, "bfloat16")
    assert rounded[:5].tolist() == expected[:5].tolist()
    assert not (rounded.view(np.uint32) & 0xFFFF).any()
    np.testing.assert_allclose(rounded, given, rtol=2**-8, atol=2**-133)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dense(np.ones((2, 2)), stored="int4"), "'int4' is not one of float16, bfloat16, int8"),
        (lambda: Dense(np.full((2, 2), 1e5), stored="float16"), "weights: 100000.0 is too large for float16; use bfloat16"),
        (lambda: Dense(np.full((2, 2), 3.4e38), stored="bfloat16"), "too large for bfloat16"),
        (lambda: Dense(np.ones((2, 2)), dtype="float64", stored="int8"), "in float32, not float64"),
        (lambda: GRU(np.ones((3, 2, 2)), np.ones((3, 2, 2)), initial_hidden=[0, -3], stored="int8"), "-3.0 is beyond 1"),
        (lambda: LSTM(np.ones((4, 2, 2)), np.ones((4, 2, 2)), initial_hidden=[2, 0], stored="int8"), "2.0 is beyond 1"),
        (lambda: RNN(np.ones((1, 2, 2)), np.ones((1, 2, 2)), initial_hidden=[2, 0], stored="int8"), "2.0 is beyond 1"),
    ],
)
def test_what_a_type_cannot_hold_is_refused_by_name(make: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make()  # type: ignore[operator]


def test_a_layer_without_sums_cannot_store_its_weights_otherwise() -> None:
    kinds = {VARIANTS[name](np.random.default_rng(0), 6, 5, 1.0).row.kind for name in WITH_SUMS}
    assert kinds == {"lstm", "gru", "rnn", "dense", "conv1d", "own_cell", "state-output"}


@pytest.mark.parametrize("sign", [1, -1])
def test_states_beyond_one_count_as_one_where_integers_hold_them(sign: int) -> None:
    whole, x = Model([gru(np.random.default_rng(3), 2, 9).with_stored("int8")]), signal(1, 2)[0]
    sizes, outputs = (1, 2, 500, 1e30), []
    for size in sizes:
        stream = Stream(whole)
        stream.set_states([{"h": np.full(9, sign * size, np.float32)}])
        outputs.append(stream.step(x).astype(np.float64))
    z, *others = [(y - outputs[0]) / (sign * (size - 1)) for y, size in zip(outputs[1:], sizes[1:], strict=True)]
    assert (z > 0).all()
    assert (z < 1).all()
    for same in others:  # h' = z h + (1 - z) n: only h differs
        np.testing.assert_allclose(same, z, rtol=1e-5)
