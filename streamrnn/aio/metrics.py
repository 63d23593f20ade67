"""`Metrics`: what a batcher counts."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Metrics:
    """Counts since the batcher was made. Times are in seconds."""

    ticks: int = 0
    steps: int = 0
    failed: int = 0
    commits: int = 0
    longest_commit: float = 0.0
    wait: float = 0.0
    longest_wait: float = 0.0
    batch_sizes: Counter[int] = field(default_factory=Counter)

    def ticked(self, n_steps: int, n_failed: int, waited: float) -> None:
        """Count a tick whose first step has waited so long."""
        self.ticks += 1
        self.steps += n_steps - n_failed
        self.failed += n_failed
        self.wait += waited
        self.longest_wait = max(self.longest_wait, waited)
        self.batch_sizes[1 << max(0, n_steps - 1).bit_length()] += 1

    def committed(self, seconds: float) -> None:
        """Count a commit that took so long."""
        self.commits += 1
        self.longest_commit = max(self.longest_commit, seconds)

    def as_dict(self, waiting: int) -> dict[str, Any]:
        """As `Batcher.metrics` describes it."""
        return {
            "waiting": waiting,
            "ticks": self.ticks,
            "steps": self.steps,
            "failed": self.failed,
            "mean_batch": (self.steps + self.failed) / max(1, self.ticks),
            "batch_sizes": dict(sorted(self.batch_sizes.items())),
            "mean_wait": self.wait / max(1, self.ticks),
            "longest_wait": self.longest_wait,
            "commits": self.commits,
            "longest_commit": self.longest_commit,
        }
