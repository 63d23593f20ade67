"""Models whose steps take several rows: what they compute, and every law, for them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from streamrnn import (
    Arithmetic,
    Delay,
    Dense,
    Frame,
    InputError,
    Layer,
    Model,
    ModelError,
    NonFiniteInputError,
    NonFiniteStateError,
    Pointwise,
    Reverse,
    Select,
    Stream,
    StreamPool,
    load,
    run_offline,
)
from streamrnn.command.description import describe
from tests import reference
from tests.models import STRIDED, cuts, dense, model, one_width, quick, signal  # noqa: F401  (a fixture)

N_STEPS = 40
every_model = pytest.mark.parametrize("variant", STRIDED)


@pytest.fixture(autouse=True, params=["compiled", "plain"])
def door(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMRNN_DOOR", request.param)


def frames(x: Any, hop: int, window: int) -> Any:
    """Frame in NumPy: windows over the rows, with zeros before them."""
    padded = np.concatenate([np.zeros((max(window - hop, 0), x.shape[1]), x.dtype), x])[max(hop - window, 0) :]
    return sliding_window_view(padded, window, axis=0)[::hop].swapaxes(1, 2).reshape(len(x) // hop, -1)


@pytest.mark.parametrize(("hop", "window"), [(1, 1), (1, 4), (4, None), (4, 1), (4, 3), (3, 5), (2, 9)])
@pytest.mark.parametrize("size", [1, 3, 17])
def test_a_frame_has_the_last_rows_of_each_hop(hop: int, window: int | None, size: int) -> None:
    whole, x = Model([Frame(size, hop, window)]), signal(12 * hop, size)
    assert (whole.stride, whole.output_size) == (hop, (window or hop) * size)
    assert Stream(whole).process(x).tobytes() == frames(x, hop, window or hop).astype(np.float32).tobytes()


@pytest.mark.parametrize("variant", ["stride-frame", "stride-twice"])
def test_a_model_with_frames_is_the_reference(variant: str) -> None:
    whole = model(variant)
    x = signal(N_STEPS * whole.stride)
    y, states = reference.run(whole, x)
    stream = Stream(whole)
    np.testing.assert_allclose(stream.process(x), y, rtol=0, atol=5e-6)
    for mine, its in zip(stream.states, states, strict=True):
        for name in mine:
            np.testing.assert_allclose(mine[name], its[name], rtol=0, atol=5e-6)


def test_a_frame_and_a_dense_layer_are_a_convolution_with_a_stride() -> None:
    rng, stride, taps = np.random.default_rng(0), 2, 5
    weights = rng.normal(size=(4, 3, taps))  # as torch has them: outputs, inputs, taps
    whole = Model([Frame(3, stride, taps), Dense(weights.transpose(0, 2, 1).reshape(4, -1))])
    x = signal(30)
    padded = np.concatenate([np.zeros((taps - stride, 3)), x])
    expected = [[(weights[o] * padded[r : r + taps].T).sum() for o in range(4)] for r in range(0, 30, stride)]
    np.testing.assert_allclose(Stream(whole).process(x), expected, rtol=0, atol=2e-6)


def test_loops_at_two_rates_are_those_of_two_models() -> None:
    whole, x = model("stride-loops"), signal(2 * N_STEPS)
    fast = Model(whole.layers[:3], sources=whole.sources[:3])
    h = Stream(fast).process(x)
    slow_layers: list[Layer] = [Delay(9, whole.layers[3].initial), *whole.layers[6:]]  # type: ignore[attr-defined]
    split = [Select(30, tuple(range(27))), Select(30, tuple(range(27, 30)))]
    slow = Model([*split, *slow_layers], sources=[(-1,), (-1,), (4,), (0, 1, 2), (3,), (4,)])
    given_to_slow = np.concatenate([frames(h, 2, 3), x[1::2]], axis=1).astype(np.float32)
    assert Stream(whole).process(x).tobytes() == Stream(slow).process(given_to_slow).tobytes()


@every_model
def test_any_cutting_gives_the_same_bits(variant: str) -> None:
    @quick
    @given(hidden=st.integers(1, 20), inputs=st.integers(1, 5), lengths=cuts(N_STEPS))
    def law(hidden: int, inputs: int, lengths: list[int]) -> None:
        whole = model(variant, inputs=inputs, hidden=hidden, gain=2)
        x = signal(N_STEPS * whole.stride, inputs)
        at_once, cut = Stream(whole), Stream(whole)
        expected, found, begin = at_once.process(x), [], 0
        for length in lengths:
            part = x[begin : begin + length * whole.stride]
            found.append(cut.step(part.reshape(whole.step_shape))[None] if length == 1 else cut.process(part))
            begin += length * whole.stride
        assert np.concatenate(found).tobytes() == expected.tobytes()
        assert cut.snapshot() == at_once.snapshot()

    law()


@every_model
@pytest.mark.parametrize("threads", [1, 2])
def test_company_gives_every_stream_the_same_bits(variant: str, threads: int) -> None:
    whole, rng = model(variant, hidden=11), np.random.default_rng(0)
    pool = StreamPool(whole, threads=threads)
    slots, alone = [pool.open(f"stream {n}") for n in range(150)], [Stream(whole) for _ in range(150)]
    for n in 150, 1, 97, 5:
        chosen = rng.permutation(150)[:n]
        x = rng.normal(size=(n, 5 * whole.stride, 3)).astype(np.float32)
        hop = x[:, : whole.stride]
        expected = np.stack([alone[index].step(one) for index, one in zip(chosen, hop, strict=True)])
        assert pool.step([slots[index] for index in chosen], hop).tobytes() == expected.tobytes()
        expected = np.stack([alone[index].process(one) for index, one in zip(chosen, x, strict=True)])
        assert pool.process([slots[index] for index in chosen], x).tobytes() == expected.tobytes()
        one = int(chosen[0])
        assert pool.step_keys({f"stream {one}": hop[0]})[f"stream {one}"].tobytes() == alone[one].step(hop[0]).tobytes()
    assert pool.snapshot(slots) == [stream.snapshot() for stream in alone]


@every_model
def test_every_width_and_type_gives_its_bits_or_numbers(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, seen = signal(30 * model(variant).stride), set()
    for lanes in "4", "8", "16":
        monkeypatch.setenv("STREAMRNN_LANES", lanes)
        seen.add(Stream(model(variant)).process(x).tobytes())
    assert len(seen) == 1
    wide = Stream(model(variant).astype("float64")).process(x)
    np.testing.assert_allclose(np.frombuffer(seen.pop(), np.float32).reshape(wide.shape), wide, rtol=0, atol=1e-5)


@every_model
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_poison_in_any_row_of_a_step_is_refused_and_forgotten(variant: str, poison: float) -> None:
    whole = model(variant)
    stream, pool = Stream(whole), StreamPool(whole)
    slots = [pool.open(), pool.open()]
    x = signal(3 * whole.stride)
    stream.process(x)
    pool.process(slots, np.stack([x, x]))
    before = stream.snapshot()
    bad = x.copy()
    bad[whole.stride + 1, 2] = poison
    with pytest.raises(NonFiniteInputError, match=rf"input\[{whole.stride + 1}, 2\]"):
        stream.process(bad)
    with pytest.raises(NonFiniteInputError, match=r"input\[1, 2\]"):
        stream.step(bad[whole.stride : 2 * whole.stride])
    with pytest.raises(NonFiniteInputError, match=rf"input\[1, {whole.stride + 1}, 2\].*slot {slots[1]}"):
        pool.process(slots, np.stack([x, bad]))
    with pytest.raises(NonFiniteInputError, match=r"input\[1, 1, 2\]"):
        pool.step(slots, np.stack([x, bad])[:, whole.stride : 2 * whole.stride])
    assert stream.snapshot() == before
    assert pool.snapshot() == [before, before]


def test_an_overflow_in_one_row_of_a_step_is_found_though_it_vanishes_in_the_next() -> None:
    """h = relu(2 x - the last h) over every row: infinite after the first row, 0 after the second."""
    layers: list[Layer] = [Delay(1), Dense([[2.0]]), Arithmetic(1, "subtract"), Pointwise(1, "relu"), Frame(1, 2)]
    whole = Model(layers, sources=[(3,), (-1,), (1, 0), (2,), (3,)])
    stream, pool = Stream(whole), StreamPool(whole)
    slot, bad = pool.open(), np.array([[3e38], [1.0]], np.float32)
    before = stream.snapshot()
    for call in (
        lambda: stream.step(bad),
        lambda: stream.process(bad),
        lambda: pool.step([slot], bad[None]),
        lambda: pool.process([slot], bad[None]),
    ):
        with pytest.raises(NonFiniteStateError):
            call()
    assert stream.snapshot() == pool.snapshot(slot) == before
    assert stream.step([[1.0], [3.0]]).tolist() == [2.0, 4.0]


def test_rows_that_are_no_whole_steps_are_refused_with_a_remedy() -> None:
    whole = model("stride-frame")
    stream, pool = Stream(whole), StreamPool(whole)
    slot, before = pool.open(), stream.snapshot()
    for call in (
        lambda: stream.process(signal(10)),
        lambda: pool.process([slot], signal(10)[None]),
        lambda: run_offline(whole, signal(10)),
    ):
        with pytest.raises(
            InputError, match="10 rows are no whole number of steps, each of which takes 4 rows; keep the last 2"
        ):
            call()
    for call in (
        lambda: stream.step(signal(1)[0]),
        lambda: stream.step(signal(5)),
        lambda: pool.step([slot], signal(1)),
        lambda: stream.step(signal(4, 2)),
    ):
        with pytest.raises(InputError, match="does not fit, expected"):
            call()
    assert stream.snapshot() == before
    assert stream.process(signal(0)).shape == (0, 9)


def test_a_step_of_single_values_may_be_given_as_a_vector() -> None:
    stream = Stream(Model([Frame(1, 3)]))
    assert stream.step([1, 2, 3]).tolist() == stream.step([[1], [2], [3]]).tolist() == [1, 2, 3]
    pool = StreamPool(Model([Frame(1, 3)]))
    pool.open("a")
    assert pool.step_keys({"a": [4, 5, 6]})["a"].tolist() == [4, 5, 6]


def test_the_result_of_a_step_goes_where_it_is_wanted() -> None:
    whole = model("stride-frame")
    stream, other, x = Stream(whole), Stream(whole), signal(4)
    out = np.zeros(9, np.float32)
    assert stream.step(x, out) is out
    assert out.tobytes() == other.step(x[::-1][::-1]).tobytes() == Stream(whole).step(np.asfortranarray(x)).tobytes()


@every_model
def test_an_archive_keeps_the_stride(variant: str, tmp_path: Path) -> None:
    whole = model(variant)
    whole.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert (again.fingerprint, again.stride) == (whole.fingerprint, whole.stride)
    assert describe(again)["stride"] == whole.stride
    assert f"a step for every {whole.stride} rows" in repr(again)


def test_offline_reversals_may_come_before_and_after_frames() -> None:
    rng = np.random.default_rng(0)
    inner = dense(rng, 6, 4)
    whole = Model([Reverse(3), Frame(3, 2), inner, Reverse(4)])
    x = signal(20)
    assert run_offline(whole, x).tobytes() == Stream(Model([Frame(3, 2), inner])).process(x[::-1])[::-1].tobytes()


def test_offline_layers_that_read_signals_of_two_rates_are_refused() -> None:
    layers = [Frame(3, 2), Reverse(6), Frame(3, 2), Reverse(6), Arithmetic(6, "add"), Reverse(3), Frame(3, 2)]
    whole = Model([*layers, Arithmetic(6, "add")], sources=[(-1,), (0,), (-1,), (2,), (1, 3), (-1,), (5,), (4, 6)])
    with pytest.raises(ModelError, match="have different rates"):
        run_offline(whole, signal(8))


@pytest.mark.parametrize(
    ("layers", "sources", "message"),
    [
        (
            [Frame(3, 2, 1), Arithmetic(3, "add")],
            [(-1,), (0, -1)],
            "layer 1 (arithmetic): reads the input, with a row for every 1",
        ),
        (
            [Frame(3, 2, 1), Frame(3, 3, 1), Arithmetic(3, "add")],
            [(-1,), (-1,), (0, 1)],
            "reads layer 1, with a row for every 3 of the input, but also layer 0, with a row for every 2",
        ),
        ([Delay(3), Arithmetic(3, "add"), Frame(3, 2, 1)], [(2,), (-1, 0), (1,)], "a loop cannot lower it"),
    ],
)
def test_signals_of_different_rates_do_not_meet(layers: Any, sources: Any, message: str) -> None:
    with pytest.raises(ModelError) as refused:
        Model(layers, sources=sources)
    assert message in str(refused.value)


@pytest.mark.parametrize("options", [(0, 1), (3, 0), (3, 2, 0), (3, 1.5), (3, True)])
def test_a_frame_of_no_rows_is_refused(options: Any) -> None:
    with pytest.raises(ModelError, match="whole number"):
        Frame(*options)


def test_a_layer_that_reads_no_input_has_the_rate_of_its_reader() -> None:
    counter = [Delay(1), Dense([[1.0]], [1.0])]
    for frame_first in True, False:
        at = -1 if not frame_first else 0
        layers = (
            [Frame(1, 2, 1), *counter, Arithmetic(1, "add")]
            if frame_first
            else [*counter, Arithmetic(1, "add"), Frame(1, 2, 1)]
        )
        sources = [(-1,), (2,), (1,), (0, 2)] if frame_first else [(1,), (0,), (at, 1), (2,)]
        y = Stream(Model(layers, sources=sources)).process(np.zeros((6, 1)))
        assert y.ravel().tolist() == ([1, 2, 3] if frame_first else [2, 4, 6])
