"""Gradients example by example: they add up to the batch's, and tell which row pushes a weight."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import koubai as kb

nn = kb.nn
RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(7, 4)), RNG.integers(3, size=7)


def network(**options: Any) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.LayerNorm(5), nn.Linear(5, 3), **options).astype(float)


def batch_gradient(model: nn.Module, x: Any, t: Any, loss: Any) -> dict[str, np.ndarray]:
    params = {name: p.numpy() for name, p in model.named_parameters() if p.requires_grad}
    return dict(kb.grad(lambda p: loss(nn.functional_call(model, p, x), t))(params))


def same(mean: dict[str, np.ndarray], slopes: dict[str, np.ndarray]) -> None:
    assert set(mean) == set(slopes)
    for name, g in slopes.items():
        np.testing.assert_allclose(g.mean(axis=0), mean[name], rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("loss", ["cross_entropy", "mse", "huber"])
def test_their_mean_is_the_gradient_of_the_batch(loss: str) -> None:
    model, t = network(), T if loss == "cross_entropy" else np.eye(3)[T]
    slopes = kb.example_gradients(model, (X, t), loss)
    same(batch_gradient(model, X, t, getattr(nn.losses, loss)), slopes)
    for i in range(len(X)):
        alone = batch_gradient(model, X[i : i + 1], t[i : i + 1], getattr(nn.losses, loss))
        for name, g in slopes.items():
            np.testing.assert_allclose(g[i], alone[name], rtol=1e-9, atol=1e-13)


def test_images_dropout_tied_and_frozen_parameters() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Dropout(0.4), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3)
    ).astype(float)  # fmt: skip
    model.freeze("0.bias")
    x = RNG.normal(size=(7, 1, 5, 5))
    slopes = kb.example_gradients(model, (x, T), "cross_entropy")
    assert [(name, g.shape) for name, g in slopes.items()] == [
        ("0.weight", (7, 2, 1, 2, 2)), ("5.weight", (7, 8, 3)), ("5.bias", (7, 3)),
    ]  # fmt: skip
    same(batch_gradient(model, x, T, nn.losses.cross_entropy), slopes)
    shared = nn.Linear(4, 4, dtype=float)
    tied = nn.Sequential(shared, nn.Tanh(), shared)
    t = RNG.normal(size=(7, 4))
    same(batch_gradient(tied, X, t, nn.losses.mse), kb.example_gradients(tied, (X, t), "mse"))


def test_indices_as_inputs() -> None:
    model = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(6, 3)).astype(float)
    x = RNG.integers(5, size=(7, 2))
    slopes = kb.example_gradients(model, (x, T), "cross_entropy")
    same(batch_gradient(model, x, T, nn.losses.cross_entropy), slopes)
    used = np.abs(slopes["0.weight"]).sum(axis=2) > 0
    assert all(set(np.flatnonzero(row)) == set(picked) for row, picked in zip(used, x))


class Scale(kb.Function):
    """Has a backward written by hand, and no forward mode."""

    def forward(self, x: Any) -> Any:
        return 2.0 * x

    def backward(self, g: Any) -> Any:
        return 2.0 * g


@pytest.mark.parametrize("middle", [nn.Tanh(), Scale()])
def test_pushes_are_rows_of_the_example_gradients(middle: Any) -> None:
    model = nn.Sequential(hidden=nn.Linear(4, 5), act=middle, out=nn.Linear(5, 3)).astype(float)
    slopes = kb.example_gradients(model, (X, T), "cross_entropy")["hidden.weight"][:, 3, 1]
    for wrt in ("hidden.weight", model.hidden.weight):
        found = kb.pushes(model, (X, T), "cross_entropy", wrt=wrt, index=(3, -4), top=4)
        order = np.argsort(-np.abs(slopes))[:4]
        assert [push.row for push in found.rows] == list(order)
        np.testing.assert_allclose([push.gradient for push in found.rows], slopes[order], rtol=1e-9)
        assert found.gradient == pytest.approx(slopes.mean())
        assert found.wrt == "hidden.weight[3, 1]"
        assert [push.direction for push in found.rows] == ["down" if g > 0 else "up" for g in slopes[order]]
    assert str(found).splitlines()[0].endswith("over 7 rows")
    assert found.to_dict()["rows"][0] == {"row": int(order[0]), "gradient": pytest.approx(slopes[order[0]])}


def test_pushes_in_japanese() -> None:
    model = nn.Linear(1, 1, dtype=float)
    model.weight.assign([[2.0]])
    model.bias.assign([0.0])
    data = np.array([[1.0], [2.0]]), np.array([[2.5], [3.0]])
    found = kb.pushes(model, data, "mse", wrt="weight", index=(0, 0), lang="ja")
    assert str(found).splitlines() == [
        "weight[0, 0]: 勾配の平均 1.5(2 行)", "行  勾配  重みの動き", " 1     4      減らす", " 0    -1      増やす",
    ]  # fmt: skip
    assert "lang" not in found.to_dict()


def test_no_row_is_named_by_what_it_does_to_others() -> None:
    model = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2)).astype(float)
    t = np.zeros((7, 2))
    for run in (
        lambda: kb.example_gradients(model, (X, t), "mse"),
        lambda: kb.pushes(model, (X, t), "mse", wrt="0.weight", index=(0, 0)),
    ):
        with pytest.raises(kb.UnsupportedError, match=r"influence each other .* model\.eval\(\)"):
            run()
    model.eval()
    same(batch_gradient(model, X, t, nn.losses.mse), kb.example_gradients(model, (X, t), "mse"))
    assert (model[1].running_mean.numpy() == 0).all()
    words = nn.Sequential(nn.Embedding(5, 3), nn.BatchNorm1d(3)).astype(float)
    with pytest.raises(kb.KoubaiError):
        kb.example_gradients(words, (np.arange(5), np.zeros((5, 3))), "mse")


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"wrt": "hidden"}, kb.UsageError, "no parameter 'hidden'; it has 0.weight"),
        ({"wrt": nn.Linear(1, 1).weight}, kb.UsageError, "no parameter that is the given Parameter"),
        ({"wrt": "0.weight", "index": (4, 0)}, kb.IndexingError, r"shape \(4, 5\); got \(4, 0\)"),
        ({"wrt": "0.weight", "index": 1}, kb.IndexingError, "one number of 0.weight"),
        ({"wrt": "0.weight", "index": (0, 0), "lang": "fr"}, kb.UsageError, "'en' or 'ja'"),
        ({"wrt": "0.weight", "index": (0, 0), "top": 0}, kb.UsageError, "top must be"),
    ],
)
def test_refusals(options: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        kb.pushes(network(), (X, T), "cross_entropy", **options)
