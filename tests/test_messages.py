"""Messages between layers: summed they are backpropagation, on layered graphs and on any graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import koubai as kb
import koubai.numpy as knp
from koubai.check.random_graphs import RandomGraph
from koubai.graph import value_of
from koubai.nn.losses.lookup import loss_function

nn = kb.nn
KINDS = (
    "linear", "linear", "tanh", "relu", "sigmoid", "softplus", "softmax", "norm", "dropout", "identity", "block",
    "shared",
)  # fmt: skip


def alone(loss: Any, y: Any, t: np.ndarray) -> Any:
    """The sum of the examples' losses, each by itself."""
    return sum(loss(y[i : i + 1], t[i : i + 1]) for i in range(len(t)))


def after(model: Any, steps: Any, z: Any) -> Any:
    """What the steps make of z; what they store is dropped."""
    with nn.standing_in(model, {}):
        for module in steps:
            z = module(z)
    return z


def slope_of(loss: Any, model: kb.nn.Module, z: np.ndarray, t: np.ndarray) -> np.ndarray:
    """dE/dz of the sum of the examples' losses, by backpropagation through the model."""
    return np.asarray(kb.grad(lambda z: alone(loss, model(z), t))(z))


class Residual(nn.Module):
    """A block whose input takes two ways: one step."""

    def __init__(self, n: int) -> None:
        self.inner = nn.Sequential(nn.Linear(n, n), nn.Tanh())

    def forward(self, x: Any) -> Any:
        return x + self.inner(x)


def layered(seed: int, loss: str) -> tuple[Any, np.ndarray, np.ndarray]:
    """A random stack of layers, with examples and targets."""
    rng = np.random.default_rng(seed)
    n = first = int(rng.integers(1, 5))
    shared = None
    layers: list[Any] = []
    for kind in rng.choice(KINDS, int(rng.integers(1, 7))):
        m = int(rng.integers(1, 5))
        if kind == "linear":
            layers.append(nn.Linear(n, m, dtype=float))
            n = m
        elif kind == "shared":
            shared = shared if shared is not None and shared.in_features == n else nn.Linear(n, n, dtype=float)
            layers.append(shared)
        else:
            layers.append({
                "tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "softplus": nn.Softplus, "softmax": nn.Softmax,
                "norm": lambda n=n: nn.LayerNorm(n, dtype=float), "dropout": lambda: nn.Dropout(0.3),
                "identity": nn.Identity, "block": lambda n=n: nn.Sequential(Residual(n), nn.Tanh()).astype(float),
            }[str(kind)]())  # fmt: skip
    layers.append(nn.Linear(n, 3, dtype=float))
    rows = int(rng.integers(1, 6))
    x = rng.uniform(-1.5, 1.5, (rows, first))
    t = rng.integers(3, size=rows) if loss == "cross_entropy" else rng.uniform(0.1, 0.9, (rows, 3))
    return nn.Sequential(*layers).init(seed), x, t


def flat(model: Any) -> list[Any]:
    return [m for child in model for m in (flat(child) if type(child) is nn.Sequential else [child])]


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from(["mse", "mae", "cross_entropy", "binary_cross_entropy"]))
def test_on_random_layers_messages_are_backpropagation(seed: int, loss: str) -> None:
    model, x, t = layered(seed, loss)
    function = loss_function(loss)
    sent = kb.messages(model, x, t, loss)
    steps = flat(model)
    assert len(sent) == len(steps) + 1
    assert sent[-1].shape == (len(x), 3, 1)
    z = x
    for k, step in enumerate(steps):
        slope = kb.grad(lambda z, k=k: alone(function, after(model, steps[k:], z), t))(z)
        assert sent[k].shape[:2] == (len(x), z[0].size)
        np.testing.assert_allclose(sent[k].sum(axis=-1), slope.reshape(len(x), -1), rtol=1e-9, atol=1e-12)
        if isinstance(step, nn.Linear) and steps.count(step) == 1:
            # The gradient of a parameter: over all nodes, what came in times how the node changes with it.
            came_in = sent[k + 1].sum(axis=-1)
            theta = {"weight": step.weight.numpy(), "bias": step.bias.numpy()}
            local = kb.jacobian(lambda p, z=z, step=step: nn.functional_call(step, p, z))(theta)
            path = f"{step.path}."
            model_theta = {path + name: value for name, value in theta.items()}
            wanted = kb.grad(lambda p: alone(function, nn.functional_call(model, p, x), t))(model_theta)
            for name, partial in local.items():
                np.testing.assert_allclose(np.tensordot(came_in, partial, axes=2), wanted[path + name], 1e-9, 1e-12)
        z = np.asarray(value_of(after(model, [step], z)))


