"""What the verification of a training step found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

__all__ = ["StepReport", "StepRow"]


@dataclass(frozen=True, slots=True)
class StepRow:
    """One parameter, or one buffer.

    Attributes
    ----------
    name : str
    shape : tuple of int
    numerical : float or None
        The largest relative difference of backpropagation and numerical differentiation, in float64, on `checked`
        of its numbers; None where none was compared.
    checked : int
    gradient, update : float or None
        The largest relative differences of the compiled program and the interpreter; None for a buffer's gradient,
        and where nothing was compiled.
    """

    name: str
    shape: tuple[int, ...]
    numerical: float | None
    checked: int
    gradient: float | None = None
    update: float | None = None

    def compiled(self, gradient: float | None, update: float) -> StepRow:
        """With what the compiled program gave."""
        return replace(self, gradient=gradient, update=update)


@dataclass(frozen=True, slots=True)
class StepReport:
    """One training step by numerical differentiation, by the interpreter and by the compiled program.

    Returned by `koubai.verify_step`.

    Attributes
    ----------
    step, examples : int
        Which step, and how many examples it saw.
    dtype : str
        In which interpreter and program computed.
    loss : float
        The interpreter's.
    rtol : float
        What interpreter and program may differ by.
    rows : tuple of StepRow
        The parameters, then the buffers.
    memory : float or None
        The largest relative difference of what the optimizer remembers.
    compiled_loss, loss_gap : float or None
        The program's, and the relative difference.
    callbacks : dict from str to int
        The ops that run in NumPy inside of the program, and how many of each.
    reason : str or None
        Why the step could not be compiled.
    """

    step: int
    examples: int
    dtype: str
    loss: float
    rtol: float
    rows: tuple[StepRow, ...]
    memory: float | None = None
    compiled_loss: float | None = None
    loss_gap: float | None = None
    callbacks: dict[str, int] = field(default_factory=dict)
    reason: str | None = None

    def not_compiled(self, reason: str) -> StepReport:
        """For a step that only the interpreter can take."""
        return replace(self, reason=reason)

    def compared(self, rows: Sequence[StepRow], memory: float) -> StepReport:
        """With the state that the compiled program gave."""
        return replace(self, rows=tuple(rows), memory=memory)

    def lost(self, loss: float, gap: float) -> StepReport:
        """With the loss that the compiled program gave."""
        return replace(self, compiled_loss=loss, loss_gap=gap)

    def through(self, callbacks: Sequence[str]) -> StepReport:
        """With the ops that run in NumPy."""
        return replace(self, callbacks=dict(Counter(callbacks)))

    @property
    def compiled(self) -> bool:
        """Whether the step could be compiled."""
        return self.compiled_loss is not None

    @property
    def verdict(self) -> str:
        """One sentence: that all agrees, or what differs most."""
        worst = [(gap, what) for gap, what in self._gaps() if gap is not None and not gap <= self.rtol]
        if worst:
            gap, what = max(worst)
            return f"compiled program and interpreter differ in {what}: by {gap:.1e}, where {self.rtol:.0e} is allowed"
        checked = sum(row.checked for row in self.rows)
        numerical = f"backpropagation and numerical differentiation agree on {checked} numbers"
        return f"{numerical}; compiled program and interpreter agree" if self.compiled else numerical

    def _gaps(self) -> list[tuple[float | None, str]]:
        found = [(self.loss_gap, "the loss"), (self.memory, "what the optimizer remembers")]
        for row in self.rows:
            found += [(row.gradient, f"the gradient of {row.name}"), (row.update, f"the new {row.name}")]
        return found

    @property
    def ok(self) -> bool:
        """Whether interpreter and program agree; where numerical differentiation does not, no report is made."""
        return all(gap is None or gap <= self.rtol for gap, _ in self._gaps())

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            **asdict(self),
            "compiled": self.compiled,
            "ok": self.ok,
            "rows": [{**asdict(row), "shape": list(row.shape)} for row in self.rows],
        }

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """The table's head and rows, as text."""
        head = ("", "shape", "numerical", "gradient", "new value")
        rows: list[tuple[str, ...]] = [
            (row.name, _shape(row.shape), _numerical(row), _number(row.gradient), _number(row.update))
            for row in self.rows
        ]
        if self.compiled:
            rows += [("optimizer", "", "", "", _number(self.memory)), ("loss", "", "", "", _number(self.loss_gap))]
        return head, rows

    def lines(self) -> list[str]:
        """What stands around the table: the first line above it, the others below."""
        found = [f"step {self.step} on {self.examples} examples in {self.dtype}, loss {self.loss:.6g}"]
        if self.reason is not None:
            found.append(f"not compiled, so interpreted: {self.reason}")
        elif self.callbacks:
            names = ", ".join(name if n == 1 else f"{name} ({n} times)" for name, n in self.callbacks.items())
            found.append(f"in NumPy, by callback from the compiled program: {names}")
        elif self.compiled:
            found.append("everything is native code")
        return [*found, self.verdict]

    def __str__(self) -> str:
        head, rows = self.table()
        widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
        table = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in (head, *rows)]
        first, *below = self.lines()
        return "\n".join([first, *table, *below])


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "number"


def _number(gap: float | None) -> str:
    return "-" if gap is None else "exact" if gap == 0 else f"{gap:.0e}".replace("e-0", "e-")


def _numerical(row: StepRow) -> str:
    return f"{_number(row.numerical)} on {row.checked}" if row.checked else "-"
