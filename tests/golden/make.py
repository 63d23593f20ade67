"""python -m tests.golden.make: add the golden bits of models that have none yet.

Recorded bits are never changed: other bits are another result for every user, and need a page in docs/decisions/. The files
that every later version must read were written once, by the engine at cd140ad.
"""

import json
import sys
from pathlib import Path

from streamrnn import StateStore, Stream
from tests.golden.bits import FILE, recorded, stream_bits
from tests.golden.models import CASES, golden_model, signal

#: The models with a recorded archive, snapshot and state store.
KEPT = ["gated", "front-end", "embedding", "cascade", "lstm-with-everything-small", "gru-reset-before-with-everything-small"]
KEPT_DTYPES = {"float32": KEPT, "float64": ["cascade"]}
FOLDER = Path(__file__).parent / "files"
STEPS_BEFORE = 100  # steps of the signal before the snapshots were taken


def main() -> None:
    """Add the bits of models that have none yet. Recorded bits are never changed."""
    bits = recorded() if FILE.exists() else {}
    for name, dtype in CASES:
        if dtype not in bits.setdefault(name, {}):
            bits[name][dtype] = stream_bits(name, golden_model(name, dtype))
            print(name, dtype, file=sys.stderr)
    if not FOLDER.exists():
        write_files()
    FILE.write_text(json.dumps(bits, indent=1) + "\n", "ascii")


def write_files() -> None:
    """Write an archive, a snapshot and a state store of each model."""
    FOLDER.mkdir()
    for dtype, names in KEPT_DTYPES.items():
        for name in names:
            model = golden_model(name, dtype)
            model.save(FOLDER / f"{name}.{dtype}.safetensors")
            stream = Stream(model)
            stream.process(signal(name, model.input_size).astype(model.dtype)[:STEPS_BEFORE])
            (FOLDER / f"{name}.{dtype}.snapshot").write_bytes(stream.snapshot())
            with StateStore(FOLDER / f"{name}.{dtype}.db") as store:
                store.put({"text": stream.snapshot(), 7: Stream(model).snapshot(), b"\x00bytes": stream.snapshot()}, "a note")


if __name__ == "__main__":
    main()
