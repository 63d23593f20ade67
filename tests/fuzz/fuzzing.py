"""Runs mutants through the importer, in a process that is begun anew when it dies or hangs, and keeps those that fail."""

import json
import os
import selectors
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.mutants import mutant

Told = Callable[[int, Counter[str]], None]

ROOT = Path(__file__).parents[2]
SECONDS = 60.0  # for one mutant; most take a hundredth, but some need kernels that are not compiled yet
_SAVED = 500  # mutants between two looks at the state


class Worker:
    """The process, as long as it lives."""

    command = (sys.executable, "-W", "error", "-m", "tests.fuzz.worker")

    def __init__(self) -> None:
        environment = os.environ | {"STREAMRNN_LANES": "8"}
        self.process = subprocess.Popen(self.command, cwd=ROOT, env=environment, stdin=-1, stdout=-1, text=True, bufsize=1)

    def ask(self, number: int) -> str:
        """What became of a mutant. The process is dead after "failed: crashed" and "failed: hung"."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(number, file=self.process.stdin, flush=True)
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(SECONDS):
                self.close()
                return f"failed: hung, for more than {SECONDS:g} s"
        line = self.process.stdout.readline()
        if not line:
            return f"failed: crashed, with exit code {self.process.wait()}"
        return line.strip()

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def fuzz(first: int, end: int, folder: Path | None = None, told: Told | None = None) -> Counter[str]:
    """Try the mutants from `first` up to `end`: how many were refused, imported, and which failed, as "number: what".

    folder  where reproducers and the state are kept
    told    called with the next number, and the counts, now and then
    """
    counts: Counter[str] = Counter()
    worker = Worker()
    try:
        for number in range(first, end):
            result = worker.ask(number)
            if result in ("refused", "imported"):
                counts[result] += 1
            else:
                counts[f"{number}: {result}"] += 1
                if folder is not None:
                    extension, data = mutant(number)
                    (folder / f"{number}{extension}").write_bytes(data)
                    (folder / f"{number}.txt").write_text(result + "\n")
                if worker.process.poll() is not None:
                    worker.close()
                    worker = Worker()
            if told is not None and ((number + 1) % _SAVED == 0 or number + 1 == end):
                told(number + 1, counts)
    finally:
        worker.close()
    return counts


def main(n: int, folder: Path) -> int:
    """Go on where the last run has ended, up to the n-th mutant; returns the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / "state.json"
    kept = json.loads(state.read_text()) if state.exists() else {"next": 0, "refused": 0, "imported": 0}
    begun = Counter({name: kept[name] for name in ("refused", "imported")})

    def told(following: int, counts: Counter[str]) -> None:
        both = {name: begun[name] + counts[name] for name in ("refused", "imported")}
        aside = state.with_suffix(".new")
        aside.write_text(json.dumps({"next": following, **both}))
        aside.replace(state)
        failures = len(list(folder.glob("*.txt")))
        print(f"{following} of {n}: {both['refused']} refused, {both['imported']} imported, {failures} failed", file=sys.stderr)

    fuzz(kept["next"], n, folder, told)
    failures = sorted(folder.glob("*.txt"))
    for path in failures:
        print(f"{path.with_suffix(mutant(int(path.stem))[0])}: {path.read_text().strip()}")
    return 1 if failures else 0
