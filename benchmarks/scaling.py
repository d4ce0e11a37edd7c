"""How the cost of a step grows with the batch and with the depth: it should be linear."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import steps
from report import Goal, Sheet, number
from turns import Options
from works import Work, dense, pictures

BATCHES = tuple(2**k for k in range(5, 13))
DEPTHS = tuple(2**k for k in range(6))
WIDTH, INPUTS, STEPS = 64, 64, 4
SIDES = ("koubai", "PyTorch")
DOUBLING = 2.2  # what twice as much may cost: twice, and a tenth for caches and noise


def measure(options: Options, say: Callable[[str], None]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for what, sizes in (("batch", BATCHES), ("depth", DEPTHS)):
        say(what)
        found[what] = {str(n): _one(*((n, 2) if what == "batch" else (64, n)), options) for n in sizes}
    return found


def _one(batch: int, depth: int, options: Options) -> dict[str, float]:
    """Microseconds of a step by side."""
    layers = dense("-".join(map(str, [INPUTS, *[WIDTH] * depth, 10])))
    work = Work("", layers, "cross_entropy", batch, *pictures(batch * STEPS, INPUTS))
    pair = tuple(name for name in SIDES if name in options.sides)
    sides, _ = steps.made(work, replace(options, sides=pair))
    times = steps.timed(work, sides, options)
    return {name: statistics.median(t for t, _ in turns) * 1e6 for name, turns in times.items()}


def sheets(found: dict[str, Any]) -> list[Sheet]:
    listed = []
    units = {
        "batch": ("example", f"two hidden layers of {WIDTH}"),
        "depth": ("hidden layer", f"{WIDTH} wide, batch 64"),
    }
    for what, rows in found.items():
        unit, where = units[what]
        names = list(next(iter(rows.values())))
        sheet = Sheet(f"Cost of a step by {what} ({where})", [what])
        for name in names:
            sheet.columns += [f"{name}, µs", f"an {unit}" if unit[0] in "aeiou" else f"a {unit}"]
        for size, row in rows.items():
            cells = [cell for name in names for cell in (number(row[name]), number(row[name] / int(size)))]
            sheet.rows.append([size, *cells])
        listed.append(sheet)
    return listed


def goals(found: dict[str, Any]) -> list[Goal]:
    return [
        Goal(f"twice the {what}: at most so many times the cost of a step", DOUBLING, _steepest(rows), at_least=False)
        for what, rows in found.items()
    ]


def _steepest(rows: dict[str, Any]) -> float | None:
    cost = [row["koubai"] for row in rows.values() if "koubai" in row]
    return max((b / a for a, b in pairwise(cost)), default=None) if min(cost, default=0) > 0 else None
