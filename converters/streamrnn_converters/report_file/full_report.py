"""All that is known of a model and its proof: what `--report` writes, as JSON or as a page of HTML."""

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
from streamrnn_converters.report_file import html, sections

FORMATS = (".html", ".json")


@dataclass(frozen=True)
class FullReport:
    """A model beside its source.

    source    the name of the file it was made from
    report    of `verify`
    layers    of `layerwise`; None where it was not run
    horizon   of `horizon`; None where it was not run, or could not be
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

    @property
    def verdict(self) -> str:
        """One sentence: whether it is proven, and what differs first."""
        comparisons = self.report.comparisons
        if self.proven:
            return f"proven: all {len(comparisons)} comparisons agree, the largest error is {self.report.largest_error:.2e}"
        wrong = [comparison for comparison in comparisons if not comparison.agrees]
        if wrong:
            return f"NOT proven: {len(wrong)} of {len(comparisons)} comparisons differ, first in output {wrong[0].output!r}"
        return f"NOT proven: {self.horizon.verdict if self.horizon else 'nothing was compared'}"

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

    def to_html(self) -> str:
        """A page without scripts that loads nothing."""
        rule = f"A value agrees where |streamrnn - onnxruntime| ≤ {self.report.tolerance:g} · max(1, |onnxruntime|)."
        remarks = [*self.remarks, *self.report.all_remarks]
        producer = str(self.model.notes.get("source", {}).get("producer", ""))
        parts = [
            html.heading(self.source),
            html.paragraph(self.verdict, f"verdict {'good' if self.proven else 'bad'}"),
            html.paragraph(rule, "quiet"),
            html.section("Warnings", html.bullets(self.warnings, "warn")) if self.warnings else "",
            sections.outputs(self.report),
            "" if self.layers is None else sections.layers(self.layers),
            "" if self.horizon is None else sections.long_signal(self.horizon),
            sections.model(self.model),
            html.section("Remarks", html.bullets(remarks)) if remarks else "",
            sections.origin(self.source, producer, self.report),
        ]
        title = f"{self.source}: {'proven' if self.proven else 'NOT proven'}"
        return html.document(title, filter(None, parts))

    def write(self, path: Path) -> None:
        """Write it in the format that the extension names, wholly or not at all. Raises StreamRNNError."""
        check_format(path)
        if path.suffix.lower() == ".json":
            text = json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n"
        else:
            text = self.to_html()
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StreamRNNError(f"{path}: cannot be written ({error.strerror})") from error


def check_format(path: Path) -> None:
    """Raise StreamRNNError where the extension of `path` names no format of a report."""
    if path.suffix.lower() not in FORMATS:
        raise StreamRNNError(f"{path}: a report is an .html or a .json file; give it one of these extensions")
