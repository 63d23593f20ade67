"""A trace as a picture, drawn by matplotlib: heat maps of units over time, under input and output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from streamrnn.picture_file import new_figure, save
from streamrnn.recording.figures import by_memory
from streamrnn.recording.trace import Trace

#: Inputs that a legend names, at most: as many as there are colours.
MOST_NAMED = 20


def draw(trace: Trace, signal: ArrayLike, path: Path, title: str, names: Sequence[str], steps_per_second: float = 0.0) -> None:
    """Write the picture, .png or .svg.

    names             of the inputs
    steps_per_second  of audio: time is drawn in seconds then; 0: it is drawn in steps

    Raises MissingExtraError without matplotlib, StreamRNNError where the file cannot be written.
    """
    maps = [(index, name, array) for index, layer in enumerate(trace.layers) for name, array in layer.items()]
    figure = new_figure(12, 2.4 + 1.1 * len(maps))
    axes = figure.subplots(2 + len(maps), 1, sharex=True)
    figure.suptitle(title)
    per_unit = steps_per_second or 1.0
    times = np.arange(trace.n_steps) / per_unit
    figures_by_layer = trace.figures  # computed once, for all pictures
    if len(names) > 10:  # of the usual colours there are 10
        from matplotlib import colormaps

        axes[1].set_prop_cycle(color=colormaps["tab20"].colors)
    for axis, name, lines in zip(axes, ("output", "input"), (trace.output, trace.inputs(signal)), strict=False):
        drawn = axis.plot(times, lines, linewidth=0.6)
        axis.set_ylabel(name)
    if 1 < len(names) <= MOST_NAMED:
        figure.legend(drawn, names, title="input", loc="outside lower center", ncols=min(len(names), 6), fontsize="small")
    for axis, (index, name, array) in zip(axes[2:], maps, strict=True):
        order = by_memory(figures_by_layer[index], array.shape[1])
        reach = float(np.abs(array).max()) or 1.0
        image = axis.imshow(
            array.T[order],
            extent=(-0.5 / per_unit, (trace.n_steps - 0.5) / per_unit, array.shape[1], 0),
            aspect="auto",
            interpolation="nearest",
            cmap="RdBu_r",
            vmin=-reach,
            vmax=reach,
            rasterized=True,
        )
        axis.set_ylabel(f"{index} {name}")
        axis.set_yticks([])
        figure.colorbar(image, ax=axis)
    axes[-1].set_xlabel(f"{'seconds' if steps_per_second else 'step'}; units that remember longest on top")
    save(figure, path)
