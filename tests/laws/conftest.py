"""Every law holds through both doors."""

import os
from collections.abc import Iterator

import pytest

from tests.models import one_width  # noqa: F401


@pytest.fixture(scope="module", autouse=True, params=["compiled", "plain"])
def door(request: pytest.FixtureRequest) -> Iterator[str]:
    os.environ["STREAMRNN_DOOR"] = request.param
    yield request.param
    del os.environ["STREAMRNN_DOOR"]
