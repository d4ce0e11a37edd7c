"""A training step: every side, every work, the same weights, batches and arithmetic.

The time of a step is the difference between a long and a short training, divided by the steps between them, so
that what a call costs once (looking at the data, tracing) is not in it; that is given beside it, and so is what
the first call costs more than a later one (compilation).

After the same number of steps all sides must have the same loss. It is computed from their weights in float64
by one function, and compared with NumPy in float64. What rounding explains is measured too: NumPy in float32,
from start weights of which each is moved by a unit in its last place.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import works
from peers import Side, Unavailable, make
from peers.numpy_by_hand import ByHand
from report import Goal, Sheet, number
from turns import Options, in_turn, ratio, rested, seconds
from works import Work

COMPARED_ROWS = 2048
SPREAD = 10  # how many times the measured effect of rounding a loss may be off

LEAST = 1e-5  # what is always allowed

# torch.compile computes Adam's 1 - beta2**t in float32, which is off by up to 6e-5 in the first steps.
MORE = {"torch.compile": 3e-4}


def measure(options: Options, say: Callable[[str], None]) -> dict[str, Any]:
    """Times, first calls and losses of every side in every work."""
    found = {}
    for name in options.works:
        say(name)
        found[name] = _one(works.work(name, options.mnist), options)
    return found


def _one(work: Work, options: Options) -> dict[str, Any]:
    sides, absent = made(work, options)
    first = _first_calls(sides, absent)
    losses, allowed = _losses(work, sides)
    times = timed(work, sides, options)
    rows = {}
    for name in sides:
        off = max(abs(a - b) / abs(b) for a, b in zip(*losses[name]))
        rows[name] = {
            "step_us": [t * 1e6 for t, _ in times[name]],
            "call_s": statistics.median(call for _, call in times[name]),
            "first_s": first[name],
            "losses": losses[name][0],
            "difference": off,
            "valid": off <= max(allowed, MORE.get(name, 0.0)),
        }
    mine = rows.get("koubai")
    for name, row in rows.items():
        if mine is not None and name != "koubai":
            row["ratio"] = ratio(mine["step_us"], row["step_us"])
    return {
        "batch": work.batch,
        "steps_an_epoch": work.steps,
        "compared_after_steps": [k * work.steps for k in work.compared],
        "allowed_difference": allowed,
        "targets": work.targets,
        "sides": rows,
        "absent": absent,
    }


def made(work: Work, options: Options) -> tuple[dict[str, Side], dict[str, str]]:
    """The sides that can do the work, and why the others cannot."""
    sides: dict[str, Side] = {}
    absent: dict[str, str] = {}
    for name in options.sides:
        try:
            sides[name] = make(name, work, options.threads)
        except Unavailable as error:
            absent[name] = str(error)
    return sides, absent


def _first_calls(sides: dict[str, Side], absent: dict[str, str]) -> dict[str, float]:
    """What the first call takes longer than the next one; a side that fails in it is moved to `absent`."""
    first = {}
    for name, side in list(sides.items()):
        try:
            side.begin()
            whole = rested(partial(side.train, 1))
        except Exception as error:  # such as a compiler that is missing; the other sides can still be timed
            reason = (str(error).strip().splitlines() or [""])[0]
            absent[name] = f"does not work here ({type(error).__name__}: {reason})"
            del sides[name]
            continue
        side.begin()
        first[name] = whole - rested(partial(side.train, 1))
    return first


def timed(work: Work, sides: dict[str, Side], options: Options) -> dict[str, list[tuple[float, float]]]:
    """Turn by turn: seconds of a step, and seconds of a call beside its steps."""
    turns = {name: _turn(side, work.steps, options.seconds) for name, side in sides.items()}
    return in_turn(turns, options.repeats)


def _turn(side: Side, steps: int, aim: float) -> Callable[[], tuple[float, float]]:
    def trained(epochs: int) -> float:
        side.begin()
        return rested(lambda: side.train(epochs))

    long = _epochs(side, aim)
    short = max(1, long // 8)

    def turn() -> tuple[float, float]:
        brief, whole = trained(short), trained(long)
        step = (whole - brief) / (long - short) / steps
        return step, brief - short * steps * step

    return turn


def _epochs(side: Side, aim: float) -> int:
    """How many epochs take about so long; what a call costs once is not counted."""
    count, last = 1, math.inf
    while True:
        side.begin()
        now = seconds(partial(side.train, count))
        gained = now - last  # by count / 2 epochs
        if gained > aim / 4 or now > 4 * aim:
            return max(2, math.ceil(aim / max(gained, aim / 4) * count / 2))
        last, count = now, 2 * count


def _losses(work: Work, sides: dict[str, Side]) -> tuple[dict[str, tuple[list[float], list[float]]], float]:
    """Each side's losses and those of the reference; and the largest difference that rounding explains."""
    judge = ByHand(work, 1, np.float64)
    exact = _trained(ByHand(work, 1, np.float64), work, judge)
    found = {name: (_trained(side, work, judge), exact) for name, side in sides.items()}
    if "scikit-learn" in found:
        found["scikit-learn"] = (found["scikit-learn"][0], _trained(ByHand(work, 1, np.float64, True), work, judge))
    moved = ByHand(work, 1)
    signs = np.random.default_rng(3)
    spread = 0.0
    for _ in range(2):
        moved.first = [np.nextafter(w, w + signs.choice([-1, 1], w.shape).astype(w.dtype)) for w in work.start()]
        spread = max(spread, *(abs(a / b - 1) for a, b in zip(_trained(moved, work, judge), exact)))
    return found, max(LEAST, SPREAD * spread)


