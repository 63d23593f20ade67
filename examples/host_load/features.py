"""From two successive readings of the counters to what the model sees, and what it is to forecast.

Every feature lies in about -1..1 on any machine: shares are shares, counts and rates go through a logarithm, for a rate may
be 10 or 100 000 and its order of magnitude is what tells. The scales are plain constants, so nothing needs to be kept beside
an ONNX file, which takes the features as they are: what training standardises is folded into the weights.
"""

import math

import numpy as np
from counters import Counters
from numpy.typing import NDArray

#: What each element of the vector is, in order.
NAMES = (
    "busy",  # share of all CPU time that was not idle, 0..1
    "system",  # share spent in the kernel
    "iowait",  # share idle with I/O outstanding
    "running",  # runnable tasks
    "switches",  # context switches per second
    "interrupts",  # per second
    "forks",  # per second
    "faults",  # page faults per second
    "read",  # from disks, KiB/s
    "written",  # to disks, KiB/s
    "freed",  # change of available memory, KiB/s
    "network",  # received and sent, bytes/s
)

#: The counters of CPU time, which add up to all of it.
_CPU_TIMES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


def busy(before: Counters, after: Counters) -> float:
    """The load: share of all CPUs that was not idle, 0..1. Waiting for disks is idle, time taken by other guests is not."""
    return 1.0 - _share(before, after, "idle", "iowait")


def is_second(before: Counters, after: Counters) -> bool:
    """Whether about a second passed, so that the load between is what a forecast is about; not so after a pause."""
    return 0.8 <= after.time - before.time <= 1.2


def features(before: Counters, after: Counters) -> NDArray[np.float32]:
    """What happened between two readings at different times: (12,) float32, in the order of NAMES."""
    seconds = after.time - before.time

    def rate(full: float, *names: str) -> float:
        return _magnitude(_passed(before, after, *names) / seconds, full)

    return np.array(
        [
            busy(before, after),
            _share(before, after, "system"),
            _share(before, after, "iowait"),
            _magnitude(after.running, 64),
            rate(1e5, "switches"),
            rate(1e5, "interrupts"),
            rate(1e3, "forks"),
            rate(1e6, "faults"),
            rate(1e6, "paged_in"),
            rate(1e6, "paged_out"),
            rate(1e6, "available"),
            rate(1e9, "received", "sent"),
        ],
        dtype=np.float32,
    )


def forecast(load: NDArray[np.float32], change: NDArray[np.float32]) -> NDArray[np.float32]:
    """The load a second later, 0..1, from the load now and the model's output: the change to come."""
    return np.clip(load + change, 0.0, 1.0)


def _passed(before: Counters, after: Counters, *names: str) -> float:
    """By how much counters went up, together."""
    return sum(getattr(after, name) - getattr(before, name) for name in names)


def _share(before: Counters, after: Counters, *names: str) -> float:
    """Share of CPU time, 0..1. The kernel lets iowait go back now and then (proc(5)), and no time at all may have passed."""
    total = _passed(before, after, *_CPU_TIMES)
    return min(max(_passed(before, after, *names) / total, 0.0), 1.0) if total > 0 else 0.0


def _magnitude(value: float, full: float) -> float:
    """Order of magnitude with its sign: 0 -> 0, ±full -> ±1."""
    return math.copysign(math.log1p(abs(value)) / math.log1p(full), value)
