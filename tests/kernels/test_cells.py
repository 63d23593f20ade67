"""The stages of a cell, and the order in which the units of a panel go through them."""

import inspect
import re

import numpy as np
import pytest

from streamrnn.kernels.compile import compiled, recipe_of
from streamrnn.recipe import Pass
from streamrnn.target.machine import MACHINES, aimed_at, machine
from streamrnn.target.packing import Width

STAGED = [f"cells.{name}" for name in ("lstm.standard", "lstm.plain", "gru.reset_after", "gru.reset_after_plain")]


@pytest.mark.parametrize("path", STAGED)
def test_the_stages_of_a_cell_compute_what_the_cell_computes(path: str) -> None:
    (one,) = recipe_of(path).passes
    random = np.random.default_rng(0)
    given = {name: random.normal(size=100).astype(np.float32) for name in one.parameters}
    expected = np.array(one.cell(**given))
    assert np.array(_through_stages(one, given)).tobytes() == expected.tobytes()
    assert not np.array_equal(_through_stages(one, given | {one.sums[0]: -given[one.sums[0]]}), expected)


def _through_stages(one: Pass, given: dict[str, np.ndarray]) -> object:
    first, *others = one.stages
    value = first(**{name: given[name] for name in inspect.signature(first).parameters})
    for stage in others:
        _, *names = inspect.signature(stage).parameters
        value = stage(value, *(given[name] for name in names))
    return value


@pytest.mark.skipif(machine().architecture != "x86_64", reason="the order is kept on x86-64 only")
def test_every_block_of_a_panel_ends_a_stage_before_any_begins_the_next() -> None:
    divisions = re.compile(r"= fdiv <8 x float> (splat|<)|= fdiv <8 x float> %")
    with aimed_at(MACHINES["x86-64-v3"]):
        _, text = compiled("cells.lstm.standard/stream", Width(8, 2))
    cell = [line for line in text.splitlines() if divisions.search(line) or 'asm ""' in line]
    kinds = ["after" if "asm" in line else "division" for line in cell]
    # of a block, the memory takes three divisions and the output two; what comes later waits for what came before
    assert kinds == [
        *["division"] * 3,
        *["after"] * 3, *["division"] * 3,
        *["after"] * 2, *["division"] * 2,
        *["after"] * 2, *["division"] * 2,
    ]  # fmt: skip
