"""A picture of the messages of a backward pass: arrows between small layers, heat maps between large ones."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from koubai.data.atomic import write_atomically
from koubai.errors import IndexingError, UsageError
from koubai.view.values import short

__all__ = ["messages_svg"]

Array = np.ndarray[Any, Any]

FEW = 12  # nodes of a layer that are drawn one by one
CELLS = 48  # of a heat map, along each side
PANEL, ROW, TOP, LEFT, RADIUS = 200, 44, 78, 60, 13
STYLE = """
  svg { background: #fff; font: 12px system-ui, 'Noto Sans', 'Noto Sans CJK JP', sans-serif; }
  text { fill: #231f20; } .quiet { fill: #665e61; } .node { fill: #f3efec; stroke: #a79f9d; }
  .frame { fill: none; stroke: #a79f9d; }
  .plus { stroke: #0f5f86; } .minus { stroke: #ae1a48; } .tip-plus, .cell-plus { fill: #0f5f86; }
  .tip-minus, .cell-minus { fill: #ae1a48; }
  .number { paint-order: stroke; stroke: #fff; stroke-width: 3px; font-size: 10.5px; }
  @media (prefers-color-scheme: dark) {
    svg { background: #171416; } text { fill: #f1ebec; } .quiet { fill: #b3a9ad; }
    .node { fill: #2a2529; stroke: #7d7378; } .frame { stroke: #7d7378; }
    .plus { stroke: #7cc4e4; } .minus { stroke: #f590ae; } .tip-plus, .cell-plus { fill: #7cc4e4; }
    .tip-minus, .cell-minus { fill: #f590ae; } .number { stroke: #171416; }
  }
"""


def messages_svg(
    sent: Sequence[Array], path: str | PathLike[str] | None = None, *, example: int = 0, title: str = "Messages"
) -> str:
    """Draw the messages of one example as an SVG picture, and write it where a path is given.

    From right to left each node sends to the nodes of the layer before. Between layers of up to twelve nodes a message
    is an arrow: the wider, the larger; blue for positive, red for negative. Between others they are a heat map whose
    rows receive and whose columns send. Below each node stands what it received in all: dE/dz.

    Parameters
    ----------
    sent : list of arrays
        What `koubai.messages` returns.
    path : path, optional
    example : int
        Which row of the batch.
    title : str
        What the picture is called, also for readers who do not see it.

    Returns
    -------
    str

    Raises
    ------
    IndexingError
        If there is no such example.
    UsageError
        If these are no messages.

    Examples
    --------
    >>> import koubai as kb
    >>> model = kb.nn.Sequential(kb.nn.Linear(2, 3), kb.nn.Tanh(), kb.nn.Linear(3, 1))
    >>> sent = kb.messages(model, np.ones((5, 2)), np.zeros((5, 1)), "mse")
    >>> messages_svg(sent).count('class="node"')
    10
    """
    steps = [np.asarray(a) for a in sent]
    if not steps or any(a.ndim != 3 for a in steps):
        raise UsageError("messages_svg: expected the arrays that kb.messages returns")
    if not -len(steps[0]) <= example < len(steps[0]):
        raise IndexingError(f"messages_svg: there is no example {example} among {len(steps[0])}")
    names = getattr(sent, "names", None) or [f"step {k}" for k in range(len(steps))]
    text = _picture([a[example] for a in steps], names, f"{title}, example {example % len(steps[0])}")
    if path is not None:
        write_atomically(path, text)
    return text


def _picture(steps: list[Array], names: Sequence[str], title: str) -> str:
    received = [step.sum(axis=1) for step in steps] + [np.ones(1)]
    fewest = 3 if all(len(r) <= FEW for r in received) else 8
    height = TOP + ROW * max([len(r) for r in received if len(r) <= FEW] + [fewest]) + 30
    width = 2 * LEFT + PANEL * len(steps)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{_text(title)}">',
        f"<title>{_text(title)}</title>",
        f"<style>{STYLE}</style>",
        f"<defs>{_tip('plus')}{_tip('minus')}</defs>",
        f'<text x="{LEFT - RADIUS}" y="24" font-weight="600">{_text(title)}</text>',
    ]
    for k, step in enumerate(steps):
        x = LEFT + PANEL * k
        largest = float(np.abs(step).max(initial=0.0))
        parts.append(f'<text x="{x + PANEL / 2:g}" y="46" text-anchor="middle">{_text(names[k])}</text>')
        shown = f"{step.shape[0]} ← {step.shape[1]}, largest {short(largest, 3)}"
        parts.append(f'<text class="quiet" x="{x + PANEL / 2:g}" y="62" text-anchor="middle">{_text(shown)}</text>')
        parts += (_arrows if max(step.shape) <= FEW else _heat)(step, x, height, largest)
    for k, values in enumerate(received):
        parts += _column(values, LEFT + PANEL * k, height, k == len(steps))
    return "\n".join([*parts, "</svg>", ""])


def _text(text: str) -> str:
    """Text as content or attribute, without the control signs that XML does not allow."""
    return escape("".join(c for c in text if c.isprintable()), {'"': "&quot;"})


def _tip(kind: str) -> str:
    return (
        f'<marker id="tip-{kind}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="10" markerHeight="10" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path class="tip-{kind}" d="M0 0L8 4L0 8z"/></marker>'
    )


def _places(count: int, height: int) -> list[float]:
    """Where the nodes of a layer stand, from the top."""
    middle = (TOP + height - 30) / 2
    return [middle + ROW * (i - (count - 1) / 2) for i in range(count)]


def _column(values: Array, x: int, height: int, is_loss: bool) -> list[str]:
    if len(values) > FEW:
        top, bottom = TOP, height - 46
        return [
            f'<rect class="node" x="{x - 7}" y="{top}" width="14" height="{bottom - top}" rx="7"/>',
            f'<text class="quiet" x="{x}" y="{bottom + 16}" text-anchor="middle">{len(values)} nodes</text>',
        ]
    parts = []
    for value, y in zip(values, _places(len(values), height)):
        parts.append(f'<circle class="node" cx="{x}" cy="{y:g}" r="{RADIUS}"/>')
        if is_loss:
            parts.append(f'<text x="{x}" y="{y + 4:g}" text-anchor="middle">E</text>')
        number = "1" if is_loss else short(float(value), 3)
        parts.append(
            f'<text class="number" x="{x}" y="{y + RADIUS + 12:g}" text-anchor="middle">{_text(number)}</text>'
        )
    return parts


def _arrows(step: Array, x: int, height: int, largest: float) -> list[str]:
    to, source = _places(step.shape[0], height), _places(step.shape[1], height)
    parts = []
    for i, y in enumerate(to):
        for j, v in enumerate(source):
            message = float(step[i, j])
            if message == 0 or not largest:
                continue
            kind = "minus" if message < 0 else "plus"
            share = min(abs(message) / largest, 1.0) if np.isfinite(message) else 1.0
            parts.append(
                f'<path class="{kind}" fill="none" stroke-width="{0.6 + 3 * share:.2f}" stroke-opacity='
                f'"{0.35 + 0.65 * share:.2f}" marker-end="url(#tip-{kind})" '
                f'd="M{x + PANEL - RADIUS} {v:g}L{x + RADIUS + 2} {y:g}"><title>{i} ← {j}: {short(message, 6)}</title>'
                "</path>"
            )
    return parts


def _heat(step: Array, x: int, height: int, largest: float) -> list[str]:
    cells = _reduced(step)
    left, top = x + 26, TOP
    wide, high = (PANEL - 52) / cells.shape[1], (height - 46 - TOP) / cells.shape[0]
    parts = [f'<rect class="frame" x="{left}" y="{top}" width="{PANEL - 52}" height="{height - 46 - TOP}"/>']
    for i, j in np.argwhere(cells != 0):
        share = min(abs(float(cells[i, j])) / largest, 1.0) if np.isfinite(cells[i, j]) else 1.0
        kind = "minus" if cells[i, j] < 0 else "plus"
        parts.append(
            f'<rect class="cell-{kind}" fill-opacity="{0.08 + 0.92 * share:.2f}" x="{left + j * wide:.2f}" '
            f'y="{top + i * high:.2f}" width="{wide:.2f}" height="{high:.2f}"/>'
        )
    if cells.shape != step.shape:
        note = f"the largest of each {-(-step.shape[0] // cells.shape[0])} x {-(-step.shape[1] // cells.shape[1])}"
        parts.append(f'<text class="quiet" x="{x + PANEL / 2:g}" y="{height - 30}" text-anchor="middle">{note}</text>')
    return parts


def _reduced(step: Array) -> Array:
    """At most CELLS rows and columns, each the largest of a block, with its sign."""
    for axis in (0, 1):
        if step.shape[axis] > CELLS:
            starts = np.linspace(0, step.shape[axis], CELLS, endpoint=False).astype(int)
            high, low = (f.reduceat(step, starts, axis=axis) for f in (np.maximum, np.minimum))
            step = np.where(np.abs(low) > np.abs(high), low, high)
    return step
