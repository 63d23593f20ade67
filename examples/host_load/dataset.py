"""A recorded trace as a data set: features, the load a second later, and the parts for training and testing."""

import csv
import gzip
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from counters import Counters
from features import busy, features, is_second
from numpy.typing import NDArray

#: The trace in this folder.
TRACE = Path(__file__).parent / "trace.csv.gz"

#: Shares of the trace, in order of time. The model learns from the first part, the second part decides when training stops,
#: and the rest is held out.
TRAINING, VALIDATION = 0.7, 0.1


@dataclass(frozen=True)
class Dataset:
    """One row for each reading except the first and the last.

    x          (n, 12) float32, the features of the second before the reading
    load       (n,) float32, the load in that second: also the persistence forecast
    following  (n,) float32, the load until the next reading: the truth
    counts     (n,) bool, whether both intervals lasted a second; False after a pause of the recorder
    """

    x: NDArray[np.float32]
    load: NDArray[np.float32]
    following: NDArray[np.float32]
    counts: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, part: slice) -> "Dataset":
        return Dataset(self.x[part], self.load[part], self.following[part], self.counts[part])

    def split(self) -> tuple["Dataset", "Dataset", "Dataset"]:
        """Training, validation and held-out part, in order of time."""
        first, second = (int(len(self) * share) for share in (TRAINING, TRAINING + VALIDATION))
        return self[:first], self[first:second], self[second:]


def read_trace(path: Path) -> list[Counters]:
    """The readings that `record.py` wrote, CSV or CSV.gz. Raises ValueError, with the line, for other content."""
    open_text = gzip.open if path.suffix == ".gz" else open
    with open_text(path, "rt", encoding="ascii", newline="") as file:
        lines = csv.reader(file)
        if tuple(next(lines, ())) != Counters._fields:
            raise ValueError(f"{path.name}, line 1: must be {','.join(Counters._fields)}")
        return [_reading(f"{path.name}, line {number}", line) for number, line in enumerate(lines, start=2)]


def _reading(where: str, line: list[str]) -> Counters:
    try:
        return Counters(float(line[0]), *map(int, line[1:]))
    except (ValueError, TypeError, IndexError):
        raise ValueError(f"{where}: needs a time and {len(Counters._fields) - 1} integers, is {','.join(line)!r}") from None


def dataset(readings: list[Counters]) -> Dataset:
    """Features and truth from successive readings; len(readings) - 2 rows."""
    pairs = list(pairwise(readings))
    load = np.array([busy(*pair) for pair in pairs], np.float32)
    second = np.array([is_second(*pair) for pair in pairs])
    x = np.array([features(*pair) for pair in pairs[:-1]], np.float32)
    return Dataset(x, load[:-1], load[1:], second[:-1] & second[1:])
