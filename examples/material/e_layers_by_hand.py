"""E. Layers by hand: Add and Mul, a graph of three, and why one implements backward and checks it numerically."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from telling import BLUE, RED, Telling, Words, begin

import koubai as kb
import koubai.numpy as knp

CLAIMS = [("z", "200"), ("dz/dx", "22.0"), ("dz/dy", "11.0"), ("dz/dx", "20"), ("dz/dy", "10")]
SIZES = (10, 30, 100, 300, 1000)


class AddLayer(kb.Function):
    """A sum: both inputs receive what comes back."""

    def forward(self, x: Any, y: Any) -> Any:
        return x + y

    def backward(self, dout: Any) -> Any:
        return dout * 1, dout * 1


class MulLayer(kb.Function):
    """A product: each input receives what comes back, times the other input."""

    def forward(self, x: Any, y: Any) -> Any:
        self.x, self.y = x, y
        return x * y

    def backward(self, dout: Any) -> Any:
        return dout * self.y, dout * self.x


class ForgetfulMul(MulLayer):
    """The slip that everybody makes once: the inputs are not swapped."""

    def backward(self, dout: Any) -> Any:
        return dout * self.x, dout * self.y


def by_hand() -> dict[str, Any]:
    """The graph (1 * 2) * (10 + 20) on plain numbers: what goes forward, what comes back."""
    first, add, last = MulLayer(), AddLayer(), MulLayer()
    product, total = first.forward(1, 2), add.forward(10, 20)
    result = last.forward(product, total)
    d_product, d_total = last.backward(1)
    return {"forward": (product, total, result), "last": (d_product, d_total),
            "add": add.backward(d_total), "first": first.backward(d_product)}  # fmt: skip


def graph() -> kb.Tensor:
    """The same layers in a graph."""
    a, b, c, d = (kb.tensor(v, requires_grad=True, name=n) for n, v in zip("abcd", (1.0, 2.0, 10.0, 20.0)))
    product = MulLayer()(a, b)
    total = AddLayer()(c, d)
    result = MulLayer()(product, total)
    return result  # noqa: RET504 - the record shows its name


def single_layers(tell: Telling) -> None:
    tell.heading("One layer at a time", "層を一つずつ")
    add, mul = AddLayer(), MulLayer()
    print(f"Add: 20 + 10 = {add.forward(20, 10)}, backward(1) = {add.backward(1)}")
    print(f"Mul: 10 * 20 = {mul.forward(10, 20)}, backward(1) = {mul.backward(1)}")
    tell(
        "A printed result, (22.0, 11.0), and the right one, verified:",
        "印刷された結果 (22.0, 11.0) と正しい結果を検証すると:",
    )
    print(kb.verify_example("z = x*y", CLAIMS, {"x": 10, "y": 20}, lang=tell.lang))


def three_layers(tell: Telling) -> None:
    tell.heading("Three layers: (1 * 2) * (10 + 20)", "3つの層: (1 * 2) * (10 + 20)")
    hand = by_hand()
    tell(
        f"forward  {hand['forward'][0]} and {hand['forward'][1]}, then {hand['forward'][2]}\n"
        f"backward last Mul {hand['last']}, first Mul {hand['first']}, Add {hand['add']}",
        f"順伝播 {hand['forward'][0]} と {hand['forward'][1]}、次に {hand['forward'][2]}\n"
        f"逆伝播 最後の Mul {hand['last']}、最初の Mul {hand['first']}、Add {hand['add']}",
    )
    tell("The same classes in a graph of koubai:", "同じクラスを koubai のグラフで使うと:")
    seen = kb.record(graph())
    print(seen)
    tell.graph("e_graph", seen, "(a * b) * (c + d)")


def a_wrong_backward(tell: Telling) -> None:
    tell.heading("A wrong backward is found", "誤った backward は見つかる")
    tell("With the inputs not swapped, the check says:", "入力を取り違えた層を検査すると:")
    try:
        kb.check_grads(lambda x, y: ForgetfulMul()(x, y), 10.0, 20.0)
    except kb.GradientError as found:
        for line in str(found).splitlines():
            print(textwrap.fill(line, 100, initial_indent="    ", subsequent_indent="    "))


def network_of(parameters: int) -> tuple[Callable[[Any], Any], np.ndarray[Any, Any]]:
    """A loss of so many parameters: one tanh layer."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(10, parameters)), rng.normal(size=parameters) / parameters
    return lambda w: knp.mean((knp.tanh(x * w).sum(axis=1) - 1) ** 2), w


def seconds(work: Callable[[], Any], repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def timed() -> list[tuple[int, float, float, float]]:
    """For each size: seconds of numerical differentiation and of backpropagation, and their relative gap."""
    rows = []
    for size in SIZES:
        f, w = network_of(size)
        slope = kb.grad(f)
        exact, approximate = slope(w), kb.numerical_grad(f, w)
        gap = float(np.abs(exact - approximate).max() / np.abs(exact).max())
        rows.append((size, seconds(partial(kb.numerical_grad, f, w)), seconds(partial(slope, w)), gap))
    return rows


def draw_times(figure: Any, words: Words, rows: list[tuple[int, float, float, float]]) -> None:
    axes = figure.subplots()
    sizes, slow, fast, _ = zip(*rows)
    axes.loglog(sizes, np.array(slow) * 1e3, "o-", color=RED, label=words("numerical differentiation", "数値微分"))
    axes.loglog(sizes, np.array(fast) * 1e3, "o-", color=BLUE, label=words("backpropagation", "逆伝播"))
    axes.legend()
    axes.set(xlabel=words("parameters", "パラメータ数"), ylabel=words("milliseconds", "ミリ秒"))


def fast_and_slow(tell: Telling) -> None:
    tell.heading(
        "Exact enough but slow, fast but easy to get wrong", "数値微分は正確だが遅く、逆伝播は速いが間違えやすい"
    )
    rows = timed()
    tell(
        "parameters   numerical   backpropagation   times faster   relative gap",
        "パラメータ数   数値微分           逆伝播       何倍速いか       相対差",
    )
    for size, slow, fast, gap in rows:
        print(f"{size:10d} {slow * 1e3:8.2f} ms {fast * 1e3:14.3f} ms {slow / fast:14.0f} {gap:14.0e}")
    tell(
        "Hence: implement backpropagation, and confirm it by numerical differentiation. koubai does that by itself\n"
        "at the start of each training.",
        "だから逆伝播を実装し、数値微分で確かめます。koubai は学習を始めるたびに、この確認を自動で行います。",
    )
    tell.picture("e_times", lambda figure, words: draw_times(figure, words, rows))


def main(argv: Sequence[str] | None = None) -> None:
    tell = begin(__doc__ or "", argv)
    for part in (single_layers, three_layers, a_wrong_backward, fast_and_slow):
        part(tell)


if __name__ == "__main__":
    main()
