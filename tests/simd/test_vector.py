"""The vector type: every operation, lane by lane, against NumPy's float32, and the same for a scalar."""

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from numba import njit

from streamrnn.simd.arithmetic import absolute, any_lane, fma, from_bits, select, to_bits
from streamrnn.simd.memory import load, load_like, load_scalar, load_tuple, store
from streamrnn.simd.multiply import multiply_panel

F32 = np.float32
LANES = [4, 8, 16]
ZERO, TWO = np.float32(0), np.float32(2)
SHIFT, ONE_BITS = np.int32(1), np.int32(0x00800000)
compiled = njit(error_model="numpy")
inline = njit(forceinline=True, error_model="numpy")

#: name -> (as a kernel writes it, as NumPy computes it in float32)
OPERATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "add": (lambda a, b, c: a + b, lambda a, b, c: a + b),
    "subtract": (lambda a, b, c: a - b, lambda a, b, c: a - b),
    "multiply": (lambda a, b, c: a * b, lambda a, b, c: a * b),
    "divide": (lambda a, b, c: a / b, lambda a, b, c: a / b),
    "negate": (lambda a, b, c: -a, lambda a, b, c: -a),
    "number on the left": (lambda a, b, c: TWO - a, lambda a, b, c: TWO - a),
    "number on the right": (lambda a, b, c: a / TWO, lambda a, b, c: a / TWO),
    "absolute": (lambda a, b, c: absolute(a), lambda a, b, c: np.abs(a)),
    "less": (lambda a, b, c: select(a < b, a, c), lambda a, b, c: np.where(a < b, a, c)),
    "less or equal": (lambda a, b, c: select(a <= b, a, c), lambda a, b, c: np.where(a <= b, a, c)),
    "greater": (lambda a, b, c: select(a > b, a, c), lambda a, b, c: np.where(a > b, a, c)),
    "greater or equal": (lambda a, b, c: select(a >= b, a, c), lambda a, b, c: np.where(a >= b, a, c)),
    "not equal": (lambda a, b, c: select(a != b, a, c), lambda a, b, c: np.where(a != b, a, c)),
    "select a number": (lambda a, b, c: select(a < ZERO, ZERO, a), lambda a, b, c: np.where(a < 0, ZERO, a)),
    "bits there and back": (lambda a, b, c: from_bits(to_bits(a)), lambda a, b, c: a),
    "bits shifted": (
        lambda a, b, c: from_bits(to_bits(a) << SHIFT),
        lambda a, b, c: (a.view(np.int32) << 1).view(np.float32),
    ),
    "bits added": (
        lambda a, b, c: from_bits(to_bits(a) + ONE_BITS),
        lambda a, b, c: (a.view(np.int32) + ONE_BITS).view(np.float32),
    ),
}


def address(array: Any) -> int:
    return int(array.ctypes.data)


@cache
def vector_kernel(name: str, lanes: int) -> Any:
    operation = inline(OPERATIONS[name][0] if name != "fma" else fma_of)

    @compiled
    def kernel(a, b, c, result):  # type: ignore[no-untyped-def]
        store(result, operation(load(a, F32, lanes), load(b, F32, lanes), load(c, F32, lanes)))

    return kernel


@cache
def scalar_kernel(name: str) -> Any:
    operation = inline(OPERATIONS[name][0] if name != "fma" else fma_of)

    @compiled
    def kernel(a, b, c, result):  # type: ignore[no-untyped-def]
        store(result, operation(load_scalar(a, F32), load_scalar(b, F32), load_scalar(c, F32)))

    return kernel


def fma_of(a: Any, b: Any, c: Any) -> Any:
    return fma(a, b, c)


def operands(seed: int) -> tuple[Any, Any, Any]:
    """Three arrays of 16 numbers, so that each lane gets every kind of number."""
    rng = np.random.default_rng(seed)
    special = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-45, 3.4e38, 0.5], np.float32)
    a, b, c = (rng.normal(size=16).astype(np.float32) for _ in range(3))
    a[rng.permutation(16)[:10]] = special
    b[rng.permutation(16)[:10]] = special
    b[:2] = a[:2]
    return a, b, c


def apply(name: str, lanes: int | None, a: Any, b: Any, c: Any) -> Any:
    """The 16 results, in vectors of `lanes`, or one by one (None). The memory around them must not change."""
    kernel, step = (scalar_kernel(name), 1) if lanes is None else (vector_kernel(name, lanes), lanes)
    memory = np.full(18, 7, np.float32)
    for at in range(0, 16, step):
        kernel(*(address(array) + 4 * at for array in (a, b, c)), address(memory) + 4 + 4 * at)
        assert (memory[1 + at + step :] == 7).all()
    assert memory[0] == 7
    return memory[1:17]


