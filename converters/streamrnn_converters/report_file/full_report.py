"""All that is known of a model and its proof, in one: what `--report` writes, as JSON or as a page."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamrnn import Model
from streamrnn.errors import StreamRNNError
from streamrnn_converters.proof.horizon import Horizon
from streamrnn_converters.proof.layerwise import Layerwise
from streamrnn_converters.proof.report import Report

FORMATS = (".html", ".json")


@dataclass(frozen=True)
class FullReport:
    """A model beside its source.

    source    the name of the file it was made from
    report    of `verify`
    layers    of `layerwise`; None where it was not asked
    horizon   of `horizon`; None where it was not asked, or could not be told
    warnings  of `suspicions`
    remarks   of the import
    """

    model: Model
    source: str
    report: Report
    layers: Layerwise | None = None
    horizon: Horizon | None = None
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def proven(self) -> bool:
        """Whether all that was compared agrees."""
        return self.report.proven and (self.horizon is None or self.horizon.agrees)

    def to_json(self) -> dict[str, Any]:
        """The report's values, and the others by name."""
        return {
            "source": self.source,
            **self.report.to_json(),
            "layers": None if self.layers is None else self.layers.to_json(),
            "horizon": None if self.horizon is None else self.horizon.to_json(),
            "warnings": list(self.warnings),
            "import_remarks": list(self.remarks),
        }

    def write(self, path: Path) -> None:
        """Write it, whole or not at all, in the format that the extension names. Raises StreamRNNError."""
        check_format(path)
        if path.suffix.lower() == ".json":
            text = json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n"
        else:
            from streamrnn_converters.report_file.html import page

            text = page(self)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            aside.write_text(text, encoding="utf-8")
            aside.replace(path)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise StreamRNNError(f"{path}: cannot be written ({error.strerror})") from error


def check_format(path: Path) -> None:
    """Raise StreamRNNError where the extension of `path` names no format of a report."""
    if path.suffix.lower() not in FORMATS:
        raise StreamRNNError(f"{path}: a report is an .html or a .json; name it so")
