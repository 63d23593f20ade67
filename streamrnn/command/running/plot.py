"""`--plot` of `run`: the output over time, beside the truth where a column has it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.command.running.formats import Row
from streamrnn.errors import InputError
from streamrnn.picture_file import new_figure, save
from streamrnn.target.packing import Array

#: A longer signal is drawn in so many columns, each as the smallest and the largest of its values.
MOST_COLUMNS = 4000
#: Outputs that are drawn, at most; the first ones.
MOST_LINES = 8
#: Values that are kept for the picture: 400 MB.
MOST_VALUES = 50_000_000

_TRUTH, _ERROR = "#1d2733", "#b3372c"


class Plot:
    """Collects the outputs of a run, and draws them at its end.

    path   of the picture
    truth  the index among the kept columns of the one that has the truth for the first output; None: there is none

    steps_per_second  of audio: time is drawn in seconds then; 0: it is drawn in steps
    """

    def __init__(self, path: Path, truth: int | None) -> None:
        self._path, self._truth = path, truth
        self._outputs: list[Array] = []
        self._truths: list[float] = []
        self._n_values = self._n_steps = 0
        self.steps_per_second = 0.0

    def add(self, rows: Sequence[Row], outputs: Array) -> None:
        """Note the outputs of some rows, (n_rows, n_outputs). Raises InputError for a truth that is no number."""
        if self._truth is not None:
            truths = [_number(row, row.kept[self._truth]) for row in rows]
        self._n_steps += len(outputs)
        if self._n_values + outputs.size <= MOST_VALUES:
            self._n_values += outputs.size
            self._outputs.append(outputs.copy())
            if self._truth is not None:
                self._truths += truths

    def draw(self, title: str) -> str:
        """Write the picture. Returns what it shows, in words. Raises StreamRNNError where it cannot be written."""
        if not self._outputs:
            return "no output, so nothing is drawn"
        outputs, truth = np.concatenate(self._outputs), np.array(self._truths)
        figure = new_figure(11, 5.5 if self._truth is not None else 3.6)
        axes: list[Any] = list(figure.subplots(1 if self._truth is None else 2, 1, sharex=True, squeeze=False)[:, 0])
        figure.suptitle(title)
        names = [f"output {index}" for index in range(outputs.shape[1])] if outputs.shape[1] > 1 else ["output"]
        told = (
            f"{len(outputs)} steps" if len(outputs) == self._n_steps else f"the first {len(outputs)} of {self._n_steps} steps"
        )
        if self._truth is not None:
            self._line(axes[0], truth, "truth", _TRUTH)
            errors = outputs[:, 0] - truth
            known = errors[~np.isnan(errors)]
            if len(known):
                told += f", MAE {np.abs(known).mean():.4g}, RMSE {np.sqrt((known**2).mean()):.4g}"
            self._line(axes[1], errors, "output − truth", _ERROR)
            axes[1].set_ylabel("error: output − truth")
        for name, values in zip(names[:MOST_LINES], outputs.T, strict=False):
            self._line(axes[0], values, name, None)
        axes[0].set_ylabel("output")
        if len(axes[0].get_legend_handles_labels()[1]) > 1:
            axes[0].legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")
        axes[-1].set_xlabel(f"{'seconds' if self.steps_per_second else 'step'}; {told}")
        save(figure, self._path)
        return told

    def _line(self, axes: Any, values: NDArray[Any], name: str, colour: str | None) -> None:
        """Values over time: a line, or, of many, the range of each column."""
        per_column = -(-len(values) // MOST_COLUMNS)
        begins = np.arange(0, len(values), per_column)
        times = begins / (self.steps_per_second or 1)
        if per_column == 1:
            axes.plot(times, values, label=name, color=colour, linewidth=0.9)
            return
        low, high = np.fmin.reduceat(values, begins), np.fmax.reduceat(values, begins)
        axes.fill_between(times, low, high, label=name, color=colour, alpha=0.8, linewidth=0.4)


def _number(row: Row, value: Any) -> float:
    """A kept field as a number; NaN for an empty one, which is left out of the picture."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(
            f"{row.location}: the truth is {value!r:.40}, which is not a number; leave it empty if it is not known"
        ) from None
