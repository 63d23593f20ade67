"""On every CPU there is a width for every layer, chosen by its features; one without FMA is warned of."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from streamrnn import warn
from streamrnn.target import cpu
from streamrnn.target.caches import Caches
from streamrnn.target.machine import MACHINES, Machine, aimed_at
from streamrnn.target.packing import BFLOAT16, FLOAT16, INT8, INT8_BY_FOUR, DType


@pytest.mark.parametrize("n_bytes", [16, 32, 64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gates", [1, 2, 3, 4])
def test_pools_have_widths_that_fill_a_vector_of_the_cpu_at_most(
    n_bytes: int, dtype: DType, gates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STREAMRNN_LANES", raising=False)
    for name in ("widest_vector", "_full_rate_vector"):
        monkeypatch.setattr(cpu, name, lambda: n_bytes)
    for units in (1, 2, 3, 16, 40, 1000):
        assert 16 <= cpu.pool_width_for(units, (gates,), dtype).vector_bytes <= n_bytes


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Pretends to be on another CPU."""
    with ExitStack() as stack:

        def be(name: str, *features: str, triple: str = "x86_64-unknown-linux-gnu") -> None:
            monkeypatch.setattr(warn, "_given", set())
            stack.enter_context(aimed_at(Machine(triple, name, ",".join(f"+{feature}" for feature in features))))

        yield be


HASWELL = "fma", "avx2"
ZEN_1 = *HASWELL, "sse4a"
SKYLAKE_X = *HASWELL, "avx512f", "avx512vl"
ZEN_4 = *SKYLAKE_X, "sse4a", "avx512bf16"


@pytest.mark.parametrize("name", ["znver4", "znver3", "generic"])
def test_widths_follow_features_whatever_the_compiler_calls_the_cpu(name: str, pretend) -> None:
    pretend(name, *ZEN_4)
    assert (cpu.widest_vector(), cpu._full_rate_vector()) == (64, 32)
    pretend(name, *ZEN_4, "avxvnni")  # Zen 5
    assert (cpu.widest_vector(), cpu._full_rate_vector()) == (64, 64)
    pretend(name, *SKYLAKE_X)
    assert (cpu.widest_vector(), cpu._full_rate_vector()) == (64, 64)
    pretend(name, *ZEN_1, "clwb")  # Zen 3
    assert (cpu.widest_vector(), cpu._full_rate_vector()) == (32, 32)
    pretend(name, *ZEN_1)
    assert (cpu.widest_vector(), cpu._full_rate_vector()) == (32, 16)
    pretend(name, *HASWELL)
    assert (cpu.widest_vector(), cpu._full_rate_vector()) == (32, 32)
    pretend(name, "avx2")
    assert (cpu.widest_vector(), cpu._full_rate_vector()) == (16, 16)


def test_a_cpu_without_fma_is_warned_of_once(pretend) -> None:
    pretend("nehalem", "sse4.2")
    with pytest.warns(RuntimeWarning, match="no FMA.*the results are the same"):
        cpu.warn_without_fma()
    cpu.warn_without_fma()


@pytest.mark.parametrize(
    ("features", "triple"),
    [(HASWELL, "x86_64-unknown-linux-gnu"), (("neon",), "aarch64-unknown-linux-gnu"), ((), "arm64-apple")],
)
def test_a_cpu_with_fma_is_not(features: tuple[str, ...], triple: str, pretend) -> None:
    pretend("any", *features, triple=triple)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cpu.warn_without_fma()


KINDS = {"lstm": (4,), "gru-after": (3,), "gru-before": (2, 1), "rnn": (1,)}
SIZES = [(1, 1), (1, 8), (1, 20), (1, 40), (64, 64), (200, 200), (512, 512)]
MACHINES_ = [("v4", SKYLAKE_X), ("znver4", ZEN_4), ("znver5", (*ZEN_4, "avxvnni")), ("haswell", HASWELL), ("nehalem", ())]
MACHINES_ += [("znver3", (*ZEN_1, "clwb")), ("znver1", ZEN_1)]


