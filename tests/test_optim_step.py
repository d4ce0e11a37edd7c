"""Optimizers on models: groups, steps, rates that follow a metric, clipping and accumulation."""

import copy

import numpy as np
import pytest

import koubai as kb
from koubai.errors import UsageError
from koubai.optim import schedules
from koubai.tensor.trees import tree_map
from optimizer_cases import CASES, EVERY, IDS, equal_trees, flat, gradients, start, trajectory

OPTIMIZERS = [pytest.param(name, options, id=f"{name}-{i}") for name, i in IDS for options in [CASES[name][i]]]


# Groups


def test_groups_change_hyperparameters_by_name_and_the_later_counts():
    optimizer = kb.optim.SGD(lr=1.0, groups={"*": {"lr": 0.25}, "*.bias": {"lr": 0.5}, "out.*": {"weight_decay": 1.0}})
    params = start()
    grads = tree_map(np.ones_like, params)
    moved, _ = optimizer.update(grads, optimizer.init(params), params)
    change = {name: params[name] - moved[name] for name in params}
    np.testing.assert_allclose(change["hidden.weight"], 0.25)
    np.testing.assert_allclose(change["hidden.bias"], 0.5)
    np.testing.assert_allclose(change["out.weight"], 0.25 * (1.0 + params["out.weight"]))
    np.testing.assert_allclose(change["out.bias"], 0.5 * (1.0 + params["out.bias"]))


def test_a_group_may_have_a_schedule():
    optimizer = kb.optim.SGD(lr=1.0, groups={"b": {"lr": schedules.Exponential(1.0, 0.5)}})
    params = {"a": np.zeros(1), "b": np.zeros(1)}
    state = optimizer.init(params)
    for _ in range(3):
        params, state = optimizer.update({"a": np.ones(1), "b": np.ones(1)}, state, params)
    assert (params["a"][0], params["b"][0]) == (-3.0, -1.75)


def test_a_pattern_that_matches_nothing_is_refused():
    optimizer = kb.optim.SGD(groups={"*.biases": {"lr": 0.1}})
    says = r"no parameter that matches the group '\*.biases'.*hidden.bias, hidden.weight, out.bias, out.weight"
    with pytest.raises(UsageError, match=says):
        optimizer.init(start())
    with pytest.raises(UsageError, match=says):
        kb.optim.Clipped(optimizer, max_norm=1.0).init(start())


# step(model)


def model_of(dtype=np.float64):
    return {name: kb.tensor(p, requires_grad=True, name=name) for name, p in start(dtype).items()}


def put_gradients(model, t):
    for name, g in gradients({k: p.numpy() for k, p in model.items()}, t).items():
        model[name].grad = g


@pytest.mark.parametrize("make", EVERY)
def test_step_is_update(make):
    optimizer, model = make(), model_of()
    for t in range(5):
        put_gradients(model, t)
        before = {name: (p, p.value, p.value.copy()) for name, p in model.items()}
        optimizer.step(model)
        for name, (tensor, array, copied) in before.items():
            assert model[name] is tensor
            np.testing.assert_array_equal(array, copied)
    expected, state = trajectory(make(), start(), 5)
    equal_trees({name: p.value for name, p in model.items()}, expected[-1])
    equal_trees(optimizer.state, state)


def test_frozen_and_unused_parameters_stay_and_tied_ones_step_once():
    model = model_of()
    model["again"] = model["out.bias"]
    put_gradients({k: v for k, v in model.items() if k != "again"}, 0)
    model["hidden.weight"].requires_grad = False
    model["hidden.bias"].grad = None
    before = {name: p.value for name, p in model.items()}
    step = model["out.bias"].grad
    optimizer = kb.optim.SGD(lr=1.0)
    optimizer.step(model)
    assert model["hidden.weight"].value is before["hidden.weight"]
    assert model["hidden.bias"].value is before["hidden.bias"]
    np.testing.assert_array_equal(model["out.bias"].value, before["out.bias"] - step)
    assert set(optimizer.state["slots"]) == {"out.weight", "out.bias"}


def test_a_parameter_that_joins_later_begins_at_its_own_first_step():
    model = model_of()
    model["hidden.weight"].requires_grad = False
    optimizer = kb.optim.Adam(lr=0.5, eps=0.0)
    for t in range(3):
        put_gradients(model, t)
        optimizer.step(model)
    model["hidden.weight"].requires_grad = True
    put_gradients(model, 3)
    before = model["hidden.weight"].value
    optimizer.step(model)
    # Adam's first step has the length lr whatever the gradient is.
    np.testing.assert_allclose(np.abs(model["hidden.weight"].value - before), 0.5)


def test_step_goes_on_from_a_state_that_is_put_back():
    optimizer, model = kb.optim.Adam(), model_of()
    for t in range(3):
        put_gradients(model, t)
        optimizer.step(model)
    other = kb.optim.Adam()
    other.state = copy.deepcopy(optimizer.state)
    put_gradients(model, 3)
    other.step(model)
    equal_trees({name: p.value for name, p in model.items()}, trajectory(kb.optim.Adam(), start(), 4)[0][-1])


def test_step_without_gradients_is_refused():
    with pytest.raises(UsageError, match=r"none of the 4 trainable parameters has a gradient; call backward\(\)"):
        kb.optim.SGD().step(model_of())
    model = model_of()
    put_gradients(model, 0)
    with pytest.raises(UsageError, match="matches the group 'nothing'"):
        kb.optim.SGD(groups={"nothing": {}}).step(model)


