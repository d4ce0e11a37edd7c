"""Formulas of nodes and edges, in symbols and with numbers."""

from __future__ import annotations

from typing import Any

from koubai.view.scene import Edge, Node, Scene
from koubai.view.values import short

__all__ = ["edge_lines", "node_lines", "op_words"]

INFIX = {"add": " + ", "subtract": " \u2212 ", "multiply": " · ", "divide": " / ", "matmul": " @ "}


def op_words(op: Any) -> dict[str, str]:
    """The words of an op's record."""
    words = op.words
    return {"formula": words.formula, "derivative": words.derivative, "en": words.en, "ja": words.ja}


def node_lines(node: Node, scene: Scene) -> dict[str, Any]:
    """What a node computes, in symbols and with numbers."""
    symbols = [scene.nodes[x].symbol if isinstance(x, int) else short(x[0]) for x in node.inputs]
    numbers = [short(scene.nodes[x].value if isinstance(x, int) else x[0]) for x in node.inputs]
    return {
        "formula": f"{node.symbol} = {_written(node.op or '', symbols)}",
        "numbers": f"{_written(node.op or '', numbers)} = {short(node.value)}",
    }


def edge_lines(edge: Edge, scene: Scene) -> dict[str, Any]:
    """The local derivative along an edge."""
    return {}


def _written(op: str, parts: list[str]) -> str:
    if op in INFIX and len(parts) == 2:
        parts = [f"({p})" if p.startswith("\u2212") and i else p for i, p in enumerate(parts)]
        return INFIX[op].join(parts)
    return f"{op}({', '.join(parts)})"
