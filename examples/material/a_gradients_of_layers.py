"""A. The six gradients of a layered network, in six steps and five, each with its numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from telling import Telling, begin

import koubai as kb
import koubai.numpy as knp

Array = np.ndarray[Any, Any]
sigmoid = kb.special.expit


class Layers(NamedTuple):
    """i inputs, j hidden, k output nodes; w_ij and w_jk with the node before as the row."""

    w_ij: Array
    b_j: Array
    w_jk: Array
    b_k: Array


class Task(NamedTuple):
    """What tells regression from classification: the output's activation, the loss, and their derivatives."""

    activation: Callable[[Any], Any]
    loss: Callable[[Any, Any], Any]  # of outputs y_k and targets t_k
    loss_slope: str
    error_by_output: Callable[[Array, Array], Array]


X, T_VALUES, T_CLASS = np.array([1.0, 0.5]), np.array([0.3, -0.2, 0.6]), np.array([0.0, 1.0, 0.0])
LAYERS = Layers(
    np.array([[0.2, -0.4, 0.6], [0.5, 0.3, -0.1]]),
    np.array([0.1, 0.0, -0.2]),
    np.array([[0.7, -0.3, 0.2], [-0.5, 0.8, -0.6], [0.4, 0.1, 0.9]]),
    np.array([0.05, -0.1, 0.0]),
)


def softmax(u: Any) -> Any:
    return kb.nn.softmax(u)


REGRESSION = Task(lambda u: u, lambda y, t: knp.sum((y - t) ** 2) / 2, "y_k - t_k", lambda y, t: y - t)
CLASSES = Task(softmax, lambda y, t: -knp.sum(t * knp.log(y)), "-t_k / y_k", lambda y, t: -t / y)


def forward(p: Layers, x: Any, task: Task) -> list[Any]:
    """u_j, y_j, u_k, y_k."""
    u_j = knp.matmul(x, p.w_ij) + p.b_j
    y_j = sigmoid(u_j)
    u_k = knp.matmul(y_j, p.w_jk) + p.b_k
    return [u_j, y_j, u_k, task.activation(u_k)]


def error(p: Layers, x: Any, t: Any, task: Task) -> Any:
    return task.loss(forward(p, x, task)[-1], t)


class Gradients(NamedTuple):
    """The six gradients, and the steps between."""

    delta_k: Array
    w_jk: Array
    y_j: Array
    delta_j: Array
    w_ij: Array
    y_i: Array


def by_hand(p: Layers, x: Array, t: Array, task: Task) -> Gradients:
    """The steps in NumPy; delta_k for any activation: the sum over k' of ∂E/∂y_k' * ∂y_k'/∂u_k."""
    _, y_j, u_k, y_k = forward(p, x, task)
    delta_k = task.error_by_output(y_k, t) @ kb.jacobian(task.activation)(u_k)
    delta_j = y_j * (1 - y_j) * (p.w_jk @ delta_k)
    return Gradients(delta_k, np.outer(y_j, delta_k), p.w_jk @ delta_k,
                     delta_j, np.outer(x, delta_j), p.w_ij @ delta_j)  # fmt: skip


def by_koubai(p: Layers, x: Array, t: Array, task: Task) -> Gradients:
    """The same six by differentiating the error: bias, weight and input of the output and the hidden layer."""
    g, y_i = kb.grad(lambda p, x: error(p, x, t, task), argnums=(0, 1))(p, x)
    y_j = kb.grad(lambda y_j: task.loss(task.activation(knp.matmul(y_j, p.w_jk) + p.b_k), t))(forward(p, x, task)[1])
    return Gradients(g.b_k, g.w_jk, y_j, g.b_j, g.w_ij, y_i)


def gap(task: Task, t: Array) -> float:
    """Largest difference between the steps by hand and koubai."""
    pairs = zip(by_hand(LAYERS, X, t, task), by_koubai(LAYERS, X, t, task))
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def model() -> kb.nn.Sequential:
    """The same network of koubai's layers."""
    network = kb.nn.Sequential(kb.nn.Linear(2, 3), kb.nn.Sigmoid(), kb.nn.Linear(3, 3))
    for layer, w, b in ((network[0], LAYERS.w_ij, LAYERS.b_j), (network[2], LAYERS.w_jk, LAYERS.b_k)):
        layer.weight, layer.bias = kb.nn.Parameter(w), kb.nn.Parameter(b)
    return network