def _trained(side: Side, work: Work, judge: ByHand) -> list[float]:
    losses = []
    for epochs in work.compared:
        side.begin()
        side.train(epochs)
        judge.put(side.weights())
        losses.append(judge.loss(COMPARED_ROWS))
    return losses


def sheets(found: dict[str, Any]) -> list[Sheet]:
    return [_sheet(name, work) for name, work in found.items()]


def _sheet(name: str, work: dict[str, Any]) -> Sheet:
    counts = " and ".join(map(str, work["compared_after_steps"]))
    more = "".join(f" ({side} {off:.0e})" for side, off in MORE.items() if side in work["sides"])
    sheet = Sheet(
        f"{name}, batch {work['batch']}",
        [
            "side",
            "µs a step",
            "times koubai",
            "in one turn",
            "target",
            "first call s",
            "each call ms",
            "loss",
            "off by",
        ],
        remark=f"The loss is that after {counts} steps; rounding explains {work['allowed_difference']:.0e}{more}.",
    )
    for side, row in work["sides"].items():
        times = row.get("ratio")
        off = f"{row['difference']:.0e}" + ("" if row["valid"] else " INVALID")
        sheet.rows.append([
            side,
            number(statistics.median(row["step_us"])),
            number(times["median"]) if times else "",
            f"{number(times['least'])} to {number(times['most'])}" if times else "",
            number(work["targets"][side]) if side in work["targets"] else "",
            f"{row['first_s']:.2f}",
            number(row["call_s"] * 1e3),
            ", ".join(f"{loss:.6f}" for loss in row["losses"]),
            off,
        ])  # fmt: skip
    why = "; ".join(f"{side}: {reason}" for side, reason in work["absent"].items())
    sheet.remark += f" Left out: {why}." if why else ""
    return sheet


def goals(found: dict[str, Any]) -> list[Goal]:
    listed = []
    for name, work in found.items():
        mine = work["sides"].get("koubai", {"valid": False})
        for side, target in work["targets"].items():
            other = work["sides"].get(side, {"valid": False})
            times = other.get("ratio") if mine["valid"] and other["valid"] else None
            listed.append(Goal(f"{name}: a step, times as fast as {side}", target, times and times["median"]))
    return listed
