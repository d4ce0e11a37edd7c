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

# As printed on the page, digit for digit.
FORWARD = {"net_h1": "0.3775", "out_h1": "0.593269992", "out_h2": "0.596884378", "net_o1": "1.105905967",
           "out_o1": "0.75136507", "out_o2": "0.772928465", "E_o1": "0.274811083", "E_o2": "0.023560026",
           "E": "0.298371109"}  # fmt: skip
BACKWARD = {"∂E/∂out_o1": "0.74136507", "∂out_o1/∂net_o1": "0.186815602", "∂E/∂net_o1": "0.138498562",
            "∂net_o1/∂w5": "0.593269992", "∂E/∂w5": "0.082167041", "out_h1 <- w5": "0.055399425",
            "out_h1 <- w7": "-0.019049119", "∂E/∂out_h1": "0.036350306", "∂out_h1/∂net_h1": "0.241300709",
            "∂E/∂w1": "0.000438568"}  # fmt: skip
STEPPED = (
    "0.149780716",
    "0.19956143",
    "0.24975114",
    "0.29950229",
    "0.35891648",
    "0.408666186",
    "0.51130127",
    "0.561370121",
)
ERROR_AFTER_ONE = "0.291027924"
LATER = {"E": "0.000035085", "out_o1": "0.015912196", "out_o2": "0.984065734"}


def network() -> kb.Tensor:
    """Every quantity under the page's name; `kb.record` reads the names from here."""
    i1, i2 = INPUTS
    b1, b2 = BIASES
    w1, w2, w3, w4, w5, w6, w7, w8 = (kb.tensor(w, requires_grad=True, name=f"w{n}") for n, w in enumerate(WEIGHTS, 1))
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
    return E  # noqa: RET504 - the record shows its name


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


def backward(seen: kb.Record) -> dict[str, float]:
    """Gradients, local derivatives and messages, under the names of BACKWARD."""
    parts = {f"out_h1 <- {edge.target.inputs[0].symbol}": edge.message for edge in seen["out_h1"].messages}
    for name in ("out_o1", "net_o1", "w5", "out_h1", "w1"):
        parts[f"∂E/∂{name}"] = seen[name].grad
    for above, below in (("out_o1", "net_o1"), ("net_o1", "w5"), ("out_h1", "net_h1")):
        parts[f"∂{above}/∂{below}"] = seen[below].messages[0].local
    return {name: float(value) for name, value in parts.items()}


def verdict(published: str, value: float) -> str:
    """right, last digit (off by one unit of what is printed), or wrong."""
    digits = len(published.partition(".")[2])
    units = abs(round(value * 10**digits) - round(float(published) * 10**digits))
    return "right" if units == 0 else "last digit" if units == 1 else "wrong"


def compare(tell: Telling, name: str, published: str, value: float) -> None:
    found = verdict(published, value)
    row = f"{name:<22} {value:14.10f} {published:>14}   "
    off = f"{float(published) - value:+.1e}"
    en = {"right": "right", "last digit": "last digit off, by rounding", "wrong": f"WRONG, by {off}"}
    ja = {"right": "正しい", "last digit": "丸めで末尾の桁がずれた", "wrong": f"誤り、差 {off}"}
    tell(row + en[found], row + ja[found])


def main(argv: Sequence[str] | None = None) -> None:
    tell = begin(__doc__ or "", argv)
    seen = kb.record(network())
    tell.heading("Forward            (value, as published)", "順伝播             (値、公表値)")
    for name, published in FORWARD.items():
        compare(tell, name, published, float(seen[name].value))
    tell.heading("Backward: a node's gradient is the sum of its messages", "逆伝播: ノードの勾配は届いたメッセージの和")
    values = backward(seen)
    for name, published in BACKWARD.items():
        compare(tell, name, published, values[name])
    check = kb.check_grads(error, WEIGHTS).max_error
    tell(f"Numerical differentiation agrees to {check:.0e}.", f"数値微分との差は {check:.0e} です。")
    tell.graph("mazur", seen, "2-2-2")
    tell.heading(f"One step, rate {RATE}", f"1回の更新、学習率 {RATE}")
    after = descend(1)
    for n, (published, value) in enumerate(zip(STEPPED, after), 1):
        compare(tell, f"w{n}", published, float(value))
    compare(tell, "E", ERROR_AFTER_ONE, float(error(after)))
    tell.heading("After 10,000 steps, beside the page", "1万回の更新後、右は公表値")
    after = descend(10_000)
    for name, value in zip(LATER, (error(after), *outputs(after))):
        print(f"{name:<22} {float(value):14.10f} {LATER[name]:>14}")
    tell(
        "The page's three numbers are those of two to three steps later.",
        "公表値は、3つとも2、3回あとの更新の値に当たります。",
    )


if __name__ == "__main__":
    main()
