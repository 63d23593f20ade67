"""Run a model over lines of numbers, as they arrive: `python app.py MODEL < in.csv > out.csv`. Needs no compiler, and no disk.

A bad line ends the program with a message and exit code 1.
"""

import sys

import numpy as np

import streamrnn


def main() -> None:
    """One line out for each line in."""
    step = streamrnn.Stream(streamrnn.load(sys.argv[1])).step
    for number, line in enumerate(sys.stdin, 1):
        try:
            row = step(np.array(line.split(","), np.float32))
        except (ValueError, streamrnn.StreamRNNError) as error:
            sys.exit(f"line {number}: {error}")
        print(",".join(f"{value:.9g}" for value in row), flush=True)


if __name__ == "__main__":
    main()
