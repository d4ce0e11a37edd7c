"""The curves of a training as an SVG picture: losses on the left, metrics on the right."""

from __future__ import annotations

from math import ceil, floor, isfinite, log10
from xml.sax.saxutils import escape

__all__ = ["curves"]

WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 40, 44
STYLE = """
  svg { background: #fff; font: 12px system-ui, sans-serif; }
  text { fill: #24292f; } .quiet { fill: #59636e; }
  .grid { stroke: #d8dee4; } .axis { stroke: #8c959f; } path { fill: none; stroke-width: 2; }
  .train { stroke: #0969da; } .validation { stroke: #bc4c00; stroke-dasharray: 6 3; }
  .dot.train { fill: #0969da; } .dot.validation { fill: #bc4c00; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; } text { fill: #f0f6fc; } .quiet { fill: #9198a1; }
    .grid { stroke: #2a313a; } .axis { stroke: #656c76; }
    .train { stroke: #58a6ff; } .validation { stroke: #f0883e; }
    .dot.train { fill: #58a6ff; } .dot.validation { fill: #f0883e; }
  }
"""


def curves(history: dict[str, list[float]], title: str = "") -> str:
    """The picture's text. Each quantity has a panel, with one line for training and one for validation.

    Parameters
    ----------
    history : dict from name to one number an epoch
    title : str
    """
    names = [name for name in history if not name.startswith("val_")]
    names += [name[4:] for name in history if name.startswith("val_") and name[4:] not in names]
    panels = [
        _panel(name, history.get(name, []), history.get(f"val_{name}", []), x=k * WIDTH) for k, name in enumerate(names)
    ]
    width = WIDTH * max(len(names), 1)
    label = escape(title or "Training curves")
    heading = f'<text x="{LEFT}" y="16" font-weight="600">{escape(title)}</text>' if title else ""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" '
            f'height="{HEIGHT}" role="img" aria-label="{label}">',
            f"<title>{label}</title>",
            f"<style>{STYLE}</style>",
            heading,
            *panels,
            "</svg>",
            "",
        ]
    )


def _panel(name: str, train: list[float], validation: list[float], x: int) -> str:
    values = [v for v in (*train, *validation) if isfinite(v)]
    ticks = _ticks(min(values, default=0.0), max(values, default=1.0), 5)
    low, high = ticks[0], ticks[-1]
    epochs = max(len(train), len(validation), 1)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def across(epoch: float) -> float:
        return LEFT + (right - LEFT) * (epoch - 1) / max(epochs - 1, 1)

    def up(value: float) -> float:
        return bottom - (bottom - TOP) * (value - low) / (high - low)

    parts = [f'<g transform="translate({x} 0)">']
    for tick in ticks:
        y = f"{up(tick):.1f}"
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="quiet" x="{LEFT - 6}" y="{y}" dy="4" text-anchor="end">{tick:.6g}</text>')
    for epoch in _whole_ticks(epochs):
        place = f"{across(epoch):.1f}"
        parts.append(f'<line class="axis" x1="{place}" x2="{place}" y1="{bottom}" y2="{bottom + 4}"/>')
        parts.append(f'<text class="quiet" x="{place}" y="{bottom + 17}" text-anchor="middle">{epoch}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(f'<text x="{(LEFT + right) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">epoch</text>')
    parts.append(f'<text x="{LEFT}" y="{TOP - 8}">{escape(name)}</text>')
    for series, kind, start in ((train, "train", right - 134), (validation, "validation", right - 70)):
        if series:
            parts.append(_line([(across(k), up(v)) for k, v in enumerate(series, 1) if isfinite(v)], kind))
            parts.append(f'<path class="{kind}" d="M{start - 4} {TOP - 12}h16"/>')
            parts.append(f'<text class="quiet" x="{start + 16}" y="{TOP - 8}">{kind}</text>')
    parts.append("</g>")
    return "\n".join(parts)


def _line(points: list[tuple[float, float]], kind: str) -> str:
    if len(points) == 1:
        return f'<circle class="dot {kind}" cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="3"/>'
    return f'<path class="{kind}" d="M' + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + '"/>'


def _ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers from below `low` to above `high`, in steps of 1, 2 or 5 times a power of ten."""
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    rough = (high - low) / count
    power = 10.0 ** floor(log10(rough))
    step = next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= rough * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [k * step for k in range(first, max(last, first + 1) + 1)]


def _whole_ticks(epochs: int) -> list[int]:
    step = max(1, round(_ticks(0.0, float(epochs), 6)[1]))
    return sorted({1, *range(step, epochs + 1, step)} - ({step} if step == 2 and epochs > 2 else set()))
