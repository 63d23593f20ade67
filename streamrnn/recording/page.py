"""A trace as an HTML page that loads nothing: heat maps of units over time, and lines of input and output on the same axis.

A long signal is drawn in columns of several steps, each as the smallest and the largest value of these.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrnn.recording.figures import LayerFigures, by_memory, moves_with
from streamrnn.recording.trace import Trace

Array = NDArray[Any]

#: Columns of a picture, at most.
MOST_COLUMNS = 2000
#: The share of a picture's values that are within the colour scale.
_FULL_COLOUR = 0.98


def page(
    trace: Trace, signal: ArrayLike, title: str, about: str = "", names: Sequence[str] = (), steps_per_second: float = 0.0
) -> str:
    """The page.

    signal            that was recorded, (n_steps, input_size), or (n_steps * stride, input_size): then the last row of each
                      step is drawn
    names             of the inputs; empty: they are numbered
    steps_per_second  of audio: a place in the signal is told in seconds too; 0: in steps only
    """
    inputs = trace.inputs(signal)
    names = names or [f"input {index}" for index in range(inputs.shape[1])]
    per_column = max(1, -(-trace.n_steps // MOST_COLUMNS))
    data = {
        "steps": trace.n_steps,
        "columns": -(-trace.n_steps // per_column),
        "steps_per_column": per_column,
        "steps_per_second": steps_per_second,
        "input": _picture(inputs, per_column),
        "output": _picture(trace.output, per_column),
        "layers": [
            _layer(index, kind, arrays, figures, moves_with(correlations, names), per_column)
            for index, (kind, arrays, figures, correlations) in enumerate(
                zip(trace.kinds, trace.layers, trace.figures, trace.correlations(signal), strict=True)
            )
            if figures is not None
        ],
    }
    seconds = f" ({trace.n_steps / steps_per_second:.3g} s)" if steps_per_second else ""
    steps = f"{trace.n_steps} steps{seconds}" + (f", {per_column} to a column." if per_column > 1 else ".")
    template = Template(files("streamrnn.recording").joinpath("page.html").read_text("utf-8"))
    as_text = json.dumps(data).replace("</", "<\\/")
    return template.substitute(title=escape(title), about=escape(f"{about} {steps}".strip()), data=as_text)


def _layer(
    index: int, kind: str, arrays: dict[str, Array], figures: LayerFigures, more: list[tuple[str, str]], per_column: int
) -> dict[str, Any]:
    units = next(iter(arrays.values())).shape[1]
    return {
        "index": index,
        "kind": kind,
        "units": units,
        "sorted": figures.memory is not None,
        "order": by_memory(figures, units).tolist(),
        "figures": [*figures.lines(), *more],
        "gates": [{"name": name, **_picture(array, per_column)} for name, array in arrays.items()],
    }


def _picture(array: Array, per_column: int) -> dict[str, Any]:
    """The smallest and largest value of each column, (rows, columns), each row in 256 levels from its `low` to its `high`.

    reach  |value| that has the full colour: one unit that runs away does not darken all others
    """
    begins = np.arange(0, len(array), per_column)
    smallest, largest = (
        each.T.astype(np.float64) for each in (np.minimum.reduceat(array, begins), np.maximum.reduceat(array, begins))
    )
    low, high = smallest.min(axis=1), largest.max(axis=1)
    levels = 255 / np.where(high > low, high - low, np.inf)
    reach = float(np.quantile(np.maximum(np.abs(smallest), np.abs(largest)), _FULL_COLOUR))

    def encoded(values: Array) -> str:
        bytes_ = np.round((values - low[:, None]) * levels[:, None]).astype(np.uint8)
        return base64.b64encode(np.ascontiguousarray(bytes_).tobytes()).decode()

    ranges = {"low": low.tolist(), "high": high.tolist(), "reach": reach}
    return {"rows": array.shape[1], **ranges, "min": encoded(smallest), "max": encoded(largest)}
