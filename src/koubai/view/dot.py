"""The graph as text for Graphviz, for those who have it."""

from __future__ import annotations

from koubai.view.drawing import GLYPHS
from koubai.view.scene import Edge, Node, Scene
from koubai.view.values import short

__all__ = ["dot_text"]


def dot_text(scene: Scene, title: str) -> str:
    """The graph in the DOT language: layers as clusters, messages on the edges.

    Parameters
    ----------
    title : the graph's label
    """
    children: dict[int | None, list[int]] = {}
    for number, group in enumerate(scene.groups):
        children.setdefault(group.parent, []).append(number)
    members: dict[int | None, list[Node]] = {}
    for node in scene.nodes:
        members.setdefault(node.group, []).append(node)
    lines = [
        "digraph koubai {",
        f"  graph [rankdir=LR, label={_quoted(title)}, fontname=Helvetica];",
        '  node [shape=box, style="rounded,filled", fillcolor=white, fontname=Helvetica];',
        '  edge [color="#ae1a48", fontcolor="#ae1a48", fontname=Helvetica, fontsize=10];',
    ]
    open_groups: list[int | None] = [None]
    stack: list[tuple[str, int | None]] = [("open", None)]
    while stack:
        what, g = stack.pop()
        indent = "  " * len(open_groups)
        if what == "close":
            open_groups.pop()
            lines.append("  " * len(open_groups) + "}")
            continue
        if g is not None:
            group = scene.groups[g]
            label = _quoted(f"{group.path} · {group.kind}")
            lines.append(f"{indent}subgraph cluster_{g} {{")
            open_groups.append(g)
            indent += "  "
            lines.append(f'{indent}label={label}; style=rounded; color="#a79f9d";')
            stack.append(("close", g))
        lines += [f"{indent}{_node(node)}" for node in members.get(g, [])]
        stack += [("open", child) for child in reversed(children.get(g, []))]
    lines += [f"  {_edge(edge)}" for edge in scene.edges]
    return "\n".join([*lines, "}", ""])


def _node(node: Node) -> str:
    op = "" if node.op is None else f"   {GLYPHS.get(node.op, node.op)}"
    rows = [f"{node.symbol}{op}", f"= {short(node.value)}"]
    if node.grad is not None:
        rows.append(f"∇ {short(node.grad)}")
    fill = "" if node.kind == "op" else ', fillcolor="#f3efec"'
    return f"n{node.index} [label={_quoted(chr(10).join(rows))}{fill}];"


def _edge(edge: Edge) -> str:
    if edge.record is None:
        return f'n{edge.source} -> n{edge.target} [color="#0f5f86"];'
    return f"n{edge.source} -> n{edge.target} [label={_quoted(short(edge.record.message, 4))}];"


def _quoted(text: str) -> str:
    """A quoted string, in which a backslash would begin an escape and a newline breaks the line."""
    text = text.encode(errors="replace").decode().replace("\0", "\ufffd")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
