"""Record this machine's `/proc` counters as CSV, one line a second: `python record.py trace.csv`.

Ctrl-C ends it. An existing file is continued. Each line is written to the file at once, so nothing is lost.
"""

import argparse
import csv
import sys
from pathlib import Path

from counters import Counters, every


def record(path: Path, interval: float, seconds: float) -> None:
    """Append a line at each interval. A new file begins with the names of the counters."""
    with path.open("a", newline="", encoding="ascii", buffering=1) as file:
        out = csv.writer(file, lineterminator="\n")
        if file.tell() == 0:
            out.writerow(Counters._fields)
        for now in every(interval, seconds):
            out.writerow((f"{now.time:.3f}", *now[1:]))


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
    except OSError as error:
        sys.exit(f"record.py: {error}")


if __name__ == "__main__":
    main()
