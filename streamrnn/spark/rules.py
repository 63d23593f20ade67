"""What becomes of rows that are not as they should be, and of keys that end."""

from dataclasses import dataclass

#: What may be said of late and doubled rows.
LATE_RULES = ("drop", "refuse")

#: What may be said of rows that the model cannot take.
BAD_RULES = ("skip", "reset", "poison")


@dataclass(frozen=True)
class Rules:
    """The rules of a query. `advance` (streamrnn/spark/frames.py) says what they mean.

    late     "drop" or "refuse"
    bad      "skip", "reset" or "poison"
    timeout  in the unit of the order: after a longer gap a key begins anew; None: never
    """

    late: str = "drop"
    bad: str = "skip"
    timeout: int | None = None