def explained(task: Task, lang: str = "en") -> kb.Explanation:
    """The derivation unit by unit, each line beside its numerical derivative."""
    if task is REGRESSION:
        return kb.explain(model(), X[None], T_VALUES[None], REGRESSION.loss, lang=lang)
    return kb.explain(model(), X[None], T_CLASS.argmax(keepdims=True), "cross_entropy", lang=lang)


def line(symbol: str, formula: str, value: Array) -> None:
    print(f"{symbol:<14}= {formula:<24}= {shown(value, 42)}")


def shown(value: Array, indent: int = 4) -> str:
    """The numbers, further rows under the first."""
    return np.array2string(value + 0.0, precision=5, suppress_small=True, prefix=" " * indent)


def five_things(tell: Telling) -> None:
    tell.heading("What training needs", "学習に必要なもの")
    tell(
        "Data (some to train with, some to test with), a loss function, gradient descent, an optimization algorithm\n"
        "that turns gradients into steps, a batch size. Gradient descent needs ∂E/∂(everything): here they are.\n"
        "u is the input of an activation, y its output; i counts the layer before, j the hidden, k the output layer.",
        "訓練データとテストデータ、損失関数、勾配降下法、勾配から更新量を決める最適化アルゴリズム、バッチサイズの5つです。\n"
        "勾配降下法には誤差 E をあらゆる量で微分した値が要ります。それを順に求めます。\n"
        "u は活性化関数の入力、y はその出力。添字は i が前の層、j が隠れ層、k が出力層です。",
    )


def output_layer(tell: Telling, task: Task, t: Array) -> None:
    _, _, u_k, y_k = forward(LAYERS, X, task)
    g = by_hand(LAYERS, X, t, task)
    line("y_k", "f(u_k)", y_k)
    line("(1) ∂E/∂y_k", task.loss_slope, task.error_by_output(y_k, t))
    if task is REGRESSION:
        line("(2) ∂y_k/∂u_k", "1", np.ones_like(u_k))
        line("(3) δ_k", "(1) * (2) = ∂E/∂b_k", g.delta_k)
    else:
        softmax_delta(tell, u_k, y_k, t)
        line("(3) δ_k", "y_k - t_k = ∂E/∂b_k", g.delta_k)
    line("(4) ∂E/∂w_jk", "y_j δ_k", g.w_jk)
    line("(5)", "w_jk δ_k", LAYERS.w_jk * g.delta_k)
    line("(6) ∂E/∂y_j", "Σ_k (5)", g.y_j)


def softmax_delta(tell: Telling, u_k: Array, y_k: Array, t: Array) -> None:
    jacobian = kb.jacobian(softmax)(u_k)
    tell(
        "(2) does not exist: a softmax output depends on every u_k. The derivative is a Jacobian, row k', column k:\n"
        "    ∂y_k'/∂u_k = y_k' ([k = k'] - y_k)        where [k = k'] is 1 if k = k', otherwise 0",
        "(2) は存在しません。ソフトマックスの各出力はすべての u_k に依存し、微分はヤコビ行列(k' 行 k 列)です。\n"
        "    ∂y_k'/∂u_k = y_k' ([k = k'] - y_k)        [k = k'] は k = k' なら 1、それ以外は 0",
    )
    print(f"    {shown(jacobian)}")
    tell(
        "    so that δ_k is a sum over k', and it collapses, because the targets add up to 1:\n"
        "    δ_k = Σ_k' ∂E/∂y_k' ∂y_k'/∂u_k = Σ_k' -t_k' ([k = k'] - y_k) = -t_k + y_k Σ_k' t_k' = y_k - t_k\n"
        "    The summands, row k':",
        "    そこで δ_k は k' についての和になり、目標値の和が 1 なので簡単な形にまとまります。\n"
        "    δ_k = Σ_k' ∂E/∂y_k' ∂y_k'/∂u_k = Σ_k' -t_k' ([k = k'] - y_k) = -t_k + y_k Σ_k' t_k' = y_k - t_k\n"
        "    和の各項(k' 行):",
    )
    print(f"    {shown((-t / y_k)[:, None] * jacobian)}")


def hidden_layer(task: Task, t: Array) -> None:
    y_j = forward(LAYERS, X, task)[1]
    g = by_hand(LAYERS, X, t, task)
    line("(1) ∂y_j/∂u_j", "y_j (1 - y_j)", y_j * (1 - y_j))
    line("(2) δ_j", "(1) * ∂E/∂y_j = ∂E/∂b_j", g.delta_j)
    line("(3) ∂E/∂w_ij", "y_i δ_j", g.w_ij)
    line("(4)", "w_ij δ_j", LAYERS.w_ij * g.delta_j)
    line("(5) ∂E/∂y_i", "Σ_j (4)", g.y_i)


