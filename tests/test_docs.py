"""What the documents state as a table, a tree, a link, a path or an example is so."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamrnn import Activation, functions, public
from streamrnn.gates import GATE_ORDERS
from tests.cuda.devices import MISSING

ROOT = Path(__file__).parent.parent
PAGES = ("README", "CONTRIBUTING", "CHANGELOG", "SECURITY")
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix() for path in (*(ROOT / f"{name}.md" for name in PAGES), *(ROOT / "docs").rglob("*.md"))
)


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def table(document: str, header: str) -> list[list[str]]:
    """The rows of the one table in a document that begins with `header`."""
    lines = text_of(document).splitlines()
    assert lines.count(header) == 1
    rows = []
    for line in lines[lines.index(header) + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_gate_orders_are_those_of_the_document() -> None:
    documented: dict[str, dict[str, str]] = {}
    for cell, framework, order in table("docs/equations.md", "| cell | framework | order |"):
        documented.setdefault(cell, {})[framework] = order.replace(" ", "")
    assert documented == GATE_ORDERS


def test_activations_are_those_of_the_document() -> None:
    def number(cell: str) -> float | None:
        return float(cell) if cell else None

    rows = table("docs/equations.md", "| name | ONNX name | f(x) | alpha | beta |")
    assert {name: (number(alpha), number(beta)) for name, _, _, alpha, beta in rows} == Activation.DEFAULTS


def test_functions_for_cells_are_those_of_the_document() -> None:
    rows = table("docs/own-cells.md", "| function | value |")
    assert sorted(re.findall(r"(\w+)\(", " ".join(cell for cell, _ in rows))) == sorted(functions.__all__)


@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason=MISSING)
def test_limits_of_cells_on_a_gpu_are_those_of_the_document() -> None:
    from streamrnn.cuda.kernels import recipes

    limits = {name: int(most) for name, most in table("docs/own-cells.md", "| on the GPU | at most |")}
    assert limits == {
        "passes of a layer": recipes.MOST_PASSES,
        "sums of a pass": recipes.MOST_SUMS,
        "vectors that a pass reads, besides those of `per_unit`": recipes.MOST_VECTORS,
        "vectors that a pass writes": recipes.MOST_VECTORS,
        "vectors that feed sums of a pass, besides `x`": 1,
    }


def test_every_law_of_the_document_has_tests_of_its_name() -> None:
    laws = [law for law, *_ in table("docs/design.md", "| law | in the field | promise | how it holds |")]
    tested = {path.name.removeprefix("test_").partition("_law")[0] for path in (ROOT / "tests/laws").glob("test_*_law*.py")}
    assert sorted(laws) == sorted(tested)


def test_every_module_that_has_moved_is_where_the_changelog_says() -> None:
    rows = table("CHANGELOG.md", "| before | now |")
    assert len(rows) > 40
    moved = [name for _, now in rows for name in re.findall(r"`(streamrnn[\w.]*)`", now)]
    assert len(moved) >= len(rows)
    places = {
        name: ROOT / ("converters" if name.startswith("streamrnn_converters") else ".") / name.replace(".", "/")
        for name in moved
    }
    assert not [name for name, place in places.items() if not place.is_dir() and not place.with_suffix(".py").is_file()]


def test_the_tree_names_every_room() -> None:
    (tree,) = re.findall(r"## The tree\n+```\n(.*?)```", text_of("CONTRIBUTING.md"), re.DOTALL)
    engine, _, converters = tree.partition("converters/streamrnn_converters/")
    for package, part in (
        ("streamrnn", engine),
        ("streamrnn/command", engine),
        ("converters/streamrnn_converters", converters),
        ("converters/streamrnn_converters/onnx", converters),
    ):
        only_folders = package.endswith(("command", "onnx"))  # whose files are the steps of one thing
        names = {path.stem for path in modules(ROOT / package) if path.is_dir() or not only_folders}
        assert names
        assert not names - set(re.findall(r"\w+", part)), package


def modules(folder: Path) -> Iterator[Path]:
    """The modules and packages in a folder."""
    for path in folder.iterdir():
        if not path.name.startswith("_") and (path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py")))):
            yield path


@pytest.mark.parametrize("row", table("CONTRIBUTING.md", "| question | file | look for |"), ids=lambda row: row[0])
def test_what_is_looked_for_is_in_the_file(row: list[str]) -> None:
    _, file, names = row
    text = text_of(file.strip("`"))
    assert all(name in text for name in re.findall(r"`([^`]+)`", names))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_in_a_document_exists(document: str) -> None:
    """With its suffix or without: `streamrnn/offline` is a module or a folder of modules."""
    named = re.findall(r"`((?:streamrnn|converters|tests|examples|benchmarks|docs)/[\w./-]+)`", text_of(document))
    assert not [name for name in named if not (ROOT / name).exists() and not (ROOT / f"{name}.py").exists()]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_of_a_document_leads_to_a_file(document: str) -> None:
    path = ROOT / document
    targets = [part.partition(")")[0] for part in text_of(document).split("](")[1:]]
    missing = [name for name in targets if "://" not in name and not (path.parent / name.partition("#")[0]).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_to_a_heading_leads_to_one(document: str) -> None:
    for target in re.findall(r"\]\(([^)#:]*)#([\w-]+)\)", text_of(document)):
        file = (ROOT / document).parent / target[0] if target[0] else ROOT / document
        headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
        anchors = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
        assert target[1] in anchors, target


def test_the_site_leads_to_every_page() -> None:
    """`make docs` says so too, where MkDocs is installed."""
    pages = sorted(path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md"))
    shown = re.findall(r"^ *- (?:[^:\n]+: )?(\S+\.md)$", text_of("mkdocs.yml"), re.MULTILINE)
    assert sorted(shown) == pages, "give each page of docs/ its place under nav in mkdocs.yml"


def test_the_reference_has_every_public_name_once_and_the_everyday_ones_first() -> None:
    page = text_of("docs/reference/python.md")
    shown = [name for names in re.findall(r"^ +members: \[(.*)\]$", page, re.MULTILINE) for name in names.split(", ")]
    alone = [path.rpartition(".")[2] for path in re.findall(r"^::: (streamrnn\.[\w.]+)$", page, re.MULTILINE)]
    in_text = re.findall(r"`streamrnn\.(\w+)`", page)
    names = [*shown, *(name for name in dict.fromkeys([*alone, *in_text]) if name not in ("public", "Batcher"))]
    assert sorted([*names, "__version__"]) == sorted(public.__all__)
    assert shown[:3] == ["load", "Model", "Stream"]


def test_the_cell_that_the_design_shows_is_that_of_the_code() -> None:
    (shown,) = re.findall(r"```python\n(.*?)```", text_of("docs/design.md"), re.DOTALL)
    assert shown in text_of("streamrnn/cells/lstm.py")


def test_the_program_of_the_page_on_own_cells_runs(tmp_path: Path) -> None:
    """In a process of its own: what it defines stays out of this one."""
    program = "\n".join(re.findall(r"```python\n(.*?)```", text_of("docs/own-cells.md"), re.DOTALL))
    assert program.count("assert ") >= 4
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "li_gru.safetensors").exists()


def test_the_programs_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'streamrnn[convert]'")
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("*.csv*"))
    monkeypatch.chdir(tmp_path)
    programs = re.findall(r"```python\n(.*?)```", text_of("README.md"), re.DOTALL)
    assert len(programs) == 4  # a stream, a pool, a store, many tasks
    names: dict[str, Any] = {}
    exec(compile("\n".join(programs), "README.md", "exec"), names)
    model = names["model"]
    assert names["y"].shape == (model.output_size,)
    assert names["ys"].shape == (100, model.output_size)
    assert names["stream"].model.fingerprint == model.fingerprint