def test_a_module_of_nn_is_trained():
    nn = pytest.importorskip("koubai.nn")
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    t = np.array([[0], [1], [1], [0]], np.float32)
    optimizer = kb.optim.Adam(lr=0.05, groups={"*.bias": {"lr": 0.1}})
    for _ in range(150):
        for p in model.parameters():
            p.grad = None
        ((model(x) - t) ** 2).mean().backward()
        optimizer.step(model)
    assert float(((model(x) - t) ** 2).mean().item()) < 0.01
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float32)}


# Learning rates that follow a metric


def test_a_plateau_lowers_the_rate_by_the_state_alone():
    optimizer = kb.optim.SGD(lr=schedules.ReduceOnPlateau(1.0, factor=0.5, patience=0))
    params = {"x": np.zeros(1)}
    state = optimizer.init(params)
    for metric in [3.0, 3.0, 1.0, 2.0]:
        params, state = optimizer.update({"x": np.ones(1)}, state, params)
        state = optimizer.observe(metric, state)
    assert params["x"][0] == -(1.0 + 1.0 + 0.5 + 0.5)
    assert state["plateau"] == {"lr": 0.25, "best": 1.0, "bad": 0, "cooldown": 0}
    wrapped = kb.optim.Accumulated(kb.optim.Clipped(optimizer, max_norm=1.0), n=1)
    assert wrapped.observe(1.0, wrapped.init(params))["inner"]["plateau"]["best"] == 1.0


def test_observe_keeps_the_state_of_step():
    optimizer, x = kb.optim.SGD(lr=schedules.ReduceOnPlateau(1.0, patience=0)), kb.tensor([0.0], requires_grad=True)
    with pytest.raises(UsageError, match="no step has been taken"):
        optimizer.observe(1.0)
    for _ in range(2):
        x.grad = np.ones(1)
        optimizer.step({"x": x})
        optimizer.observe(1.0)
    assert optimizer.state["plateau"]["lr"] == 0.1


# Clipping and accumulation


def test_clipping_equals_pytorchs_arithmetic():
    grads = {"a": np.array([[3.0, -4.0]]), "b": None, "c": np.array([12.0])}
    clipped = kb.optim.clip_by_global_norm(grads, 1.0)
    np.testing.assert_allclose(clipped["a"], grads["a"] / (13.0 + 1e-6), rtol=1e-15)
    assert clipped["b"] is None
    np.testing.assert_allclose(kb.optim.clip_by_global_norm(grads, 100.0)["a"], grads["a"], rtol=0)
    assert kb.optim.global_norm(grads, np.inf) == 12.0
    assert kb.optim.global_norm(grads, 1.0) == 19.0
    assert kb.optim.global_norm({"b": None}) == 0.0
    each = kb.optim.clip_by_norm(grads, 1.0)
    np.testing.assert_allclose(each["c"], 1.0, rtol=1e-6)
    np.testing.assert_array_equal(kb.optim.clip_by_value(grads, 3.5)["a"], [[3.0, -3.5]])
    single = kb.optim.clip_by_global_norm({"a": np.float32([3, 4])}, 1.0)["a"]
    assert single.dtype == np.float32


def test_clipping_by_global_norm_against_torch():
    torch = pytest.importorskip("torch")
    grads = gradients(start(), 0)
    for order in (1.0, 2.0, 3.5, np.inf):
        tensors = [torch.zeros(g.shape, dtype=torch.float64) for g in grads.values()]
        for p, g in zip(tensors, grads.values()):
            p.grad = torch.tensor(g)
        total = torch.nn.utils.clip_grad_norm_(tensors, 0.1, order)
        np.testing.assert_allclose(kb.optim.global_norm(grads, order), float(total), rtol=1e-14)
        ours = kb.optim.clip_by_global_norm(grads, 0.1, order)
        np.testing.assert_allclose(flat(ours), np.concatenate([p.grad.ravel() for p in tensors]), rtol=1e-13)


def test_clipping_refuses_what_makes_no_sense():
    with pytest.raises(UsageError, match="max_norm to be a number >= 0, got -1"):
        kb.optim.clip_by_norm({}, -1)
    with pytest.raises(UsageError, match="norm_type"):
        kb.optim.global_norm({}, 0)
    with pytest.raises(UsageError, match="one of max_value, max_norm, global_norm, got 2 of them"):
        kb.optim.Clipped(kb.optim.SGD(), max_norm=1.0, max_value=1.0)


def test_accumulation_equals_one_step_with_the_mean():
    rng = np.random.default_rng(0)
    parts = [tree_map(lambda p: rng.normal(size=p.shape), start()) for _ in range(6)]
    slow = kb.optim.Accumulated(kb.optim.Adam(lr=schedules.Exponential(0.1, 0.5)), n=3)
    params, state = start(), slow.init(start())
    for i, g in enumerate(parts):
        before = params
        params, state = slow.update(g, state, params)
        assert (params is before) == (i % 3 != 2)
    fast = kb.optim.Adam(lr=schedules.Exponential(0.1, 0.5))
    expected, inner = start(), fast.init(start())
    for begin in (0, 3):
        mean = {name: (parts[begin][name] + parts[begin + 1][name] + parts[begin + 2][name]) / 3 for name in expected}
        expected, inner = fast.update(mean, inner, expected)
    equal_trees(params, expected)
    with pytest.raises(UsageError, match="Accumulated: expected n to be an integer >= 1, got 0"):
        kb.optim.Accumulated(fast, n=0)
