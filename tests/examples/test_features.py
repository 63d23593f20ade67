import math

import numpy as np
import pytest


@pytest.fixture
def features(example):
    return example("features")


@pytest.fixture
def quiet(example):
    """A machine of two CPUs (200 clock ticks a second) at some moment."""
    counters = example("counters")
    return counters.Counters(1000.0, *range(1, 9), 100, 200, 300, 1, 0, 400, 500, 600, 8_000_000, 700, 800)


def after(reading, seconds=1.0, **passed):
    """The reading so many seconds later, with what passed in between."""
    return reading._replace(time=reading.time + seconds, **{name: getattr(reading, name) + by for name, by in passed.items()})


def test_an_idle_second_is_zero_but_for_the_task_that_reads(features, quiet):
    x = features.features(quiet, after(quiet, idle=200))
    assert x.dtype == np.float32
    assert dict(zip(features.NAMES, x.tolist(), strict=True)) == {
        name: pytest.approx(math.log(2) / math.log(65) if name == "running" else 0.0) for name in features.NAMES
    }


def test_load_is_what_is_neither_idle_nor_waiting_for_disks(features, quiet):
    now = after(quiet, user=40, nice=10, system=20, idle=80, iowait=20, irq=4, softirq=6, steal=20)
    assert features.busy(quiet, now) == pytest.approx(0.5)
    x = dict(zip(features.NAMES, features.features(quiet, now).tolist(), strict=True))
    assert (x["busy"], x["system"], x["iowait"]) == pytest.approx((0.5, 0.1, 0.1))


@pytest.mark.parametrize(
    ("name", "passed", "expected"),
    [
        ("running", {"running": 63}, 1.0),
        ("switches", {"switches": 99}, 0.4),
        ("interrupts", {"interrupts": 99_999}, 1.0),
        ("forks", {"forks": 9}, 1 / 3),
        ("faults", {"faults": 999}, 0.5),
        ("read", {"paged_in": 999}, 0.5),
        ("written", {"paged_out": 9}, 1 / 6),
        ("freed", {"available": -999}, -0.5),
        ("network", {"received": 500, "sent": 499}, 1 / 3),
    ],
)
def test_counts_and_rates_go_by_their_order_of_magnitude(features, quiet, name, passed, expected):
    x = features.features(quiet, after(quiet, idle=200, **passed))
    assert x[features.NAMES.index(name)] == pytest.approx(expected, abs=0.01)


def test_a_rate_is_per_second_however_long_it_took(features, quiet):
    short = features.features(quiet, after(quiet, 1.0, user=100, idle=100, switches=500))
    long = features.features(quiet, after(quiet, 4.0, user=400, idle=400, switches=2000))
    np.testing.assert_allclose(short, long, rtol=1e-6)


@pytest.mark.parametrize("passed", [{}, {"iowait": -3, "idle": 203}, {"idle": -500, "switches": -200, "user": -1}])
def test_counters_that_stand_still_or_go_back_give_finite_features(features, quiet, passed):
    x = features.features(quiet, after(quiet, **passed))
    assert np.isfinite(x).all()
    assert (x[:3] >= 0).all()
    assert (x[:3] <= 1).all()


def test_only_what_took_about_a_second_is_a_second(features, quiet):
    assert [features.is_second(quiet, after(quiet, seconds)) for seconds in (-1, 0, 0.7, 0.9, 1.0, 1.1, 1.5)] == [
        *[False] * 3,
        *[True] * 3,
        False,
    ]


def test_a_forecast_is_a_share_whatever_change_the_model_says(features):
    load, change = np.float32([0.5, 0.9, 0.1]), np.float32([0.25, 0.4, -0.4])
    np.testing.assert_array_equal(features.forecast(load, change), np.float32([0.75, 1.0, 0.0]))
