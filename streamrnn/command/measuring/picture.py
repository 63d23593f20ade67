"""`--plot` of `bench`: how long single calls took, as a histogram."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from streamrnn.command.measuring.latency import Times, latency_of
from streamrnn.picture_file import new_figure, save

_COLOURS = {"streamrnn": "#1f5fa8", "onnxruntime": "#8a7f3a"}
_MARKS = {"p50": "-", "p99": "--", "p99.9": ":"}
_BINS = 240


def draw(times: Mapping[str, Times], path: Path, title: str) -> None:
    """Write a histogram of each engine's times, in nanoseconds, on a logarithmic axis, with p50, p99 and p99.9 marked.

    Raises MissingExtraError without matplotlib, StreamRNNError where the file cannot be written.
    """
    figure = new_figure(9, 3.8)
    axes = figure.subplots()
    figure.suptitle(title)
    shown = {name: np.maximum(each, 1.0) / 1000 for name, each in times.items()}
    everything = np.concatenate(list(shown.values()))
    bins = np.geomspace(everything.min(), max(everything.max(), everything.min() * 1.01), _BINS)
    for name, each in shown.items():
        axes.hist(each, bins, color=_COLOURS[name], alpha=0.55, label=name)
        found = latency_of(each)
        for (label, style), value in zip(_MARKS.items(), (found.p50, found.p99, found.p99_9), strict=True):
            axes.axvline(value, color=_COLOURS[name], linestyle=style, linewidth=1.1, label=f"{label} {value:.3g} µs")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("µs of a call")
    axes.set_ylabel("calls")
    axes.legend(fontsize="small", ncols=len(shown))
    save(figure, path)