def error_from(u_j: Array) -> float:
    """E as a function of the hidden layer's u_j: everything behind them."""
    return float(REGRESSION.loss(knp.matmul(sigmoid(u_j), LAYERS.w_jk) + LAYERS.b_k, T_VALUES))


def why_the_sum(tell: Telling) -> None:
    """The hidden layer's input gradient: the derivation that is often left out."""
    g = by_hand(LAYERS, X, T_VALUES, REGRESSION)
    tell.heading("Step 5 of the hidden layer, derived", "隠れ層の手順 (5) の導出")
    tell(
        "y_i reaches E on several ways, one through each u_j. The chain rule of several variables says:\n"
        "    ∂E/∂y_i = Σ_j ∂E/∂u_j ∂u_j/∂y_i\n"
        "The first factor is δ_j. For the second, u_j = Σ_q y_q w_qj + b_j is a sum over all nodes q before.\n"
        "The terms with q other than i do not contain y_i and vanish, and so does b_j; one is left:\n"
        "    ∂u_j/∂y_i = Σ_q (∂y_q/∂y_i) w_qj = w_ij        since ∂y_q/∂y_i is 1 for q = i, otherwise 0\n"
        "    ∂E/∂y_i = Σ_j w_ij δ_j",
        "y_i は各 u_j を通る複数の経路で E に影響します。多変数関数の連鎖律から、\n"
        "    ∂E/∂y_i = Σ_j ∂E/∂u_j ∂u_j/∂y_i\n"
        "前の因子は δ_j です。後の因子の u_j = Σ_q y_q w_qj + b_j は、前の層の全ノード q についての和です。\n"
        "q が i 以外の項と b_j は y_i を含まないので、微分すると消え、一つの項だけが残ります。\n"
        "    ∂u_j/∂y_i = Σ_q (∂y_q/∂y_i) w_qj = w_ij        ∂y_q/∂y_i は q = i なら 1、それ以外は 0\n"
        "    ∂E/∂y_i = Σ_j w_ij δ_j",
    )
    h = 1e-6
    u_j = forward(LAYERS, X, REGRESSION)[0]
    moves = h * LAYERS.w_ij[0]
    each = [error_from(u_j + moves * (np.arange(len(moves)) == j)) - error_from(u_j) for j in range(len(moves))]
    tell(
        f"With numbers: move y_1 by h = {h:g}, so that each u_j moves by w_1j h. E changes, divided by h:",
        f"数値で確かめます。y_1 を h = {h:g} だけ動かすと、各 u_j は w_1j h だけ動きます。E の変化を h で割ると、",
    )
    terms = " + ".join(f"({e / h:.5f})" for e in each) + f" = {sum(each) / h:.5f}"
    together = (error_from(u_j + moves) - error_from(u_j)) / h
    tell(
        f"    through each u_j alone: {terms}\n    through all at once: {together:.5f}",
        f"    u_j を一つずつ: {terms}\n    全部同時に: {together:.5f}",
    )
    print(f"    Σ_j w_1j δ_j: {g.y_i[0]:.5f}")


def main(argv: Sequence[str] | None = None) -> None:
    tell = begin(__doc__ or "", argv)
    five_things(tell)
    tasks = ((REGRESSION, T_VALUES, "Regression", "回帰"), (CLASSES, T_CLASS, "Classification", "分類"))
    for task, t, en, ja in tasks:
        tell.heading(
            f"{en}: output layer in six steps, E = {float(error(LAYERS, X, t, task)):.6g}",
            f"{ja}: 出力層の6つの手順、E = {float(error(LAYERS, X, t, task)):.6g}",
        )
        output_layer(tell, task, t)
        tell.heading(f"{en}: hidden layer in five", f"{ja}: 隠れ層の5つの手順")
        hidden_layer(task, t)
        far = gap(task, t), kb.check_grads(partial(error, t=t, task=task), LAYERS, X).max_error
        tell(
            f"All six agree with koubai to {far[0]:.0e}, and with numerical differentiation to {far[1]:.0e}.",
            f"6つの勾配は koubai と {far[0]:.0e}、数値微分と {far[1]:.0e} の差で一致します。",
        )
        tell.derivation(f"a_{en.lower()}", explained(task, tell.lang))
    why_the_sum(tell)


if __name__ == "__main__":
    main()
