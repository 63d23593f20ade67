"""`--report`: the results of `import` and `verify`, written to a file."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from streamrnn.command.console import print_message, show
from streamrnn.command.output_path import check_output_path
from streamrnn.command.proving.proof import compare_long_signal
from streamrnn.errors import VerificationError
from streamrnn.model import Model

if TYPE_CHECKING:
    from streamrnn_converters.proof.horizon import Horizon
    from streamrnn_converters.proof.layerwise import Layerwise
    from streamrnn_converters.proof.report import Report


def check_report_path(path: Path, source: Path) -> None:
    """Find out before the long work whether a report can be written. Raises StreamRNNError if not."""
    from streamrnn_converters.report_file.full_report import check_format

    check_format(path)
    check_output_path(path, source)


def horizon_for_report(model: Model, source: bytes) -> "Horizon | None":
    """The comparison on one long signal; None, and a remark on standard error, if the graph cannot run it."""
    from streamrnn_converters.proof.horizon import N_STEPS

    try:
        return compare_long_signal(model, source, N_STEPS)
    except VerificationError as error:
        print_message(f"remark: the report has no comparison on a long signal: {error}")
        return None


def write_report(
    path: Path,
    model: Model,
    source: str,
    report: "Report",
    layers: "Layerwise",
    horizon: "Horizon | None",
    warnings: tuple[str, ...],
    remarks: tuple[str, ...] = (),
    announce: Callable[[str], None] = show,
) -> None:
    """Write all results to `path`, .html or .json.

    source    the name of the file that the model was made from
    announce  prints that it is written
    """
    from streamrnn_converters.report_file.full_report import FullReport

    FullReport(model, source, report, layers, horizon, warnings, remarks).write(path)
    announce(f"{path}: written")
