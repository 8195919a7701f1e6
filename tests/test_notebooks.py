"""The notebooks run, use nothing but the public face, and are committed with what they show."""

import ast
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from analyzer import Analysis

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PUBLIC = {"analyzer": {"analyze"}, "analyzer.cli": {"main"}}
OTHERS = {"pandas", "matplotlib"}
LARGEST = 300_000  # bytes of a file: GitHub shows it, and nobody minds to clone it


def code_of(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def tree_of(path: Path) -> ast.Module:
    return ast.parse("\n".join("".join(cell["source"]) for cell in code_of(path)))


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) == 4


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # of the Jupyter packages
def test_a_notebook_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute()  # raises what a cell raises
    shown = [kinds(cell) for cell in notebook.cells if cell.cell_type == "code"]
    assert shown == [kinds(cell) for cell in code_of(path)]


def kinds(cell: Any) -> list[str]:
    """What a cell shows: `text/html` for a table, `image/png` for a figure, `stream` for text."""
    return [
        kind
        for output in cell["outputs"]
        for kind in sorted(output["data"] if "data" in output else [output["output_type"]])
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_with_its_outputs(path: Path) -> None:
    cells = code_of(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert "image/png" in {kind for cell in cells for kind in kinds(cell)}
    assert path.stat().st_size < LARGEST
    assert str(ROOT) not in path.read_text()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_uses_the_public_face_alone(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} <= OTHERS
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            assert node.module in sys.stdlib_module_names or names <= PUBLIC[str(node.module)]
        elif isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")


def test_what_notebooks_ask_of_an_analysis_is_there() -> None:
    asked = {
        node.attr
        for path in NOTEBOOKS
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in {"a", "day", "many"}
    }
    assert asked
    assert asked <= set(dir(Analysis))
