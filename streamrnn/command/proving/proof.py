"""The comparison of a model with its source, with a progress bar."""

from typing import TYPE_CHECKING

from streamrnn.command.console import print_message
from streamrnn.command.progress_bar import progress_bar
from streamrnn.model import Model

if TYPE_CHECKING:
    from streamrnn_converters.proof.horizon import Horizon
    from streamrnn_converters.proof.layerwise import Layerwise
    from streamrnn_converters.proof.report import Report


def prove(model: Model, source: bytes) -> "Report":
    """Compare on many signals. Raises as `verify` does."""
    from streamrnn_converters.proof.verification import verify

    with progress_bar("comparing with onnxruntime") as advance:
        return verify(model, source, progress=advance)


def compare_layers(model: Model, source: bytes) -> "Layerwise":
    """Compare each layer with its node. Raises as `layerwise` does."""
    from streamrnn_converters.proof.layerwise import layerwise

    return layerwise(model, source)


def compare_long_signal(model: Model, source: bytes, n_steps: int) -> "Horizon":
    """Compare on one signal of `n_steps` steps, without a reset. Raises as `horizon` does."""
    from streamrnn_converters.proof.horizon import horizon

    with progress_bar(f"comparing {n_steps} steps with onnxruntime") as advance:
        return horizon(model, source, n_steps=n_steps, progress=advance)


def print_warnings(model: Model) -> tuple[str, ...]:
    """Print what looks wrong in a model but may be intended, on standard error; the warnings."""
    from streamrnn_converters.proof.sanity_checks import suspicions

    warnings = suspicions(model)
    for warning in warnings:
        print_message(f"warning: {warning}")
    return warnings
