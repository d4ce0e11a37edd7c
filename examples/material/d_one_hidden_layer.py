"""D. One hidden layer, vectorised: the flower data, two ways to fail, and the decision boundary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from telling import BLUE, GREY, RED, Telling, Words, begin

import koubai as kb
import koubai.numpy as knp

Array = np.ndarray[Any, Any]
RATE, PUBLISHED = 1.2, (0.693048, 0.288083, 0.254385, 0.233864, 0.226792, 0.222644, 0.219731, 0.217504)
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": kb.nn.sigmoid,
    "tanh": knp.tanh,
    "ReLU": kb.nn.relu,
    "leaky ReLU": lambda z: kb.nn.leaky_relu(z, 0.01),
}


class Weights(NamedTuple):
    """Units are rows, examples are columns: Z1 = W1 X + b1, A1 = tanh(Z1), Z2 = W2 A1 + b2, A2 = sigmoid(Z2)."""

    w1: Any
    b1: Any
    w2: Any
    b2: Any


def flower() -> tuple[Array, Array]:
    """Two classes of 200 points in the plane, on the petals of a flower."""
    rng = np.random.RandomState(1)
    points, labels = [], []
    for j in range(2):
        t = np.linspace(3.12 * j, 3.12 * (j + 1), 200) + 0.2 * rng.randn(200)
        r = 4 * np.sin(4 * t) + 0.2 * rng.randn(200)
        points.append(np.stack([r * np.sin(t), r * np.cos(t)], axis=1))
        labels.append(np.full(200, float(j)))
    return np.concatenate(points), np.concatenate(labels)


def start(hidden: int) -> Weights:
    rng = np.random.RandomState(2)
    w1, w2 = 0.01 * rng.randn(hidden, 2), 0.01 * rng.randn(1, hidden)
    return Weights(w1, np.zeros((hidden, 1)), w2, np.zeros((1, 1)))


def equal_start(hidden: int, value: float) -> Weights:
    """All weights the same number."""
    w1, b1, w2, b2 = start(hidden)
    return Weights(np.full_like(w1, value), b1, np.full_like(w2, value), b2)


def network(weights: Weights, activation: kb.nn.Module | None = None) -> kb.nn.Sequential:
    """The same network of layers: these hold examples as rows, and weights transposed."""
    first, last = kb.nn.Linear(2, len(weights.w1)), kb.nn.Linear(len(weights.w1), 1)
    for layer, w, b in ((first, weights.w1, weights.b1), (last, weights.w2, weights.b2)):
        layer.weight, layer.bias = kb.nn.Parameter(w.T.copy()), kb.nn.Parameter(b[:, 0].copy())
    return kb.nn.Sequential(first, activation or kb.nn.Tanh(), last)


def train(model: kb.nn.Sequential, steps: int) -> list[float]:
    """Full-batch gradient descent at native speed; the cost before each step."""
    x, t = flower()
    settings = {"optimizer": kb.optim.SGD(lr=RATE), "epochs": steps, "batch_size": len(x), "shuffle": False}
    done = kb.fit(model, (x, t[:, None]), loss="binary_cross_entropy", progress=False, **settings)
    return list(done.history["loss"])


def accuracy(model: kb.nn.Sequential) -> float:
    x, t = flower()
    return float(np.mean((model.predict(x)[:, 0] > 0) == t) * 100)


def difference(model: kb.nn.Sequential) -> float:
    """The largest difference between any two hidden units' weights."""
    w = model.state_dict()
    return float(max(np.ptp(w["0.weight"], axis=1).max(), np.ptp(w["0.bias"]), np.ptp(w["2.weight"])))


def cost(p: Weights, x: Any, t: Any) -> Any:
    """Binary cross entropy of sigmoid(Z2), its mean over the m examples."""
    z2 = knp.matmul(p.w2, knp.tanh(knp.matmul(p.w1, x) + p.b1)) + p.b2
    return knp.mean(knp.logaddexp(0.0, z2) - z2 * t)


