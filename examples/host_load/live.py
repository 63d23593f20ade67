"""Forecast the load of this machine, live: `python live.py`. It reads /proc once a second and forecasts the next second.

Needs Linux and `pip install 'streamrnn[convert]'`. Ctrl-C ends it and prints the errors.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from counters import every
from features import NAMES, busy, features, forecast, is_second
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from streamrnn import Stream, StreamRNNError
from streamrnn_converters import from_onnx

HERE = Path(__file__).parent


@dataclass
class Score:
    """The squared errors so far, of the model and of the forecast that nothing changes."""

    seconds: int = 0
    model: float = 0.0
    persistence: float = 0.0

    def add(self, truth: float, predicted: float, before: float) -> None:
        """Count one second."""
        self.seconds += 1
        self.model += (predicted - truth) ** 2
        self.persistence += (before - truth) ** 2

    def __str__(self) -> str:
        if not self.seconds:
            return "no forecast has met its second yet"
        model, persistence = (100 * (total / self.seconds) ** 0.5 for total in (self.model, self.persistence))
        return f"RMSE over {self.seconds} s: model {model:.2f}, persistence {persistence:.2f} points of CPU"


@dataclass(frozen=True)
class Moment:
    """What is shown each second; shares of all CPUs, 0..1."""

    truth: float  # the load of the last second
    predicted: float | None  # the forecast for that second
    coming: float  # the forecast for the next one


def moments(stream: Stream, seconds: float, score: Score) -> Iterator[Moment]:
    """Read, compare and forecast, once a second."""
    readings = every(1.0, seconds)
    before, load, coming = next(readings), None, None
    for now in readings:
        truth = busy(before, now)
        if load is None or coming is None or not is_second(before, now):
            predicted = None
        else:
            predicted = coming
            score.add(truth, coming, load)
        coming = float(forecast(truth, stream.step(features(before, now))[0]))
        before, load = now, truth
        yield Moment(truth, predicted, coming)


def bars(moment: Moment, score: Score) -> Group:
    """Truth and forecast as bars, for a terminal."""
    grid = Table.grid(padding=(0, 2))
    for name, share in (("last second", moment.truth), ("as predicted", moment.predicted), ("next second", moment.coming)):
        bar = ProgressBar(total=1.0, completed=share or 0.0, width=40)
        grid.add_row(name, bar, "" if share is None else f"{share:6.1%}")
    return Group(grid, str(score))


def line(moment: Moment) -> str:
    """Truth and forecast as text, for a file or a pipe."""
    predicted = "     -" if moment.predicted is None else f"{moment.predicted:6.1%}"
    clock = time.strftime("%H:%M:%S")
    return f"{clock}  last second {moment.truth:6.1%}  as predicted {predicted}  next second {moment.coming:6.1%}"


def watch(stream: Stream, seconds: float, score: Score) -> None:
    """Show each moment until the time is over: in a terminal in place, elsewhere on a new line."""
    console = Console(highlight=False)
    if not console.is_terminal:
        for moment in moments(stream, seconds, score):
            print(line(moment), flush=True)
        return
    with Live(console=console, auto_refresh=False) as live:
        for moment in moments(stream, seconds, score):
            live.update(bars(moment, score), refresh=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", type=Path, default=HERE / "gru.onnx", help="a model that train.py exported (default: gru.onnx)"
    )
    parser.add_argument("--seconds", type=float, default=float("inf"), help="how long (default: until Ctrl-C)")
    args = parser.parse_args()
    try:
        stream = Stream(from_onnx(args.model))
    except StreamRNNError as error:
        sys.exit(f"live.py: {error}")
    if stream.model.input_size != len(NAMES):
        sys.exit(f"live.py: {args.model} takes {stream.model.input_size} inputs; a model of train.py takes {len(NAMES)}")
    score = Score()
    try:
        watch(stream, args.seconds, score)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone away, which is no error
    except OSError as error:
        sys.exit(f"live.py: {error}")
    print(score)


if __name__ == "__main__":
    main()
