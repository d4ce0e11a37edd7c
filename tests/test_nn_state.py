"""A model's state: loaded, frozen, handed in from outside, and changed by a call."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import koubai as kb
from koubai import nn


def two_layers() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def test_loading_checks_everything_before_it_changes_anything() -> None:
    model = two_layers()
    before = model.state_dict()
    state = {name: np.full(value.shape, 2.0) for name, value in before.items()}
    with pytest.raises(kb.ShapeError, match=r"0\.weight has shape \(3, 4\), got \(4, 3\)"):
        model.load_state_dict({**state, "0.weight": np.zeros((4, 3))})
    with pytest.raises(kb.UsageError, match=r"missing: 0\.bias; unexpected: bias"):
        model.load_state_dict({("bias" if k == "0.bias" else k): v for k, v in state.items()})
    with pytest.raises(kb.DTypeError, match=r"0\.weight: expected numbers that fit in float32"):
        model.load_state_dict({**state, "0.weight": np.zeros((3, 4), complex)})
    np.testing.assert_array_equal(model.state_dict()["0.bias"], before["0.bias"])
    assert model.load_state_dict({"0.bias": state["0.bias"], "x": 1}, strict=False)[1] == ["x"]
    model.load_state_dict(state)
    assert model[0].weight.dtype == np.float32
    assert (model[0].weight.numpy() == 2).all()


def test_state_is_a_copy() -> None:
    model = nn.Linear(2, 1)
    model.state_dict()["weight"][:] = 7
    assert not (model.weight.numpy() == 7).any()


def test_assign_keeps_the_dtype_and_does_not_write_in_the_old_array() -> None:
    w = nn.Parameter(np.array([1.0, 2.0]))
    before = w.numpy()
    w.assign([5, 6])
    assert w.dtype == np.float64
    assert before.tolist() == [1, 2]
    assert w.numpy().tolist() == [5, 6]
    with pytest.raises(kb.ShapeError, match="assign"):
        w.assign([1.0])


def test_freezing_by_name() -> None:
    model = two_layers().freeze("0")
    assert [p.requires_grad for p in model.parameters()] == [False, False, True, True]
    model(np.ones(3)).sum().backward()
    assert model[0].weight.grad is None
    assert model[2].bias.grad.tolist() == [1.0, 1.0]
    model.unfreeze("*.weight")
    assert model.count_parameters(trainable=True) == 12 + 8 + 2
    with pytest.raises(kb.UsageError, match=r"matches 'hidden'; there are: 0\.weight"):
        model.freeze("hidden")


def test_predict_is_plain_cast_and_in_eval_mode() -> None:
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 2))
    y = model.predict(np.arange(6).reshape(2, 3))
    assert type(y) is np.ndarray
    assert y.dtype == np.float32
    assert all(m.training for m in model.modules())
    np.testing.assert_array_equal(y, model.predict(np.arange(6.0).reshape(2, 3)))
    model[0].eval()
    model.predict(np.ones(3))
    assert [m.training for m in model.modules()] == [True, False, True]
    with pytest.raises(kb.DTypeError, match="array of numbers"):
        model.predict(["a"])


def test_astype_keeps_the_numbers() -> None:
    model = two_layers()
    twin = two_layers().astype(np.float64)
    assert twin.dtype == np.float64
    np.testing.assert_array_equal(twin[0].weight.numpy(), model[0].weight.numpy())
    with pytest.raises(kb.DTypeError, match="floating"):
        model.astype(int)


def test_functional_call_is_pure_differentiable_and_batched() -> None:
    model = two_layers().astype(float)
    params = model.state_dict()
    x = np.linspace(-1, 1, 12).reshape(4, 3)
    before = model.state_dict()

    def loss(p, x):  # type: ignore[no-untyped-def]
        return (nn.functional_call(model, p, x) ** 2).sum()

    slopes = kb.grad(loss)(params, x)
    (model(x) ** 2).sum().backward()
    for name, p in model.named_parameters():
        np.testing.assert_allclose(slopes[name], p.grad, rtol=1e-12)
        np.testing.assert_array_equal(p.numpy(), before[name])
    each = kb.vmap(kb.grad(loss), in_axes=(None, 0))(params, x)
    for name in params:
        assert each[name].shape == (4, *params[name].shape)
        np.testing.assert_allclose(each[name].sum(axis=0), slopes[name], rtol=1e-12)
    one = kb.grad(loss)(params, x[2])
    np.testing.assert_allclose(each["0.weight"][2], one["0.weight"], rtol=1e-12)
    assert isinstance(nn.functional_call(model, params, x), np.ndarray)
    with pytest.raises(kb.UsageError, match=r"no parameter '1\.weight'"):
        nn.functional_call(model, {"1.weight": 0}, x)
    with pytest.raises(kb.ShapeError, match=r"0\.bias has shape"):
        nn.functional_call(model, {"0.bias": np.zeros(3)}, x)


def test_dropout_drops_by_seed_path_and_step() -> None:
    def model() -> nn.Sequential:
        return nn.Sequential(nn.Dropout(0.25), nn.Dropout(0.25))

    x = np.ones((100, 100))
    one, other = model(), model()
    first, second = one[0](x), one[0](x)
    np.testing.assert_array_equal(first, other[0](x))
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, other[1](x))
    assert set(np.unique(first)) == {0.0, 1 / 0.75}
    assert abs((first == 0).mean() - 0.25) < 0.02
    np.testing.assert_array_equal(one.init(0)[0](x), first)
    assert not np.array_equal(one.init(1)[0](x), first)
    assert not one.state_dict()
    np.testing.assert_array_equal(one.eval()(x), x)
    assert not np.asarray(nn.Dropout(1.0)(x)).any()
    with pytest.raises(kb.UsageError, match="from 0 to 1"):
        nn.Dropout(1.5)


def test_dropout_gradient_is_the_mask_and_examples_have_masks_of_their_own() -> None:
    layer = nn.Dropout(0.5)
    x = np.ones((6, 50))
    y = layer.init(0)(x)
    np.testing.assert_array_equal(kb.grad(lambda x: layer.init(0)(x).sum())(x), y)
    np.testing.assert_array_equal(kb.vmap(lambda row: layer.init(0)(row))(x), y)
    each = kb.vmap(kb.grad(lambda row: layer.init(0)(row).sum()))(x)
    np.testing.assert_array_equal(each, y)


def test_functional_call_takes_the_step_and_leaves_the_counter() -> None:
    model = nn.Sequential(nn.Dropout(0.5))
    x = np.ones(50)
    masks = [model(x) for _ in range(3)]
    model.init(0)
    for step in range(3):
        y = nn.functional_call(model, {"0.steps": step}, x)
        np.testing.assert_array_equal(np.asarray(y), masks[step])
    assert int(model[0].steps.item()) == 0


def test_stateful_call_hands_on_what_was_assigned_to_buffers() -> None:
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 2))
    x = np.ones((2, 3))
    y, buffers = nn.stateful_call(model, {**model.state_dict(), "0.steps": 4}, x)
    assert {name: int(value) for name, value in buffers.items()} == {"0.steps": 5}
    again, _ = nn.stateful_call(model, {**model.state_dict(), **buffers, "0.steps": 4}, x)
    np.testing.assert_array_equal(y, again)


def test_buffers_are_replaced_by_assignment() -> None:
    class Mean(nn.Module):
        def __init__(self) -> None:
            self.mean = nn.Buffer(np.zeros(2, np.float32))

        def forward(self, x):  # type: ignore[no-untyped-def]
            self.mean = 0.5 * self.mean + 0.5 * x
            return x * self.mean

    module = Mean()
    x = kb.tensor([2.0, 4.0], requires_grad=True)
    module(x)
    assert isinstance(module.mean, nn.Buffer)
    assert module.mean.dtype == np.float32
    assert not module.mean.requires_grad
    assert module.state_dict()["mean"].tolist() == [1.0, 2.0]
    with pytest.raises(kb.ShapeError, match="mean: the buffer has shape"):
        module.mean = np.zeros(3)


def test_compiled_models_know_training_from_evaluation_and_keep_their_counters() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2))
    twin = copy.deepcopy(model)
    x = np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)
    f = kb.compile(lambda x: model(x))
    for mode in (True, True, False, True, False):
        model.train(mode)
        twin.train(mode)
        np.testing.assert_allclose(f(x), twin(x).numpy(), rtol=1e-6)
        assert model[1].steps.item() == twin[1].steps.item()
    model.astype(np.float64)
    assert f(x).dtype == np.float64
    assert sum(map(len, f.programs.values())) == 3


def test_a_compiled_running_mean() -> None:
    class Mean(nn.Module):
        def __init__(self) -> None:
            self.mean = nn.Buffer(np.zeros(2))

        def forward(self, x):  # type: ignore[no-untyped-def]
            if self.training:
                self.mean = 0.5 * self.mean + 0.5 * x
            return x - self.mean

    module = Mean()
    f = kb.compile(lambda x: module(x))
    x = np.array([2.0, 4.0])
    assert f(x).tolist() == [1, 2]
    assert f(x).tolist() == [0.5, 1]
    assert module.mean.numpy().tolist() == [1.5, 3]
    pure = kb.compile(lambda x: nn.functional_call(module, {}, x))
    assert pure(x).tolist() == [0.25, 0.5]
    assert module.mean.numpy().tolist() == [1.5, 3]
    module.mean = [0.0, 0.0]
    assert pure(x).tolist() == [1, 2]
    module.eval()
    assert f(x).tolist() == [2, 4]
