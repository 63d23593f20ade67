"""What the documents state as a table is what the code does."""

from pathlib import Path

import pytest

from streamrnn import Activation
from streamrnn.gates import GATE_ORDERS

DOCS = Path(__file__).parent.parent / "docs"


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
    path = DOCS.parent / document
    targets = [part.partition(")")[0] for part in path.read_text(encoding="utf-8").split("](")[1:]]
    missing = [name for name in targets if "://" not in name and not (path.parent / name.partition("#")[0]).exists()]
    assert not missing
