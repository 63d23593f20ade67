"""GRU or LSTM? Import both from ONNX, prove them, and stream the held-out part of the trace through them.

Run `python compare.py`; it needs `pip install 'streamrnn[convert]'`. The table is printed on standard output, progress on
standard error. The exit code is 1 if a proof fails.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from dataset import TRACE, Dataset, dataset, read_trace
from features import forecast
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from streamrnn import Model, Stream, StreamRNNError
from streamrnn_converters import from_onnx, verify
from streamrnn_converters.proof.report import Report

HERE = Path(__file__).parent
MODELS = ("gru", "lstm")
BLOCK = 60  # seconds that count as one observation: errors of neighbouring seconds are similar


@dataclass(frozen=True)
class Contender:
    """One way to forecast, and its results on the held-out part.

    error    (n,) float32, forecast - truth, in percentage points of CPU
    latency  (n,) float64, µs of each step; empty if there is no model
    """

    name: str
    error: NDArray[np.float32]
    latency: NDArray[np.float64]
    parameters: int = 0
    report: Report | None = None

    @property
    def mse(self) -> float:
        """Mean squared error."""
        return float(np.mean(self.error**2))

    @property
    def mae(self) -> float:
        """Mean absolute error."""
        return float(np.mean(np.abs(self.error)))

    def p(self, share: int) -> float:
        """A percentile of the latency, in µs."""
        return float(np.percentile(self.latency, share))


def persistence(held_out: Dataset) -> Contender:
    """The forecast that nothing changes. A model is useful only if it is better."""
    return Contender("persistence", points(held_out, np.zeros_like(held_out.load)), np.array([]))


def contender(name: str, model: Model, report: Report, known: list[Dataset], held_out: Dataset) -> Contender:
    """Stream the earlier parts in chunks, then the held-out part step by step, and time each step in Python."""
    stream = Stream(model)
    for part in known:
        stream.process(part.x)
    change, latency = np.empty_like(held_out.load), np.empty(len(held_out))
    for i, x in enumerate(held_out.x):
        begin = time.perf_counter_ns()
        y = stream.step(x)
        latency[i] = (time.perf_counter_ns() - begin) / 1000
        change[i] = y[0]
    return Contender(name, points(held_out, change), latency, model.n_parameters, report)


def points(part: Dataset, change: NDArray[np.float32]) -> NDArray[np.float32]:
    """Forecast errors in percentage points of CPU, of the seconds that count."""
    return 100 * (forecast(part.load, change) - part.following)[part.counts]


def prove(name: str) -> tuple[Model, Report]:
    """Import a model and compare it with onnxruntime. Raises SystemExit with the report if they differ."""
    path = HERE / f"{name}.onnx"
    model = from_onnx(path)
    report = verify(model, path)
    if not report.proven:
        sys.exit(f"compare.py: {path.name} does not do what onnxruntime does\n{report}")
    print(f"proved {path.name} against onnxruntime", file=sys.stderr, flush=True)
    return model, report


def table(baseline: Contender, contenders: list[Contender]) -> Table:
    """One row for each way to forecast."""
    title = f"The load of a machine one second ahead, over {len(baseline.error)} seconds held out"
    grid = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    grid.add_column("model")
    accuracy, latency = ("MAE\npoints", "RMSE\npoints", "skill"), ("p50\nµs", "p99\nµs")
    for heading in ("parameters", *accuracy, *latency, "error to\nonnxruntime"):
        grid.add_column(heading, justify="right")
    for each in (baseline, *contenders):
        grid.add_row(*row(each, baseline))
    return grid


def row(each: Contender, baseline: Contender) -> list[str]:
    """The cells of one row. Skill is the share of the squared error of the persistence forecast that the model removes."""
    errors = [f"{each.mae:.2f}", f"{each.mse**0.5:.2f}", f"{1 - each.mse / baseline.mse:+.1%}"]
    if each.report is None:
        return [each.name, "0", *errors[:2]]
    latency = [f"{each.p(share):.2f}" for share in (50, 99)]
    return [each.name, f"{each.parameters}", *errors, *latency, f"{each.report.largest_error:.1e}"]


def is_clearly_better(one: Contender, other: Contender) -> bool:
    """Whether its squared error is smaller by more than two standard errors of the difference between blocks."""
    gain = other.error**2 - one.error**2
    blocks = gain[: len(gain) // BLOCK * BLOCK].reshape(-1, BLOCK).mean(1)
    return bool(blocks.mean() > 2 * blocks.std(ddof=1) / len(blocks) ** 0.5)


def answer(baseline: Contender, contenders: list[Contender]) -> str:
    """The answer to "GRU or LSTM?", from the errors and sizes."""
    best, other = sorted(contenders, key=lambda each: each.mse)
    if not is_clearly_better(best, baseline):
        return "GRU or LSTM? Neither: none is clearly better here than to forecast that nothing changes."
    gain = f"{1 - best.mse / other.mse:.0%} less squared error than the {other.name}"
    if is_clearly_better(best, other):
        return f"GRU or LSTM? {best.name}: {gain}, more than chance explains."
    small = min(contenders, key=lambda each: each.parameters)
    return (
        f"GRU or LSTM? Both: the {best.name} has {gain}, which chance may explain. "
        f"The {small.name} is smaller: {small.parameters} parameters, {small.p(50):.2f} µs a step."
    )


def legend(baseline: Contender, contenders: list[Contender]) -> str:
    """What the columns are, and where persistence is better."""
    words = (
        "points: percentage points of CPU. skill: the share of persistence's squared error that a model removes, "
        "1 - MSE / MSE of persistence."
    )
    least = min((baseline, *contenders), key=lambda each: each.mae)
    if least is baseline:
        words += (
            f"\nPersistence has the smallest MAE, {baseline.mae:.2f} points: the models are better at the large errors, "
            "which RMSE weighs."
        )
    return words


def shown(path: Path) -> str:
    """The path, relative to the working directory if possible."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def main() -> None:
    """The command line."""
    try:
        proven = {name: prove(name) for name in MODELS}
        *known, held_out = dataset(read_trace(TRACE)).split()
        baseline = persistence(held_out)
        contenders = [contender(name.upper(), *proven[name], known, held_out) for name in MODELS]
    except (StreamRNNError, OSError, ValueError) as error:
        sys.exit(f"compare.py: {error}")
    to = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    to.print(table(baseline, contenders))
    to.print(legend(baseline, contenders) + "\n", soft_wrap=True)
    to.print(answer(baseline, contenders), soft_wrap=True)
    to.print(f"Watch one at work on this machine: {shown(Path(sys.executable))} {shown(HERE / 'live.py')}", soft_wrap=True)


if __name__ == "__main__":
    main()
