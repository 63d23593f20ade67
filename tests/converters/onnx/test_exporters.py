"""Models that exporters wrote (tf2onnx from Keras 2 and 3, Keras 3, jax2onnx, torch, onnxsim, onnxruntime's optimiser, onnx's
version converter) give what the framework itself answered.

Beside each file in fixtures/exporters: the inputs and answers (NAME.npz), who wrote it, and what the axes are (NAME.json): of
each input and output a word of B (batch), T (time) and F (features). The weights are random.
"""

import pytest

from streamrnn import ConversionError
from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")

from streamrnn_converters import from_onnx
from tests.converters.fixtures import exporters_page
from tests.converters.fixtures.exporters_page import FOLDER, about, largest_error

TOLERANCE = 1e-6
#: Keras 3 on torch writes the first step alone where the number of steps is open, so that no file can give its answers.
_FIRST_STEP_ALONE = {
    "leaves the size of axis 1 open": ("gru", "lstm", "lstm-last"),
    "a constant of a shape that depends on the input": (
        "convolution-gru",
        "embedding-lstm",
        "gru-reset-before",
        "lstm-stacked",
        "rnn",
    ),
}
REFUSED = {f"keras3-torch-{name}": reason for reason, names in _FIRST_STEP_ALONE.items() for name in names}
NAMES = sorted(path.name.removesuffix(".onnx") for path in FOLDER.glob("*.onnx"))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in REFUSED])
def test_a_stream_gives_what_the_framework_answered(name: str) -> None:
    model = from_onnx(FOLDER / f"{name}.onnx", offline=about(name)["offline"])
    assert largest_error(model, name) <= TOLERANCE


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_streamed_is_refused_for_the_true_reason(name: str) -> None:
    with pytest.raises(ConversionError) as refused:
        from_onnx(FOLDER / f"{name}.onnx")
    assert REFUSED[name] in str(refused.value)


def test_the_page_of_exporters_is_up_to_date() -> None:
    assert exporters_page.PAGE.read_text() == exporters_page.page(), "python -m tests.converters.fixtures.exporters_page"
