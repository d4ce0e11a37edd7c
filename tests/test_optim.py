"""What every optimizer must do: one suite over all of them, then groups, steps, clipping and accumulation."""

import copy
import json
import pickle

import numpy as np
import pytest

import koubai as kb
from koubai.errors import DTypeError, ShapeError, UsageError
from koubai.graph import Node, placeholder, topological, type_of
from koubai.optim import schedules
from koubai.tensor import Tensor
from koubai.tensor.trees import flatten, tree_map
from optimizer_cases import CASES, IDS, flat, gradients, start, trajectory

OPTIMIZERS = [pytest.param(name, options, id=f"{name}-{i}") for name, i in IDS for options in [CASES[name][i]]]
WRAPPED = [
    pytest.param(lambda: kb.optim.Clipped(kb.optim.Adam(), global_norm=0.1), id="Clipped"),
    pytest.param(lambda: kb.optim.Accumulated(kb.optim.Adam(), n=3), id="Accumulated"),
    pytest.param(lambda: kb.optim.Accumulated(kb.optim.Clipped(kb.optim.SGD(), max_norm=1.0), n=2), id="both"),
    pytest.param(lambda: kb.optim.Adam(lr=schedules.ReduceOnPlateau(0.1)), id="plateau"),
    pytest.param(lambda: kb.optim.Adam(lr=schedules.Warmup(0.1, 5)), id="schedule"),
]
EVERY = [pytest.param(lambda n=n, i=i: getattr(kb.optim, n)(**CASES[n][i]), id=f"{n}-{i}") for n, i in IDS] + WRAPPED


def equal_trees(a, b):
    xs, ys = flatten(a)[0], flatten(b)[0]
    assert len(xs) == len(ys)
    for x, y in zip(xs, ys):
        np.testing.assert_array_equal(x, y)
        assert type(x) is type(y)


@pytest.mark.parametrize("make", EVERY)
def test_writes_into_nothing_that_is_given(make):
    optimizer, params = make(), start()
    state = optimizer.init(params)
    for t in range(4):
        grads = gradients(params, t)
        given = (grads, state, params)
        for x in flatten(given)[0]:
            if isinstance(x, np.ndarray):
                x.flags.writeable = False
        before = copy.deepcopy(given)
        new, newer = optimizer.update(*given)
        equal_trees(given, before)
        params, state = new, newer


@pytest.mark.parametrize("make", EVERY)
def test_state_is_plain_data(make):
    _, state = trajectory(make(), start(), 4)
    kinds = {type(x) for x in flatten(state)[0]}
    assert kinds <= {int, float, np.ndarray, np.float64}, kinds
    equal_trees(pickle.loads(pickle.dumps(state)), state)
    json.dumps(tree_map(lambda x: np.asarray(x).tolist(), state))


