"""The pictures of the README are drawn from what stands there."""

from pathlib import Path

import pytest

from benchmarks.readme_pictures import draw_latency, latencies


def test_the_latencies_are_those_of_the_table(tmp_path: Path) -> None:
    rows = latencies()
    assert [(row.inputs, row.hidden) for row in rows][-1] == (512, 512)
    assert {name: rows[0].microseconds[name] for name in ("stream.step(x)", "torch cell")} == {
        "stream.step(x)": pytest.approx(0.061), "torch cell": 12
    }  # fmt: skip
    pytest.importorskip("matplotlib", reason="drawing needs the extra 'plot'")
    draw_latency(tmp_path / "latency.png")
    assert (tmp_path / "latency.png").read_bytes().startswith(b"\x89PNG")
