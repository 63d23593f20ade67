"""Two pictures of what the gates do on the held-out part: where the GRU forgets, and where the LSTM's c ramps.

Run `python gates.py`; it needs `pip install 'streamrnn[plot]'`. It writes `gru_forgets.png` and `lstm_ramps.png` beside itself,
or into the folder that is named.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from dataset import TRACE, Dataset, dataset, read_trace
from matplotlib.figure import Figure
from numpy.typing import NDArray

from streamrnn import Stream, record_gates
from streamrnn_converters import from_onnx

HERE = Path(__file__).parent
QUIET = slice(120, 420)  # of the held-out part: long stretches of one load, and jumps between them
FULL = slice(775, 850)  # 43 seconds of full load


def recorded(name: str, known: list[Dataset], held_out: Dataset) -> Mapping[str, NDArray[np.float32]]:
    """The gates and states of a model on the held-out part, after it has seen all before."""
    model = from_onnx(HERE / f"{name}.onnx")
    stream = Stream(model)
    for part in known:
        stream.process(part.x)
    return record_gates(model, held_out.x, stream.states).layers[0]


def steepest(values: NDArray[np.float32]) -> int:
    """The unit that goes farthest in one direction, from the mean of the first quarter to that of the last one."""
    quarter = len(values) // 4
    return int(np.argmax(np.abs(values[-quarter:].mean(0) - values[:quarter].mean(0))))


def draw(path: Path, title: str, load: NDArray[np.float32], name: str, values: NDArray[np.float32]) -> None:
    """The load, and below it what a gate or state does meanwhile."""
    figure = Figure(figsize=(9, 3.6), dpi=100, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    figure.suptitle(title)
    above.plot(100 * load, color="#66707c")
    above.set_ylabel("load, %")
    below.plot(values, color="#b3372c")
    below.set_ylabel(name)
    below.set_xlabel("seconds")
    figure.savefig(path)


def main() -> None:
    """The command line."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    *known, held_out = dataset(read_trace(TRACE)).split()
    load = held_out.load
    forgets = 1 - recorded("gru", known, held_out)["z"].mean(axis=1)
    jumps = np.abs(np.diff(load, prepend=load[0])) > 0.3
    calm = np.abs(np.diff(load, prepend=load[0])) < 0.02
    means = f"{forgets[jumps].mean():.2f} where the load jumps by more than 30 points, {forgets[calm].mean():.2f} in calm"
    print(f"GRU: the mean of 1 - z is {means}")
    draw(folder / "gru_forgets.png", "The GRU forgets where the load jumps", load[QUIET], "1 − z, mean", forgets[QUIET])
    c = recorded("lstm", known, held_out)["c"]
    full = slice(FULL.start + 10, FULL.stop - 22)  # of it, the seconds of full load
    unit = steepest(c[full])
    way = f"from {c[full][0, unit]:.2f} to {c[full][-1, unit]:.2f}"
    print(f"LSTM: during {full.stop - full.start} s of full load c of unit {unit} goes {way}")
    draw(
        folder / "lstm_ramps.png",
        f"The LSTM counts: c of unit {unit} during full load",
        load[FULL],
        f"c of unit {unit}",
        c[FULL, unit],
    )


if __name__ == "__main__":
    main()
