"""The PTX of the kernels and its registers. No device is needed.

The instructions show the machine law (bit reproducibility): all arithmetic names its rounding, to nearest. They also show that
the sums of a thread are in registers.
"""

import re
from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamrnn.recipe import Recipe
from tests.cuda.devices import SIMULATED, needs_numba_cuda

pytestmark = [needs_numba_cuda, pytest.mark.skipif(SIMULATED, reason="the simulator makes no PTX")]

DEVICES = [(8, 0), (9, 0)]
ROUNDED = {f"{name}.rn" for name in ("add", "div", "fma", "mul", "rcp", "sqrt")}
CONVERTED = {"cvt.rn.f32.s32", "cvt.rn.f32.s64"}  # sums of integers, and the largest integer of a value
EXACT = {"abs", "neg", "mov", "ld", "ld.global", "ld.shared", "st.global", "st.shared"}
COMPARED = {"setp", "selp"}

RECIPES = {
    "lstm": ["standard", "general", "plain", "standard_projected", "general_projected", "plain_projected"],
    "gru": [f"{form}{kind}" for form in ("reset_after", "reset_before") for kind in ("", "_general", "_plain")],
    "rnn": ["tanh", "relu", "general", "tanh_plain"],
    "dense": ["linear", "tanh", "sigmoid", "relu", "general", "softmax", "tanh_plain", "sigmoid_plain", "softmax_plain"],
}
ALL = [(f"{room}.{variant}", "float32") for room, variants in RECIPES.items() for variant in variants]
DOUBLE = [("lstm.standard", "float64")]


@pytest.fixture(autouse=True, scope="module")
def stand_in() -> Iterator[None]:
    """Numba reads the compute capability of the current device wherever a function calls another one."""
    with pytest.MonkeyPatch.context() as patch:
        device = SimpleNamespace(compute_capability=DEVICES[0])
        patch.setattr("numba.cuda.dispatcher.get_current_device", lambda: device)
        yield


def ptx_of(kernel: Any, device: tuple[int, int]) -> str:
    from numba import cuda

    return str(cuda.compile_ptx(kernel.function, kernel.signature, cc=device)[0])


def instructions(ptx: str) -> set[str]:
    """The instructions that compute, such as `fma.rn.f32`."""
    return set(re.findall(r"^\s*(?:@!?%p\d+\s+)?([a-z]\w*(?:\.\w+)*)\s", ptx, re.MULTILINE))


def complaints(ptx: str, number: str) -> list[str]:
    """The instructions in a kernel, of some type of number, that break bit reproducibility."""
    found = []
    for instruction in instructions(ptx):
        name, _, kind = instruction.rpartition(".")
        if kind in ("f16", "f32", "f64"):
            allowed = name in ROUNDED | EXACT or name.partition(".")[0] in COMPARED
            if kind != number or not allowed:
                found.append(instruction)
        elif name.startswith("cvt") and ".f" in name and instruction not in CONVERTED:
            found.append(instruction)
    return found + [word for word in ("approx", "ftz", ".local", "call") if word in ptx]


def usage(ptx: str, device: tuple[int, int]) -> str:
    """The register usage that NVIDIA's assembler reports."""
    from cuda.bindings import nvjitlink

    handle = nvjitlink.create(2, [f"-arch=sm_{device[0]}{device[1]}", "-verbose"])
    try:
        data = ptx.encode()
        nvjitlink.add_data(handle, nvjitlink.InputType.PTX, data, len(data), "kernel")
        nvjitlink.complete(handle)
        log = bytearray(nvjitlink.get_info_log_size(handle))
        nvjitlink.get_info_log(handle, log)
    finally:
        nvjitlink.destroy(handle)
    return log.decode()


def check(kernel: Any, number: str, threads: int) -> set[str]:
    """Check a kernel, for blocks of so many threads. Returns its instructions that compute."""
    found = set()
    for device in DEVICES:
        ptx = ptx_of(kernel, device)
        assert complaints(ptx, number) == [], device
        said = usage(ptx, device)
        assert "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" in said, said
        registers = int(re.findall(r"Used (\d+) registers", said)[0])
        assert registers * threads <= 65536, said
        found |= instructions(ptx)
    return found


def kernels_of(recipe: str, tile: Any) -> list[Any]:
    """The kernels of a recipe, "room.variant"."""
    from streamrnn.cuda.kernels.recipes import on_device
    from streamrnn.cuda.launch import chunk_kernel, tick_kernel

    room, variant = recipe.split(".")
    made = on_device(getattr(import_module(f"streamrnn.cells.{room}"), variant))
    kernels = [tick_kernel(one, tile) for one in made.passes]
    return [*kernels, chunk_kernel(made, tile)] if made.passes[0].n_states else kernels


@pytest.mark.few(4)
@pytest.mark.parametrize(("recipe", "dtype"), ALL + DOUBLE, ids=lambda value: str(value))
def test_every_pass_rounds_to_nearest_and_keeps_its_sums_in_registers(recipe: str, dtype: str) -> None:
    from streamrnn.cuda.plan import TILE

    tile = TILE._replace(dtype=np.dtype(dtype).type)
    for kernel in kernels_of(recipe, tile):
        check(kernel, dtype.replace("loat", ""), tile.lanes * tile.rows)


@pytest.mark.few(1)
@pytest.mark.parametrize("recipe", [name for name, _ in ALL if not name.endswith("plain")])
def test_passes_with_int8_weights_do_too_with_sums_of_32_bits(recipe: str) -> None:
    from streamrnn.cuda.plan import TILE

    for kernel in kernels_of(recipe, TILE._replace(integers=True)):
        assert {"mad.lo.s32", "cvt.rn.f32.s32"} <= check(kernel, "f32", TILE.lanes * TILE.rows)


@pytest.mark.parametrize("name", ["gather_kernel", "scatter_kernel", "softmax_kernel"])
def test_what_stands_around_the_passes_rounds_to_nearest(name: str) -> None:
    from streamrnn.cuda import launch
    from streamrnn.cuda.plan import TILE

    check(getattr(launch, name)(TILE), "f32", TILE.lanes * TILE.rows)


def test_every_recipe_is_among_them() -> None:
    from streamrnn.cuda.plan import KINDS

    rooms = {kind: vars(import_module(f"streamrnn.cells.{kind}")) for kind in KINDS}
    found = {kind: {name for name, value in names.items() if isinstance(value, Recipe)} for kind, names in rooms.items()}
    assert found == {room: set(variants) for room, variants in RECIPES.items()}


def test_plain_arithmetic_is_fused_and_seen() -> None:
    """The reason for the check: NVVM fuses a product and a sum that name no rounding."""
    from numba.cuda import types

    def kernel(x, y):  # type: ignore[no-untyped-def]
        y[0] = x[0] * x[1] + x[2]
        y[1] = x[3] - x[4]

    numbers = types.float32[::1]
    ptx = ptx_of(SimpleNamespace(function=kernel, signature=types.void(numbers, numbers)), DEVICES[0])
    assert "fma.rn.f32" in instructions(ptx)
    assert complaints(ptx, "f32") == ["sub.f32"]
    assert complaints(ptx, "f64")
