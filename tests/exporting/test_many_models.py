"""Every kind of layer, in each type, as C: STREAMRNN_EXPORTS=1 STREAMRNN_EXHAUSTIVE=1 tries all, which takes half an hour."""

import os
from pathlib import Path

import pytest

from streamrnn import Stream, export_c, quantize
from tests.exporting.machine_code import Exported
from tests.exporting.test_export import OK, RUNS_HERE, number
from tests.models import ALL, model, one_width, signal  # noqa: F401 - a fixture

WANTED = bool(os.environ.get("STREAMRNN_EXPORTS"))
N_STEPS = 500


@pytest.mark.skipif(not WANTED, reason="compiles every kernel: set STREAMRNN_EXPORTS=1")
@pytest.mark.skipif(not RUNS_HERE, reason="no target of an export has the architecture of this machine")
@pytest.mark.parametrize("type_", ["float32", "float64", "bfloat16", "int8"])
@pytest.mark.parametrize("small", [False, True], ids=["usual", "small"])
@pytest.mark.parametrize("variant", ALL)
def test_c_gives_the_bits_of_a_stream_over_500_steps(variant: str, small: bool, type_: str, tmp_path: Path) -> None:
    made = model(variant, hidden=7)
    made = made.astype(type_) if type_.startswith("float") else quantize(made, type_)
    export_c(made, tmp_path, "vad", small=small)
    header = (tmp_path / "vad.h").read_text()
    c = Exported(tmp_path, "vad", made, number(header, "STREAM_BYTES"), number(header, "SNAPSHOT_BYTES"))
    x = signal(N_STEPS * made.stride, made.input_size).astype(made.dtype)
    stream = Stream(made)
    c.reset()
    half = N_STEPS // 2 * made.stride
    status, first = c.process(x[:half])
    assert status == OK
    assert first.tobytes() == stream.process(x[:half]).tobytes()
    assert c.save() == stream.snapshot()
    for row in x[half:].reshape(-1, *made.step_shape):
        status, y = c.step(row)
        assert (status, y.tobytes()) == (OK, stream.step(row).tobytes())
