"""The options of commands that read csv: what its first line is, and how its numbers are written."""

from typing import Annotated

import typer

from streamrnn.command.running.formats import FormatName

HeaderOption = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header",
        help="Whether the first line of csv names the columns. [default: if it has names and no number]",
    ),
]
DecimalCommaOption = Annotated[
    bool, typer.Option("--decimal-comma", help="Read 0,5 as a number; semicolons or tabs separate the columns.")
]


def check_csv_options(source_format: FormatName, header: bool | None, decimal_comma: bool) -> None:
    """Raise BadParameter if one of these options is given for another format."""
    if source_format is not FormatName.CSV and (header is not None or decimal_comma):
        raise typer.BadParameter(f"--header, --no-header and --decimal-comma are for csv, but the input is {source_format}")
