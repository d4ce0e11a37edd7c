"""B. Unfolded gradient descent: 25 iterations become 25 layers, and each step size is learnt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from telling import BLUE, GREEN, GREY, RED, Telling, Words, begin

import koubai as kb
import koubai.numpy as knp

ROWS, SIZE, STEPS = 600, 300, 25


class Problem(NamedTuple):
    """Least squares with A = X^T X, and A's eigenvalues."""

    matrix: np.ndarray[Any, Any]
    eigenvalues: np.ndarray[Any, Any]


class Result(NamedTuple):
    """Step sizes, and the mean error that they leave of an error of mean square 1."""

    steps: np.ndarray[Any, Any]
    error: float


def problem(rows: int = ROWS, size: int = SIZE, seed: int = 0) -> Problem:
    x = np.random.default_rng(seed).normal(scale=rows**-0.5, size=(rows, size))
    return Problem(x.T @ x, np.linalg.eigvalsh(x.T @ x))


def log_error(steps: Any, eigenvalues: Any) -> Any:
    """One step multiplies the error along an eigenvector by 1 - step * eigenvalue; 25 steps, their product.

    The logarithm, because the error falls through eight orders of magnitude while it is trained.
    """
    factors = knp.prod(1 - steps[:, None] * eigenvalues, axis=0)
    return knp.log(knp.mean(factors**2))


def result(steps: np.ndarray[Any, Any], eigenvalues: np.ndarray[Any, Any]) -> Result:
    return Result(steps, float(np.exp(log_error(steps, eigenvalues))))


def constant(eigenvalues: np.ndarray[Any, Any], count: int = STEPS) -> Result:
    """The best single step size, by the same loss and optimizer."""
    step = kb.tensor(1 / eigenvalues.mean(), requires_grad=True)

    def closure() -> kb.Tensor:
        loss = log_error(step * np.ones(count), eigenvalues)
        loss.backward()
        return loss

    kb.optim.LBFGS(max_iter=100, line_search_fn="strong_wolfe").step({"step": step}, closure)
    return result(np.full(count, step.item()), eigenvalues)


def chebyshev(eigenvalues: np.ndarray[Any, Any], count: int = STEPS) -> Result:
    """The steps that are best for the worst eigenvalue: inverse zeros of a Chebyshev polynomial."""
    low, high = eigenvalues[0], eigenvalues[-1]
    angles = np.pi * (2 * np.arange(count) + 1) / (2 * count)
    return result(2 / (high + low + (high - low) * np.cos(angles)), eigenvalues)


def train(eigenvalues: np.ndarray[Any, Any], count: int = STEPS) -> list[Result]:
    """Learn one step, then two, ... each time going on from the steps learnt before.

    A step of size 0 changes nothing, so that one compiled gradient serves all the lengths.
    """
    slope = kb.compile(kb.value_and_grad(lambda steps: log_error(steps, eigenvalues)))
    steps, learnt = kb.tensor(np.zeros(count), requires_grad=True), []
    order = np.arange(1, count + 1)
    for active in order:
        steps.value = np.where(order == active, 1 / eigenvalues.mean(), steps.numpy())
        closure = partial(evaluate, slope, steps, order <= active)
        kb.optim.LBFGS(max_iter=100, line_search_fn="strong_wolfe").step({"steps": steps}, closure)
        learnt.append(result(steps.numpy()[:active].copy(), eigenvalues))
    return learnt


def evaluate(slope: Callable[[Any], Any], steps: kb.Tensor, trained: np.ndarray[Any, Any]) -> float:
    """The loss; the gradient of the steps that are trained is left in `steps.grad`."""
    loss, gradient = slope(steps.numpy())
    steps.grad = gradient * trained
    return float(loss)


def unfolded_error(steps: Any, matrix: Any) -> Any:
    """The same from the iteration itself, with an error e along each axis to begin with: e <- e - step * A e."""
    e = np.eye(len(matrix))
    for t in range(steps.shape[0]):
        e = e - steps[t] * (matrix @ e)
    return knp.mean(knp.sum(e**2, axis=0))


def draw_errors(figure: Any, words: Words, learnt: list[Result], eigenvalues: np.ndarray[Any, Any]) -> None:
    left, right = figure.subplots(1, 2)
    for name, color, solve in (
        (words("best constant step", "最良の一定ステップ"), GREY, partial(constant, eigenvalues)),
        (words("Chebyshev", "チェビシェフ"), GREEN, partial(chebyshev, eigenvalues)),
        (words("learnt", "学習したステップ"), RED, lambda n: learnt[n - 1]),
    ):
        counts = range(1, len(learnt) + 1, 4)
        left.semilogy(counts, [solve(n).error for n in counts], "o-", ms=4, color=color, label=name)
    left.legend()
    left.set(xlabel=words("steps", "ステップ数"), ylabel=words("mean error", "平均誤差"))
    right.hist(eigenvalues, bins=30, color=BLUE, alpha=0.3)
    for at in 1 / learnt[-1].steps:
        right.axvline(at, color=RED, lw=0.8)
    right.set(xlabel=words("eigenvalue (red: 1 / step)", "固有値 (赤: 1 / ステップ幅)"), ylabel=words("count", "個数"))


