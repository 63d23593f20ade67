"""What was found about pools, as a table."""

from rich.table import Table

from benchmarks.results import Found, Results
from benchmarks.table import both

_POOL, _PEAK = "streamrnn pool", "peak"

#: Columns beside the pool's: a header, and the contender that stands there.
_OTHERS = {
    "two threads": "streamrnn pool on two threads",
    "a third of it": "streamrnn third of the pool",
    "loop of streams": "streamrnn loop of streams",
    "onnxruntime": "onnxruntime batch",
    "torch": "torch batch",
    "NumPy": "NumPy batch",
}


def pool_table(results: Results) -> Table:
    """Minima and medians per stream of a tick; each × is how many times as long as the whole pool, by minima."""
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), caption=_CAPTION, caption_justify="left")
    shown.add_column("layer")
    for header in ("streams", "pool", "GFLOP/s", "peak", "of it"):
        shown.add_column(header, justify="right")
    for header in _OTHERS:
        shown.add_column(header, justify="right")
        shown.add_column("×", justify="right")
    for what in results.pools():
        for case in results.cases(what):
            ours, peak = results.get(what, _POOL, case), results.get(what, _PEAK, case)
            row = [str(case), what.removeprefix("pool of "), both(ours)]
            if ours and peak:
                row += [_rate(ours), _rate(peak), f"{peak.least / ours.least:.0%}"]
                for contender in _OTHERS.values():
                    other = results.get(what, contender, case)
                    row += [both(other), f"{other.least / ours.least:.2f}" if other else ""]
            shown.add_row(*row)
    return shown


_CAPTION = "Per stream and tick: minimum (median); ratios by minima; operations are those of the matrices alone."


def _rate(found: Found) -> str:
    """GFLOP/s, by minima."""
    return f"{found.info['operations'] / found.least / 1e9:.0f}"
