"""The doctor finds what was planted, measures what it says, and leaves a healthy network alone."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import koubai as kb
from koubai import nn, optim

X, T = kb.data.load("digits")
X, T = X[:300], T[:300]


def deep(activation: Any, layers: int = 8, width: int = 32) -> nn.Sequential:
    sizes = [64, *[width] * layers]
    hidden = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), activation())]
    return nn.Sequential(*hidden, nn.Linear(width, 10)).init(0)


def checked(model: nn.Module, optimizer: Any = "adam", data: Any = (X, T)) -> kb.Checkup:
    return kb.checkup(model, data, "cross_entropy", optimizer=optimizer)


def kinds(found: kb.Checkup) -> list[str]:
    return [finding.kind for finding in found.findings]


def scaled(model: nn.Sequential, factor: float) -> nn.Sequential:
    for p in model.parameters():
        if p.ndim > 1:
            p.assign(p.numpy() * factor)
    return model


HEALTHY = {
    "relu": lambda: deep(nn.ReLU, 2),
    "tanh": lambda: deep(nn.Tanh, 2),
    "sigmoid": lambda: deep(nn.Sigmoid, 1),
    "normalized": lambda: nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.5),
                                        nn.Linear(32, 10)).init(0),
    "images": lambda: nn.Sequential(lambda x: x.reshape(-1, 1, 8, 8), nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2),
                                    nn.Flatten(), nn.Linear(72, 10)).init(0),
}  # fmt: skip


@pytest.mark.parametrize("kind", HEALTHY)
def test_a_healthy_network_has_no_finding_before_and_after_training(kind):
    model = HEALTHY[kind]()
    assert checked(model).ok
    kb.fit(model, (X, T), loss="cross_entropy", optimizer=optim.Adam(lr=3e-3), epochs=15)
    found = checked(model)
    assert found.ok, str(found)
    assert "nothing looks wrong" in str(found)
    assert "異常は見つかりませんでした" in found.text("ja")


def test_dead_units_are_counted():
    model = deep(nn.ReLU, 2)
    bias = model[0].bias.numpy().copy()
    bias[:28] = -1000.0
    model[0].bias.assign(bias)
    found = checked(model)
    (finding,) = found.findings
    assert (finding.kind, finding.layer) == ("dead", "1")
    assert finding.evidence == {"dead": 28, "units": 32, "examples": 300}
    assert "28 of 32 units" in str(finding)
    assert "LeakyReLU" in str(finding)
    assert "32 ユニット中 28 個" in finding.text("ja")
    z = X.astype(np.float32) @ model[0].weight.numpy() + bias
    assert found.layers[1].dead == int((z <= 0).all(axis=0).sum())


def test_all_dead_is_one_finding_and_few_examples_say_nothing():
    model = deep(nn.ReLU, 2)
    model[2].bias.assign(np.full(32, -1000.0))
    assert kinds(checked(model)) == ["dead"]
    assert "dead" not in kinds(checked(model, data=(X[:4], T[:4])))


@pytest.mark.parametrize("activation", [nn.Tanh, nn.Sigmoid])
def test_saturated_units_are_counted(activation):
    model = deep(activation, 1)
    model[0].weight.assign(model[0].weight.numpy() * 300)
    found = checked(model)
    assert kinds(found)[0] == "saturated"
    z = X.astype(np.float32) @ model[0].weight.numpy() + model[0].bias.numpy()
    slope = 1 - np.tanh(z if activation is nn.Tanh else z / 2) ** 2  # relative to the largest
    counted = int(((slope < 1 - 0.97**2).mean(axis=0) >= 0.9).sum())
    assert found.layers[1].saturated == counted == found.findings[0].evidence["saturated"]


def test_a_network_that_ends_in_a_sigmoid_may_be_sure_of_its_answers():
    model = nn.Sequential(nn.Linear(64, 1), nn.Sigmoid()).init(0)
    model[0].bias.assign(np.full(1, 50.0))
    found = kb.checkup(model, (X, np.ones((300, 1))), "mse")
    assert found.ok
    assert found.layers[1].units is None


def test_vanishing_gradients():
    found = checked(deep(nn.Sigmoid))
    (finding,) = found.findings
    assert (finding.kind, finding.layer) == ("vanishing", "2")
    assert finding.evidence["first"] == found.layers[0].message
    assert finding.evidence["last"] == found.layers[-1].message
    assert finding.evidence["ratio"] < 1e-5
    assert "ReLU" in str(finding)
    assert "勾配が逆伝播の途中で小さくなります" in finding.text("ja")
    assert checked(deep(nn.ReLU, 5)).ok


def test_exploding_gradients():
    found = checked(scaled(deep(nn.ReLU), 20), optimizer=None)
    (finding,) = found.findings
    assert finding.kind == "exploding"
    assert finding.evidence["ratio"] > 1e3
    assert all(layer.update is None for layer in found.layers)


def test_updates_that_are_too_large_and_too_small():
    model = deep(nn.ReLU, 1)
    assert kinds(checked(model, optim.Adam(lr=1.0))) == ["large update"]
    assert kinds(checked(model, optim.Adam(lr=1e-12))) == ["small update"]
    found = checked(model, optim.SGD(lr=0.5))
    for layer in (found.layers[0], found.layers[2]):
        assert layer.update is not None
        assert layer.gradient is not None
        assert 0 < layer.update <= 0.5 * layer.gradient / layer.weight * 1.2


def test_what_is_measured_is_what_backpropagation_computes():
    model = deep(nn.Tanh, 2)
    found = checked(model, optim.SGD(lr=0.1))
    model.train()
    loss = nn.losses.cross_entropy(model(X.astype(np.float32)), T)
    loss.backward()
    assert found.loss == pytest.approx(float(loss))
    for layer in (x for x in found.layers if x.weight is not None):
        weight, bias = (getattr(model[int(layer.path)], name) for name in ("weight", "bias"))
        assert layer.gradient == pytest.approx(np.hypot(np.linalg.norm(weight.grad), np.linalg.norm(bias.grad)))
        assert layer.weight == pytest.approx(np.hypot(np.linalg.norm(weight.numpy()), np.linalg.norm(bias.numpy())))
        moved = 0.1 * np.linalg.norm(weight.grad) / np.linalg.norm(weight.numpy())
        assert layer.update == pytest.approx(moved, rel=1e-3)
    sums = kb.record(nn.losses.cross_entropy(model(X.astype(np.float32)), T))
    outputs = {c.path: [n for n in sums.nodes if n.call is c][-1].grad for c in sums.calls if c.path}
    for layer in found.layers:
        assert layer.message == pytest.approx(np.linalg.norm(outputs[layer.path]))


def test_the_message_is_that_to_the_layers_output():
    class Steep(nn.Module):
        def forward(self, x):
            return kb.numpy.tanh(x) * 100.0

    model = nn.Sequential(nn.Linear(64, 8), Steep(), nn.Linear(8, 10)).init(0)
    between = model[1](model[0](X.astype(np.float32))).numpy()
    slope = kb.grad(lambda h: nn.losses.cross_entropy(model[2](h), T))(between)
    assert checked(model).layers[1].message == pytest.approx(np.linalg.norm(slope), rel=1e-5)


def test_parameters_that_the_loss_does_not_depend_on():
    class Forgetful(nn.Module):
        def __init__(self):
            self.used, self.forgotten = nn.Linear(64, 10), nn.Linear(64, 10)

        def forward(self, x):
            return self.used(x)

    found = checked(Forgetful())
    assert kinds(found) == ["unused", "unused"]
    assert found.findings[0].evidence == {"parameter": "forgotten.weight"}


def test_what_is_not_finite_comes_before_all_else():
    model = scaled(deep(nn.ReLU), 1e6)
    found = checked(model)
    assert kinds(found) == ["not finite"]
    assert found.trouble is not None
    assert found.findings[0].en == str(found.trouble)
    assert found.trouble.op == "matmul"


def test_nothing_changes():
    model = HEALTHY["normalized"]().eval()
    before = {name: bytes(np.asarray(v)) for name, v in model.state_dict().items()}
    checked(model)
    assert {name: bytes(np.asarray(v)) for name, v in model.state_dict().items()} == before
    assert not any(module.training for module in model.modules())
    assert all(p.grad is None for p in model.parameters())


class Pair(kb.nn.Module):
    """What comes out, and what it was made of."""

    def __init__(self, kind):
        self.kind, self.linear = kind, kb.nn.Linear(2, 1)

    def forward(self, x):
        return self.kind((self.linear(x), x))


@pytest.mark.parametrize("kind", [tuple, list])
def test_a_loss_of_several_outputs(kind):
    found = kb.checkup(Pair(kind), (np.ones((4, 2)), np.ones(4)), lambda y, t: ((y[0][:, 0] - t) ** 2).mean())
    assert [layer.path for layer in found.layers] == ["linear"]


def test_as_plain_data():
    data = json.loads(json.dumps(checked(scaled(deep(nn.ReLU), 20)).to_dict(), allow_nan=False))
    assert data["findings"][0]["kind"] == "exploding"
    assert data["layers"][0]["path"] == "0"


def test_columns_are_aligned_in_both_languages():
    found = checked(deep(nn.ReLU, 2))
    lines = found.text().split("\n\n")[1].splitlines()
    assert len({len(line) for line in lines if line.split()[-1][0].isdigit()}) <= 2
    assert found.text("ja").splitlines()[2].startswith("層 ")


REFUSED = {
    "model": (lambda: kb.checkup(lambda x: x, (X, T), "mse"), kb.DTypeError, "expected the model"),
    "loss": (lambda: checked(deep(nn.ReLU)) and kb.checkup(deep(nn.ReLU), (X, T), "mes"), kb.UsageError, "no loss"),
    "data": (lambda: checked(deep(nn.ReLU), data=(X * np.nan, T)), kb.DataError, "row 0"),
    "optimizer": (lambda: checked(deep(nn.ReLU), "lbfgs"), kb.UsageError, "several times a step"),
    "no number": (lambda: kb.checkup(deep(nn.ReLU), (X, T), lambda y, t: y), kb.UsageError, "one number"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind):
    run, error, says = REFUSED[kind]
    with pytest.raises(error, match=says):
        run()
