"""What tests of explanations share: reading the numbers out of a text, and computing them again."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import koubai as kb
from koubai.errors import UsageError
from koubai.explain.formula import parse

CHECK = re.compile(r"\s{3,}[✓✗△].*$")


CONTINUED = re.compile(r"\s{4,}([-+·∘] |\[\S|if |else )")


def leaf(value: Any, name: str | None = None) -> kb.Tensor:
    return kb.tensor(value, requires_grad=True, name=name)


def equations(text: str) -> list[list[str]]:
    """The equations of a text: the sides of each, of those that go over several lines too."""
    found: list[list[str]] = []
    for line in text.splitlines():
        line = CHECK.sub("", line)
        if found and CONTINUED.match(line):
            found[-1][-1] += f" {line.strip()}"
        elif line.startswith("  ") and " = " in line:
            sides = line.strip().removeprefix("= ").split(" = ")
            if re.match(r"\s+= ", line):
                found[-1] += sides
            else:
                found.append(sides)
    return found


def number(text: str) -> float | None:
    try:
        return float(parse(text, derivatives=False).evaluate({}))
    except (UsageError, TypeError, ValueError):
        return None


def check_numbers(explanation: kb.Explanation) -> int:
    """Recompute what is written: all sides of an equation that are numbers are equal, to the digits shown."""
    count = 0
    for sides in equations(explanation.text):
        values = [v for v in map(number, sides) if v is not None]
        for value in values[:-1]:
            assert value == pytest.approx(values[-1], rel=2e-4, abs=2e-5), sides
        count += len(values) - 1 if values else 0
    return count


def check_agreement(explanation: kb.Explanation) -> int:
    found = [line.agreement for line in explanation.lines if line.agreement is not None]
    for line in explanation.lines:
        assert line.agreement is None or line.agreement.ok, (line, line.agreement)
    return len(found)


def mazur() -> tuple[kb.nn.Module, Any, Any, Any]:
    hidden, out = kb.nn.Linear(2, 2), kb.nn.Linear(2, 2)
    model = kb.nn.Sequential(hidden, kb.nn.Sigmoid(), out, kb.nn.Sigmoid()).astype(np.float64)
    hidden.weight.assign([[0.15, 0.25], [0.20, 0.30]])
    out.weight.assign([[0.40, 0.50], [0.45, 0.55]])
    hidden.bias.assign([0.35, 0.35])
    out.bias.assign([0.60, 0.60])
    return model, np.array([[0.05, 0.10]]), np.array([[0.01, 0.99]]), lambda y, t: ((t - y) ** 2 / 2).sum()
