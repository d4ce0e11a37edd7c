"""How the cost of a step grows with the batch and with the depth: it should be linear."""

from __future__ import annotations

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
    """Microseconds of a step by size and side, all sizes in turn."""
    found: dict[str, Any] = {}
    options = replace(options, sides=tuple(name for name in SIDES if name in options.sides))
    for what, sizes in (("batch", BATCHES), ("depth", DEPTHS)):
        say(what)
        every = {}
        for size in sizes:
            sides, _ = steps.made(_work(*((size, 2) if what == "batch" else (64, size))), options)
            every |= {(str(size), name): side for name, side in sides.items()}
        found[what] = {str(size): {} for size in sizes}
        for (size, name), timing in steps.timed(every, options).items():
            found[what][size][name] = timing.step * 1e6
    return found


def _work(batch: int, depth: int) -> Work:
    layers = dense("-".join(map(str, [INPUTS, *[WIDTH] * depth, 10])))
    return Work("", layers, "cross_entropy", batch, *pictures(batch * STEPS, INPUTS))


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
