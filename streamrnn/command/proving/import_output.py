"""What `streamrnn import` prints: text as it comes, or with --json one object at the end."""

import json
from pathlib import Path
from typing import Any, NoReturn, Protocol

import typer

from streamrnn.command.console import print_message, show


class _Report(Protocol):
    """A comparison of a model with something."""

    @property
    def proven(self) -> bool:
        """Whether they agree."""

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON values."""


class ImportOutput:
    """The output of one import.

    as_json  print one JSON object on standard output, and nothing else there
    """

    def __init__(self, source: Path, as_json: bool) -> None:
        self._as_json = as_json
        self._found: dict[str, Any] = {
            "source": source.name,
            "written": None,
            "proven": None,
            "proof": None,
            "remarks": [],
            "warnings": [],
        }

    def show(self, *texts: str) -> None:
        """Print a part of the result, as text."""
        if not self._as_json:
            show(*texts)

    def add_remarks(self, remarks: tuple[str, ...]) -> None:
        """Print remarks on standard error, and add them to the object."""
        for remark in remarks:
            print_message(f"remark: {remark}")
        self._found["remarks"] += remarks

    def add_warnings(self, warnings: tuple[str, ...]) -> None:
        """Add warnings, which have been printed, to the object."""
        self._found["warnings"] += warnings

    def compared(self, report: _Report, reference: str) -> dict[str, Any] | None:
        """Print a comparison with a file. Returns the proof for the notes of the model; None if they differ."""
        self.show(str(report))
        proof = {"source": reference} | report.to_json()
        self._found |= {"proven": report.proven, "proof": proof}
        return proof if report.proven else None

    def announce(self, text: str) -> None:
        """Say that a file is written: on standard error where there is an object."""
        (print_message if self._as_json else show)(text)

    def refuse(self, message: str, code: int) -> NoReturn:
        """Say why nothing is written, and end. Raises typer.Exit."""
        print_message(f"error: {message}")
        self._print_object()
        raise typer.Exit(code)

    def written(self, target: Path, unproven: str = "", code: int = 0) -> None:
        """Say that the model is written; `unproven` says that it is not proven. Raises typer.Exit if there is a code."""
        self._found["written"] = str(target)
        print_message(f"{target}: written, {unproven}") if unproven else self.announce(f"{target}: written")
        self._print_object()
        if code:
            raise typer.Exit(code)

    def _print_object(self) -> None:
        if self._as_json:
            show(json.dumps(self._found, indent=2))
