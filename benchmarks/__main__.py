"""`python -m benchmarks`: measure, then one table on standard output, and a JSON file and pictures in benchmarks/results.

Single steps come first, with their picture, then all else.

Takes the options of benchmarks/conftest.py, such as --rounds 200 or --sizes 1x8,64x64, and any of pytest's.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.picture import draw
from benchmarks.pool_table import pool_table
from benchmarks.results import Results
from benchmarks.table import table
from streamrnn.command.console import show

HERE = Path(__file__).parent
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main(folder: Path = HERE / "results") -> None:
    """Run the benchmarks, and print the results."""
    folder = Path(os.environ.get("RESULTS", folder))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bench.json"
    steps = HERE / "test_step.py"
    _measure(path, str(steps))
    results = Results(path)
    if results.cases("step"):
        draw(results, folder / "bench.png", folder / "bench.svg")
        print(f"{folder / 'bench.png'}", file=sys.stderr)
    with TemporaryDirectory() as other:
        rest = Path(other) / "rest.json"
        _measure(rest, str(HERE), f"--ignore={steps}")
        whole, more = (json.loads(each.read_text(encoding="utf-8")) for each in (path, rest))
    whole["benchmarks"] += more["benchmarks"]
    path.write_text(json.dumps(whole, indent=1), encoding="utf-8")
    results = Results(path)
    show(table(results))
    show(pool_table(results))
    print(f"{path}, bench.png and bench.svg beside it", file=sys.stderr)


def _measure(path: Path, *where: str) -> None:
    """Run benchmarks, with the options of the command line, and write what they found to a JSON file."""
    command = [sys.executable, "-m", "pytest", *where, "-q", "-s", "--benchmark-quiet", f"--benchmark-json={path}"]
    ended = subprocess.run([*command, *sys.argv[1:]], stdout=sys.stderr, env=os.environ | ONE_THREAD, check=False)
    if ended.returncode:
        sys.exit(ended.returncode)


if __name__ == "__main__":
    main()
