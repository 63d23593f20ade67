"""When speech begins and ends, by its probabilities."""

import importlib.util

import pytest


@pytest.fixture(scope="module")
def changes(examples):
    spec = importlib.util.spec_from_file_location("segments", examples / "voice_activity" / "segments.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.changes


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ([], []),
        ([0.1, 0.49, 0.4], []),
        ([0.1, 0.6, 0.4, 0.36, 0.9], [(True, 1), (False, 5)]),  # between the bounds it goes on, and it ends with the signal
        ([0.9, 0.1, 0.9, 0.9], [(True, 0), (False, 4)]),  # a short pause
        ([0.9, 0.1, 0.4, 0.1, 0.9], [(True, 0), (False, 1), (True, 4), (False, 5)]),  # a long pause, from where it fell
        ([0.9, 0.9, 0.2], [(True, 0), (False, 2)]),
    ],
)
def test_segments_have_a_lower_bound_for_their_end_and_no_short_pauses(changes, probabilities, expected):
    assert [(begins, round(seconds / 0.05)) for begins, seconds in changes(probabilities, 0.05)] == expected


def test_a_change_is_told_at_once(changes):
    heard = []
    told = changes((heard.append(p) or p for p in [0.1, 0.9, 0.9, 0.1, 0.1, 0.1]), 0.05)
    assert next(told).begins
    assert heard == [0.1, 0.9]
    assert not next(told).begins
    assert heard == [0.1, 0.9, 0.9, 0.1, 0.1]
