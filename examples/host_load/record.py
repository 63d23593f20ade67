"""Record this machine's `/proc` counters as CSV, one line a second: `python record.py trace.csv`.

Ctrl-C ends it. An existing file is continued. Lines are flushed as they come, so nothing recorded is lost.
"""

import argparse
import csv
import time
from pathlib import Path

from counters import Counters, read


def record(path: Path, interval: float, seconds: float) -> None:
    """Append one line every `interval` seconds, on a fixed beat, for `seconds` seconds."""
    begin = time.monotonic()
    fresh = not path.exists() or path.stat().st_size == 0
    with path.open("a", newline="", encoding="ascii", buffering=1) as file:
        out = csv.writer(file, lineterminator="\n")
        if fresh:
            out.writerow(Counters._fields)
        tick = 0
        while tick * interval < seconds:
            time.sleep(max(0.0, begin + tick * interval - time.monotonic()))
            now = read()
            out.writerow((f"{now.time:.3f}", *now[1:]))
            tick += 1


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="CSV file to write or continue")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between lines (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="how long (default: until Ctrl-C)")
    args = parser.parse_args()
    try:
        record(args.path, args.interval, args.seconds)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
