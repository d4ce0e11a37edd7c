"""What the page knows: the record, its words and two drawings as one JSON object."""

from __future__ import annotations

import os
from typing import Any

from koubai.explain.filled import copies_along
from koubai.view.drawing import CARD, GLYPHS, diagram
from koubai.view.layout import Box, Diagram
from koubai.view.scene import Edge, Node, Scene
from koubai.view.values import Budget, packed, plain_number, short
from koubai.view.words import edge_lines, node_lines, op_words

__all__ = ["page_data"]


def page_data(scene: Scene, title: str, lang: str | None) -> dict[str, Any]:
    """Everything that the page shows.

    Parameters
    ----------
    title : the page's heading
    lang : "en", "ja", or None for the reader's own language
    """
    flowing = sum(edge.record is not None for edge in scene.edges)
    ops = {node.op: node.record.operation for node in scene.nodes if node.op is not None}
    budget = Budget(2 * len(scene.nodes) + 2 * flowing)
    return {
        "format": "koubai-view",
        "version": 1,
        "title": title,
        "lang": lang,
        "card": list(CARD),
        "glyphs": GLYPHS,
        "output": scene.output,
        "nodes": [_node(node, scene, budget) for node in scene.nodes],
        "edges": [_edge(edge, scene, budget) for edge in scene.edges],
        "sent": scene.sent,
        "groups": [{"path": g.path, "kind": g.kind, "parent": g.parent} for g in scene.groups],
        "ops": {name: op_words(op) for name, op in ops.items()},
        "drawings": {"right": _drawing(diagram(scene, down=False)), "down": _drawing(diagram(scene, down=True))},
    }


def _node(node: Node, scene: Scene, budget: Budget) -> dict[str, Any]:
    data: dict[str, Any] = {"kind": node.kind, "symbol": node.symbol, "value": packed(node.value, budget)}
    if node.inputs:
        data["inputs"] = [x if isinstance(x, int) else [_constant(x[0])] for x in node.inputs]
    made = node.record
    if made is None:
        return data
    data |= {"op": made.op, "grad": packed(made.grad, budget), "group": node.group}
    if made.name and made.name != node.symbol:
        data["name"] = made.name
    if made.layer:
        data["layer"] = made.layer + (f" ({made.call.kind})" if made.call is not None else "")
    if made.where:
        data["where"] = _place(made.where)
    if made.params:
        data["params"] = {key: str(value)[:80] for key, value in made.params.items()}
    if made.op is not None:
        data |= node_lines(node, scene)
    return {key: value for key, value in data.items() if value is not None}


def _constant(x: Any) -> Any:
    number = plain_number(x) if not hasattr(x, "shape") and isinstance(x, (int, float, complex)) else None
    return short(x) if number is None else number


def _place(where: str) -> str:
    """File and line: a page that is passed on should not tell where on the disk its author works."""
    path, _, line = where.rpartition(":")
    return f"{os.path.basename(path)}:{line}"


def _edge(edge: Edge, scene: Scene, budget: Budget) -> dict[str, Any]:
    data: dict[str, Any] = {"source": edge.source, "target": edge.target, "position": edge.position}
    sent = edge.record
    if sent is None:
        return data
    local = sent.local
    data["message"] = packed(sent.message, budget)
    if axes := copies_along(sent):
        data["summed"] = axes
    if not hasattr(local, "formula"):
        data["local"] = packed(local, budget)
    return data | edge_lines(edge, scene)


def _drawing(drawn: Diagram) -> dict[str, Any]:
    return {
        "size": [_round(drawn.width), _round(drawn.height)],
        "nodes": [[_round(box.x + box.width / 2), _round(box.y + box.height / 2)] for box in drawn.nodes],
        "groups": [None if box is None else _corners(box) for box in drawn.groups],
        "parents": drawn.parents,
        "around": drawn.group_parents,
        "paths": [[_round(v) for point in path.points for v in point] for path in drawn.paths],
        "leaves": [[list(pair) for pair in path.leaves] for path in drawn.paths],
        "enters": [[list(pair) for pair in path.enters] for path in drawn.paths],
    }


def _corners(box: Box) -> list[float]:
    return [_round(box.x), _round(box.y), _round(box.width), _round(box.height)]


def _round(x: float) -> float:
    x = round(x, 1)
    return int(x) if x == int(x) else x
