"""micrograd's example: one expression of two numbers, each value and gradient seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from telling import begin

import koubai as kb

PUBLISHED = {"g": 24.7041, "∂g/∂a": 138.8338, "∂g/∂b": 645.5773}


def expression(a: Any, b: Any) -> Any:
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + kb.nn.relu(b + a)
    d += 3 * d + kb.nn.relu(b - a)
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    return g


def recorded() -> kb.Record:
    a, b = kb.tensor(-4.0, requires_grad=True, name="a"), kb.tensor(2.0, requires_grad=True, name="b")
    return kb.record(expression(a, b))


def main(argv: Sequence[str] | None = None) -> None:
    tell = begin(__doc__ or "", argv)
    seen = recorded()
    tell.heading(
        "Every value and gradient; c, d and g are several values under one name",
        "すべての値と勾配。c、d、g という名前は、それぞれ複数の値を順に指す",
    )
    print(seen)
    tell.heading("What a and b receive, message by message", "a と b に届くメッセージ")
    for name in "ab":
        parts = " + ".join(f"({float(edge.message):.6g})" for edge in seen[name].messages)
        print(f"∂g/∂{name} = {parts} = {float(seen[name].grad):.6g}")
    tell.heading("As published", "公表値")
    for (name, published), value in zip(PUBLISHED.items(), (seen.output.value, seen["a"].grad, seen["b"].grad)):
        print(f"{name:<6} {float(value):10.4f} {published:10.4f}")
    check = kb.check_grads(expression, -4.0, 2.0).max_error
    tell(f"Numerical differentiation agrees to {check:.0e}.", f"数値微分との差は {check:.0e} です。")
    tell.graph("micrograd", seen, "micrograd")
    tell.derivation("micrograd_derivation", kb.explain(seen, lang=tell.lang))


if __name__ == "__main__":
    main()
