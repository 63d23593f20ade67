"""The two pictures at the top of the README: its table of latencies, and what the gates of a GRU do.

    python -m benchmarks.readme_pictures

Draws `docs/pictures/latency.png` from the figures that stand in the README, and `docs/pictures/trace.png` from the host load of
the examples. Draw them again when the figures change.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

from streamrnn.picture_file import new_figure, save

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs/pictures"
HOST_LOAD = ROOT / "examples/host_load"
STEPS = slice(120, 420)  # of the held-out part

_STYLES = {
    "stream.step(x)": ("streamrnn, `stream.step(x)`", "#1f5fa8", "o"),
    "onnxruntime, IO binding": ("onnxruntime, IO binding", "#8a7f3a", "v"),
    "onnxruntime run": ("onnxruntime, `run`", "#d18f2c", "^"),
    "torch cell": ("torch cell", "#c2554d", "s"),
}
_UNITS = {"ns": 1e-3, "µs": 1.0}


class Latency(NamedTuple):
    """A row of the README's table: sizes, and microseconds of a step by contender."""

    inputs: int
    hidden: int
    microseconds: dict[str, float]


def latencies() -> list[Latency]:
    """The rows of the README's table."""
    _, _, after = (ROOT / "README.md").read_text("utf-8").partition("<!-- figures: begin -->")
    table, _, _ = after.partition("<!-- figures: end -->")
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")]
    names = [name.replace("`", "") for name in lines[0]]
    found = []
    for sizes, *cells in lines[2:]:
        inputs, hidden = map(int, sizes.split(","))
        times = [(name, re.fullmatch(r"([\d.]+) (\S+)", cell)) for name, cell in zip(names[1:], cells, strict=True)]
        found.append(Latency(inputs, hidden, {name: float(time[1]) * _UNITS[time[2]] for name, time in times if time}))
    return found


def draw_latency(path: Path) -> None:
    """The table as lines over its rows."""
    rows = latencies()
    figure = new_figure(9, 3.9)
    axes = figure.subplots()
    for name, (label, colour, marker) in _STYLES.items():
        axes.plot([row.microseconds[name] for row in rows], color=colour, marker=marker, label=label)
    axes.set_xticks(range(len(rows)), [f"{row.inputs}, {row.hidden}" for row in rows])
    axes.set_yscale("log")
    axes.set_xlabel("inputs, hidden units of an LSTM")
    axes.set_ylabel("µs of a step, batch 1")
    axes.grid(axis="y", color="#dfe4ea")
    axes.legend()
    save(figure, path)


def draw_trace(path: Path) -> None:
    """Gates of the GRU of the host load over five minutes, as `streamrnn gates -o trace.png` draws them."""
    sys.path.insert(0, str(HOST_LOAD))
    from dataset import TRACE, dataset, read_trace  # type: ignore[import-not-found]

    from streamrnn import Stream, record_gates
    from streamrnn.recording.picture import draw
    from streamrnn_converters import from_onnx

    *known, held_out = dataset(read_trace(TRACE)).split()
    model = from_onnx(HOST_LOAD / "gru.onnx")
    stream = Stream(model)
    for part in (*known, held_out[: STEPS.start]):
        stream.process(part.x)
    xs = held_out.x[STEPS]
    draw(record_gates(model, xs, stream.states), xs, path, "A GRU forecasts the load of a machine: five minutes")


def main() -> None:
    """The command line."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    draw_latency(folder / "latency.png")
    draw_trace(folder / "trace.png")


if __name__ == "__main__":
    main()
