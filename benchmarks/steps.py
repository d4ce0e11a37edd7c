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
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import works
from peers import Side, Unavailable, make
from peers.numpy_by_hand import ByHand
from report import Goal, Sheet, number
from turns import Name, Options, in_turn, rested, seconds
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
    times = timed(sides, options)
    rows = {}
    for name in sides:
        off = max(abs(a - b) / abs(b) for a, b in zip(*losses[name]))
        rows[name] = {
            "step_us": times[name].step * 1e6,
            "step_us_by_turn": [t * 1e6 for t in times[name].steps],
            "call_s": times[name].call,
            "first_s": first[name],
            "losses": losses[name][0],
            "difference": off,
            "valid": off <= max(allowed, MORE.get(name, 0.0)),
        }
    mine = rows.get("koubai")
    for name, row in rows.items():
        if mine is not None and name != "koubai":
            row["ratio"] = _ratio(mine, row)
    return {
        "batch": work.batch,
        "steps_an_epoch": work.steps,
        "compared_after_steps": [k * work.steps for k in work.compared],
        "allowed_difference": allowed,
        "targets": work.targets,
        "sides": rows,
        "absent": absent,
    }


def _ratio(mine: dict[str, Any], other: dict[str, Any]) -> dict[str, float] | None:
    """How many times koubai's time goes into the other's, and the least and the most within one turn.

    None where either is no time: on a busy machine the difference of two times can be below zero.
    """
    if min(mine["step_us"], other["step_us"]) <= 0:
        return None
    each = [b / a for a, b in zip(mine["step_us_by_turn"], other["step_us_by_turn"]) if min(a, b) > 0]
    median = other["step_us"] / mine["step_us"]
    return {"median": median, "least": min(each, default=median), "most": max(each, default=median)}


def made(work: Work, options: Options) -> tuple[dict[str, Side], dict[str, str]]:
    """The sides that can do the work, and why the others cannot."""
    sides: dict[str, Side] = {}
    absent: dict[str, str] = {}
    for name in options.sides:
        if name == "scikit-learn" and name not in work.targets:
            continue  # its arithmetic is that of one work only
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


@dataclass
class Timing:
    """Seconds of a short and of a long training, turn by turn, and how many steps they have."""

    short: list[float]
    long: list[float]
    short_steps: int
    long_steps: int

    @property
    def step(self) -> float:
        """Seconds of a step: the median long training less the median short one."""
        return (statistics.median(self.long) - statistics.median(self.short)) / (self.long_steps - self.short_steps)

    @property
    def steps(self) -> list[float]:
        """The same within each turn."""
        return [(b - a) / (self.long_steps - self.short_steps) for a, b in zip(self.short, self.long)]

    @property
    def call(self) -> float:
        """Seconds of a call beside its steps."""
        return statistics.median(self.short) - self.short_steps * self.step


def timed(sides: dict[Name, Side], options: Options) -> dict[Name, Timing]:
    """Every side's trainings in turn, each about as long as was asked for."""

    def trained(side: Side, epochs: int) -> float:
        side.begin()
        return rested(partial(side.train, epochs))

    epochs = {name: _epochs(side, options.seconds) for name, side in sides.items()}
    both = {name: (max(1, long // 8), long) for name, long in epochs.items()}
    runs = {(name, count): partial(trained, sides[name], count) for name, pair in both.items() for count in pair}
    times = in_turn(runs, options.repeats)
    return {
        name: Timing(times[name, short], times[name, long], short * side.work.steps, long * side.work.steps)
        for (name, side), (short, long) in zip(sides.items(), both.values())
    }


def _epochs(side: Side, aim: float) -> int:
    """How many epochs take about so much longer than the first one of a call, with what the call costs once."""

    def trained(count: int) -> float:
        side.begin()
        return seconds(partial(side.train, count))

    first, count = max(trained(1), trained(1)), 2
    while (more := trained(count) - first) < aim / 2:
        count *= 2
    return max(2, math.ceil(aim * (count - 1) / more))


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
            number(row["step_us"]),
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
