"""The results for pools as a table."""

from collections.abc import Iterator

from rich.table import Table

from benchmarks.results import Found, Results
from benchmarks.table import both
from streamrnn.command.table import plain_table

_POOL, _PEAK = "streamrnn pool", "peak"

#: Columns of other contenders: the header, and the name of the contender.
_OTHERS = {
    "two threads": "streamrnn pool on two threads",
    "a third of it": "streamrnn third of the pool",
    "loop of streams": "streamrnn loop of streams",
    "onnxruntime": "onnxruntime batch",
    "torch": "torch batch",
    "NumPy": "NumPy batch",
}


def pool_table(results: Results) -> Table:
    """Times per stream of a tick, minimum and median. Each × is the ratio to the whole pool, by minima."""
    right = ["streams", "pool", "GFLOP/s", "peak", "of it", *(column for header in _OTHERS for column in (header, "×"))]
    shown = plain_table(["layer", *right], _rows(results), right=right)
    shown.caption, shown.caption_justify = _CAPTION, "left"
    return shown


_CAPTION = "Per stream and tick: minimum (median); ratios by minima; operations are those of the matrices alone."


def _rows(results: Results) -> Iterator[list[str]]:
    for what in results.pools():
        for case in results.cases(what):
            ours, peak = results.get(what, _POOL, case), results.get(what, _PEAK, case)
            row = [str(case), what.removeprefix("pool of "), both(ours)]
            if ours and peak:
                row += [_rate(ours), _rate(peak), f"{peak.least / ours.least:.0%}"]
                for contender in _OTHERS.values():
                    other = results.get(what, contender, case)
                    row += [both(other), f"{other.least / ours.least:.2f}" if other else ""]
            yield row


def _rate(found: Found) -> str:
    """GFLOP/s, by minima."""
    return f"{found.info['operations'] / found.least / 1e9:.0f}"
