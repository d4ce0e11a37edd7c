"""Mazur's worked example: a 2-2-2 network, every published number beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from telling import Telling, begin

import koubai as kb
import koubai.numpy as knp

WEIGHTS = np.array([0.15, 0.20, 0.25, 0.30, 0.40, 0.45, 0.50, 0.55])
INPUTS, TARGETS, BIASES, RATE = np.array([0.05, 0.10]), np.array([0.01, 0.99]), (0.35, 0.60), 0.5

# As printed on the page, digit for digit; w1' is w1 after one step.
PUBLISHED = """
net_h1 = 0.3775
out_h1, out_h2 = 0.593269992, 0.596884378
net_o1 = 1.105905967
out_o1, out_o2 = 0.75136507, 0.772928465
E_o1, E_o2, E = 0.274811083, 0.023560026, 0.298371109
dE/dout_o1, dout_o1/dnet_o1, dnet_o1/dw5 = 0.74136507, 0.186815602, 0.593269992
dE/dnet_o1, dE/dw5 = 0.138498562, 0.082167041
dE_o1/dout_h1, dE_o2/dout_h1, dE/dout_h1 = 0.055399425, -0.019049119, 0.036350306
dout_h1/dnet_h1, dnet_h1/dw1, dE/dw1 = 0.241300709, 0.05, 0.000438568
w1', w2', w3', w4' = 0.149780716, 0.19956143, 0.24975114, 0.29950229
w5', w6', w7', w8' = 0.35891648, 0.408666186, 0.51130127, 0.561370121
E' = 0.291027924
"""
LATER = {"E": "0.000035085", "out_o1": "0.015912196", "out_o2": "0.984065734"}  # after 10,000 steps


def network(w1: Any, w2: Any, w3: Any, w4: Any, w5: Any, w6: Any, w7: Any, w8: Any) -> Any:
    """Every quantity under the page's name: records, explanations and verdicts read the names from here."""
    i1, i2 = INPUTS
    b1, b2 = BIASES
    net_h1 = w1 * i1 + w2 * i2 + b1
    net_h2 = w3 * i1 + w4 * i2 + b1
    out_h1 = kb.special.expit(net_h1)
    out_h2 = kb.special.expit(net_h2)
    net_o1 = w5 * out_h1 + w6 * out_h2 + b2
    net_o2 = w7 * out_h1 + w8 * out_h2 + b2
    out_o1 = kb.special.expit(net_o1)
    out_o2 = kb.special.expit(net_o2)
    E_o1 = (TARGETS[0] - out_o1) ** 2 / 2
    E_o2 = (TARGETS[1] - out_o2) ** 2 / 2
    E = E_o1 + E_o2
    return E  # noqa: RET504 - its name is read


def verdicts(lang: str = "en") -> kb.ClaimReport:
    weights = {f"w{n}": float(w) for n, w in enumerate(WEIGHTS, 1)}
    return kb.verify_example(network, PUBLISHED, weights, rate=RATE, over=list(weights), lang=lang)


def recorded() -> kb.Record:
    weights = {f"w{n}": kb.tensor(w, requires_grad=True, name=f"w{n}") for n, w in enumerate(WEIGHTS, 1)}
    return kb.record(network(**weights))


def outputs(weights: Any) -> Any:
    """The same network with arrays: the weights of a node are a row."""
    hidden = kb.special.expit(knp.reshape(weights[:4], (2, 2)) @ INPUTS + BIASES[0])
    return kb.special.expit(knp.reshape(weights[4:], (2, 2)) @ hidden + BIASES[1])


def error(weights: Any) -> Any:
    return knp.sum((TARGETS - outputs(weights)) ** 2) / 2


def descend(steps: int) -> np.ndarray[Any, Any]:
    """The weights after so many steps; the biases stay, as on the page."""
    step = kb.compile(lambda w: w - RATE * kb.grad(error)(w))
    weights = WEIGHTS
    for _ in range(steps):
        weights = step(weights)
    return weights


def later(tell: Telling) -> None:
    tell.heading("After 10,000 steps, beside the page", "1万回の更新後、右は公表値")
    after = descend(10_000)
    for name, value in zip(LATER, (error(after), *outputs(after))):
        print(f"{name:<8} {float(value):.9f}   {LATER[name]}")
    tell(
        "The page's three numbers are those of two to three steps later.",
        "公表値は、3つとも2、3回あとの更新の値に当たります。",
    )


def main(argv: Sequence[str] | None = None) -> None:
    tell = begin(__doc__ or "", argv)
    tell.heading("Every published number", "すべての公表値")
    print(verdicts(tell.lang))
    check = kb.check_grads(error, WEIGHTS).max_error
    tell(f"Numerical differentiation agrees to {check:.0e}.", f"数値微分との差は {check:.0e} です。")
    seen = recorded()
    print(f"\n{kb.explain(seen, wrt='w1', lang=tell.lang)}")
    tell.graph("mazur", seen, "2-2-2")
    tell.derivation("mazur_derivation", kb.explain(seen, lang=tell.lang))
    later(tell)


if __name__ == "__main__":
    main()