@pytest.mark.parametrize("make", EVERY)
def test_goes_on_exactly_from_a_copied_state(make):
    whole, _ = trajectory(make(), start(), 11)
    half, state = trajectory(make(), start(), 6)
    rest, _ = trajectory(make(), half[-1], 5, copy.deepcopy(state), first=6)
    equal_trees(rest[-1], whole[-1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", EVERY)
def test_dtype_is_kept(make, dtype):
    found, state = trajectory(make(), start(dtype), 5)
    assert {p.dtype for p in found[-1].values()} == {np.dtype(dtype)}
    assert {x.dtype for x in flatten(state)[0] if isinstance(x, np.ndarray)} <= {np.dtype(dtype)}
    wide, _ = trajectory(make(), {k: p.astype(np.float64) for k, p in start(dtype).items()}, 5)
    np.testing.assert_allclose(flat(found[-1]), flat(wide[-1]), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("make", EVERY)
def test_same_rule_when_traced(make):
    """On tensors of which only the type is known the update records what it computes on arrays."""
    optimizer, params = make(), start(np.float32)
    state = optimizer.init(params)
    for t in range(7):
        grads = gradients(params, t)
        recorded = replayed(optimizer.update, (grads, state, params))
        params, state = optimizer.update(grads, state, params)
        for x, y in zip(flatten((params, state))[0], flatten(recorded)[0]):
            np.testing.assert_allclose(y, x, rtol=1e-6, atol=1e-9)
            if isinstance(x, np.ndarray):
                assert y.dtype == x.dtype


def replayed(f, args):
    """f traced on placeholders, then its graph computed."""
    leaves, rebuild = flatten(args)
    holders = [placeholder(type_of(np.asarray(x)[()]), Tensor) for x in leaves]
    outputs, pack = flatten(f(*rebuild(holders)))
    values = dict(zip(holders, leaves))
    for node in topological([y for y in outputs if isinstance(y, Node)]):
        if node.op is not None:
            inputs = [values.get(x, x.value) if isinstance(x, Node) else x for x in node.inputs]
            values[node] = node.op.forward(*inputs, **node.params)
    return pack([values[y] if isinstance(y, Node) else y for y in outputs])


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_zero_gradient_moves_by_weight_decay_only(name, options):
    options = {k: v for k, v in options.items() if k != "weight_decay"}
    options |= {"weight_decay": 0.0} if name == "AdamW" else {"lambd": 0.0} if name == "ASGD" else {}
    optimizer, params = getattr(kb.optim, name)(**options), start()
    state = optimizer.init(params)
    still = tree_map(np.zeros_like, params)
    for _ in range(3):
        moved, state = optimizer.update(still, state, params)
        equal_trees(moved, params)


RATES = {"SGD": 0.1, "ASGD": 0.1, "Adadelta": 0.5, "Adagrad": 1.0, "Rprop": 0.1, "Adafactor": 0.5, "Adam": 0.05,
         "AdamW": 0.05, "Adamax": 0.05, "NAdam": 0.05, "RAdam": 0.05, "RMSprop": 0.01}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_quadratic_converges(name):
    scale = np.array([1.0, 3.0, 0.5])
    extra = {"AdamW": {"weight_decay": 0.0}, "Adadelta": {"eps": 1e-3}}.get(name, {})
    optimizer = getattr(kb.optim, name)(lr=RATES[name], **extra)
    params = {"x": np.array([1.0, -2.0, 0.7])}
    state = optimizer.init(params)
    for _ in range(800):
        params, state = optimizer.update({"x": scale * params["x"]}, state, params)
    assert np.abs(params["x"]).max() < 0.02


@pytest.mark.parametrize("name", [name for name in CASES if name != "Adafactor"])
def test_complex_parameters_are_pairs_of_real_ones(name):
    z, g = np.array([1.0 + 2.0j, -0.5j]), np.array([0.3 - 1.0j, 2.0 + 0.1j])
    as_real = lambda a: np.stack([a.real, a.imag], axis=-1)
    optimizer = getattr(kb.optim, name)()
    a, b = {"z": z}, {"z": as_real(z)}
    s, r = optimizer.init(a), optimizer.init(b)
    for _ in range(3):
        a, s = optimizer.update({"z": g * a["z"]}, s, a)
        real = b["z"][:, 0] + 1j * b["z"][:, 1]
        b, r = optimizer.update({"z": as_real(g * real)}, r, b)
    assert a["z"].dtype == np.complex128
    np.testing.assert_allclose(as_real(a["z"]), b["z"], rtol=1e-14)


def test_any_nesting_of_arrays():
    optimizer = kb.optim.SGD(lr=1.0, momentum=0.5)
    params = {"a": [np.ones(2), (np.ones(1), np.float64(3.0))], "b": np.ones(())[()]}
    moved, state = optimizer.update(params, optimizer.init(params), params)
    equal_trees(moved, tree_map(lambda x: x * 0.0, params))
    assert list(state["slots"]) == ["a.0", "a.1.0", "a.1.1", "b"]
    alone, _ = optimizer.update(np.ones(2), optimizer.init(np.ones(2)), np.ones(2))
    np.testing.assert_array_equal(alone, [0, 0])


def test_a_parameter_without_gradient_stays_with_its_state():
    optimizer, params = kb.optim.Adam(), start()
    state = optimizer.init(params)
    grads = {"hidden.weight": None, "out.bias": np.ones(1)}
    moved, new = optimizer.update(grads, state, params)
    assert moved["hidden.weight"] is params["hidden.weight"]
    assert new["slots"]["hidden.weight"] is state["slots"]["hidden.weight"]
    assert (new["step"], new["slots"]["out.bias"]["step"], new["slots"]["out.weight"]["step"]) == (1, 1, 0)


REFUSED = [
    ("SGD", {"lr": -0.1}, "SGD: expected lr to be a number >= 0 or a schedule, got -0.1"),
    ("SGD", {"lr": float("nan")}, "got nan"),
    ("SGD", {"momentum": -1}, "expected momentum to be a number >= 0, got -1"),
    ("SGD", {"nesterov": True}, "SGD: nesterov needs momentum > 0 and dampening = 0"),
    ("Adam", {"betas": (0.9, 1.0)}, r"expected betas to be two numbers in \[0, 1\), got \(0.9, 1.0\)"),
    ("Adam", {"betas": 0.9}, "expected betas"),
    ("Adam", {"eps": "small"}, "expected eps to be a number >= 0, got 'small'"),
    ("AdamW", {"amsgrad": 1}, "expected amsgrad to be True or False, got 1"),
    ("Adadelta", {"rho": 1.5}, r"expected rho to be a number in \[0, 1\]"),
    ("Adagrad", {"lr_decay": -1}, "lr_decay"),
    ("Rprop", {"etas": (1.5, 1.2)}, "expected etas to be two numbers, 0 < the first < 1 < the second"),
    ("Rprop", {"step_sizes": (1, 0.1)}, "step_sizes"),
    ("Rprop", {"lr": schedules.Constant(0.1)}, "lr is only the first step size"),
    ("Adafactor", {"d": 0.5}, "expected d to be a number >= 1"),
    ("Adafactor", {"eps": 1e-3}, "expected eps to be two numbers >= 0, of which the first may be None"),
    ("Adam", {"groups": {"*.bias": {"momentum": 0.9}}}, "no hyperparameter 'momentum'"),
    ("Adam", {"groups": {"*.bias": {"lr": -1}}}, r"Adam, group '\*.bias': expected lr"),
    ("Adam", {"groups": {"*": {"lr": schedules.ReduceOnPlateau(1.0)}}}, "can follow a metric"),
]


@pytest.mark.parametrize(("name", "options", "says"), REFUSED)
def test_bad_hyperparameters_are_refused_by_name(name, options, says):
    with pytest.raises((UsageError, DTypeError), match=says):
        getattr(kb.optim, name)(**options)


def test_bad_updates_are_refused():
    optimizer, params = kb.optim.Adam(), start()
    state = optimizer.init(params)
    with pytest.raises(ShapeError, match=r"'out.bias' has shape \(1,\), its gradient has \(2,\)"):
        optimizer.update({"out.bias": np.ones(2)}, state, params)
    with pytest.raises(UsageError, match=r"gradient 'out.bia', did you mean 'out.bias'\?"):
        optimizer.update({"out.bia": np.ones(1)}, state, params)
    with pytest.raises(UsageError, match="the state knows no parameter 'new'"):
        optimizer.update({"new": np.ones(1)}, state, {"new": np.ones(1)})
    with pytest.raises(DTypeError, match="'w' is int64"):
        optimizer.init({"w": np.ones(2, np.int64)})
    with pytest.raises(DTypeError, match="its gradient is complex"):
        optimizer.update({"out.bias": np.ones(1) * 1j}, state, params)


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


# By name


def test_lookup_by_name():
    assert isinstance(kb.optim.get("AdamW", lr=0.1), kb.optim.AdamW)
    assert isinstance(kb.optim.get("lbfgs"), kb.optim.LBFGS)
    mine = kb.optim.Accumulated(kb.optim.SGD(), n=2)
    assert kb.optim.get(mine) is mine
    with pytest.raises(UsageError, match=r"no optimizer 'adm', did you mean 'adam'\? \(there are: adadelta, "):
        kb.optim.get("adm")
    with pytest.raises(UsageError, match=r"SGD: .*'beta'"):
        kb.optim.get("sgd", beta=1)
    with pytest.raises(UsageError, match="lr given beside an optimizer"):
        kb.optim.get(mine, lr=0.1)
    with pytest.raises(DTypeError, match="expected the name of an optimizer or an optimizer, got float"):
        kb.optim.get(0.1)


def test_optimizers_print_and_copy():
    optimizer = kb.optim.SGD(lr=schedules.Cosine(0.1, steps=10), groups={"*.bias": {"lr": 0.5}})
    assert repr(optimizer).startswith("SGD(lr=Cosine(lr=0.1, steps=10, eta_min=0.0), momentum=0.0")
    assert repr(pickle.loads(pickle.dumps(optimizer))) == repr(copy.deepcopy(optimizer)) == repr(optimizer)
