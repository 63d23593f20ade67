"""The package of the converters: its public names, which load nothing before they are used, and packages that are missing."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import streamrnn_converters

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="verifying needs the extra 'convert'")

from tests.converters.onnx.onnx_graphs import random_node, recurrent_model

PROBE = """
import sys
sys.modules.update(dict.fromkeys({missing!r}))
import streamrnn_converters
assert not set(sys.modules) & {{"numba", "onnx", "onnxruntime", "torch"}} - set({missing!r})
try:
    {use}
except Exception as error:
    print(type(error).__name__, isinstance(error, ImportError), error)
else:
    print("fine")
"""
USES: Mapping[str, tuple[list[str], str]] = {
    "from_onnx": (["onnx"], "from streamrnn_converters import from_onnx"),
    "verify": (["onnx"], "from streamrnn_converters import verify"),
    "onnxruntime": (["onnxruntime"], "from streamrnn_converters import from_onnx, verify; verify(from_onnx({0!r}), {0!r})"),
}


def probed(missing: list[str], use: str) -> str:
    script = PROBE.format(missing=missing, use=use)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("name", USES)
def test_a_missing_package_is_named_with_the_extra_that_brings_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    node = random_node(np.random.default_rng(0), "GRU", 3, 4)
    path.write_bytes(recurrent_model(node).SerializeToString())
    missing, use = USES[name]
    said = probed(missing, use.format(str(path)))
    assert said == f"MissingExtraError True {missing[0]} is not installed; `pip install 'streamrnn[convert]'` installs it"


def test_the_package_gives_its_functions_and_loads_nothing_before_they_are_used() -> None:
    names = ", ".join(streamrnn_converters.__all__)
    use = f"from streamrnn_converters import {names}; assert all(map(callable, ({names})))"
    assert probed([], use) == "fine"
    assert probed(["onnx", "onnxruntime", "torch"], "streamrnn_converters.from_torch") == "fine"
    assert probed([], "streamrnn_converters.from_caffe").startswith("AttributeError")


def test_model_files_of_audio_programs_need_no_extra_and_those_of_keras_name_theirs() -> None:
    fixtures = Path(__file__).parent / "formats" / "fixtures"
    missing = ["h5py", "onnx", "onnxruntime", "torch"]
    for name in ("two_layers.nam", "rtneural/gru.json", "aidax_lstm.json", "guitarml_lstm_skip.json"):
        assert probed(missing, f"streamrnn_converters.from_file({str(fixtures / name)!r})") == "fine"
    said = probed(missing, f"streamrnn_converters.from_keras({str(fixtures / 'last_step.keras')!r})")
    assert said == "MissingExtraError True h5py is not installed; `pip install 'streamrnn[keras]'` installs it"


def test_dir_lists_the_public_names() -> None:
    """In a new process, since names that are in use are listed in any case."""
    listed = "print(dir(streamrnn_converters))"
    assert probed(["onnx", "onnxruntime", "torch"], listed) == f"{streamrnn_converters.__all__}\nfine"
