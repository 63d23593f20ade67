"""The results of a run of the benchmarks, from its JSON file."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.case import Case

#: How the names of the ways of reading begin; the roofline is the fastest of these.
_READERS = "read: "


class Found(NamedTuple):
    """Seconds per step, the least and the median, and the extra values of the benchmark."""

    least: float
    median: float
    info: dict[str, Any]


class Results:
    """The benchmarks of a file, by what they measure and by contender."""

    def __init__(self, path: Path) -> None:
        whole = json.loads(path.read_text(encoding="utf-8"))
        self.environment: dict[str, Any] = whole["environment"]
        self._found: dict[tuple[Any, ...], Found] = {}
        for entry in whole["benchmarks"]:
            info, stats = entry["extra_info"], entry["stats"]
            key = info["what"], info["contender"], *(info.get(name) for name in Case._fields)
            self._found[key] = Found(stats["min"], stats["median"], info)

    def get(self, what: str, contender: str, case: Case | None) -> Found | None:
        """One contender's times; None where it has not taken part."""
        return self._found.get((what, contender, *(case or (None,) * len(Case._fields))))

    def roofline(self, case: Case) -> Found | None:
        """The load roofline of a step: the fastest way of reading."""
        readers = [found for key, found in self._found.items() if key[1].startswith(_READERS) and key[2:] == case]
        return min(readers, default=None)

    def pools(self) -> list[str]:
        """The measurements of pools: "pool of <n>" for each number of streams."""
        return list(dict.fromkeys(key[0] for key in self._found if key[0].startswith("pool of ")))

    def cases(self, what: str) -> list[Case]:
        """The cases of a measurement, in the order in which they were measured."""
        return list(dict.fromkeys(Case(*key[2:]) for key in self._found if key[0] == what))
