"""What the tests that make torch modules share."""

import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """In a module that imports it: the same weights and signals each time, without the warnings of torch about its backends."""
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*oneDNN", category=UserWarning)
        with torch.random.fork_rng():
            torch.manual_seed(3)
            yield
