"""The machine law (bit reproducibility): the same bits with vectors of 4, 8 and 16 lanes."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamrnn import Model, Stream, StreamRNNError
from tests.models import ALL, mixed, model, signal

LANES = ["4", "8", "16"]
SIZES = [5, 37]


def bits(whole: Model) -> str:
    """A hash of all outputs, and of the state, over chunks and steps of a signal from quiet to saturating."""
    stream, digest = Stream(whole), hashlib.sha256()
    for loudness in 0.01, 1, 50:
        x = signal(50, whole.input_size, loudness=loudness)
        digest.update(stream.process(x).tobytes())
        for row in x[:5]:
            digest.update(stream.step(row).tobytes())
    digest.update(stream.snapshot())
    return digest.hexdigest()


@pytest.mark.parametrize("variant", ALL)
def test_every_width_gives_the_same_bits(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for hidden in SIZES:
        seen = {}
        for lanes in LANES:
            monkeypatch.setenv("STREAMRNN_LANES", lanes)
            seen[lanes] = bits(model(variant, hidden=hidden, gain=2))
        assert len(set(seen.values())) == 1, (hidden, seen)


@pytest.mark.parametrize("variant", ["lstm", "gru-reset-after", "gru-reset-before", "rnn-tanh", "dense-softmax"])
def test_the_width_that_this_cpu_chooses_gives_the_same_bits(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forced = bits(model(variant, hidden=37, gain=2))
    monkeypatch.delenv("STREAMRNN_LANES")
    assert bits(model(variant, hidden=37, gain=2)) == forced


def test_every_width_gives_a_mixed_stack_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set()
    for lanes in LANES:
        monkeypatch.setenv("STREAMRNN_LANES", lanes)
        seen.add(bits(mixed()))
    assert len(seen) == 1


def test_a_snapshot_goes_on_with_the_same_bits_on_another_width(monkeypatch: pytest.MonkeyPatch) -> None:
    x = signal(60)
    monkeypatch.setenv("STREAMRNN_LANES", "16")
    wide = Stream(mixed())
    wide.process(x)
    monkeypatch.setenv("STREAMRNN_LANES", "4")
    narrow = Stream(mixed())
    narrow.restore(wide.snapshot())
    assert narrow.process(x).tobytes() == wide.process(x).tobytes()
    assert narrow.snapshot() == wide.snapshot()


@pytest.mark.parametrize("lanes", LANES)
def test_a_process_of_another_width_gives_the_same_bits(lanes: str) -> None:
    """In a process of its own, as on another machine: nothing compiled is shared."""
    code = "from tests.laws.test_machine_law import bits; from tests.models import model; "
    code += "print(bits(model('lstm', 'dense-softmax')))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"STREAMRNN_LANES": lanes},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == bits(model("lstm", "dense-softmax"))


@pytest.mark.parametrize("lanes", ["5", "0", "32", "-8", "wide", " 8", "8.0"])
def test_a_width_that_does_not_exist_is_refused(lanes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMRNN_LANES", lanes)
    with pytest.raises(StreamRNNError, match="STREAMRNN_LANES"):
        Stream(model("rnn-tanh"))
