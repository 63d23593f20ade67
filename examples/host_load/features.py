"""From two successive readings of the counters to the input of the model, and to the load that it forecasts.

Every feature is between about -1 and 1 on any machine. Shares are used as they are. Counts and rates go through a logarithm: a
rate may be 10 or 100 000, and its order of magnitude matters. The scales are constants, and the standardisation of training is
folded into the weights, so an ONNX file takes these features directly and needs no other file.
"""

import math

import numpy as np
from counters import Counters
from numpy.typing import NDArray

#: The features, in order.
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
    """The load: the share of all CPU time that was not idle, 0..1. Waiting for disks is idle; time of other guests is not."""
    return 1.0 - _share(before, after, "idle", "iowait")


def is_second(before: Counters, after: Counters) -> bool:
    """Whether about a second passed between two readings. Other intervals, as after a pause, are not forecast."""
    return 0.8 <= after.time - before.time <= 1.2


def features(before: Counters, after: Counters) -> NDArray[np.float32]:
    """The features of the time between two readings: (12,) float32, in the order of NAMES."""
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
    """The load a second later, 0..1, from the load now and the output of the model, which is the change."""
    return np.clip(load + change, 0.0, 1.0)


def _passed(before: Counters, after: Counters, *names: str) -> float:
    """The sum of the increases of some counters."""
    return sum(getattr(after, name) - getattr(before, name) for name in names)


def _share(before: Counters, after: Counters, *names: str) -> float:
    """The share of CPU time, 0..1. The counter iowait can decrease (proc(5)), and the readings may have the same time."""
    total = _passed(before, after, *_CPU_TIMES)
    return min(max(_passed(before, after, *names) / total, 0.0), 1.0) if total > 0 else 0.0


def _magnitude(value: float, full: float) -> float:
    """The order of magnitude with its sign: 0 -> 0, ±full -> ±1."""
    return math.copysign(math.log1p(abs(value)) / math.log1p(full), value)
