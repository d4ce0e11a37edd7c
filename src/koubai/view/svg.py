"""A static picture for papers: every value and every gradient, in one SVG that needs nothing else."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape, quoteattr

from koubai.view.drawing import CARD, GLYPHS, diagram, path_data
from koubai.view.layout import Box, Path
from koubai.view.scene import Edge, Node, Scene
from koubai.view.values import short
from koubai.view.words import symbol_of

__all__ = ["svg_text"]

INK, QUIET, LINE, TINT = "#231f20", "#665e61", "#d0c8c5", "#f3efec"
FORWARD, BACKWARD = "#0f5f86", "#ae1a48"
SANS = "Helvetica, Arial, 'Noto Sans', 'Noto Sans CJK JP', sans-serif"
SERIF = "'STIX Two Text', 'Times New Roman', 'Noto Serif CJK JP', serif"
ALLOWED_CONTROLS = "\t\n\r"


def svg_text(scene: Scene, title: str) -> str:
    """The picture, laid out to the right: solid blue lines carry values, dashed red ones messages back.

    Parameters
    ----------
    title : what the picture is called, for readers who do not see it
    """
    drawn = diagram(scene, down=False)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {drawn.width:.0f} {drawn.height:.0f}" '
        f'width="{drawn.width:.0f}" height="{drawn.height:.0f}" role="img" '
        f'font-family={quoteattr(SANS)} font-size="13">',
        f"<title>{_text(title)}</title>",
        _tips(),
    ]
    parts += [
        _frame(box, f"{group.path} · {group.kind}") for group, box in zip(scene.groups, drawn.groups) if box is not None
    ]
    parts += [_edge(edge, path) for edge, path in zip(scene.edges, drawn.paths)]
    parts += [_card(node, box, node.index == scene.output) for node, box in zip(scene.nodes, drawn.nodes)]
    return "\n".join([*parts, "</svg>", ""])


def _tips() -> str:
    def tip(name: str, colour: str) -> str:
        return (
            f'<marker id="{name}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
            f'markerUnits="userSpaceOnUse" orient="auto-start-reverse">'
            f'<path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
        )

    return f"<defs>{tip('value', FORWARD)}{tip('message', BACKWARD)}</defs>"


def _frame(box: Box, label: str) -> str:
    return (
        f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="14" fill="{TINT}" '
        f'fill-opacity=".5" stroke="{LINE}"/>'
        f'<text x="{box.x + 14:g}" y="{box.y + 19:g}" fill="{QUIET}" font-size="12">{_text(label)}</text>'
    )


def _edge(edge: Edge, path: Path) -> str:
    line = path_data([(round(x, 1), round(y, 1)) for x, y in path.points], down=False)
    if edge.record is None:
        return f'<path d="{line}" fill="none" stroke="{FORWARD}" stroke-width="1.3" marker-end="url(#value)"/>'
    message = edge.record.message
    (x, y), (a, b) = path.points[0], path.points[-1]
    drawn = (
        f'<path d="{line}" fill="none" stroke="{BACKWARD}" stroke-width="1.5" stroke-dasharray="5 3" '
        f'marker-start="url(#message)"/>'
    )
    if getattr(message, "ndim", 0) or isinstance(message, tuple):
        return drawn
    at = path.points[-2]
    if len(path.points) <= 4:  # up and down apart from each other, where edges cross
        share = 0.4 if b < y else 0.6 if b > y else 0.5
        rise = share * share * (3 - 2 * share)  # of the curve, nearly
        at = (x + (a - x) * share, y + (b - y) * rise)
    return drawn + (
        f'<text x="{at[0]:.1f}" y="{at[1] - 5:.1f}" text-anchor="middle" font-size="10.5" fill="{BACKWARD}" '
        f'stroke="#fff" stroke-width="3" paint-order="stroke">{_text(short(message, 4))}</text>'
    )


def _card(node: Node, box: Box, is_output: bool) -> str:
    left, right = box.x + 11, box.x + CARD[0] - 11
    fill, stroke = ("#fff" if node.kind == "op" else TINT), (INK if is_output else LINE)
    dashes = ' stroke-dasharray="4 3"' if node.kind == "data" else ""
    rows = [
        f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="10" fill="{fill}" '
        f'stroke="{stroke}"{dashes}/>',
        f'<text x="{left:g}" y="{box.y + 20:g}" font-family={quoteattr(SERIF)} font-style="italic" font-weight="bold" '
        f'font-size="15" fill="{INK}">{_name(node.symbol)}</text>',
        _value(left, right, box.y + 38, "=", node.value, FORWARD),
    ]
    if node.op is not None:
        rows.append(_right(right, box.y + 19, GLYPHS.get(node.op, node.op)[:11], QUIET))
    if node.grad is not None:
        rows.append(_value(left, right, box.y + 54, "∇", node.grad, BACKWARD))
    return "".join(rows)


def _name(symbol: str) -> str:
    """A symbol with its index set lower."""
    name = symbol_of(symbol)
    index = f'<tspan dy="4" font-size="11">{_text(name.subscript[:5])}</tspan>' if name.subscript else ""
    return _text(name.name[: 9 if index else 14]) + index


def _value(left: float, right: float, y: float, mark: str, value: Any, colour: str) -> str:
    return f'<text x="{left:g}" y="{y:g}" fill="{colour}">{mark}</text>' + _right(right, y, short(value), colour)


def _right(x: float, y: float, text: str, colour: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="end" fill="{colour}">{_text(text)}</text>'


def _text(text: str) -> str:
    """Text that XML may hold: markup escaped, control characters and lone surrogates replaced."""
    known = "".join(c if c >= " " or c in ALLOWED_CONTROLS else "\ufffd" for c in text)
    return escape(known.encode(errors="replace").decode())
