"""`streamrnn bench`: what a step of a model costs on this machine."""

import json
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from streamrnn.command import exit_codes
from streamrnn.command.console import complain, console, printable, show
from streamrnn.command.proving.proof import read_source
from streamrnn.model import Model, load


def bench(
    archive: Annotated[Path, typer.Argument(metavar="MODEL", help="What `streamrnn import` has written.")],
    against: Annotated[
        Path | None, typer.Option(metavar="SOURCE", help="An ONNX model, for onnxruntime to take turns with.")
    ] = None,
    n_steps: Annotated[int, typer.Option("--steps", metavar="N", min=100, help="Calls that are timed, of each.")] = 100_000,
    deadline: Annotated[
        float | None, typer.Option(metavar="µs", min=0, help="Count the calls that took longer, in microseconds.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object; its times are in nanoseconds.")] = False,
) -> None:
    """Measure the latency of a model.

    Every call of `step` is timed by itself, for p50, p99, p99.9 and the longest; what a look at the clock takes is subtracted.
    Beside it: `process` per step, the step alone in a compiled loop, what the call from Python adds to that, and the memory
    that steps take. With --against, onnxruntime does the same in one thread, and the two take turns.

    A machine that does other work shows it in the tail: close what you can, and repeat.

    \b
    Exit code 0: measured; 5: with --deadline, calls of streamrnn took longer.

    \b
    Examples:
      streamrnn bench vad.safetensors
      streamrnn bench vad.safetensors --against vad.onnx
      streamrnn bench vad.safetensors --steps 1000000 --deadline 50 --json | jq .streamrnn.step
    """
    model = load(archive)
    source = None if against is None else read_source(against)
    try:
        found = _measured(model, source, n_steps, None if deadline is None else deadline * 1000)
    except KeyboardInterrupt:
        raise typer.Exit(exit_codes.INTERRUPTED + signal.SIGINT) from None
    found = {"model": {"file": archive.name} | found.pop("model")} | found
    for remark in found["remarks"]:
        complain(f"remark: {remark}")
    show(json.dumps(found, indent=2) if as_json else _table(found, deadline))
    missed = found["streamrnn"]["deadline_misses"]
    if missed:
        complain(f"error: {missed} of {n_steps} steps took longer than {deadline:g} µs")
        raise typer.Exit(exit_codes.TOO_LATE)


def _measured(model: Model, source: bytes | None, n_steps: int, deadline: float | None) -> dict[str, Any]:
    """Measure, showing progress on standard error where that is a terminal."""
    from streamrnn.command.measuring.bench import measure  # here: it imports Numba

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    to = console(sys.stderr)
    with Progress(*columns, console=to, transient=True, auto_refresh=False, disable=not to.is_terminal) as progress:
        task = progress.add_task("measuring", total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, refresh=True)

        return measure(model, source, n_steps, deadline, advance)


def _table(found: dict[str, Any], deadline: float | None) -> Table:
    """One column for each of the two; times in microseconds."""
    columns = [found[name] for name in ("streamrnn", "onnxruntime") if found[name]]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(f"{printable(found['model']['file'])}, µs")
    for name in ("streamrnn", "onnxruntime")[: len(columns)]:
        table.add_column(name, justify="right")
    for label, (group, name) in {
        "step p50": ("step", "p50_ns"),
        "step p99": ("step", "p99_ns"),
        "step p99.9": ("step", "p99_9_ns"),
        "step max": ("step", "max_ns"),
        "chunk, per step": ("chunk", "per_step_ns"),
        "compiled loop, per step": ("loop", "per_step_ns"),
        "call from Python adds": ("loop", "dispatch_ns"),
    }.items():
        table.add_row(label, *(_microseconds(column[group], name) for column in columns))
    if deadline is not None:
        table.add_row(f"steps over {deadline:g} µs", *(str(column["deadline_misses"]) for column in columns))
    memory = columns[0]["memory"]
    table.add_row(f"bytes taken by {memory['n_steps']} steps", str(memory["traced_bytes"]))
    resident = memory["resident_bytes"]
    table.add_row("bytes that stay resident", "unknown" if resident is None else str(resident))
    return table


def _microseconds(group: dict[str, float] | None, name: str) -> str:
    return "-" if group is None or group.get(name) is None else f"{group[name] / 1000:.3f}"
