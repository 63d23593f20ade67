"""What a verification finds: the errors by output and case, the index of the largest, and the verdict."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from streamrnn_converters.proof.text_table import text_table


@dataclass(frozen=True)
class Comparison:
    """One output of the graph in one case.

    A value agrees where |ours - reference| <= tolerance * max(1, |reference|). NaN agrees with nothing.
    """

    output: str
    case: str
    absolute: float  # largest |ours - reference|; NaN where a value is
    relative: float  # largest |ours - reference| / max(|reference|, 1e-6)
    place: Mapping[str, int]  # of the largest absolute error: {"time": 17, "batch": 0, "feature": 3}
    ours: float  # the two values there
    reference: float
    first_disagreement: int | None  # first step with a value that does not agree (0 where there is no time axis)
    set_aside: bool = False  # rounding alone moves the graph further than can be proven: this case proves nothing

    @property
    def agrees(self) -> bool:
        """Whether every value agrees; of a case that is set aside, within what rounding does there."""
        return self.first_disagreement is None


@dataclass(frozen=True)
class Report:
    """The outcome of `verify`. `proven` is the verdict; `str` gives a table; `to_json` is what an archive keeps."""

    source_sha256: str
    model_fingerprint: str
    onnxruntime: str
    streamrnn: str
    seed: int
    tolerance: float
    comparisons: tuple[Comparison, ...]
    remarks: tuple[str, ...] = ()
    unreached: tuple[str, ...] = ()  # weights on which nothing that was compared depends

    @property
    def proven(self) -> bool:
        """Whether every output agrees in every case, and in more cases than were set aside. Without any nothing is proven."""
        agree = bool(self.comparisons) and all(comparison.agrees for comparison in self.comparisons)
        return agree and not self._seldom_compared

    @property
    def largest_error(self) -> float:
        """The largest absolute error of all that was not set aside; NaN where one is, or where there is none."""
        errors = [comparison.absolute for comparison in self.comparisons if not comparison.set_aside]
        return max(errors or [math.nan], key=lambda error: (math.isnan(error), error))

    @property
    def _seldom_compared(self) -> list[str]:
        """The outputs of which no more cases were compared than set aside."""
        kept: dict[str, int] = {}
        for c in self.comparisons:
            kept[c.output] = kept.get(c.output, 0) + (-1 if c.set_aside else 1)
        return [output for output, count in kept.items() if count <= 0]

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values; a number that is not finite becomes a string."""
        return {"proven": self.proven, **json_values(asdict(self))}

    def __str__(self) -> str:
        rows = [("output", "case", "abs. error", "rel. error", "at", "ours", "onnxruntime", "")]
        for c in self.comparisons:
            where = " ".join(f"{axis} {index}" for axis, index in c.place.items())
            errors = f"{c.absolute:.2e}", f"{c.relative:.2e}"
            since = f" from step {c.first_disagreement} on" if "time" in c.place else ""
            verdict = ("set aside" if c.set_aside else "") if c.agrees else f"differs{since}"
            rows.append((c.output, c.case, *errors, where, f"{c.ours:.7g}", f"{c.reference:.7g}", verdict))
        return "\n".join([*text_table(rows), *self.all_remarks, self._verdict()])

    @property
    def all_remarks(self) -> tuple[str, ...]:
        """The remarks, and a sentence for each weight that was not reached."""
        return (*self.remarks, *map(said_of_unreached, self.unreached))

    def _verdict(self) -> str:
        rule = f"tolerance {self.tolerance:g} · max(1, |reference|), onnxruntime {self.onnxruntime}, seed {self.seed}"
        wrong = [c for c in self.comparisons if not c.agrees]
        if self.proven:
            return f"proven: {rule}"
        if not wrong and self._seldom_compared:
            return f"NOT proven: too many cases of output {self._seldom_compared[0]!r} were set aside; {rule}"
        if not wrong:
            return f"NOT proven: nothing was compared; {rule}"
        return f"NOT proven: {len(wrong)} of {len(self.comparisons)} comparisons differ, first {wrong[0].output!r}; {rule}"


def said_of_unreached(weight: str) -> str:
    """What a report says of a weight on which nothing that was compared depends."""
    return f"other numbers would give the same in all that was compared: {weight}"


def json_values(value: Any) -> Any:
    """The value with numbers that are not finite, which JSON does not have, as strings."""
    if isinstance(value, dict):
        return {key: json_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(item) for item in value]
    return str(value) if isinstance(value, float) and not abs(value) < float("inf") else value
