"""`python -m tests.fuzz [N [FOLDER]]`: N mutants, 100 000 unless told; run again, it goes on where it has ended."""

import sys
from pathlib import Path

from tests.fuzz.fuzzing import ROOT, main

if __name__ == "__main__":
    given = sys.argv[1:]
    try:
        sys.exit(main(int(given[0]) if given else 100_000, Path(given[1]) if given[1:] else ROOT / "build" / "fuzz"))
    except KeyboardInterrupt:
        sys.exit("stopped; run it again to go on")
