"""What a part of the benchmark hands over: tables and goals, as text for a terminal or for Markdown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Goal:
    """A number that was promised, and what was measured; None where it could not be."""

    what: str
    target: float
    reached: float | None
    at_least: bool = True
    unit: str = ""

    @property
    def met(self) -> bool:
        if self.reached is None:
            return False
        return self.reached >= self.target if self.at_least else self.reached <= self.target

    def row(self) -> list[str]:
        sign = "≥" if self.at_least else "≤"
        return [self.what, f"{sign} {number(self.target)}{self.unit}", self.measured(), "yes" if self.met else "no"]

    def measured(self) -> str:
        return "not measured" if self.reached is None else number(self.reached) + self.unit

    def distance(self) -> str:
        """How far from the target, in words."""
        if self.reached is None:
            return "not measured"
        sign, target = self.row()[1].split(" ", 1)
        far = self.target / self.reached if self.at_least else self.reached / self.target
        return f"{self.measured()} where {sign} {target} was wanted, a factor of {number(far)} away"


@dataclass
class Sheet:
    """A table: the first column is words, the others are numbers."""

    title: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)
    remark: str = ""

    def to_markdown(self) -> str:
        lines = [self.columns, ["---"] + ["---:"] * (len(self.columns) - 1), *self.rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        remark = f"\n{self.remark}\n" if self.remark else ""
        return f"### {self.title}\n\n{table}\n{remark}"

    def to_terminal(self, console: Console) -> None:
        table = Table(title=self.title, title_justify="left", box=box.SIMPLE_HEAD, caption=self.remark or None)
        for k, name in enumerate(self.columns):
            table.add_column(name, justify="right" if k else "left")
        for row in self.rows:
            table.add_row(*row)
        console.print(table)


def goals_sheet(goals: list[Goal]) -> Sheet:
    return Sheet("Targets", ["what", "target", "measured", "reached"], [goal.row() for goal in goals])


def number(x: Any) -> str:
    """Three digits, without an exponent; a dash for None."""
    if x is None:
        return "-"
    if x == 0:
        return "0"
    size = abs(x)
    places = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    text = f"{x:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
