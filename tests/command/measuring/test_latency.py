"""Percentiles of raw times."""

import numpy as np

from streamrnn.command.measuring.latency import Latency, latency_of


def test_percentiles_are_times_of_calls_that_were_made() -> None:
    assert latency_of(np.arange(2000.0)) == Latency(1000, 1980, 1998, 1999)
    assert latency_of(np.array([5.0, 1.0])) == Latency(5, 5, 5, 5)