def the_problem(tell: Telling, low: float, high: float) -> None:
    tell(
        f"A = X^T X is {SIZE}x{SIZE}, X is {ROWS}x{SIZE} Gaussian; eigenvalues from {low:.4g} to {high:.4g}.\n"
        "A step of descent multiplies the error along an eigenvector by 1 - step * eigenvalue, so that the expected\n"
        "loss after T steps is the mean over the eigenvalues of the product of (1 - step * eigenvalue)^2.",
        f"A = X^T X は {SIZE}x{SIZE}、X は {ROWS}x{SIZE} のガウス行列、固有値は {low:.4g} から {high:.4g} です。\n"
        "勾配降下の1ステップで、固有ベクトル方向の誤差は (1 - ステップ幅 * 固有値) 倍になります。したがって\n"
        "T ステップ後の損失の期待値は、(1 - ステップ幅 * 固有値)^2 の積を固有値について平均したものです。",
    )


def the_learnt(tell: Telling, learnt: list[Result], best: Result, eigenvalues: np.ndarray[Any, Any]) -> None:
    tell.heading("Trained one step more at a time: mean error", "1ステップずつ増やして学習する: 平均誤差")
    tell("  T       learnt    Chebyshev", "  T   学習した値  チェビシェフ")
    for n in (1, 2, 3, 5, 10, 15, 20, STEPS):
        print(f"{n:3d} {learnt[n - 1].error:12.4e} {chebyshev(eigenvalues, n).error:12.4e}")
    steps, error = learnt[-1]
    against = best.error / error, error / chebyshev(eigenvalues).error
    tell(
        f"The best constant step, {best.steps[0]:.6f}, leaves {best.error:.4e}, {against[0]:,.0f} times as much as\n"
        f"the learnt steps. Here they are; they leave {against[1]:.2f} times as much as Chebyshev's.",
        f"最良の一定ステップ {best.steps[0]:.6f} の誤差は {best.error:.4e} で、学習したステップの\n"
        f"{against[0]:,.0f} 倍です。次の学習したステップの誤差は、チェビシェフの {against[1]:.2f} 倍です。",
    )
    print(np.array2string(steps, precision=3, max_line_width=90))


def the_iteration(tell: Telling, matrix: np.ndarray[Any, Any], eigenvalues: np.ndarray[Any, Any]) -> None:
    tell.heading("The same from the iteration itself", "反復そのものでも同じになる")
    mixed = np.random.default_rng(1).permutation(chebyshev(eigenvalues).steps)  # sorted, rounding errors pile up
    loss, gradient = kb.value_and_grad(lambda s: knp.log(unfolded_error(s, matrix)))(mixed)
    expected = kb.grad(log_error)(mixed, eigenvalues)
    gap = np.abs(gradient - expected).max() / np.abs(expected).max()
    check = kb.check_grads(lambda s: log_error(s, eigenvalues), mixed).max_error
    tell(
        f"Chebyshev's steps in mixed order, {STEPS} layers of {SIZE}x{SIZE} products, backpropagated: error\n"
        f"{np.exp(float(loss)):.4e}; the gradient is that of the eigenbasis to {gap:.0e} of its size, and numerical\n"
        f"differentiation agrees to {check:.0e}.",
        f"順序を混ぜたチェビシェフのステップで、{SIZE}x{SIZE} の行列積 {STEPS} 層を逆伝播しました。\n"
        f"誤差は {np.exp(float(loss)):.4e}、勾配は固有基底での勾配と相対差 {gap:.0e}、数値微分とは {check:.0e} の差で\n"
        "一致します。",
    )


def main(argv: Sequence[str] | None = None) -> None:
    tell = begin(__doc__ or "", argv)
    matrix, eigenvalues = problem()
    the_problem(tell, eigenvalues[0], eigenvalues[-1])
    learnt = train(eigenvalues)
    the_learnt(tell, learnt, constant(eigenvalues), eigenvalues)
    the_iteration(tell, matrix, eigenvalues)
    tell.picture("b_unfolded", lambda figure, words: draw_errors(figure, words, learnt, eigenvalues), (10.0, 4.2))


if __name__ == "__main__":
    main()