def one_example(p: Weights, x: Array, t: float) -> Weights:
    """Element by element, for one example: each line is one link of the chain rule."""
    a1 = [np.tanh(row @ x + b) for row, b in zip(p.w1, p.b1[:, 0])]
    dz2 = 1 / (1 + np.exp(-(p.w2[0] @ a1 + p.b2[0, 0]))) - t
    dw2 = [dz2 * a for a in a1]
    dz1 = [dz2 * w * (1 - a**2) for w, a in zip(p.w2[0], a1)]
    dw1 = [[d * x_i for x_i in x] for d in dz1]
    return Weights(np.array(dw1), np.array(dz1)[:, None], np.array([dw2]), np.array([[dz2]]))


def vectorised(p: Weights, x: Array, t: Array) -> Weights:
    """The same over all m examples at once: products sum over the examples, hence the division by m."""
    m = x.shape[1]
    a1 = np.tanh(p.w1 @ x + p.b1)
    dz2 = 1 / (1 + np.exp(-(p.w2 @ a1 + p.b2))) - t
    dz1 = (p.w2.T @ dz2) * (1 - a1**2)
    return Weights(dz1 @ x.T / m, dz1.sum(1, keepdims=True) / m, dz2 @ a1.T / m, dz2.sum(1, keepdims=True) / m)


def gaps(hidden: int = 4) -> tuple[float, float]:
    """Vectorised formulas against the mean of single examples, and against koubai."""
    (points, t), rng = flower(), np.random.default_rng(0)
    p = Weights(*(rng.normal(size=a.shape) for a in start(hidden)))
    ours, theirs = vectorised(p, points.T, t), kb.grad(cost)(p, points.T, t)
    singles = [one_example(p, x, float(label)) for x, label in zip(points, t)]
    loop = [np.mean(parts, axis=0) for parts in zip(*singles)]
    far = [max(float(np.abs(a - b).max()) for a, b in zip(ours, other)) for other in (loop, theirs)]
    return far[0], far[1]


def draw_boundaries(figure: Any, words: Words, models: dict[str, kb.nn.Sequential]) -> None:
    x, t = flower()
    grid = np.linspace(-4.6, 4.6, 240)
    plane = np.stack([a.ravel() for a in np.meshgrid(grid, grid)], axis=1)
    for axes, (name, model) in zip(figure.subplots(2, 3).flat, models.items()):
        probability = kb.nn.sigmoid(model.predict(plane)).reshape(240, 240)
        shades = axes.contourf(grid, grid, probability, levels=np.linspace(0, 1, 11), cmap="RdBu_r", alpha=0.55)
        shades.set_rasterized(True)  # as paths they would make the SVG large
        axes.contour(grid, grid, probability, levels=[0.5], colors="black", linewidths=1.2)
        axes.scatter(*x.T, c=np.where(t == 1, RED, BLUE), s=6)
        axes.set(
            title=f"{name.replace('linear', words('linear', '線形'))}: {accuracy(model):g} %",
            aspect="equal",
            xticks=[],
            yticks=[],
        )
        axes.grid(False)


def draw_cost(figure: Any, words: Words, costs: list[float]) -> None:
    axes = figure.subplots()
    axes.plot(costs, color=BLUE, lw=1.5)
    axes.plot(range(0, 8000, 1000), PUBLISHED, "o", mfc="none", color=RED, label=words("published", "公表値"))
    axes.axhline(np.log(2), color=GREY, lw=0.8, ls="--", label="log 2")
    axes.legend()
    axes.set(xlabel=words("iteration", "反復回数"), ylabel=words("cost", "コスト"))


def formulas(tell: Telling) -> None:
    tell.heading("The gradients, element by element and vectorised", "勾配: 要素ごとの式とベクトル化した式")
    tell(
        "one example:  dz2 = a2 - t,  dw2_j = dz2 a1_j,  dz1_j = dz2 w2_j (1 - a1_j^2),  dw1_ji = dz1_j x_i\n"
        "m examples:   dZ2 = A2 - T,  dW2 = dZ2 A1^T / m,  db2 = sum of dZ2 / m,\n"
        "              dZ1 = W2^T dZ2 * (1 - A1^2),  dW1 = dZ1 X^T / m,  db1 = sum of dZ1 / m",
        "1例:  dz2 = a2 - t、dw2_j = dz2 a1_j、dz1_j = dz2 w2_j (1 - a1_j^2)、dw1_ji = dz1_j x_i\n"
        "m例:  dZ2 = A2 - T、dW2 = dZ2 A1^T / m、db2 = dZ2 の和 / m、\n"
        "      dZ1 = W2^T dZ2 * (1 - A1^2)、dW1 = dZ1 X^T / m、db1 = dZ1 の和 / m",
    )
    loop, engine = gaps()
    tell(
        f"Vectorised against the mean over single examples: {loop:.0e}; against koubai: {engine:.0e}.",
        f"ベクトル化した式と1例ずつの平均との差は {loop:.0e}、koubai との差は {engine:.0e} です。",
    )


