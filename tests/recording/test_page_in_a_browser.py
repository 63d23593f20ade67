"""The page of gates in a real browser: it draws, says nothing on the console, and follows the colours of the system."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from streamrnn import Model, record_gates
from streamrnn.recording.page import page
from tests.models import model, one_width  # noqa: F401  (a fixture)

BROWSER = next(
    filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"))), ""
)
pytestmark = pytest.mark.skipif(not BROWSER, reason="no browser: apt-get install chromium-headless-shell")
LIGHT, DARK = 1, 0


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of an LSTM and a GRU on 100 000 steps."""
    layers = [model("lstm", inputs=3, hidden=8).layers[0], model("gru-reset-after", inputs=8, hidden=5).layers[0]]
    xs = np.random.default_rng(0).normal(size=(100_000, 3)).astype(np.float32)
    path = tmp_path_factory.mktemp("page") / "gates.html"
    path.write_text(page(record_gates(Model(layers), xs), xs, "two layers", names=["load", "temp", "</script>"]))
    return path


def browse(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What the browser prints for the page; its console is a part of stderr."""
    assert BROWSER
    usual = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--window-size=1000,1600"]
    # the first start of a browser on a machine takes a while
    return subprocess.run(
        [BROWSER, *usual, f"--user-data-dir={path.parent / 'profile'}", *options, path.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip


def test_it_draws_every_gate_of_a_long_signal_and_the_console_stays_empty(path: Path) -> None:
    done = browse(path, "--dump-dom")
    assert "CONSOLE" not in done.stderr, done.stderr
    lines, gates = 2, 6 + 4  # output and input; each gate has a heat map and a line of the picked unit
    assert done.stdout.count("<canvas") == lines + 2 * gates
    assert "layer 1: gru, 5 units" in done.stdout
    assert "f moves with" in done.stdout
    assert path.stat().st_size < 3_000_000  # 100 000 steps, as the smallest and largest of each column


def test_it_is_light_or_dark_as_the_system_is(path: Path, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="the screenshot is read by Pillow, which matplotlib brings")
    pixels = {}
    for scheme in (LIGHT, DARK):
        shot = tmp_path / f"{scheme}.png"
        done = browse(path, f"--blink-settings=preferredColorScheme={scheme}", f"--screenshot={shot}")
        assert "CONSOLE" not in done.stderr, done.stderr
        with image.open(shot) as opened:
            pixels[scheme] = np.asarray(opened.convert("RGB"), int)
    assert np.median(pixels[LIGHT]) == 255
    assert np.median(pixels[DARK]) < 50
    for shot in pixels.values():
        assert len(np.unique(shot @ [1, 256, 256**2])) > 500  # the heat maps
