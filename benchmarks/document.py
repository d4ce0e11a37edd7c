"""docs/benchmarks.md from the measured numbers, with a note on each target that was missed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import machine
from report import Goal, goals_sheet

HERE = Path(__file__).parent
NOTES = HERE / "notes.toml"
PAGE = HERE.parent / "docs" / "benchmarks.md"


def page(found: dict[str, Any], parts: dict[str, ModuleType]) -> str:
    """The page as Markdown."""
    notes = tomllib.loads(NOTES.read_text(encoding="utf-8"))
    return "\n".join(_lines(found, parts, notes)).rstrip() + "\n"


def _lines(found: dict[str, Any], parts: dict[str, ModuleType], notes: dict[str, Any]) -> Iterator[str]:
    yield "# Benchmarks\n"
    yield "Written by `python benchmarks/training.py --write-docs`; what is measured, and how, stands in"
    yield "[benchmarks/README.md](../benchmarks/README.md).\n"
    yield f"{machine.sentence(found['machine'])}\n"
    for threads, measured in found["threads"].items():
        yield f"## {threads} thread{'' if threads == '1' else 's'}\n"
        goals = [goal for name in measured for goal in parts[name].goals(measured[name]["found"])]
        yield goals_sheet(goals).to_markdown()
        yield from _missed(goals, notes)
        yield f"{_how(measured)}\n"
        for name, part in measured.items():
            for sheet in parts[name].sheets(part["found"]):
                yield sheet.to_markdown()


def _how(measured: dict[str, Any]) -> str:
    """How the parts were measured, and whether they were disturbed."""
    parts = []
    for name, part in measured.items():
        how = part["how"]
        data = ", on MNIST" if how["mnist"] and name == "steps" else ""
        others = "" if how["elsewhere"] is None else f", {how['elsewhere']:.1%} of the processor elsewhere"
        parts.append(f"{name}: {how['repeats']} turns of each side{data}{others}")
    return f"Measured with: {'; '.join(parts)}."


def _missed(goals: list[Goal], notes: dict[str, Any]) -> Iterator[str]:
    missed = [goal for goal in goals if not goal.met]
    if not missed:
        return
    yield "### Missed targets\n"
    for goal in missed:
        note = notes.get(goal.what, "")
        yield f"- {goal.what}: {goal.distance()}." + (f" {note}" if note else "")
    yield ""