#: Scalar integers are those of Numba, which widens them to 64 bits; a vector keeps its 32.
WITH_SCALARS = [name for name in OPERATIONS if name not in ("bits shifted", "bits added")]


@pytest.mark.parametrize(("name", "lanes"), [*product(OPERATIONS, [4, 16]), *product(WITH_SCALARS, [None])])
def test_every_lane_is_what_numpy_computes(name: str, lanes: int | None) -> None:
    for seed in range(5):
        a, b, c = operands(seed)
        with np.errstate(all="ignore"):
            expected = OPERATIONS[name][1](a, b, c).astype(np.float32)
        actual = apply(name, lanes, a, b, c)
        np.testing.assert_array_equal(actual, expected)
        numbers = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(actual[numbers]), np.signbit(expected[numbers]))


def rounded(exact: Fraction) -> np.float32:
    """The float32 nearest to a fraction, one of the neighbours of its float64."""
    near = np.float32(float(exact))
    candidates = [np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))]
    return min(candidates, key=lambda value: (abs(Fraction(float(value)) - exact), value.view(np.int32) % 2))  # ties: to even


@pytest.mark.parametrize("lanes", [4, 8, 16, None])
def test_fma_rounds_once(lanes: int | None) -> None:
    rng = np.random.default_rng(0)
    differs = False
    for _ in range(20):
        a, b = (rng.normal(size=16).astype(np.float32) for _ in range(2))
        c = (-a * b * np.float32(1 + 1e-7)).astype(np.float32)  # so that the result is mostly the rounding error of the product
        exact = [Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z)) for x, y, z in zip(a, b, c, strict=True)]
        np.testing.assert_array_equal(apply("fma", lanes, a, b, c), np.array([rounded(value) for value in exact]))
        differs |= bool((a * b + c != np.array([rounded(value) for value in exact])).any())
    assert differs


@cache
def panel_kernel(lanes: int, blocks: int, ahead: int) -> Any:
    if blocks == 1:

        @compiled
        def one(start, weights, x, count, result):  # type: ignore[no-untyped-def]
            (first,) = multiply_panel(load_tuple(start, F32, lanes, 1), weights, x, count, ahead)
            store(result, first)

        return one

    @compiled
    def two(start, weights, x, count, result):  # type: ignore[no-untyped-def]
        first, second = multiply_panel(load_tuple(start, F32, lanes, 2), weights, x, count, ahead)
        store(result, first)
        store(result + 4 * lanes, second)

    return two


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("ahead", [0, 2048])
def test_a_panel_is_a_matrix_vector_product_summed_in_order(lanes: int, blocks: int, ahead: int) -> None:
    rng = np.random.default_rng(1)
    for count in 0, 1, 2, 7, 50:
        start = rng.normal(size=lanes * blocks).astype(np.float32)
        weights = rng.normal(size=(count, lanes * blocks)).astype(np.float32)
        x = rng.normal(size=count).astype(np.float32)
        result = np.full(lanes * blocks + 1, 7, np.float32)
        panel_kernel(lanes, blocks, ahead)(address(start), address(weights), address(x), count, address(result))
        sums = start.copy()
        for value, row in zip(x, weights, strict=True):
            exact = [Fraction(float(value)) * Fraction(float(w)) + Fraction(float(s)) for w, s in zip(row, sums, strict=True)]
            sums = np.array([rounded(each) for each in exact], np.float32)
        assert result[:-1].tobytes() == sums.tobytes()
        assert result[-1] == 7


@pytest.mark.parametrize("lanes", LANES)
def test_any_lane_looks_at_every_lane(lanes: int) -> None:
    @compiled
    def kernel(a):  # type: ignore[no-untyped-def]
        value = load(a, F32, lanes)
        return any_lane(value != value)

    values = np.ones(16, np.float32)
    assert not kernel(address(values))
    for lane in range(lanes):
        values[:] = 1
        values[lane] = np.nan
        assert kernel(address(values))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_number_like_a_vector_has_the_type_of_its_lanes(dtype: Any) -> None:
    @compiled
    def kernel(numbers, index, result):  # type: ignore[no-untyped-def]
        like = load(numbers, dtype, 2)
        store(result, load_like(numbers, index, like) * like)

    numbers = np.array([1.5, 2.25, 1 / 3], dtype)
    for index in range(3):
        result = np.zeros(2, dtype)
        kernel(address(numbers), index, address(result))
        assert result.tobytes() == (numbers[index] * numbers[:2]).tobytes()
