"""The curve of a horizon stays within its frame, whatever the errors are."""

from xml.etree import ElementTree

import pytest

pytest.importorskip("onnx", reason="needs the extra 'convert'")

from streamrnn_converters.proof.horizon import Horizon
from streamrnn_converters.report_file.curve import curve


@pytest.mark.parametrize("n_steps", [1, 2, 10, 1_000_000])
def test_the_curve_stays_within_its_frame(n_steps: int) -> None:
    steps = tuple(sorted({1, n_steps}))
    largest, typical = (0.0, 1e30)[: len(steps)], (0.0, 1.0)[: len(steps)]
    found = Horizon("s", "m", "1.0", "0.1", 0, 1e-5, ("Y",), n_steps, steps, largest, typical, 1.5, 4, "Y")
    svg = ElementTree.fromstring(curve(found))
    for circle in svg.iter("circle"):
        assert 0 <= float(circle.attrib["cx"]) <= 820
        assert 0 <= float(circle.attrib["cy"]) <= 340
