"""The results as a picture: latency of a step by hidden size."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from benchmarks.results import Results

#: Contenders, slowest first, so that the legend has the order of the lines.
_LINES = {
    "torch cell": ("torch, cell", "#c2554d", "s"),
    "onnxruntime run": ("onnxruntime, run", "#d18f2c", "^"),
    "onnxruntime IO binding": ("onnxruntime, IO binding", "#8a7f3a", "v"),
    "streamrnn step": ("streamrnn, step from Python", "#1f5fa8", "o"),
    "streamrnn loop": ("streamrnn, step in a compiled loop", "#5fa3dd", "."),
}
_SHADE = "#d9dde2"


def draw(results: Results, *paths: Path) -> None:
    """Write the picture to each of the paths, in the format of its extension."""
    kinds = list(dict.fromkeys(case.kind for case in results.cases("step")))
    figure, axes = pyplot.subplots(1, len(kinds), figsize=(1.6 + 5.2 * len(kinds), 5.4), sharey=True, squeeze=False)
    for panel, kind in zip(axes[0], kinds, strict=True):
        _panel(panel, results, kind)
    axes[0][0].set_ylabel("one step, batch 1")
    axes[0][0].set_ylim(_floor(results), None)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=3, frameon=False, bbox_to_anchor=(0.5, 0.945), fontsize=9)
    figure.suptitle("Latency of one step by hidden size", fontsize=13, y=0.985)
    environment, known = results.environment, results.environment["versions"]
    versions = ", ".join(f"{name} {known[name]}" for name in ("streamrnn", "onnxruntime", "torch") if name in known)
    note = f"minima of interleaved rounds, one thread; {environment['cpu']}; {versions}; {environment['date'][:10]}"
    figure.text(0.5, 0.012, note, ha="center", fontsize=8, color="#666666")
    figure.tight_layout(rect=(0, 0.03, 1, 0.88))
    for path in paths:
        figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _panel(axes: Axes, results: Results, kind: str) -> None:
    """Draw one kind: sizes with one input on the left, sizes with as many inputs as units on the right."""
    all_cases = [case for case in results.cases("step") if case.kind == kind]
    groups = [[case for case in all_cases if case.inputs == 1], [case for case in all_cases if case.inputs != 1]]
    positions = {case: index for index, case in enumerate(case for group in groups for case in group)}
    floor = _floor(results)
    for number, group in enumerate(group for group in groups if group):
        x = [positions[case] for case in group]
        roof = [found.least if (found := results.roofline(case)) else floor for case in group]
        axes.fill_between(x, roof, floor, color=_SHADE, lw=0, label=None if number else "below the load roofline")
        for name, (label, colour, marker) in _LINES.items():
            points = [(positions[case], found.least) for case in group if (found := results.get("step", name, case))]
            if points:
                style = {"color": colour, "marker": marker, "ms": 5, "lw": 1.8}
                axes.plot(*zip(*points, strict=True), label=None if number else label, **style)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(_with_unit))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xticks(list(positions.values()), [str(case.hidden) for case in positions])
    axes.set_xlabel("hidden units H")
    axes.set_title(kind.upper(), loc="left", fontsize=11)
    axes.grid(axis="y", color="#eeeeee", lw=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.04)
    axes.spines[["top", "right"]].set_visible(False)
    if all(groups):
        border = len(groups[0]) - 0.5
        axes.axvline(border, color="#999999", lw=0.8, ls=":")
        for x, label, side in ((border - 0.1, "1 input", "right"), (border + 0.1, "H inputs", "left")):
            axes.text(x, 0.985, label, transform=axes.get_xaxis_transform(), ha=side, va="top", fontsize=8.5, color="#666666")


def _floor(results: Results) -> float:
    """The lower limit of the axis, below every roofline."""
    return 0.8 * min(found.least for case in results.cases("step") if (found := results.roofline(case)))


def _with_unit(seconds: float, _: object) -> str:
    for unit, factor in (("ms", 1e3), ("µs", 1e6), ("ns", 1e9)):
        if seconds * factor >= 0.999:
            return f"{seconds * factor:g} {unit}".replace(".0 ", " ")
    return f"{seconds * 1e9:g} ns"
