"""`cuda.StreamPool`: the interface and the bits of `StreamPool`, on a device."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import streamrnn
from streamrnn import (
    RNN,
    Activation,
    DeviceError,
    InputError,
    Model,
    ModelError,
    NonFiniteInputError,
    NonFiniteStateError,
    SnapshotError,
    Stream,
    StreamPool,
)
from streamrnn.functions import relu, sigmoid
from streamrnn.states.snapshot import encode
from tests.cuda.devices import needs_device
from tests.models import ACTIVATIONS, VARIANTS, dense, mixed, model, signal

pytestmark = needs_device

KINDS = "lstm", "gru", "rnn", "dense"
OURS = [name for name in VARIANTS if name.startswith(KINDS)]
N = 11  # streams: more than one block of the simulator takes


def cuda_pool(whole: Model, capacity: int = 16) -> Any:
    from streamrnn import cuda

    return cuda.StreamPool(whole, capacity)


def on_device(array: Any) -> Any:
    from numba import cuda

    return cuda.to_device(np.ascontiguousarray(array))


def both(whole: Model, n: int = N) -> tuple[Any, StreamPool, list[int]]:
    """A pool on the device and one on the CPU, with n streams each, and their slots."""
    pools = cuda_pool(whole), StreamPool(whole)
    slots = [[pool.open() for _ in range(n)] for pool in pools]
    assert slots[0] == slots[1]
    return *pools, slots[0]


def chunks(n: int, n_steps: int, inputs: int = 3) -> Any:
    return signal(n * n_steps, inputs).reshape(n, n_steps, inputs)


def with_int8(whole: Model) -> Model:
    return Model([layer.with_stored("int8") for layer in whole.layers])


def check_same_bits(whole: Model) -> None:
    """Ticks of all streams, and chunks of some; inputs from quiet to saturating."""
    ours, cpu, slots = both(whole)
    some = slots[::-3]
    for loudness in 0.1, 30:
        x = (loudness * signal(N, whole.input_size)).astype(whole.dtype)
        assert ours.step(slots, x).tobytes() == cpu.step(slots, x).tobytes()
        block = (loudness * chunks(len(some), 4, whole.input_size)).astype(whole.dtype)
        assert ours.process(some, block).tobytes() == cpu.process(some, block).tobytes()
    assert ours.snapshot() == cpu.snapshot()


@pytest.mark.parametrize("variant", OURS)
def test_every_layer_has_the_bits_of_the_cpu(variant: str) -> None:
    check_same_bits(model(variant, hidden=9, gain=2))


def test_layers_of_all_kinds_and_sizes_have_the_bits_of_the_cpu() -> None:
    check_same_bits(mixed())


def test_dense_layers_have_every_activation() -> None:
    rng, others = np.random.default_rng(0), [Activation(name) for name in ("exp", "log", "sqrt", "absolute", "reciprocal")]
    for activation in (*ACTIVATIONS, *others, Activation("clip", -0.3, 0.7)):
        ours, cpu, slots = both(Model([dense(rng, 3, 5, activation=activation)]), 3)
        x = signal(3)
        assert ours.step(slots, x).tobytes() == cpu.step(slots, x).tobytes(), activation


def test_float64_has_the_bits_of_the_cpu() -> None:
    check_same_bits(model("lstm", hidden=5).astype("float64"))


def test_weights_that_do_not_fit_into_shared_memory_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamrnn.cuda.plan.shared_bytes", lambda: 0)
    check_same_bits(model("lstm-projected", "gru-reset-before", hidden=5))


#: Layers of one pass and of two, of vectors with a fixed scale and without, and without a state.
OF_INTEGERS = [("lstm-projected", "dense-softmax"), ("gru-reset-before",), ("gru-reset-after", "rnn-relu")]


@pytest.mark.parametrize("variants", OF_INTEGERS, ids="+".join)
def test_layers_with_int8_weights_have_the_bits_of_the_cpu(variants: tuple[str, ...]) -> None:
    check_same_bits(with_int8(model(*variants, hidden=9, gain=2)))


def test_more_inputs_than_a_block_stages_have_the_bits_of_the_cpu_with_int8_too() -> None:
    whole = model("gru-reset-before", inputs=30, hidden=5)
    for made in whole, with_int8(whole):
        ours, cpu, slots = both(made, 3)
        x = signal(3, 30)
        assert ours.step(slots, x).tobytes() == cpu.step(slots, x).tobytes()


def test_layers_of_several_stored_types_work_together_and_int8_takes_a_quarter_of_the_memory() -> None:
    whole = model("rnn-tanh", "lstm", "dense-tanh", hidden=9)
    types = None, "int8", "bfloat16"
    ours, cpu, slots = both(Model([layer.with_stored(stored) for layer, stored in zip(whole.layers, types, strict=True)]), 3)
    assert ours.process(slots, chunks(3, 2)).tobytes() == cpu.process(slots, chunks(3, 2)).tobytes()
    large = model("lstm", inputs=64, hidden=64)
    full, small = (cuda_pool(made, 1)._memory.plan.ops[0].weights.nbytes for made in (large, with_int8(large)))
    assert small < 0.3 * full


@pytest.mark.parametrize("n_steps", [1, 4])
def test_silent_quiet_and_huge_inputs_of_int8_layers_have_the_bits_of_the_cpu(n_steps: int) -> None:
    whole = with_int8(model("rnn-relu", "lstm", hidden=5))
    ours, cpu, slots = both(whole, 2)
    beyond_one = encode(whole.fingerprint, np.full(15, -500, np.float32))
    x = (chunks(2, 4) * np.array([0, 1e-38, 1e-31, 1e36])[:, None]).astype(np.float32)
    for pool in ours, cpu:
        pool.restore(slots[1], beyond_one)
    for at in range(0, 4, n_steps):
        part = x[:, at : at + n_steps]
        assert ours.process(slots, part).tobytes() == cpu.process(slots, part).tobytes()
    assert ours.snapshot() == cpu.snapshot()


def test_no_streams_and_no_steps_are_nothing() -> None:
    pool = cuda_pool(mixed(), 1)
    assert pool.step([], np.zeros((0, 3))).shape == (0, 4)
    assert pool.process([], np.zeros((0, 5, 3))).shape == (0, 5, 4)
    out, there = np.zeros((0, 4), np.float32), on_device(np.zeros((0, 4), np.float32))
    assert pool.step([], np.zeros((0, 3)), out) is out
    assert pool.step([], np.zeros((0, 3)), there) is there
    nothing = pool.step([], on_device(np.zeros((0, 3), np.float32)))
    assert not isinstance(nothing, np.ndarray)
    assert nothing.shape == (0, 4)
    slot, before = pool.open(), pool.snapshot()
    assert pool.process([slot], np.zeros((1, 0, 3))).shape == (1, 0, 4)
    pool.reset([])
    pool.restore([], [])
    assert (pool.snapshot([]), pool.snapshot()) == ([], before)


def test_a_stream_moves_between_stream_pool_and_device_with_the_same_bits() -> None:
    whole, x = model("lstm", "gru-reset-after"), signal(12)
    alone, stream = Stream(whole), Stream(whole)
    cpu, ours = StreamPool(whole), cuda_pool(whole, 1)
    expected = alone.process(x)
    parts = [stream.process(x[:3])]
    there = ours.open()
    ours.restore(there, stream.snapshot())
    parts.append(ours.process([there], x[None, 3:7])[0])
    cpu.restore(cpu.open(), ours.snapshot(there))
    parts.append(cpu.process([0], x[None, 7:10])[0])
    back = ours.open()  # the pool grows
    ours.restore(back, cpu.snapshot(0))
    parts.append(ours.step([back], x[10:11]))
    stream.restore(ours.snapshot(back))
    parts.append(stream.process(x[11:]))
    assert np.concatenate(parts).tobytes() == expected.tobytes()


def test_arrays_of_the_device_give_arrays_of_the_device_with_the_same_bits() -> None:
    ours, cpu, slots = both(mixed(), 4)
    x, block = signal(4), chunks(4, 3)
    y = ours.step(on_device(np.array(slots)), on_device(x))
    assert not isinstance(y, np.ndarray)
    assert y.copy_to_host().tobytes() == cpu.step(slots, x).tobytes()
    ys = ours.process(slots, on_device(block))
    assert ys.copy_to_host().tobytes() == cpu.process(slots, block).tobytes()
    there, here = on_device(np.zeros((4, 4), np.float32)), np.zeros((4, 4), np.float32)
    expected = cpu.step(slots, x).tobytes()
    assert ours.step(slots, x, out=there) is there
    assert there.copy_to_host().tobytes() == expected
    expected = cpu.step(slots, x).tobytes()
    assert ours.step(slots, on_device(x), here) is here
    assert here.tobytes() == expected
    assert ours.snapshot() == cpu.snapshot()


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a closed slot": (lambda pool: pool.step([0, 9], signal(2)), r"slot 9 is not open"),
    "a slot that is beyond": (lambda pool: pool.step([0, 10**9], signal(2)), "is not open"),
    "a slot below zero": (lambda pool: pool.step([-1], signal(1)), "is not open"),
    "a slot twice": (lambda pool: pool.process([1, 1], chunks(2, 2)), r"slot 1 appears twice"),
    "a slot twice, there": (lambda pool: pool.step(on_device([1, 1]), signal(2)), r"slot 1 appears twice"),
    "too few rows": (lambda pool: pool.step([0, 1], signal(1)), r"shape \(1, 3\) does not fit, expected \(2, 3\)"),
    "too few rows, there": (lambda pool: pool.step([0, 1], on_device(signal(1))), r"shape \(1, 3\) does not fit"),
    "a flat block": (lambda pool: pool.process([0, 1], signal(2)), r"expected \(2, n_steps, 3\)"),
    "a flat block, there": (lambda pool: pool.process([0, 1], on_device(signal(2))), r"expected \(2, n_steps, 3\)"),
    "another type, there": (lambda pool: pool.step([0], on_device(np.zeros((1, 3)))), "float64, the model float32"),
    "strides, there": (lambda pool: pool.step([0, 1], on_device(signal(4))[::2]), "not in C order"),
    "a wrong out": (lambda pool: pool.step([0], signal(1), np.zeros((1, 3), np.float32)), r"shape \(1, 4\)"),
    "a wrong out, there": (
        lambda pool: pool.step([0], signal(1), on_device(np.zeros((1, 3), np.float32))),
        r"expected \(1, 4\)",
    ),
    "words": (lambda pool: pool.step([0], [["a", "b", "c"]]), "not an array of numbers"),
}


@pytest.fixture(scope="module")
def three() -> Any:
    pool = cuda_pool(mixed(), 4)
    pool.process([pool.open(), pool.open(), pool.open()], chunks(3, 2))
    return pool


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_call_says_why_and_leaves_all_streams_as_they_were(name: str, three: Any) -> None:
    call, message = REFUSED[name]
    before = three.snapshot()
    with pytest.raises(InputError, match=message):
        call(three)
    assert three.snapshot() == before


@pytest.mark.parametrize("put", [np.array, on_device], ids=["host", "device"])
@pytest.mark.parametrize("poison", [np.nan, -np.inf])
def test_poison_in_one_row_is_named_and_touches_nobody(put: Callable[..., Any], poison: float, three: Any) -> None:
    before, x, block = three.snapshot(), signal(2), chunks(2, 3)
    x[1, 2] = block[0, 2, 1] = poison
    with pytest.raises(NonFiniteInputError, match=r"input\[1, 2\] is .*, for slot 2"):
        three.step([0, 2], put(x))
    with pytest.raises(NonFiniteInputError, match=r"input\[0, 2, 1\] is .*, for slot 1"):
        three.process([1, 0], put(block))
    assert three.snapshot() == before


@pytest.mark.parametrize("n_steps", [1, 3])
def test_streams_that_overflow_are_named_and_the_call_is_undone_for_all(n_steps: int) -> None:
    pool = cuda_pool(Model([RNN([[[2.0]]], [[[-1.0]]], activations=("relu",))]))
    slots = [pool.open() for _ in range(N)]
    pool.step(slots, np.ones((N, 1)))
    before, x = pool.snapshot(), np.ones((N, n_steps, 1), np.float32)
    x[[2, 9], 0] = 3e38
    with pytest.raises(NonFiniteStateError, match="slots 2, 9: the state left") as refused:
        pool.process(slots, x)
    assert refused.value.slots == (2, 9)
    assert pool.snapshot() == before


def test_an_interrupted_call_is_undone_for_all(three: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run, before, ops = type(three._memory)._run, three.snapshot(), []

    def interrupted(memory: Any, op: Any, *arguments: Any) -> None:
        ops.append(op)
        if len(ops) == 4:
            raise KeyboardInterrupt
        run(memory, op, *arguments)

    monkeypatch.setattr(type(three._memory), "_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        three.process([0, 2], chunks(2, 2))
    assert three.snapshot() == before


def test_streams_come_and_go_and_the_pool_grows() -> None:
    pool, whole = cuda_pool(model("rnn-tanh"), 1), model("rnn-tanh")
    fresh = Stream(whole).snapshot()
    slots = [pool.open(f"s{index}") for index in range(5)]
    y = pool.step_keys({"s3": [1, 2, 3], "s1": [4, 5, 6]})
    assert y["s1"].tobytes() == Stream(whole).step([4, 5, 6]).tobytes()
    assert [state == fresh for state in pool.snapshot()] == [True, False, True, False, True]
    pool.reset([3])
    pool.close(1)
    assert pool.open("s1") == 1
    assert pool.snapshot(slots) == [fresh] * 5
    with pytest.raises(SnapshotError):
        pool.restore([0, 1], [fresh, fresh[:-1] + b"?"])


@streamrnn.cell("gated", version=1, states=["h"], sums={"x": "z n", "h": "z n"})
def gated(z, n, h):  # type: ignore[no-untyped-def]
    """A cell of a user: two sums, one state (Li-GRU; Ravanelli et al. 2018)."""
    z = sigmoid(z)
    return (1 - z) * relu(n) + z * h


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8"])
def test_a_cell_of_a_users_own_has_the_bits_of_the_cpu(dtype: str) -> None:
    rng: Any = np.random.RandomState(0)
    layer: Any = gated
    weights = rng.uniform(-1, 1, (2, 9, 3)), rng.uniform(-0.5, 0.5, (2, 9, 9)), rng.uniform(-1, 1, (2, 9))
    whole = Model([layer(*weights, initial_h=rng.uniform(-1, 1, 9))])
    check_same_bits(with_int8(whole) if dtype == "int8" else whole.astype(dtype))


def test_a_cell_of_a_users_own_that_exceeds_the_kernels_is_refused_by_name_and_reason() -> None:
    message = r"layer 1 \(own_cell\) has a cell that reads or writes more than 2 vectors, .*on the CPU"
    with pytest.raises(ModelError, match=message):
        cuda_pool(model("rnn-tanh", "own-cell", hidden=3))


UNSUPPORTED = {name.split("-")[0]: name for name in VARIANTS if name not in OURS and name != "own-cell"}


@pytest.mark.parametrize("variant", sorted(UNSUPPORTED.values()))
def test_a_layer_without_a_kernel_is_named(variant: str) -> None:
    whole = model("rnn-tanh", variant, hidden=3)
    assert whole.layers[1].kind not in KINDS
    with pytest.raises(ModelError, match=rf"layer 1 \({whole.layers[1].kind}\) has no kernel for the GPU.*on the CPU"):
        cuda_pool(whole)


def test_a_model_whose_steps_take_several_rows_is_refused_by_the_layer_that_joins_them() -> None:
    with pytest.raises(ModelError, match=r"layer 0 \(frame\) has no kernel for the GPU.*on the CPU"):
        cuda_pool(model("stride-frame"))


def test_arrays_whose_axes_of_one_have_odd_strides_are_taken() -> None:
    ours, cpu, slots = both(mixed(), 2)
    x = signal(6)
    for odd in (x[None, :], x[:1][::-1][None]):
        assert ours.process(slots[:1], odd).tobytes() == cpu.process(slots[:1], odd).tobytes()
    assert ours.step(slots, np.repeat(x, 2, axis=0)[::2][:2]).tobytes() == cpu.step(slots, x[:2]).tobytes()
    assert ours.step(slots[:1], x[::-1][:1]).tobytes() == cpu.step(slots[:1], x[-1:]).tobytes()
    assert ours.process(slots, x[:2, None]).tobytes() == cpu.process(slots, x[:2, None]).tobytes()


def test_an_output_over_the_inputs_is_written_after_the_last_reading() -> None:
    ours, cpu, slots = both(model("rnn-tanh", inputs=9, hidden=9), N)
    x = signal(N, 9)
    there = on_device(x)
    assert ours.step(slots, there, there) is there
    assert there.copy_to_host().tobytes() == cpu.step(slots, x).tobytes()
    bad = signal(N, 9)
    bad[3, 5] = np.nan
    there = on_device(bad)
    with pytest.raises(NonFiniteInputError, match=r"input\[3, 5\]"):
        ours.step(slots, there, there)
    assert ours.snapshot() == cpu.snapshot()


def test_a_device_without_memory_is_an_input_error_and_loses_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = cuda_pool(mixed(), 3)
    first = pool.open()

    def full(values: Any) -> Any:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("streamrnn.cuda.memory.uploaded", full)
        for call in (pool.open, lambda: pool.reset([first]), lambda: pool.snapshot(first)):
            with pytest.raises(InputError, match="do not fit into the device's memory"):
                call()
    assert [pool.open(), pool.open()] == [1, 2]
    assert pool.capacity == 3


def test_a_pool_is_used_on_its_own_device(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = cuda_pool(mixed(), 3)
    slot, x = pool.open(), signal(1)
    pool.step([slot], x)
    with monkeypatch.context() as patch:
        patch.setattr("streamrnn.cuda.memory.current_device", lambda: 1)
        for call in (lambda: pool.step([slot], x), lambda: pool.snapshot(slot), pool.reset, pool.open):
            with pytest.raises(DeviceError, match="the pool is on CUDA device 0"):
                call()
    pool.step([slot], x)