def activations(tell: Telling) -> None:
    tell.heading("Activations and their derivatives", "活性化関数とその微分")
    header = f"{'':<11}" + "".join(f"{name:>10}" for name in ("g(-2)", "g'(-2)", "g(1)", "g'(1)"))
    tell(f"{header}   use", f"{header}   使いどころ")
    uses = [
        ("for the output of two classes", "2クラス分類の出力層"),
        ("for hidden units: its mean is near zero", "隠れ層。平均が0に近い"),
        ("for hidden units, by default", "隠れ層でまず試すもの"),
        ("where ReLU's units die", "ReLU が働かなくなるとき"),
    ]
    for (name, g), use in zip(ACTIVATIONS.items(), uses):
        numbers = [float(f(z)) for z in (-2.0, 1.0) for f in (g, kb.grad(g))]
        row = f"{name:<11}" + "".join(f"{v:10.5f}" for v in numbers)
        tell(f"{row}   {use[0]}", f"{row}   {use[1]}")


def flower_costs(tell: Telling) -> list[float]:
    tell.heading("The flower, 4 hidden units, learning rate 1.2", "花のデータ、隠れ層4ユニット、学習率 1.2")
    costs = train(network(start(4)), 7001)
    tell("iteration      cost  published", "反復回数     コスト    公表値")
    for i, published in enumerate(PUBLISHED):
        print(f"{1000 * i:9d} {costs[1000 * i]:9.6f}  {published:9.6f}")
    tell.picture("d_cost", lambda figure, words: draw_cost(figure, words, costs))
    return costs


def boundaries(tell: Telling) -> None:
    tell.heading("Accuracy after 5000 iterations", "5000回反復後の正解率")
    models = {}
    for hidden in range(1, 6):
        models[str(hidden)] = model = network(start(hidden))
        train(model, 5000)
        tell(f"{hidden} hidden units: {accuracy(model):5.2f} %", f"隠れ層 {hidden} ユニット: {accuracy(model):5.2f} %")
    models["4 linear"] = linear = network(start(4), kb.nn.Identity())
    train(linear, 5000)
    alone = kb.nn.Sequential(kb.nn.Linear(2, 1))
    train(alone, 5000)
    tell.heading("Two ways to fail", "失敗する2つの例")
    tell(
        "Linear hidden units: the whole is one linear map, "
        f"{accuracy(linear):g} % with 4 of them, {accuracy(alone):g} % with none.",
        "隠れ層を線形にすると、全体が一つの線形写像になります。"
        f"4ユニットで {accuracy(linear):g} %、隠れ層なしで {accuracy(alone):g} %。",
    )
    tell(
        "Equal weights: each hidden unit receives the same gradient for ever, so that all of them stay one unit.",
        "重みをすべて同じ値から始めると、どの隠れユニットにも同じ勾配しか届かず、いつまでも1ユニットと変わりません。",
    )
    for value in (0.0, 0.01):
        same = network(equal_start(4, value))
        last = train(same, 5000)[-1]
        tell(
            f"    from {value:g}: after 5000 steps the units differ by {difference(same):g}; "
            f"cost {last:.6f}, accuracy {accuracy(same):g} %",
            f"    {value:g} から: 5000回後のユニット間の差は {difference(same):g}、"
            f"コスト {last:.6f}、正解率 {accuracy(same):g} %",
        )
    tell.picture("d_boundary", lambda figure, words: draw_boundaries(figure, words, models), (9.0, 6.4))


def main(argv: Sequence[str] | None = None) -> None:
    tell = begin(__doc__ or "", argv)
    formulas(tell)
    activations(tell)
    flower_costs(tell)
    boundaries(tell)


if __name__ == "__main__":
    main()
