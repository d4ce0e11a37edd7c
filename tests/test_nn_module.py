"""Modules, parameters and what is done with whole models."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from dataclasses import dataclass

import numpy as np
import pytest

import koubai as kb
from koubai import nn


def two_layers() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def test_equal_models_draw_equal_values_whatever_was_drawn_before() -> None:
    one = two_layers()
    first = one.state_dict()
    np.random.default_rng(0).normal(size=3)
    other = two_layers()
    other[2].weight.numpy()  # another order of drawing
    for name, value in other.state_dict().items():
        np.testing.assert_array_equal(value, first[name])
    np.testing.assert_array_equal(two_layers().init(0)[0].weight.numpy(), first["0.weight"])
    assert not np.array_equal(two_layers().init(1)[0].weight.numpy(), first["0.weight"])


def test_the_default_of_linear_is_uniform_up_to_one_over_the_root_of_its_inputs() -> None:
    weight = nn.Linear(400, 300).weight.numpy()
    assert weight.dtype == np.float32
    assert np.abs(weight).max() <= 1 / 20
    assert abs(weight.std() - 1 / 20 / np.sqrt(3)) < 1e-4
    assert abs(weight.mean()) < 5e-4


def test_gradients_of_a_network_by_hand() -> None:
    model = two_layers().astype(np.float64)
    x = np.linspace(-1, 1, 15).reshape(5, 3)
    w1, b1, w2, b2 = (p.numpy() for p in model.parameters())
    h = np.tanh(x @ w1 + b1)
    y = h @ w2 + b2
    np.testing.assert_allclose(model(x).numpy(), y, rtol=1e-14)
    (model(x) ** 2).sum().backward()
    d2 = 2 * y
    d1 = (d2 @ w2.T) * (1 - h * h)
    for p, g in zip(model.parameters(), [x.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0)]):
        np.testing.assert_allclose(p.grad, g, rtol=1e-12)
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_linear_takes_one_example_a_batch_and_more_axes() -> None:
    layer = nn.Linear(3, 2).astype(float)
    x = np.arange(24.0).reshape(2, 4, 3)
    expected = x @ layer.weight.numpy() + layer.bias.numpy()
    for given, wanted in [(x, expected), (x[0], expected[0]), (x[0, 0], expected[0, 0])]:
        np.testing.assert_allclose(layer(given).numpy(), wanted, rtol=1e-14)
    assert layer(np.zeros((0, 3))).shape == (0, 2)
    assert layer.W is layer.weight
    assert layer.b is layer.bias


def test_a_wrong_input_is_refused_by_the_layer_that_gets_it() -> None:
    with pytest.raises(kb.ShapeError, match=r"^2: linear: expected 4 features .* got an input of shape \(5, 3\)"):
        nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(4, 2))(np.zeros((5, 3)))


class Tied(nn.Module):
    def __init__(self) -> None:
        self.into = nn.Linear(3, 3, bias=False)
        self.out = nn.Linear(3, 3, bias=False)
        self.out.weight = self.into.weight

    def forward(self, x):  # type: ignore[no-untyped-def]
        return self.out(self.into(x))


def test_a_tied_parameter_is_one_parameter() -> None:
    model = Tied()
    assert [name for name, _ in model.named_parameters()] == ["into.weight"]
    assert list(model.state_dict()) == ["into.weight"]
    twin = copy.deepcopy(model)
    assert twin.out.weight is twin.into.weight
    w, x = np.eye(3) * 2, np.ones(3)
    np.testing.assert_array_equal(nn.functional_call(model, {"into.weight": w}, x), 4 * x)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_equal_and_independent(duplicate) -> None:  # type: ignore[no-untyped-def]
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2)).init(3)
    part = duplicate(model[2])
    twin = duplicate(model)
    x = np.ones((2, 3))
    np.testing.assert_array_equal(part.weight.numpy(), model[2].weight.numpy())
    np.testing.assert_array_equal(twin(x).numpy(), model(x).numpy())
    before = model.state_dict()
    twin[0].weight.assign(np.zeros((3, 4)))
    np.testing.assert_array_equal(model[0].weight.numpy(), before["0.weight"])
    assert twin[2].weight.path == "2.weight"
    assert twin.init(3)[0].weight.numpy().tolist() == model[0].weight.numpy().tolist()


def test_a_copy_made_before_the_first_read_is_equal_too() -> None:
    model = two_layers()
    part = copy.deepcopy(model[2])
    np.testing.assert_array_equal(part.weight.numpy(), model[2].weight.numpy())


def test_a_shallow_copy_has_a_table_of_its_own() -> None:
    model = two_layers()
    twin = copy.copy(model)
    twin[0] = nn.Linear(3, 4)
    assert twin[0] is not model[0]


def test_models_are_freed_at_once() -> None:
    model = two_layers()
    model(np.ones(3)).sum().backward()
    gone = weakref.ref(model)
    gc.disable()
    try:
        del model
        assert gone() is None
    finally:
        gc.enable()


def test_members_are_found_in_order_of_registration() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            self.first = nn.Linear(2, 2)
            self.scale = nn.Parameter(np.ones(2))
            self.count = nn.Buffer(np.zeros(2, np.int64))
            self.last = nn.Sequential(nn.Linear(2, 1, bias=False))

    model = Model()
    names = ["first.weight", "first.bias", "scale", "count", "last.0.weight"]
    assert list(model.state_dict()) == names
    assert [name for name, _ in model.named_modules()] == ["", "first", "last", "last.0"]
    assert [name for name, _ in model.named_children()] == ["first", "last"]
    assert [p.name for p in model.parameters()] == [name for name in names if name != "count"]
    assert len(list(model.buffers())) == 1
    assert model.count_parameters() == 4 + 2 + 2 + 2
    model.scale = None
    assert "scale" not in model.state_dict()


def test_what_would_silently_not_be_trained_is_refused() -> None:
    module = nn.Module()
    with pytest.raises(kb.UsageError, match="ModuleList"):
        module.layers = [nn.Linear(2, 2)]
    with pytest.raises(kb.UsageError, match="ModuleDict"):
        module.layers = {"a": nn.Linear(2, 2)}
    with pytest.raises(kb.UsageError, match="assign"):
        nn.Linear(2, 2).weight = np.zeros((2, 2))
    with pytest.raises(kb.UsageError, match="attribute of the class"):
        nn.Sequential(train=nn.Linear(2, 2))
    with pytest.raises(kb.UsageError, match=r"ReLU\(\.\.\.\)"):
        nn.Sequential(nn.ReLU)
    with pytest.raises(kb.UsageError, match=r"Sequential\(\*layers\)"):
        nn.Sequential([nn.ReLU()])
    loop = nn.Sequential(nn.ReLU())
    with pytest.raises(kb.UsageError, match="contain itself"):
        loop.append(loop)
    with pytest.raises(kb.UnsupportedError, match="forward"):
        module(1)
    with pytest.raises(kb.DTypeError, match="floating"):
        nn.Parameter([1, 2])
    with pytest.raises(kb.UsageError, match="initializer"):
        nn.Parameter(shape=(2,))


def test_containers() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.relu, out=nn.Linear(3, 1))
    assert model["out"] is model[-1] is model.out
    assert [type(m).__name__ for m in model] == ["Linear", "Lambda", "Linear"]
    tail = model[1:]
    assert list(dict(tail.named_children())) == ["0", "out"]
    assert tail[1] is model.out
    assert model.out.path == "out"
    with pytest.raises(IndexError, match="no module 3 among 3"):
        model[3]
    with pytest.raises(KeyError, match="hidden"):
        model["hidden"]
    heads = nn.ModuleDict({"a": nn.Linear(1, 1)})
    heads["b"] = nn.ReLU()
    assert (list(heads), "b" in heads, len(heads)) == (["a", "b"], True, 2)
    del heads["b"]
    assert list(heads.keys()) == ["a"]
    for holder in (heads, nn.ModuleList()):
        with pytest.raises(kb.UnsupportedError, match="only holds"):
            holder(1)


def test_a_dataclass_can_be_a_module() -> None:
    @dataclass
    class Scaled(nn.Module):
        layer: nn.Module
        factor: float = 2.0

        def forward(self, x):  # type: ignore[no-untyped-def]
            return self.factor * self.layer(x)

    model = Scaled(nn.Linear(2, 1))
    assert list(model.state_dict()) == ["layer.weight", "layer.bias"]
    params = {"layer.weight": np.ones((2, 1)), "layer.bias": np.ones(1)}
    assert nn.functional_call(model, params, np.ones(2)).tolist() == [6]


def test_text() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.ReLU(), out=nn.Linear(4, 1, bias=False))).freeze("0")
    assert repr(model) == "Sequential(Linear(3, 4), Sequential(...))"
    assert str(model).splitlines() == [
        "       Sequential",
        "0      Linear(3, 4)              weight 3x4, bias 4 (frozen)  16",
        "1      Sequential(...)",
        "1.0    ReLU()",
        "1.out  Linear(4, 1, bias=False)  weight 4x1                    4",
        "20 parameters, 16 of them frozen, float32",
    ]
    assert str(nn.ReLU()) == "ReLU()\n0 parameters, float32"
    assert "0.weight = leaf " in model.unfreeze()[0](np.ones(3)).graph()


def test_a_gradient_from_values_that_are_gone_is_refused() -> None:
    model = nn.Linear(2, 1)
    loss = model(np.ones((3, 2))).sum()
    model.weight.assign(np.zeros((2, 1)))
    with pytest.raises(kb.UsageError, match=r"old value of weight.*differentiate first"):
        loss.backward()
    fresh = model(np.ones((3, 2))).sum()
    fresh.backward()
    np.testing.assert_array_equal(model.weight.grad, np.full((2, 1), 3.0))
    again = model(np.ones((3, 2))).sum()
    model.init(1)
    with pytest.raises(kb.UsageError, match="old value"):
        again.backward()
