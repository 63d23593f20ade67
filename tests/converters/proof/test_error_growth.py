"""Bins lose no error, and the slope is the power with which an error grows."""

import math

import numpy as np
import pytest

from streamrnn_converters.proof.error_growth import error_bins, log_slope


@pytest.mark.parametrize("n_steps", [1, 2, 9, 100, 12_345])
def test_bins_cover_every_step_and_keep_the_largest_error(n_steps: int) -> None:
    errors = np.random.default_rng(n_steps).uniform(size=n_steps)
    steps, largest, typical = error_bins(errors)
    assert steps == sorted(set(steps))
    assert steps[-1] == n_steps
    begins = [0, *steps[:-1]]
    assert largest == [errors[begin:end].max() for begin, end in zip(begins, steps, strict=True)]
    sizes = np.diff([0, *steps])
    assert np.sum(np.square(typical) * sizes) == pytest.approx(np.sum(errors**2))


def test_steps_without_an_error_are_left_out() -> None:
    errors = np.full(1000, np.nan)
    errors[[99, 999]] = 0.5, 0.25
    steps, largest, typical = error_bins(errors)
    assert (largest, typical) == ([0.5, 0.25], [0.5, 0.25])
    assert steps[0] >= 100
    assert steps[1] == 1000


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_slope_is_the_power_of_the_step(power: float) -> None:
    steps = list(range(1, 10_000, 37))
    assert log_slope(steps, [1e-7 * step**power for step in steps]) == pytest.approx(power, abs=1e-9)


def test_the_slope_looks_at_the_last_two_decades_and_at_finite_errors() -> None:
    steps = [1, 10, 99, 1000, 5000, 10_000]
    assert log_slope(steps, [1.0, 1.0, 1.0, 1e-3, math.inf, 1e-2]) == pytest.approx(1.0)
    assert log_slope(steps, [0.0] * 6) == 0
