"""The published numbers that koubai must reproduce: a course's flower, layers by hand, Mazur, micrograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import koubai as kb
import koubai.numpy as knp

Arrays = dict[str, np.ndarray]


def flower() -> tuple[np.ndarray, np.ndarray]:
    """Two classes of 200 points in the plane, on the petals of a flower."""
    rng = np.random.RandomState(1)
    xs, labels = [], []
    for j in range(2):
        t = np.linspace(3.12 * j, 3.12 * (j + 1), 200) + 0.2 * rng.randn(200)
        r = 4 * np.sin(4 * t) + 0.2 * rng.randn(200)
        xs.append(np.c_[r * np.sin(t), r * np.cos(t)])
        labels.append(np.full(200, j))
    return np.concatenate(xs), np.concatenate(labels)


def flower_start(hidden: int) -> Arrays:
    rng = np.random.RandomState(2)
    w1, w2 = 0.01 * rng.randn(hidden, 2), 0.01 * rng.randn(1, hidden)
    return {"w1": w1, "b1": np.zeros((hidden, 1)), "w2": w2, "b2": np.zeros((1, 1))}


def flower_logits(p: Any, x: np.ndarray) -> Any:
    return knp.matmul(p["w2"], knp.tanh(knp.matmul(p["w1"], x.T) + p["b1"])) + p["b2"]


def flower_cost(p: Any, x: np.ndarray, t: np.ndarray) -> Any:
    z = flower_logits(p, x)
    return knp.mean(knp.logaddexp(0.0, z) - z * t)


def descend(p: Arrays, steps: int, every: int = 1000) -> tuple[Arrays, list[float]]:
    x, t = flower()
    slope = kb.value_and_grad(lambda p: flower_cost(p, x, t))
    costs = []
    for step in range(steps):
        cost, g = slope(p)
        if step % every == 0:
            costs.append(float(cost))
        p = {name: p[name] - 1.2 * g[name] for name in p}
    return p, costs


def accuracy(p: Arrays) -> float:
    x, t = flower()
    return float(np.mean((flower_logits(p, x)[0] > 0) == t) * 100)


def test_flower_costs_to_six_digits() -> None:
    _, costs = descend(flower_start(4), 7001)
    published = [0.693048, 0.288083, 0.254385, 0.233864, 0.226792, 0.222644, 0.219731, 0.217504]
    assert [round(c, 6) for c in costs] == published


@pytest.mark.parametrize(("hidden", "percent"), [(1, 67.5), (2, 67.25), (3, 90.75), (4, 90.5), (5, 91.25)])
def test_flower_accuracies(hidden: int, percent: float) -> None:
    p, _ = descend(flower_start(hidden), 5000)
    assert accuracy(p) == percent


def test_zero_start_keeps_hidden_units_equal() -> None:
    start = {name: np.zeros_like(a) for name, a in flower_start(4).items()}
    p, _ = descend(start, 200)
    assert np.ptp(p["w1"], axis=0).max() == 0
    assert np.ptp(p["w2"]) == 0


class AddLayer(kb.Function):
    def forward(self, x: Any, y: Any) -> Any:
        return x + y

    def backward(self, dout: Any) -> Any:
        return dout * 1, dout * 1


class MulLayer(kb.Function):
    def forward(self, x: Any, y: Any) -> Any:
        self.x, self.y = x, y
        return x * y

    def backward(self, dout: Any) -> Any:
        return dout * self.y, dout * self.x


def test_layers_by_hand_on_plain_numbers() -> None:
    add, mul = AddLayer(), MulLayer()
    assert (add.forward(20, 10), add.backward(1)) == (30, (1, 1))
    assert (mul.forward(10, 20), mul.backward(1)) == (200, (20, 10))


def test_three_layers_by_hand() -> None:
    mul1, add, mul2 = MulLayer(), AddLayer(), MulLayer()
    total = mul2.forward(mul1.forward(1, 2), add.forward(10, 20))
    assert total == 60
    d_product, d_sum = mul2.backward(1)
    assert (d_product, d_sum) == (30, 2)
    assert mul1.backward(d_product) == (60, 30)
    assert add.backward(d_sum) == (2, 2)


def test_the_same_layers_in_a_graph() -> None:
    a, b, c, d = (kb.tensor(float(v), requires_grad=True) for v in (1, 2, 10, 20))
    mul, add = MulLayer(), AddLayer()
    y = mul(mul(a, b), add(c, d))  # one MulLayer used twice
    assert float(y) == 60
    y.backward()
    assert [float(v.grad) for v in (a, b, c, d)] == [60, 30, 2, 2]


MAZUR = {
    "w": np.array([0.15, 0.20, 0.25, 0.30, 0.40, 0.45, 0.50, 0.55]),
    "b": np.array([0.35, 0.60]),
    "x": np.array([0.05, 0.10]),
    "t": np.array([0.01, 0.99]),
}


def mazur_error(w: Any) -> Any:
    hidden = kb.special.expit(knp.reshape(w[:4], (2, 2)) @ MAZUR["x"] + MAZUR["b"][0])
    out = kb.special.expit(knp.reshape(w[4:], (2, 2)) @ hidden + MAZUR["b"][1])
    return knp.sum((MAZUR["t"] - out) ** 2) / 2


def test_mazur() -> None:
    error, g = kb.value_and_grad(mazur_error)(MAZUR["w"])
    assert float(error) == pytest.approx(0.298371109, abs=5e-10)
    assert g[4] == pytest.approx(0.082167041, abs=5e-10)
    after = MAZUR["w"] - 0.5 * g
    printed = [0.149780716, 0.19956143, 0.24975114, 0.29950229, 0.35891648, 0.408666186, 0.51130127, 0.561370121]
    digits = [9, 8, 8, 8, 8, 9, 8, 9]
    assert [round(float(v), n) for v, n in zip(after, digits)] == printed
    assert float(mazur_error(after)) == pytest.approx(0.2910277737, abs=5e-11)


def test_micrograd() -> None:
    def expression(a: Any, b: Any) -> Any:
        c = a + b
        d = a * b + b**3
        c += c + 1
        c += 1 + c + (-a)
        d += d * 2 + kb.nn.relu(b + a)
        d += 3 * d + kb.nn.relu(b - a)
        e = c - d
        f = e**2
        return f / 2.0 + 10.0 / f

    a, b = kb.tensor(-4.0, requires_grad=True), kb.tensor(2.0, requires_grad=True)
    g = expression(a, b)
    g.backward()
    assert [round(float(v), 4) for v in (g.item(), a.grad, b.grad)] == [24.7041, 138.8338, 645.5773]


def test_one_weight() -> None:
    def squared_error(w: Any) -> Any:
        return (w * 2.0 - 5.0) ** 2

    for w in (2.0, 2.5, 3.0):
        assert kb.grad(squared_error)(w) == 8 * w - 20
    assert squared_error(2.0) == 1
