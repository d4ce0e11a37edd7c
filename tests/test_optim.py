"""What every optimizer must do: one suite over all of them."""

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
from optimizer_cases import CASES, EVERY, IDS, equal_trees, flat, gradients, start, trajectory

OPTIMIZERS = [pytest.param(name, options, id=f"{name}-{i}") for name, i in IDS for options in [CASES[name][i]]]


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
