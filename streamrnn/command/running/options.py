"""What the options of `run` ask for together: which of them go with which, with the formats, and with the model."""

import sys
from pathlib import Path
from typing import NamedTuple

import typer

from streamrnn.audio import OutputRows
from streamrnn.command.csv_options import check_csv_options
from streamrnn.command.picture_option import check_picture
from streamrnn.command.running.file_descriptors import STANDARD
from streamrnn.command.running.formats import Columns, FormatName
from streamrnn.model import Model

_BINARY = (FormatName.F32, FormatName.WAV)


class Options(NamedTuple):
    """The options of a run. The fields are named as in `run`; `columns` are all that were named.

    A method raises BadParameter for what does not go together.
    """

    source: Path
    source_format: FormatName
    target: Path
    target_format: FormatName
    columns: Columns
    state: Path | None
    append: bool
    rate: int | None
    store: Path | None
    resume: bool
    plot: Path | None
    truth: str

    @property
    def keyed(self) -> bool:
        """Whether an option for many signals is given."""
        return bool(self.columns.key) or self.store is not None or self.resume

    def check(self) -> None:
        """Check the options with each other."""
        self._check_signals()
        self._check_output()
        self._check_columns()

    def check_with(self, model: Model) -> None:
        """Check the options with the model; also that the picture can be drawn (see `check_picture`)."""
        n_values = len(self.columns.values)
        if n_values and self.source_format is FormatName.CSV and n_values != model.input_size:
            raise typer.BadParameter(f"--columns has {n_values} columns, but the model takes {model.input_size} values")
        if self.keyed and (model.stride > 1 or OutputRows.of(model).rows > 1):
            raise typer.BadParameter(
                f"--key is for models whose steps take and give one row, but a step of this one takes {model.stride} and gives "
                f"{OutputRows.of(model).rows}; give each signal a run of its own with --state, or use streamrnn.StreamPool"
            )
        for option, path in (("--state", self.state), ("--plot", self.plot)):
            if path is not None and not model.streamable:
                raise typer.BadParameter(f"{option} is for streams, but this model answers whole recordings; leave it out")
        if self.plot is not None:
            check_picture(self.plot, self.source)

    def _check_signals(self) -> None:
        if self.keyed and (not self.columns.key.strip("0") or self.store is None):
            raise typer.BadParameter(
                "--key COLUMN and --store FILE need each other, and --resume needs both; columns count from 1"
            )
        if self.keyed and self.state:
            raise typer.BadParameter("--state keeps the state of one signal and --store those of many; give one of them")
        if self.keyed and self._binary:
            raise typer.BadParameter(f"{self._binary} has no column for a key; read and write csv or jsonl")
        if self.plot is not None and self.keyed:
            raise typer.BadParameter("--plot draws one signal, and --key is for many; leave one of them out")

    def _check_output(self) -> None:
        is_wav, is_standard = self.target_format is FormatName.WAV, self.target == STANDARD
        if is_wav and self.source_format is not FormatName.WAV and self.rate is None:
            raise typer.BadParameter("a wav output needs a sample rate; give --rate")
        if not is_wav and self.rate is not None:
            raise typer.BadParameter("--rate is for a wav output; name it .wav, or give --output-format wav")
        if self.append and (is_standard or is_wav or self.keyed):
            raise typer.BadParameter("--append is for one signal and a file that -o names, but not for wav; leave it out")
        if is_standard and self.target_format in _BINARY and sys.stdout.isatty():
            raise typer.BadParameter(f"{self.target_format} is binary and standard output is a terminal; name a file with -o")
        if self.truth and self.plot is None:
            raise typer.BadParameter("--truth is drawn; give --plot FILE too")

    def _check_columns(self) -> None:
        columns = self.columns
        check_csv_options(self.source_format, columns.header, columns.decimal_comma)
        if self._binary and columns.all and (columns.kept or self._binary is self.source_format):
            raise typer.BadParameter(f"{self._binary} has no columns to choose or to keep; read and write csv or jsonl")
        if "" in (column.strip("0") for column in columns.all):
            raise typer.BadParameter("--columns and --keep take names or numbers, separated by commas; columns count from 1")
        if columns.header is False and columns.by_name:
            raise typer.BadParameter(f"{columns.by_name} is the name of a column, which needs a header; give its number")

    @property
    def _binary(self) -> FormatName | None:
        """The first format of the two that is no text."""
        return next((name for name in (self.source_format, self.target_format) if name in _BINARY), None)
