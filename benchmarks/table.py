"""The results for single streams as a table."""

from collections.abc import Iterator

from rich.table import Table

from benchmarks.case import Case
from benchmarks.results import Found, Results
from streamrnn.command.table import plain_table

#: Columns: the header, and the name of the contender in each kind of measurement.
_OURS = {
    "streamrnn": {
        "step": "streamrnn step",
        "process": "streamrnn process",
        "tail": "streamrnn step",
        "start-up": "streamrnn",
    },
}
_THEIRS = {
    "onnxruntime": {
        "step": "onnxruntime run",
        "process": "onnxruntime one call",
        "tail": "onnxruntime run",
        "start-up": "onnxruntime",
    },
    "IO binding": {"step": "onnxruntime IO binding"},
    "torch": {"step": "torch cell", "process": "torch layer"},
}
_TAIL = {"p50": "p50_ns", "p99": "p99_ns", "p99.9": "p99_9_ns", "max": "max_ns"}


def table(results: Results) -> Table:
    """Times per step, minimum and median. Each × is the ratio to streamrnn, by minima."""
    numbers = ["streamrnn", "in a loop", "call adds", "roofline", "loop at"]
    right = [*numbers, *(column for header in _THEIRS for column in (header, "×"))]
    rows = (*_steps(results), *_chunks(results), *_tails(results), *_start_up(results), *_memory(results))
    shown = plain_table(["layer", "measured", *right], rows, right=right)
    shown.caption, shown.caption_justify = _caption(results), "left"
    return shown


def _steps(results: Results) -> Iterator[list[str]]:
    for case in results.cases("step"):
        step, loop = (results.get("step", name, case) for name in ("streamrnn step", "streamrnn loop"))
        roof = results.roofline(case)
        call = "" if not step or not loop else _time(step.least - loop.least)
        at = "" if not roof or not loop else f"{roof.least / loop.least:.0%}"
        width = "" if not step else f" ({step.info['lanes']} lanes × {step.info['blocks']})"
        yield [str(case), f"step{width}", both(step), both(loop), call, both(roof), at, *_others(results, "step", case)]


def _chunks(results: Results) -> Iterator[list[str]]:
    for case in results.cases("process"):
        ours = results.get("process", "streamrnn process", case)
        n_steps = ours.info["n_steps"] if ours else ""
        yield [str(case), f"process of {n_steps}", both(ours), "", "", "", "", *_others(results, "process", case)]


def _tails(results: Results) -> Iterator[list[str]]:
    for case in results.cases("tail"):
        ours, other = (results.get("tail", column["tail"], case) for column in (_OURS["streamrnn"], _THEIRS["onnxruntime"]))
        for label, name in _TAIL.items():
            values = [found.info[name] if found else None for found in (ours, other)]
            cells = ["" if value is None else _time(value / 1e9) for value in values]
            ratio = f"{values[1] / values[0]:.1f}" if values[0] and values[1] else ""
            yield [str(case), f"single call {label}", cells[0], "", "", "", "", cells[1], ratio]
        of_median = [f"{found.info['p99_9_ns'] / found.info['p50_ns']:.2f}" if found else "" for found in (ours, other)]
        yield [str(case), "p99.9 ÷ p50", of_median[0], "", "", "", "", of_median[1]]


def _start_up(results: Results) -> Iterator[list[str]]:
    for case in results.cases("start-up"):
        ours, alone = (results.get("start-up", name, case) for name in ("streamrnn", "Python alone"))
        yield [str(case), "start to first step", both(ours), "", "", "", "", *_others(results, "start-up", case)]
        yield [str(case), "of which Python", both(alone)]


def _memory(results: Results) -> Iterator[list[str]]:
    found = results.get("memory", "streamrnn step", None)
    if found:
        for label, name in {
            "bytes taken": "traced_bytes",
            "bytes that stay": "resident_bytes",
            "allocations (NRT)": "nrt_allocations",
            "references left": "references",
        }.items():
            yield ["memory", f"{label}, {found.info['n_steps']} steps", str(found.info[name])]


def _others(results: Results, what: str, case: Case) -> Iterator[str]:
    ours = results.get(what, _OURS["streamrnn"][what], case)
    for contenders in _THEIRS.values():
        other = results.get(what, contenders.get(what, ""), case)
        yield both(other)
        yield f"{other.least / ours.least:.1f}" if other and ours else ""


def both(found: Found | None) -> str:
    """Minimum and median, as text."""
    return "" if found is None else f"{_time(found.least)} ({_time(found.median, unit=False, like=found.least)})"


def _time(seconds: float, unit: bool = True, like: float | None = None) -> str:
    """A time with three digits, in the unit that suits it; or in the unit that suits `like`."""
    name, factor = next(
        (pair for pair in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)) if (like or seconds) * pair[1] >= 1), ("ns", 1e9)
    )
    value = seconds * factor
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f}{' ' + name if unit else ''}"


def _caption(results: Results) -> str:
    environment = results.environment
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    return (
        f"Per step: minimum (median); ratios by minima; batch 1, float32, one thread. Lanes × vectors of a gate: as chosen.\n"
        f"{environment['cpu']}, {environment['cores']} cores, {environment['system']}; Python {environment['python']}, "
        f"{versions}; {environment['date']}\n{environment['command']}"
    )