@pytest.mark.parametrize(("name", "features"), MACHINES_, ids=[name for name, _ in MACHINES_])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_kernel_is_made_ahead_for_every_width_that_is_chosen_and_its_sums_fit_in_the_registers(
    name: str, features: tuple[str, ...], dtype: DType, pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STREAMRNN_LANES", raising=False)
    pretend(name, *features)
    for passes in KINDS.values():
        for inputs, hidden in SIZES:
            chosen = cpu.width_for(hidden, inputs, hidden, passes, dtype)
            assert chosen in cpu.widths(passes, dtype)
            assert max(passes) * chosen.blocks < cpu.n_registers(chosen)


def test_weights_that_the_first_cache_holds_are_one_panel_and_of_others_some_panels_stay_in_it(
    pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STREAMRNN_LANES", raising=False)
    pretend("v4", *SKYLAKE_X)
    units = []
    for first in 48 << 10, 128 << 10:
        monkeypatch.setattr(cpu, "caches", lambda first=first: Caches(first, 1 << 20))
        units.append(cpu.width_for(64, 1, 64, (4,)).units)
    assert units[0] < units[1] == 64


def test_weights_are_fetched_ahead_on_zen_5_and_zen_1_only_and_only_beyond_the_second_cache(
    pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STREAMRNN_LANES", raising=False)
    for name, features in MACHINES_:
        pretend(name, *features)
        for hidden, is_far in (64, False), (512, True):
            assert bool(cpu.width_for(hidden, hidden, hidden, (4,)).ahead) == (is_far and name in ("znver5", "znver1"))


def test_input_sums_are_made_within_the_steps_on_zen_4_only_where_the_second_cache_holds_the_weights_of_the_states(
    pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STREAMRNN_LANES", raising=False)
    monkeypatch.setattr(cpu, "caches", lambda: Caches(32 << 10, 1 << 20))
    for name, features in MACHINES_:
        pretend(name, *features)
        for inputs, hidden, pays in (1, 128, False), (32, 32, False), (32, 128, False), (128, 128, True), (512, 512, False):
            for passes in (4,), (3,), (2, 1):
                width = cpu.width_for(hidden, inputs, hidden, passes)
                assert width.beside == (pays and name == "znver4"), (name, inputs, hidden, width)
                assert width in cpu.widths(passes)
        assert not cpu.width_for(128, 128, 128, (4,), stored=INT8).beside
        assert not cpu.width_for(128, 128, 0, (4,)).beside  # without a state


def test_on_zen_4_small_layers_have_narrow_blocks_whose_stages_overlap_and_forty_units_are_one_panel(
    pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STREAMRNN_LANES", raising=False)
    monkeypatch.setattr(cpu, "caches", lambda: Caches(32 << 10, 1 << 20))
    pretend("znver4", *ZEN_4)
    assert {cpu.width_for(16, 1, 16, passes)[:2] for passes in KINDS.values()} == {(8, 2)}
    assert cpu.width_for(32, 1, 32, (4,))[:2] == (16, 2)  # eight sums of 8 lanes and four blocks: twice the instructions
    assert {cpu.width_for(40, 1, 40, passes)[:2] for passes in KINDS.values()} == {(8, 5)}
    assert cpu.width_for(48, 16, 48, (4,))[:2] == (16, 1)  # from the second cache a wide vector is one load
    assert cpu.width_for(200, 200, 200, (1,)) == (8, 5, np.float32, 0, None, False)  # 48 do not fit 200


def test_with_four_lanes_the_blocks_follow_the_layer(pretend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMRNN_LANES", "4")
    pretend("v4", *SKYLAKE_X)
    for units, blocks in (4, 1), (8, 2), (12, 3), (20, 5):
        assert cpu.width_for(units, 1, units, (4,))[:2] == (4, blocks)
    monkeypatch.setenv("STREAMRNN_LANES", "8")
    assert cpu.widths((4,)) == [(8, 2, np.float32, 0, None, False)]


@pytest.mark.parametrize("machine_name", ["x86-64-v3", "x86-64-v4"])
@pytest.mark.parametrize("gates", [1, 3, 4])
def test_sums_of_stored_weights_fit_in_the_registers_with_what_unpacking_takes(gates: int, machine_name: str) -> None:
    with aimed_at(MACHINES[machine_name]):
        for stored, per_sum in ((FLOAT16, 2), (BFLOAT16, 2), (INT8, 1), (INT8_BY_FOUR, 2)):
            found = cpu.widths((gates,), np.float32, stored)
            assert {width.stored for width in found} == {stored}
            assert all(per_sum * gates * width.blocks <= cpu.n_registers(width) - 4 for width in found)


def test_where_vectors_are_done_in_halves_narrow_ones_suit_layers_that_fill_them(
    pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STREAMRNN_LANES", raising=False)
    pretend("znver1", *ZEN_1)
    assert cpu.width_for(12, 1, 12, (4,))[:2] == (4, 3)
    pretend("znver3", *ZEN_1, "clwb")
    assert cpu.width_for(12, 1, 12, (4,)).lanes == 8


def test_a_large_layer_in_bfloat16_has_sums_enough_that_no_row_waits_for_the_one_before(pretend, monkeypatch) -> None:
    """Two units each begin an FMA in a cycle, and it takes four: that is eight sums, of vectors that are done whole."""
    monkeypatch.delenv("STREAMRNN_LANES", raising=False)
    monkeypatch.setattr(cpu, "caches", lambda: Caches(32 << 10, 1 << 20))
    pretend("znver4", *ZEN_4)
    for passes in KINDS.values():
        for hidden in 256, 448, 512, 576, 1024:
            width = cpu.width_for(hidden, hidden, hidden, passes, stored=BFLOAT16)
            in_halves = width.lanes // 8
            assert min(passes) * width.blocks * in_halves >= 8, (passes, hidden, width)
