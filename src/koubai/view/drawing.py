"""Scenes with places: how large a node is, and where everything stands, for the page and for static pictures."""

from __future__ import annotations

from koubai.view.layout import Diagram, Space, draw
from koubai.view.scene import Scene

__all__ = ["CARD", "GLYPHS", "diagram", "path_data"]

CARD = (132.0, 62.0)

# How the commonest ops are written on a card; the others by their names.
GLYPHS = {
    "add": "+", "subtract": "\u2212", "multiply": "×", "divide": "÷", "matmul": "@", "negative": "\u2212x",
    "power": "xⁿ", "square": "x²", "sqrt": "√", "sum": "Σ", "expit": "σ",
}  # fmt: skip


def diagram(scene: Scene, *, down: bool) -> Diagram:
    """Where everything stands. Edges that run to the right need more room, because numbers are wider than high."""
    return draw(
        [CARD] * len(scene.nodes),
        [(edge.source, edge.target) for edge in scene.edges],
        [node.group for node in scene.nodes],
        [group.parent for group in scene.groups],
        down=down,
        space=Space(across=28, along=46) if down else Space(across=20, along=76),
    )


def path_data(points: list[tuple[float, float]], *, down: bool) -> str:
    """An edge as SVG path data: straight along a rank, a smooth curve between two.

    Examples
    --------
    >>> path_data([(0, 0), (0, 10), (8, 30)], down=True)
    'M0 0L0 10C0 20 8 20 8 30'
    """
    (x, y), *rest = points
    text = f"M{x:g} {y:g}"
    for a, b in rest:
        if (a if down else b) == (x if down else y):
            text += f"L{a:g} {b:g}"
        elif down:
            text += f"C{x:g} {(y + b) / 2:g} {a:g} {(y + b) / 2:g} {a:g} {b:g}"
        else:
            text += f"C{(x + a) / 2:g} {y:g} {(x + a) / 2:g} {b:g} {a:g} {b:g}"
        x, y = a, b
    return text
