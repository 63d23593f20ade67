"""`streamrnn inspect`: what an archive holds."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from streamrnn.command.console import printable, show
from streamrnn.command.description import describe
from streamrnn.model import load


def inspect(
    archive: Annotated[Path, typer.Argument(metavar="MODEL", help="What `streamrnn import` has written.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what an archive holds.

    Layers with their sizes and the options that are not the default, parameters, weights, state, where the model came from and
    how it was proven. An archive that is altered or truncated is refused.

    \b
    Examples:
      streamrnn inspect vad.safetensors
      streamrnn inspect vad.safetensors --json | jq .parameters
    """
    description = describe(load(archive))
    if as_json:
        show(json.dumps(description, indent=2))
    else:
        show(_summary(archive, description), "", _layers(description["layers"]))


def _summary(path: Path, found: dict[str, Any]) -> Table:
    table = _table(show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in [
        ("archive", f"{path}, format {found['format']}"),
        ("fingerprint", found["fingerprint"]),
        ("input", f"{found['input_size']} {found['dtype']}"),
        ("output", f"{found['output_size']} {found['dtype']}"),
        ("parameters", f"{found['parameters']}, weights {found['weight_bytes']} bytes"),
        ("state", f"{found['state_values']} values, {found['state_bytes']} bytes"),
        *([] if found["streamable"] else [("offline only", "it reads its input backwards, and answers whole recordings")]),
        *_flat(found["notes"]),
    ]:
        table.add_row(printable(name), printable(value))
    return table


def _layers(layers: list[dict[str, Any]]) -> Table:
    table = _table()
    for name in ("layer", "kind"):
        table.add_column(name, header_style="bold")
    for name in ("inputs", "units", "outputs", "parameters"):
        table.add_column(name, header_style="bold", justify="right")
    for name in ("reads", "state", "options"):
        table.add_column(name, header_style="bold")
    for index, layer in enumerate(layers):
        sizes = [layer[name] for name in ("input_size", "units", "output_size", "parameters")]
        state = ", ".join(f"{name} {size}" for name, size in layer["state"].items())
        options = "; ".join(_option(name, value) for name, value in layer["options"].items())
        reads = ", ".join("input" if place == -1 else str(place) for place in layer["reads"])
        table.add_row(str(index), layer["kind"], *map(str, sizes), reads, state or "-", options or "-")
    return table


def _table(show_header: bool = True) -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=show_header)


def _flat(notes: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The notes as names with dots and short values."""
    for name, value in notes.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _short(value)


def _option(name: str, value: Any) -> str:
    """`coupled`, `clip 0.5`, `peepholes 3x9`, `activations relu tanh tanh`."""
    if value is True:
        return name
    if isinstance(value, list):
        value = ("x" if isinstance(value[0], int) else " ").join(map(str, value))
    return f"{name} {value}"


def _short(value: Any) -> str:
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return f"{len(value)} entries, which --json shows"
    return value if isinstance(value, str) else json.dumps(value)
