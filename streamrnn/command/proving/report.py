"""`--report`: what `import` and `verify` have found, kept in a file."""

from pathlib import Path
from typing import TYPE_CHECKING

from streamrnn.command.console import complain, show
from streamrnn.command.output_path import check_target
from streamrnn.command.proving.proof import look_far
from streamrnn.errors import VerificationError
from streamrnn.model import Model

if TYPE_CHECKING:
    from streamrnn_converters.proof.horizon import Horizon
    from streamrnn_converters.proof.layerwise import Layerwise
    from streamrnn_converters.proof.report import Report


def check_report(path: Path, source: Path) -> None:
    """Raise StreamRNNError where no report could be written there: before the long work."""
    from streamrnn_converters.report_file.full_report import check_format

    check_format(path)
    check_target(path, source)


def far_or_not(model: Model, source: bytes) -> "Horizon | None":
    """The horizon of an import; a remark where there is none."""
    from streamrnn_converters.proof.horizon import N_STEPS

    try:
        return look_far(model, source, N_STEPS)
    except VerificationError as error:
        complain(f"remark: the report is without a long signal: {error}")
        return None


def keep(
    path: Path,
    model: Model,
    source: str,
    report: "Report",
    layers: "Layerwise",
    horizon: "Horizon | None",
    warnings: tuple[str, ...],
    remarks: tuple[str, ...] = (),
) -> None:
    """Write it."""
    from streamrnn_converters.report_file.full_report import FullReport

    FullReport(model, source, report, layers, horizon, warnings, remarks).write(path)
    show(f"{path}: written")
