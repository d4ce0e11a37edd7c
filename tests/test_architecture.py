"""Imports point downward only: the order of the rooms is read from the source, not from what happens to load."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import koubai

ROOT = Path(koubai.__file__).parent
ROWS = [
    ["errors"],
    ["graph"],
    ["ops"],
    ["diff", "compile"],
    ["tensor"],
    ["numpy", "special"],  # the public names of what stands in `tensor`
    ["nn", "optim", "data"],
    ["check"],
    ["explain"],
    ["train"],
    ["view", "interop"],
    ["cli"],
]
LEVEL = {name: level for level, row in enumerate(ROWS) for name in row}


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(tree: ast.AST) -> set[str]:
    """The rooms of koubai that a module imports, at its top or inside its functions."""
    found = set()
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
            if node.module == "koubai":
                names = [f"koubai.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("koubai.")}
    return found


SOURCES = sorted(p for p in ROOT.rglob("*.py") if p.parent != ROOT or p.stem in LEVEL)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downward(path: Path) -> None:
    here = room(path)
    assert here in LEVEL, f"{here} is no room of the house"
    for other in imported_rooms(ast.parse(path.read_text(encoding="utf-8"))):
        assert other in LEVEL, f"{path.name} imports koubai.{other}, which is no room of the house"
        assert other == here or LEVEL[other] < LEVEL[here], f"{here} must not import {other}"


def test_the_reader_of_imports_sees_a_forbidden_one() -> None:
    tree = ast.parse("def f():\n    from koubai.train import fit\n    import koubai.cli.main")
    assert imported_rooms(tree) == {"train", "cli"}


@pytest.mark.parametrize("folder", sorted(p.parent for p in ROOT.rglob("__init__.py")), ids=lambda p: p.name)
def test_every_package_says_what_it_is_for(folder: Path) -> None:
    doc = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert doc
    assert len(doc) > 40
