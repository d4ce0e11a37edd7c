"""L-BFGS finds minima, moves as PyTorch's does, and goes on from a saved state."""

import copy

import numpy as np
import pytest

import koubai as kb
from koubai.errors import DTypeError, UsageError


def rosenbrock(w):
    return ((1 - w[:-1]) ** 2).sum() + 100 * ((w[1:] - w[:-1] ** 2) ** 2).sum()


START = np.array([-1.2, 1.0, 0.5, -0.3])
CASES = [
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "history_size": 2, "max_iter": 7},
    {"line_search_fn": "strong_wolfe", "max_iter": 4, "max_eval": 5},
    {"lr": 0.1, "max_iter": 3},
    {"lr": 0.05, "history_size": 3},
]


def run(options, calls, optimizer=None, w=None):
    w = kb.tensor(START, requires_grad=True) if w is None else w
    optimizer = optimizer or kb.optim.LBFGS(**options)

    def closure():
        loss = rosenbrock(w)
        loss.backward()
        return loss

    points = []
    for _ in range(calls):
        optimizer.step({"w": w}, closure)
        points.append(w.numpy().copy())
    return points, optimizer, w


def test_finds_the_minimum():
    start = kb.tensor(np.array([-1.2, 1.0]), requires_grad=True)
    points, _, w = run({"line_search_fn": "strong_wolfe", "tolerance_change": 1e-14}, 4, w=start)
    np.testing.assert_allclose(points[-1], 1.0, atol=1e-6)
    assert float(rosenbrock(w).item()) < 1e-12


def test_returns_the_first_loss_as_the_closure_did():
    w = kb.tensor(START, requires_grad=True)

    def closure():
        loss = rosenbrock(w)
        loss.backward()
        return loss

    expected = rosenbrock(START)
    assert kb.optim.LBFGS(max_iter=1).step({"w": w}, closure).item() == expected


@pytest.mark.parametrize("options", CASES)
def test_moves_as_pytorchs(options):
    torch = pytest.importorskip("torch")
    w = torch.tensor(START, requires_grad=True)
    theirs = torch.optim.LBFGS([w], **options)

    def closure():
        theirs.zero_grad()
        loss = rosenbrock(w)
        loss.backward()
        return loss

    for ours in run(options, 4)[0]:
        theirs.step(closure)
        np.testing.assert_allclose(ours, w.detach().numpy(), rtol=0, atol=1e-7)


# Case, number of calls, and the point then, as PyTorch 2.13 computes it.
STORED = [
    (0, 1, [-0.775661437096, 0.613096462098, 0.382066660832, 0.145974477687]),
    (1, 3, [-0.77430172756, 0.611022443984, 0.379608536986, 0.144161290218]),
    (3, 3, [-1.04707425956, 0.877412861282, 0.476891755671, -0.111616684672]),
    (4, 2, [-0.911973701417, 0.787067027717, 0.54513571511, 0.226372393631]),
]


@pytest.mark.parametrize(("case", "calls", "expected"), STORED)
def test_moves_to_the_stored_points(case, calls, expected):
    np.testing.assert_allclose(run(CASES[case], calls)[0][-1], expected, rtol=0, atol=1e-9)


def test_goes_on_from_a_copied_state():
    points, _, _ = run(CASES[1], 4)
    _, optimizer, w = run(CASES[1], 2)
    other = kb.optim.LBFGS(**CASES[1])
    other.state = copy.deepcopy(optimizer.state)
    np.testing.assert_array_equal(run({}, 2, other, w)[0][-1], points[-1])


def test_float32_is_kept():
    w = kb.tensor(START.astype(np.float32), requires_grad=True)
    run({}, 2, kb.optim.LBFGS(line_search_fn="strong_wolfe"), w)
    assert w.dtype == np.float32


def test_refusals():
    w = kb.tensor(START, requires_grad=True)
    with pytest.raises(UsageError, match="left no gradients"):
        kb.optim.LBFGS().step({"w": w}, lambda: rosenbrock(w))
    with pytest.raises(UsageError, match="'strong_wolfe' or None, got 'armijo'"):
        kb.optim.LBFGS(line_search_fn="armijo")
    with pytest.raises(UsageError, match="lr to be a number"):
        kb.optim.LBFGS(lr=kb.optim.schedules.Constant(1.0))
    with pytest.raises(DTypeError, match="complex"):
        kb.optim.LBFGS().step({"w": kb.tensor([1j], requires_grad=True)}, lambda: None)
