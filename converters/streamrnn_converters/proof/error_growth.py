"""Whether an error grows with the step: errors in bins on a logarithmic axis, and the slope of a line through them."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BINS_PER_DECADE = 12


def error_bins(errors: NDArray[Any]) -> tuple[list[int], list[float], list[float]]:
    """The last step of each bin, and the largest error and the root mean square in it. A bin is longer the later it comes.

    errors  by step, NaN where there is none. Bins without an error are left out
    """
    n_bins = math.ceil(_BINS_PER_DECADE * math.log10(len(errors))) + 1
    edges = np.unique(np.geomspace(1, len(errors), n_bins).round().astype(int)).tolist()
    steps, largest, typical = [], [], []
    for begin, end in zip([0, *edges[:-1]], edges, strict=True):
        inside = errors[begin:end][~np.isnan(errors[begin:end])]
        if inside.size:
            steps.append(end)
            largest.append(float(inside.max()))
            typical.append(float(np.sqrt(np.mean(np.square(inside)))))
    return steps, largest, typical


def log_slope(steps: list[int], errors: list[float]) -> float:
    """The slope of log(error) against log(step) over the last two decades; 0 where there are fewer than two points."""
    points = [(s, e) for s, e in zip(steps, errors, strict=True) if s > steps[-1] / 100 and 0 < e < math.inf]
    if len(points) < 2:
        return 0.0
    x, y = np.log(np.array(points)).T
    return float(np.polyfit(x, y, 1)[0])