@pytest.mark.parametrize("seed", range(30))
def test_on_any_graph_messages_are_backpropagation(seed: int) -> None:
    """Node n' of the graph sends (received by n') times d n'/dn to node n; each sums what comes in."""
    graph = RandomGraph.draw(seed)
    xs = [kb.tensor(v, requires_grad=True) for v in graph.inputs]
    record = kb.record(graph(*xs))
    received = {record.output: np.ones(record.output.shape)}
    for edge in record.edges:
        user = edge.target
        sent = received[user].reshape(-1, 1) * edge.jacobian().reshape(user.value.size, -1)  # n' by n
        total = sent.sum(axis=0).reshape(edge.source.shape)
        received[edge.source] = received.get(edge.source, 0.0) + total
    slopes = kb.grad(graph, argnums=tuple(range(len(xs))))(*graph.inputs)
    for x, slope in zip(xs, slopes):
        got = received.get(record[x], np.zeros(x.shape)) if x in record._of else np.zeros(x.shape)
        np.testing.assert_allclose(got, slope, rtol=1e-8, atol=1e-10)


def test_by_hand() -> None:
    """Two inputs, a product with weights, tanh, squared error: every message written out."""
    w, x, t = np.array([[2.0], [-1.0]]), np.array([[0.3, 0.4], [1.0, 2.0]]), np.array([[0.0], [1.0]])
    layer = nn.Linear(2, 1, bias=False, dtype=float)
    layer.weight.assign(w)
    sent = kb.messages(nn.Sequential(layer, nn.Tanh()), x, t, "mse")
    y = np.tanh(x @ w)
    from_loss = 2 * (y - t)
    from_tanh = from_loss * (1 - y * y)
    assert sent.names == ("0: Linear", "1: Tanh", "loss")
    np.testing.assert_allclose(sent[2], from_loss[:, :, None])
    np.testing.assert_allclose(sent[1], from_tanh[:, :, None])
    np.testing.assert_allclose(sent[0], from_tanh[:, :, None] * w)
    assert "0: Linear  2x2x1" in str(sent)


def test_elementwise_steps_are_diagonal_and_rows_of_softmax_are_not() -> None:
    model = nn.Sequential(nn.Tanh(), nn.Softmax())
    x, t = np.array([[0.1, 0.2, 0.3]]), np.array([[1.0, 0.0, 0.0]])
    tanh, softmax, _ = kb.messages(model, x, t, "mse")
    np.testing.assert_array_equal(tanh[0], np.diag(np.diag(tanh[0])))
    assert (softmax != 0).all()


def test_a_step_that_does_not_look_at_its_input_sends_nothing() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Lambda(knp.ones_like), nn.Linear(2, 1))
    sent = kb.messages(model, np.ones((3, 2)), np.zeros((3, 1)), "mse")
    assert sent[1].shape == (3, 2, 2)
    assert not np.any(sent[1])
    assert not np.any(sent[0])


def test_diagonals_hold_no_nan_where_a_slope_is_infinite() -> None:
    model = nn.Sequential(nn.Lambda(knp.sqrt))
    with np.errstate(divide="ignore"):
        sent = kb.messages(model, np.array([[0.0, 4.0]], np.float32), np.array([[1.0, 1.0]], np.float32), "mse")
    np.testing.assert_array_equal(sent[0], [[[-np.inf, 0.0], [0.0, 0.25]]])


def test_the_loss_is_that_of_each_example_and_undivided() -> None:
    model = nn.Sequential(nn.Linear(2, 3))
    x, t = np.ones((4, 2)), np.array([0, 1, 2, 1])
    sent = kb.messages(model, x, t, "cross_entropy")
    p = nn.softmax(model.predict(x))
    np.testing.assert_allclose(sent[-1][:, :, 0], p - np.eye(3)[t], rtol=1e-6)
    for a in sent:
        assert a.dtype == np.float32
    for other in (kb.nn.losses.cross_entropy, lambda y, t: kb.nn.losses.cross_entropy(y, t, reduction="sum")):
        np.testing.assert_array_equal(kb.messages(model, x, t, other)[0], sent[0])


def test_a_loss_that_decides_by_values_goes_example_by_example() -> None:
    def loss(y: Any, t: Any) -> Any:
        return ((y - t) ** 2).sum() if float(y.sum()) > 0 else (y * 0.0).sum()

    sent = kb.messages(nn.Sequential(nn.Identity()), np.array([[1.0], [-1.0]]), np.zeros((2, 1)), loss)
    np.testing.assert_array_equal(sent[0].ravel(), [2.0, 0.0])


