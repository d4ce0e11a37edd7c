"""C. What a gradient is: one weight, one example, a parabola, and the way downhill."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from telling import BLUE, GREEN, GREY, RED, Telling, Words, begin

import koubai as kb
import koubai.numpy as knp

X1, TARGET = 2.0, 5.0
MANY_X, MANY_T = np.array([1.0, 2.0, 3.0, 4.0]), np.array([3.0, 5.0, 6.0, 14.0])


def error(w1: Any) -> Any:
    return w1 * X1 - TARGET


def squared_error(w1: Any) -> Any:
    return error(w1) ** 2


def at_two() -> kb.Tensor:
    """The squared error at w1 = 2, in steps whose names the explanation shows."""
    w1 = kb.tensor(2.0, requires_grad=True, name="w1")
    prediction = w1 * X1
    e = prediction - TARGET
    E = e**2
    return E  # noqa: RET504 - its name is read


def absolute_error(w1: Any) -> Any:
    return knp.abs(error(w1))


def mean_squared_error(w1: Any) -> Any:
    return knp.mean((w1 * MANY_X - MANY_T) ** 2)


def downhill(loss: Callable[[Any], Any], w1: float, rate: float, steps: int) -> list[float]:
    """All weights on the way: w1 <- w1 - rate * gradient."""
    way = [w1]
    for _ in range(steps):
        way.append(way[-1] - rate * float(kb.grad(loss)(way[-1])))
    return way


def one_after_another(w1: float) -> list[float]:
    """Fit each example perfectly, in turn: each forgets what the last one wanted."""
    return [w1, *(t / x for x, t in zip(MANY_X, MANY_T))]


def coefficients(loss: Callable[[Any], Any]) -> tuple[float, float, float]:
    """a, b, c of a w1^2 + b w1 + c: the derivatives at zero say them."""
    slope = kb.grad(loss)
    return float(kb.grad(slope)(0.0)) / 2, float(slope(0.0)), float(loss(0.0))


def draw_parabola(figure: Any, words: Words) -> None:
    axes, w = figure.subplots(), np.linspace(0.8, 4.2, 200)
    axes.plot(w, squared_error(w), color=BLUE, lw=2)
    for at in (2.0, 2.5, 3.0):
        slope = float(kb.grad(squared_error)(at))
        beside = np.array([-0.35, 0.35])
        axes.plot(at + beside, squared_error(at) + slope * beside, color=RED, lw=1.5)
        axes.plot(at, squared_error(at), "o", color=RED)
        above = {"xytext": (0, 12), "textcoords": "offset points", "ha": "center"}
        axes.annotate(f"{slope:g}", (at, squared_error(at)), color=RED, **above)
    axes.set(xlabel="$w_1$", ylabel="$(2w_1-5)^2$", ylim=(-1.2, 12))
    axes.set_title(words("Squared error and its slope at three weights", "二乗誤差と、3つの重みでの傾き"))


def draw_gradient(figure: Any, words: Words) -> None:
    axes, w = figure.subplots(), np.linspace(0.8, 4.2, 200)
    axes.axhline(0, color=GREY, lw=1)
    axes.plot(w, kb.vmap(kb.grad(squared_error))(w), color=BLUE, lw=2)
    axes.plot(2.5, 0, "o", color=RED, ms=9)
    axes.annotate("$8w_1-20=0$", (2.5, 0), (16, -18), textcoords="offset points", color=RED)
    axes.set(xlabel="$w_1$", ylabel="$8w_1-20$")
    axes.set_title(words("The gradient is a line; the best weight is its zero", "勾配は直線で、零点が最良の重みになる"))


def draw_steps(figure: Any, words: Words) -> None:
    left, right = figure.subplots(1, 2)
    w = np.linspace(0.4, 4.6, 200)
    for axes, rate, color in ((left, 0.05, GREEN), (right, 0.23, RED)):
        way = np.array(downhill(squared_error, 1.0, rate, 8))
        axes.plot(w, squared_error(w), color=BLUE, lw=2)
        axes.plot(way, squared_error(way), "o-", color=color, ms=5, lw=1)
        axes.set(xlabel="$w_1$", ylabel="$(2w_1-5)^2$", title=words(f"rate {rate}", f"学習率 {rate}"), ylim=(-0.8, 18))


def draw_many(figure: Any, words: Words) -> None:
    axes, x = figure.subplots(), np.linspace(0, 4.5, 2)
    axes.plot(MANY_X, MANY_T, "o", color=GREY, ms=8)
    last, best = one_after_another(1.0)[-1], downhill(mean_squared_error, 1.0, 0.05, 50)[-1]
    axes.plot(x, last * x, color=RED, lw=2, label=words(f"one at a time: {last:.3g}", f"1点ずつ: {last:.3g}"))
    axes.plot(x, best * x, color=BLUE, lw=2, label=words(f"all together: {best:.3g}", f"全点まとめて: {best:.3g}"))
    axes.legend()
    axes.set(xlabel="$x_1$", ylabel="$w_1x_1$")
    axes.set_title(words("No single weight fits four examples", "一つの重みで4点すべてに合わせることはできない"))


def one_example(tell: Telling) -> None:
    tell.heading("One weight, one example", "重み1つ、データ1つ")
    tell(
        f"prediction = w1 * x1 with x1 = {X1:g}; the target is {TARGET:g}.",
        f"予測値 = w1 * x1、x1 = {X1:g}、目標値は {TARGET:g} です。",
    )
    tell(
        "   w1  prediction   error  squared  gradient of the square",
        "   w1      予測値    誤差     二乗  二乗誤差の勾配",
    )
    for w1 in (2.0, 3.0, 2.5):
        slope = float(kb.grad(squared_error)(w1))
        print(f"{w1:5g} {w1 * X1:11g} {error(w1):7g} {squared_error(w1):8g} {slope:9g}")
    a, b, c = coefficients(squared_error)
    tell(
        f"squared error = (2 w1 - 5)^2 = {a:g} w1^2 {b:+g} w1 {c:+g}   (the square on w1 is easily lost in print)",
        f"二乗誤差 = (2 w1 - 5)^2 = {a:g} w1^2 {b:+g} w1 {c:+g}   (w1 の2乗は書き落としやすいので注意)",
    )
    tell(
        f"gradient      = 2 * (2 w1 - 5) * 2 = {2 * a:g} w1 {b:+g}, zero at w1 = {-b / (2 * a):g}",
        f"勾配     = 2 * (2 w1 - 5) * 2 = {2 * a:g} w1 {b:+g}、w1 = {-b / (2 * a):g} で 0",
    )
    print(f"\n{kb.explain(at_two(), lang=tell.lang)}\n")
    check = kb.check_grads(squared_error, 2.0).max_error
    tell(
        f"A negative gradient says: more weight, less error. Numerical differentiation agrees to {check:.0e}.",
        f"勾配が負なら、重みを増やすと誤差が減ります。数値微分との差は {check:.0e} です。",
    )
    tell.picture("c_parabola", draw_parabola)
    tell.picture("c_gradient", draw_gradient)


def steps_downhill(tell: Telling) -> None:
    tell.heading("Steps downhill: w1 <- w1 - rate * gradient", "坂を下る: w1 <- w1 - 学習率 * 勾配")
    for rate in (0.05, 0.125, 0.23, 0.26):
        way = downhill(squared_error, 1.0, rate, 8)
        weights = " ".join(f"{w:.3g}" for w in way)
        tell(f"rate {rate:<5g}: {weights}", f"学習率 {rate:<5g}: {weights}")
    tell(
        "One step of 1/8 arrives at once; beyond 1/4 each step goes further astray.",
        "1/8 なら1歩で着きます。1/4 を超えると、進むほど遠ざかります。",
    )
    tell.picture("c_steps", draw_steps, (9.0, 4.0))


def many_examples(tell: Telling) -> None:
    tell.heading("Many examples", "データが複数あるとき")
    tell("The weights that fit one example each, in turn:", "1点ずつ順に合わせたときの重み:")
    print("  " + " -> ".join(f"{w:g}" for w in one_after_another(1.0)))
    tell(
        "and it ends wherever the last example is. Descent on the mean over all:",
        "結局、最後の1点に合った重みで終わります。全点の平均を下ると:",
    )
    way = downhill(mean_squared_error, 1.0, 0.05, 50)
    print("  " + " -> ".join(f"{w:.4g}" for w in way[:5]), "-> ... ->", f"{way[-1]:.6g}")
    last = one_after_another(1.0)[-1]
    tell(
        f"mean squared error: {mean_squared_error(last):.4g} one at a time, {mean_squared_error(way[-1]):.4g} together",
        f"平均二乗誤差: 1点ずつ {mean_squared_error(last):.4g}、全点まとめて {mean_squared_error(way[-1]):.4g}",
    )
    tell.picture("c_many", draw_many)


def why_squared(tell: Telling) -> None:
    tell.heading("Why squared and not absolute", "なぜ絶対値ではなく二乗か")
    for loss, en, ja in ((squared_error, "squared ", "二乗  "), (absolute_error, "absolute", "絶対値")):
        slopes = ", ".join(f"{float(kb.grad(loss)(w)):g}" for w in (1.0, 2.0, 2.4, 2.5, 2.6))
        way = " ".join(f"{w:.3g}" for w in downhill(loss, 1.0, 0.2, 8))
        tell(
            f"{en}: gradient at 1, 2, 2.4, 2.5, 2.6 = {slopes}; steps {way}",
            f"{ja}: 1, 2, 2.4, 2.5, 2.6 での勾配 = {slopes}、歩み {way}",
        )
    tell(
        "The square is smooth, its gradient shrinks towards the one minimum and is zero there. The absolute value\n"
        "pulls equally hard everywhere: its steps never settle, and at its kink it has no derivative (koubai says 0).\n"
        "For classes one uses cross entropy instead.",
        "二乗は滑らかで、勾配はただ一つの最小点に近づくほど小さくなり、そこで 0 になります。絶対値はどこでも同じ\n"
        "強さで引くので、歩みが収まりません。折れ目では微分が存在しません(koubai は 0 と約束しています)。\n"
        "分類では、かわりに交差エントロピーを使います。",
    )


def main(argv: Sequence[str] | None = None) -> None:
    tell = begin(__doc__ or "", argv)
    for part in (one_example, steps_downhill, many_examples, why_squared):
        part(tell)


if __name__ == "__main__":
    main()
