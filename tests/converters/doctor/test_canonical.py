"""The layers of a convention compute what the doctor has compared."""

import numpy as np
import pytest

from streamrnn import Model
from streamrnn_converters.doctor import diagnose
from streamrnn_converters.doctor.canonical import layers
from tests import reference
from tests.converters.doctor.test_doctor import as_torch, from_zero, recorded, wide
from tests.models import gru


def test_layers_found_compute_what_the_equations_of_the_doctor_say() -> None:
    """All conventions, right or wrong: the model of each gives, by the reference, what the doctor had compared."""
    layer = from_zero(gru(np.random.default_rng(0), 2, 3))
    recording = recorded(layer, n_steps=12)
    for finding in diagnose(wide(as_torch(layer)), recording).findings[::7]:
        y, _ = reference.run(Model(layers(finding.convention)), recording.input)
        error = np.abs(y - recording.output) / np.maximum(1, np.abs(recording.output))
        assert finding.error == pytest.approx(error.max(), abs=1e-5)
