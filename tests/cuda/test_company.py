"""The company law on a device: histories of streams that come, go and move, each with the bits of a `Stream` alone.

STREAMRNN_HISTORIES=1000 STREAMRNN_STREAMS=200 runs more histories, with more streams.
"""

import os

import numpy as np
import pytest

from tests.cuda.devices import needs_device
from tests.laws.test_company_law import ACTIONS, Company
from tests.models import mixed, model

pytestmark = needs_device

N_HISTORIES = int(os.environ.get("STREAMRNN_HISTORIES", "4"))
N_STREAMS = int(os.environ.get("STREAMRNN_STREAMS", "7"))
MODELS = [
    lambda: model("lstm", hidden=5),
    lambda: model("gru-reset-before", "dense-tanh", hidden=3),
    lambda: model("gru-reset-after", "rnn-relu", hidden=3),
    mixed,
]


@pytest.mark.parametrize("seed", range(N_HISTORIES))
def test_any_history_leaves_every_stream_the_same_bits(seed: int) -> None:
    from streamrnn import cuda

    rng = np.random.default_rng(seed)
    company = Company(MODELS[seed % len(MODELS)](), seed, capacity=1 + int(rng.integers(N_STREAMS)), pool=cuda.StreamPool)
    while len(company.pool) < N_STREAMS:
        company.do("open")
    for action in rng.permutation(ACTIONS)[: 2 + len(ACTIONS) // 2]:
        company.do(str(action))
    company.check()


@pytest.mark.parametrize("n_steps", [1, 4])
def test_tiny_inputs_are_silence_on_a_device_too(n_steps: int) -> None:
    from streamrnn import Stream, cuda

    for made in model("lstm", inputs=2, hidden=3), model("gru-reset-before", "dense-tanh", inputs=2, hidden=3):
        x = np.array([[1e-31, 1.0], [-1e-38, 2e-30], [0.5, -9e-31], [1e-45, -0.5]], np.float32)
        pool, stream = cuda.StreamPool(made, 1), Stream(made)
        slots = [pool.open()]
        for at in range(0, 4, n_steps):
            found = pool.process(slots, x[None, at : at + n_steps]) if n_steps > 1 else pool.step(slots, x[at : at + 1])
            assert found.tobytes() == stream.process(x[at : at + n_steps]).tobytes()
