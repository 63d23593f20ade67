"""`horizon`: how the error against onnxruntime develops over one long signal, without a reset."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from streamrnn import Model, VerificationError, __version__
from streamrnn_converters.proof.error_growth import error_bins, log_slope
from streamrnn_converters.proof.origin import check_sizes, read_origin
from streamrnn_converters.proof.report import json_values
from streamrnn_converters.proof.step_errors import amplification_step, endless_signal, step_errors
from streamrnn_converters.proof.text_table import text_table
from streamrnn_converters.reference_runs.long_signal import LongSignalReference

N_STEPS = 10_000
_GROWS = 0.1  # slope from which an error is said to grow: rounding that does not add up gives 0, a random walk 0.5


@dataclass(frozen=True)
class Horizon:
    """Errors along one long signal: |ours - reference| / max(1, |reference|). A value agrees where that is <= `tolerance`.

    `agrees` is the verdict; `str` gives a table; `to_json` what a report keeps.
    """

    source_sha256: str
    model_fingerprint: str
    onnxruntime: str
    streamrnn: str
    seed: int
    tolerance: float
    outputs: tuple[str, ...]  # of the graph, that were compared
    n_steps: int
    steps: tuple[int, ...]  # the last step of each bin, counted from 1; a bin begins after the one before
    largest: tuple[float, ...]  # the largest error in each bin
    typical: tuple[float, ...]  # root mean square of the errors in each bin; the error of a step is that of its worst value
    slope: float  # of log(typical) against log(step), over the last two decades
    first_disagreement: int | None  # the first step, counted from 0, with a value that does not agree
    differs: str | None  # the output with that value
    remarks: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether every value of every step agrees."""
        return self.first_disagreement is None

    @property
    def grows(self) -> bool:
        """Whether the typical error grows with the number of steps, more than noise does."""
        return self.slope > _GROWS

    @property
    def largest_error(self) -> float:
        """The largest of all."""
        return max(self.largest)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values; a number that is not finite becomes a string."""
        return {"agrees": self.agrees, "grows": self.grows, **json_values(asdict(self))}

    def __str__(self) -> str:
        rows = [("steps", "largest error", "typical error")]
        begin = 0
        for end in [*(10**power for power in range(1, 10) if 10**power < self.n_steps), self.n_steps]:
            inside = [index for index, step in enumerate(self.steps) if begin < step <= end]
            if inside:
                largest, typical = (max(values[index] for index in inside) for values in (self.largest, self.typical))
                rows.append((f"{begin + 1}-{end}", f"{largest:.2e}", f"{typical:.2e}"))
            begin = end
        return "\n".join([*text_table(rows), *self.remarks, self.verdict])

    @property
    def verdict(self) -> str:
        """One line: whether all agrees, and whether the error grows."""
        growth = f"grows like steps^{self.slope:.2f}" if self.grows else "does not grow"
        rule = f"the error {growth}; tolerance {self.tolerance:g}, onnxruntime {self.onnxruntime}, seed {self.seed}"
        if self.agrees:
            return f"holds over {self.n_steps} steps: {rule}"
        return f"does NOT hold: output {self.differs!r} differs from step {self.first_disagreement} on; {rule}"


def horizon(
    model: Model,
    source: str | os.PathLike[str] | bytes,
    *,
    n_steps: int = N_STEPS,
    constants: Mapping[str, Any] | None = None,
    allow_external_data: bool = False,
    seed: int = 0,
    tolerance: float = 1e-5,
    timeout: float = 600.0,
    progress: Callable[[int, int], None] | None = None,
) -> Horizon:
    """Compare a model with the ONNX graph `source` over one signal of many steps; both keep their states.

    onnxruntime gets the signal in one run where the graph takes any number of steps and memory allows it; else in parts, each
    beginning with the states in which the one before has ended.

    model      from `from_onnx` or an archive
    source     path or bytes of the ONNX file
    n_steps    of a signal of normally distributed numbers
    constants  graph inputs that were fixed for the import; None: those that the model notes
    allow_external_data  tensors of `source`, then a path, may be in other files of its folder
    tolerance  a value agrees where |ours - reference| <= tolerance * max(1, |reference|)
    timeout    seconds that onnxruntime may take for a part
    progress   called with (done, total) during the comparison

    Raises VerificationError where the comparison cannot be made, MissingExtraError without onnx and onnxruntime.
    """
    if n_steps < 1:
        raise VerificationError(f"a horizon of {n_steps} steps is too short; pass at least 1")
    data, imported = read_origin(model, source, constants, allow_external_data)
    check_sizes(model, imported.model, "name the file that it was imported from")
    if imported.offline:
        raise VerificationError("the graph answers whole recordings, so there is no long signal; leave out the horizon")
    reference = LongSignalReference(imported, data, n_steps, timeout)
    errors, done = step_errors(model, reference, endless_signal(imported.inputs, seed), n_steps, progress)
    remarks = list(reference.remarks)
    if done < n_steps:
        remarks.append(f"the model overflows {model.dtype} at step {done}; compared up to there")
    if np.isnan(errors).all():
        raise VerificationError("the model overflows before there is anything to compare, so there is no horizon")
    outputs, wrong = np.nonzero(errors > tolerance)
    first = int(np.argmin(wrong)) if wrong.size else None
    if wrong.size:
        step = amplification_step(model, endless_signal(imported.inputs, seed), done, tolerance)
        if step is not None:
            remarks.append(
                f"the model amplifies rounding: from step {step} on streamrnn itself differs between float32 and float64 by "
                "more than the tolerance, so that no result in float32 can be called right there"
            )
    steps, largest, typical = error_bins(np.fmax.reduce(errors))
    return Horizon(
        source_sha256=hashlib.sha256(data).hexdigest(),
        model_fingerprint=model.fingerprint,
        onnxruntime=reference.version,
        streamrnn=__version__,
        seed=seed,
        tolerance=tolerance,
        outputs=tuple(output.name for output in reference.outputs),
        n_steps=n_steps,
        steps=tuple(steps),
        largest=tuple(largest),
        typical=tuple(typical),
        slope=log_slope(steps, typical),
        first_disagreement=None if first is None else int(wrong[first]),
        differs=None if first is None else reference.outputs[outputs[first]].name,
        remarks=tuple(remarks),
    )
