"""The warnings of `import` and `verify`."""

from pathlib import Path

import numpy as np
import pytest

from streamrnn import Model, Reverse
from streamrnn.command import exit_codes
from tests.command.graphs import gru_file
from tests.command.process import Command
from tests.models import one_width, rebuilt  # noqa: F401  (the first is a fixture)

onnx = pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="verifying needs the extra 'convert'")


def test_what_looks_wrong_is_warned_of_and_no_reason_to_refuse(command: Command, tmp_path: Path) -> None:
    source, archive = gru_file(tmp_path / "gru.onnx"), tmp_path / "gru.safetensors"
    model = onnx.load(source)
    (weights,) = (tensor for tensor in model.graph.initializer if tensor.name == "W")
    weights.CopyFrom(onnx.numpy_helper.from_array(np.full((1, 15, 2), 0.5, np.float32), "W"))
    onnx.save(model, source)
    for arguments in (["import", source, "--no-verify"], ["import", source], ["verify", archive, "--against", source]):
        ended = command(*arguments)
        assert ended.code == (exit_codes.UNPROVEN if "--no-verify" in arguments else exit_codes.DONE)
        warnings = [line for line in ended.err.splitlines() if line.startswith("warning: ")]
        assert warnings == ["warning: layer 0 (gru): all 30 numbers of input_weights are 0.5; were they trained?"]
        assert "warning" not in ended.out


def test_units_that_never_move_are_seen_in_a_backward_layer_too(backward: Model) -> None:
    from streamrnn_converters.proof.sanity_checks import suspicions

    assert suspicions(backward) == ()
    layer = backward.layers[1]
    shut = rebuilt(layer, bias=np.full((3, 4), 30.0, np.float32))
    (warning,) = suspicions(Model([Reverse(2), shut, Reverse(4)]))[:1]
    assert warning.startswith("layer 1 (gru): ")
