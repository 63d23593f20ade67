"""What the documents state as a table, a link or an example is so."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from streamrnn import Activation
from streamrnn.gates import GATE_ORDERS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def table(document: str, header: str) -> list[list[str]]:
    """The rows of the one table in a document that begins with `header`."""
    lines = (DOCS / document).read_text(encoding="utf-8").splitlines()
    assert lines.count(header) == 1
    rows = []
    for line in lines[lines.index(header) + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_gate_orders_are_those_of_the_document() -> None:
    documented: dict[str, dict[str, str]] = {}
    for cell, framework, order in table("equations.md", "| cell | framework | order |"):
        documented.setdefault(cell, {})[framework] = order.replace(" ", "")
    assert documented == GATE_ORDERS


def test_activations_are_those_of_the_document() -> None:
    def number(cell: str) -> float | None:
        return float(cell) if cell else None

    rows = table("equations.md", "| name | ONNX name | f(x) | alpha | beta |")
    assert {name: (number(alpha), number(beta)) for name, _, _, alpha, beta in rows} == Activation.DEFAULTS


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in DOCS.glob("*.md"))])
def test_every_link_of_a_document_leads_to_a_file(document: str) -> None:
    path = ROOT / document
    targets = [part.partition(")")[0] for part in path.read_text(encoding="utf-8").split("](")[1:]]
    missing = [name for name in targets if "://" not in name and not (path.parent / name.partition("#")[0]).exists()]
    assert not missing


def test_the_example_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'streamrnn[convert]'")
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("*.csv*"))
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), names)
    model = names["model"]
    assert names["y"].shape == (model.output_size,)
    assert names["ys"].shape == (100, model.output_size)
    assert names["stream"].model.fingerprint == model.fingerprint
