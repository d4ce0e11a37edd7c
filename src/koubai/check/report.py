"""What a check found: a report when everything agrees, a diagnosis when something does not."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Diagnosis", "GradReport"]


@dataclass(frozen=True, slots=True)
class GradReport:
    """The result of a check that succeeded.

    Attributes
    ----------
    ok : bool
        True; where derivatives disagree, `check_grads` raises instead of returning.
    max_error : float
        The largest relative difference between backpropagation (or forward mode) and numerical
        differentiation.
    checked : int
        How many pairs of numbers were compared.
    notes : tuple of str
        What could not be checked, and what was checked in another way than asked.
    """

    ok: bool
    max_error: float
    checked: int
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        first = (
            f"backpropagation and numerical differentiation agree to {self.max_error:.1e} "
            f"({self.checked} comparisons, in float64)"
        )
        return "\n".join([first, *(f"note: {note}" for note in self.notes)])


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Where a derivative is wrong, and why it probably is.

    Attributes
    ----------
    mode : str
        "reverse" or "forward".
    place : str
        The op, layer or argument.
    index : tuple of int
        The element where the numbers differ most.
    analytic, numerical : float or complex
        The two numbers.
    kind : str
        One of "factor", "sign", "batch", "transpose", "cut", "kink", "precision", "not finite", "unknown".
    cause : str
        The likely cause, as a sentence.
    """

    mode: str
    place: str
    index: tuple[int, ...]
    analytic: float | complex
    numerical: float | complex
    kind: str
    cause: str

    def __str__(self) -> str:
        name = "backpropagation" if self.mode == "reverse" else "forward mode"
        return (
            f"{name} and numerical differentiation disagree at {self.place}, index {self.index}:\n"
            f"  {name + ':':<18}{_number(self.analytic)}\n"
            f"  {'numerically:':<18}{_number(self.numerical)}\n"
            f"  likely cause: {self.cause}"
        )


def _number(x: float | complex) -> str:
    if isinstance(x, complex) and x.imag:
        return f"{x.real:.10g}{x.imag:+.10g}j"
    return f"{x.real:.10g}"
