"""`streamrnn inspect`: what an archive contains."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from streamrnn.command.console import show
from streamrnn.command.description import describe
from streamrnn.command.source_file import load_archive
from streamrnn.command.table import name_value_table, plain_table

_LISTS = ("indices", "sizes")  # options that are numbers; other numbers are the shapes of arrays
_MOST_SHOWN = 8  # values of a list


def inspect(
    archive: Annotated[Path, typer.Argument(metavar="MODEL", help="An archive that `streamrnn import` wrote.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what an archive contains.

    It shows the layers with their sizes and the options that differ from the default, the number of parameters, the bytes of
    weights and state, where the model came from and how it was proven. A damaged or changed archive is an error.

    \b
    Examples:
      streamrnn inspect vad.safetensors
      streamrnn inspect vad.safetensors --json | jq .parameters
    """
    description = describe(load_archive(archive))
    if as_json:
        show(json.dumps(description, indent=2))
    else:
        show(_summary(archive, description), "", _layers(description["layers"]))


def _summary(path: Path, found: dict[str, Any]) -> Table:
    offline = [] if found["streamable"] else [("offline only", "it reads its input backwards, and answers whole recordings")]
    return name_value_table(
        [
            ("archive", f"{path}, format {found['format']}"),
            ("fingerprint", found["fingerprint"]),
            ("input", f"{found['input_size']} {found['dtype']}{_hop(found['stride'])}"),
            ("output", f"{found['output_size']} {found['dtype']}"),
            ("parameters", f"{found['parameters']}, weights {found['weight_bytes']} bytes"),
            ("state", f"{found['state_values']} values, {found['state_bytes']} bytes"),
            *offline,
            *_flat(found["notes"]),
        ]
    )


def _hop(stride: int) -> str:
    return f", {stride} rows for each output row" if stride > 1 else ""


def _layers(layers: list[dict[str, Any]]) -> Table:
    sizes = ("inputs", "units", "outputs", "parameters")
    rows = (_layer(index, layer) for index, layer in enumerate(layers))
    return plain_table(["layer", "kind", *sizes, "reads", "state", "options"], rows, right=sizes)


def _layer(index: int, layer: dict[str, Any]) -> list[str]:
    sizes = [str(layer[name]) for name in ("input_size", "units", "output_size", "parameters")]
    reads = ", ".join("input" if source == -1 else str(source) for source in layer["reads"])
    state = ", ".join(f"{name} {size}" for name, size in layer["state"].items())
    return [str(index), layer["kind"], *sizes, reads, state or "-", _options(layer) or "-"]


def _options(layer: dict[str, Any]) -> str:
    return "; ".join(_option(name, value) for name, value in layer["options"].items())


def _flat(notes: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The notes, nested names joined by dots."""
    for name, value in notes.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _short(value)


def _option(name: str, value: Any) -> str:
    """`coupled`, `clip 0.5`, `peepholes 3x9`, `activations relu tanh tanh`, `layer gru 2 to 5 (form reset-before)`."""
    if value is True:
        return name
    if isinstance(value, dict):
        held = _options(value)
        return f"{name} {value['kind']} {value['input_size']} to {value['output_size']}" + (f" ({held})" if held else "")
    if isinstance(value, list):
        is_shape = isinstance(value[0], int) and name not in _LISTS
        shown = ("x" if is_shape else " ").join(map(str, value[:_MOST_SHOWN]))
        value = shown if len(value) <= _MOST_SHOWN else f"{shown} … {value[-1]}, {len(value)} in all"
    return f"{name} {value}"


def _short(value: Any) -> str:
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return f"{len(value)} entries, which --json shows"
    return value if isinstance(value, str) else json.dumps(value)
