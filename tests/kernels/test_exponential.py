"""The square in the polynomials: never subnormal, and of another value only where no bit of a polynomial depends on it."""

from typing import Any

import numpy as np
import pytest
from numba import vectorize

from streamrnn.kernels import exponential
from streamrnn.kernels.formats import DOUBLE, SINGLE, Format

#: For each format, the coefficient of x**2 in each polynomial, and its constant: of (2**x - 1) / x and of 2 artanh(x) / x.
POLYNOMIALS = [
    (form, powers[2], least)
    for form, powers, artanh in (
        (SINGLE, exponential._SINGLE_POWERS, exponential._SINGLE_LOGARITHM),
        (DOUBLE, exponential._DOUBLE_POWERS, exponential._DOUBLE_LOGARITHM),
    )
    for powers, least in ((powers, 0.5), ([0, 0, artanh[0]], 2.0))
]


@pytest.fixture(scope="module")
def square() -> Any:
    return vectorize(["float32(float32)", "float64(float64)"])(lambda x: exponential.square(x))


def samples(form: Format) -> Any:
    """Numbers of both signs in each octave, many where the square changes, and all neighbours of the shift."""
    rng = np.random.default_rng(0)
    shift = form.number(form.negligible)
    smallest = float(np.finfo(form.number).smallest_normal)
    wide = 2.0 ** rng.uniform(np.log2(smallest), -1, 200_000)
    near = form.negligible * 2.0 ** rng.uniform(-3, 30, 200_000)
    steps = np.arange(-3000, 3000) * np.spacing(shift) / 2 + shift
    positive = np.concatenate([wide, near, steps, [0, smallest / 7, 0.5]]).astype(form.number)
    return np.concatenate([positive, -positive])


@pytest.mark.parametrize("form", [SINGLE, DOUBLE], ids=["float32", "float64"])
def test_a_square_is_zero_or_a_normal_number(square: Any, form: Format) -> None:
    x = samples(form)
    found = square(x)
    assert found.dtype == form.number
    assert ((found == 0) | (found >= np.finfo(form.number).smallest_normal)).all()


@pytest.mark.parametrize(("form", "coefficient", "least"), POLYNOMIALS, ids=str)
def test_a_square_is_that_of_x_or_vanishes(square: Any, form: Format, coefficient: float, least: float) -> None:
    x = samples(form)
    found = square(x)
    half = float(np.spacing(form.number(least))) / 2  # a sum of the constant and less than this is the constant
    vanishes = np.maximum(found, x * x) * 1.01 * coefficient < half
    assert ((found == x * x) | vanishes).all()
    assert not vanishes.all()
