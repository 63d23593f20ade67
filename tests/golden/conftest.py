"""The vector widths of the golden bits: STREAMRNN_GOLDEN=4,8,16, lists their lanes; an empty one is this CPU's choice."""

import os

import pytest

WIDTHS = os.environ.get("STREAMRNN_GOLDEN", "8").split(",")


@pytest.fixture(params=WIDTHS, ids=lambda lanes: f"lanes={lanes or 'any'}")
def lanes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        monkeypatch.setenv("STREAMRNN_LANES", request.param)
    else:
        monkeypatch.delenv("STREAMRNN_LANES", raising=False)
