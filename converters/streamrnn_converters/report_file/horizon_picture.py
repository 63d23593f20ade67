"""A horizon as a picture: the error against the number of steps."""

from pathlib import Path

import numpy as np

from streamrnn.errors import StreamRNNError
from streamrnn_converters.missing import naming_the_extra
from streamrnn_converters.proof.horizon import Horizon

FORMATS = (".png", ".svg")

_LARGEST, _TYPICAL, _TOLERANCE, _QUIET = "#1f5fa8", "#8fb8e0", "#c2554d", "#666666"
_FLOOR = 1e-10  # an error of zero is drawn here, since a logarithmic axis has no zero


def check_drawable(path: Path) -> None:
    """Raise StreamRNNError where the extension of `path` names no format of a picture, MissingExtraError without matplotlib."""
    if path.suffix.lower() not in FORMATS:
        raise StreamRNNError(f"{path}: a picture is a .png or an .svg file; give it one of these extensions")
    with naming_the_extra("plot"):
        import matplotlib.figure  # noqa: F401


def draw(horizon: Horizon, path: Path, title: str = "") -> None:
    """Write it in the format that the extension names. Raises as `check_drawable` does, StreamRNNError too if it fails."""
    check_drawable(path)
    import matplotlib
    from matplotlib.figure import Figure

    steps = np.array(horizon.steps)
    largest, typical = (np.clip(values, _FLOOR, 1e10) for values in (horizon.largest, horizon.typical))
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.axhline(horizon.tolerance, color=_TOLERANCE, lw=1.4, ls="--", label=f"tolerance {horizon.tolerance:g}")
    axes.fill_between(steps, typical, largest, color=_TYPICAL, alpha=0.25, lw=0)
    axes.plot(steps, largest, color=_LARGEST, lw=1.8, marker="o", ms=3.5, label="largest of each bin of steps")
    axes.plot(steps, typical, color=_TYPICAL, lw=1.8, label="typical (root mean square)")
    wrong = largest > horizon.tolerance
    axes.plot(steps[wrong], largest[wrong], color=_TOLERANCE, lw=0, marker="o", ms=5)
    values = [*largest, *typical, horizon.tolerance]
    axes.set_ylim(min(values) / 3, max(values) * 3)
    axes.set_xlim(max(0.9, steps[0] * 0.9), max(2, horizon.n_steps) * 1.1)
    axes.set_xlabel("steps, without a reset")
    axes.set_ylabel("|streamrnn - onnxruntime| / max(1, |onnxruntime|)", fontsize=9)
    axes.grid(color="#eeeeee", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="best")
    prefix = f"{title}: " if title else ""
    if horizon.agrees:
        verdict = f"holds over {horizon.n_steps:,} steps"
    else:
        verdict = f"differs from step {horizon.first_disagreement:,} on"
    growth = f"grows like steps^{horizon.slope:.2f}" if horizon.grows else "does not grow"
    axes.set_title(f"{prefix}{verdict}; the error {growth}", loc="left", fontsize=11)
    versions = f"streamrnn {horizon.streamrnn}, onnxruntime {horizon.onnxruntime}"
    note = f"output {', '.join(horizon.outputs)}, seed {horizon.seed}; {versions}"
    figure.supxlabel(note, fontsize=8, color=_QUIET)
    with matplotlib.rc_context({"svg.hashsalt": "streamrnn"}):
        try:
            figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
        except OSError as error:
            raise StreamRNNError(f"{path}: cannot be written ({error.strerror})") from error