def test_images_are_taken_as_one_axis() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 2)).astype(float)
    x, t = np.random.default_rng(0).normal(size=(3, 2, 5, 5)), np.array([0, 1, 1])
    sent = kb.messages(model, x, t, "cross_entropy")
    assert [a.shape for a in sent] == [(3, 50, 48), (3, 48, 12), (3, 12, 12), (3, 12, 2), (3, 2, 1)]
    slope = kb.grad(lambda x: kb.nn.losses.cross_entropy(model(x), t, reduction="sum"))(x)
    np.testing.assert_allclose(sent[0].sum(axis=-1), slope.reshape(3, 50), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(sent[2], np.eye(12) * sent[2].sum(axis=-1)[:, :, None])


class Custom(nn.Module):
    """Modules, with a function of its own between two of them."""

    def __init__(self) -> None:
        self.body = nn.Sequential(nn.Linear(2, 3, dtype=float), nn.Tanh())
        self.out = nn.Linear(3, 2, dtype=float)

    def forward(self, x: Any) -> Any:
        return self.out(2.0 * knp.sin(self.body(x)))


class Branching(Custom):
    def forward(self, x: Any) -> Any:
        return self.out(self.body(x)) + x


def test_models_with_a_forward_of_their_own() -> None:
    model, x, t = Custom(), np.array([[0.3, -0.4], [1.0, 2.0]]), np.zeros((2, 2))
    sent = kb.messages(model, x, t, "mse")
    assert sent.names == ("body.0: Linear", "body.1: Tanh", "sin, multiply", "out: Linear", "loss")
    np.testing.assert_allclose(sent[0].sum(axis=-1), slope_of(kb.nn.losses.mse, model, x, t))
    block = nn.Sequential(Branching())
    one = kb.messages(block, x, t, "mse")
    assert one.names == ("0: Branching", "loss")
    np.testing.assert_allclose(one[0].sum(axis=-1), slope_of(kb.nn.losses.mse, block, x, t))
    assert kb.messages(nn.Tanh(), x, t, "mse").names == ("Tanh", "loss")


def test_nothing_of_the_model_changes() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5), nn.BatchNorm1d(2).eval())
    before = {name: a.copy() for name, a in model.state_dict().items()}
    with kb.no_grad():
        one, two = (kb.messages(model, np.ones((3, 2)), np.zeros((3, 2)), "mse") for _ in range(2))
    for a, b in zip(one, two):
        np.testing.assert_array_equal(a, b)
    assert int(model[1].steps.item()) == 0
    assert all((before[name] == a).all() for name, a in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


class Mixing(nn.Module):
    """The last example takes something of the first one."""

    def forward(self, x: Any) -> Any:
        return knp.concatenate([x[:-1], x[-1:] + 0.1 * x[:1]])


X, T = np.ones((5, 2)), np.zeros((5, 2))


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: kb.messages(Custom, X, T, "mse"), kb.DTypeError, "expected the model to be a kb.nn.Module"),
        (lambda: kb.messages(nn.Tanh(), X, T, "mse_"), kb.UsageError, "did you mean 'mse'"),
        (lambda: kb.messages(nn.Tanh(), X, T[:4], "mse"), kb.ShapeError, "one target for each example"),
        (lambda: kb.messages(nn.Tanh(), X, np.full(5, 2), "cross_entropy"), kb.LabelError, "2"),
        (lambda: kb.messages(nn.Tanh(), X, T, lambda y, t: y), kb.UsageError, "one number .*got shape"),
        (lambda: kb.messages(Branching(), X, T, "mse"), kb.UnsupportedError, "form no chain.*kb.record"),
        (lambda: kb.messages(Residual(2), X, T, "mse"), kb.UnsupportedError, "put the part that branches"),
        (lambda: kb.messages(nn.Sequential(nn.Tanh(), nn.BatchNorm1d(2)), X, T, "mse"), kb.UnsupportedError,
         "in 1: BatchNorm1d the examples influence each other.*eval"),
        (lambda: kb.messages(Mixing(), X, T, "mse"), kb.UnsupportedError, "influence each other"),
        (lambda: kb.messages(nn.Embedding(3, 2), np.array([0, 1]), T[:2], "mse"), kb.UnsupportedError, r"model\[1:\]"),
        (lambda: kb.messages(nn.Sequential(nn.GRU(2, 2)), np.ones((5, 3, 2)), T, "mse"), kb.UnsupportedError,
         "returns a tuple"),
        (lambda: kb.messages(nn.Lambda(lambda x: x.sum(axis=0)), X, T, "mse"), kb.ShapeError, "one row an example"),
        (lambda: kb.messages(nn.Linear(150, 150), np.ones((5000, 150)), np.zeros((5000, 150)), "mse"),
         kb.UnsupportedError, "fewer examples"),
    ],
)  # fmt: skip
def test_refusals(make: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make()
