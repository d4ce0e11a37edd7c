"""Writes docs/ops.md, the table of every operation, from the op records.

    python docs/make_ops.py > docs/ops.md

A test holds the page equal to what this prints.
"""

from __future__ import annotations

import importlib
import pkgutil

import koubai.ops
import koubai.tensor.control  # ops around a body
from koubai.graph import registry

INTRODUCTION = """\
# Operations

Every operation that koubai knows, from its record: what it computes, its local derivative, and a sentence in
English and Japanese. `koubai ops` prints the same table in a terminal. This page is written by
`docs/make_ops.py`.

E is what is differentiated and g (G for a matrix) the upstream gradient dE/dy; x[i] is an element, `sum_i` a sum over
an index; capital letters are matrices, multiplied as such, with A^T the transpose and `∘` the product element by
element; a comparison counts as 1 where it holds. What is written with elements, sums and matrices is tested against
what the op computes and sends back.

| op | formula | local derivative | in words | 言葉で |
|---|---|---|---|---|"""


def cell(text: str) -> str:
    """Text that Markdown shows as it is."""
    for letter in "\\`*_<|[":
        text = text.replace(letter, f"\\{letter}")
    return " ".join(text.split())


def main() -> None:
    for module in pkgutil.walk_packages(koubai.ops.__path__, "koubai.ops."):
        importlib.import_module(module.name)
    print(INTRODUCTION)
    for name, op in sorted(registry().items()):
        w = op.words
        print(f"| `{name}` | {' | '.join(map(cell, (w.formula, w.derivative, w.en, w.ja)))} |")


if __name__ == "__main__":
    main()
