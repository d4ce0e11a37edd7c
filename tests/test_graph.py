"""The graph itself: recording, long chains, freeing, printing, and what `verify` calls legal."""

import gc
import tracemalloc
import weakref
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

import koubai as kb
from koubai import numpy as knp
from koubai.graph import Type, constant, placeholder, registered, to_text, topological, users_first, verify
from koubai.graph.op import registry
from koubai.ops import elementwise as e
from koubai.ops.reduce import sum as total
from koubai.ops.shape import reshape


def leaf(*values, name=None):
    return kb.tensor(np.array(values), requires_grad=True, name=name)


def chain(n, x):
    y = x
    for _ in range(n):
        y = y * 1.0000001
    return y


# Long chains


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("n", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_long_chain_goes_forward_backward_is_printed_and_destroyed(n):
    x = kb.tensor(1.0, requires_grad=True, name="x")
    y = chain(n, x)
    y.backward()
    assert float(x.grad) == pytest.approx(1.0000001**n)
    text = to_text(y)
    assert text.count("\n") == n
    assert text.startswith("x ")
    assert len(topological([y])) == n + 1
    gone = weakref.ref(y.inputs[0])
    del y
    assert gone() is None


def test_a_long_chain_is_differentiated_and_verified_by_every_transform():
    n = 20_000
    f = lambda x: chain(n, x)
    slope = 1.0000001**n
    assert kb.grad(f)(1.0) == pytest.approx(slope)
    assert kb.jvp(f, (1.0,), (1.0,))[1] == pytest.approx(slope)
    assert kb.vmap(f)(np.ones(2))[1] == pytest.approx(slope)
    assert kb.grad(kb.grad(lambda x: chain(n, x * x)))(1.0) == pytest.approx(2 * slope)
    verify(f(leaf(1.0)))


def test_time_and_memory_grow_linearly():
    def run(n):
        chain(n, kb.tensor(1.0, requires_grad=True)).backward()

    def seconds(n):
        gc.collect()
        start = perf_counter()
        run(n)
        return perf_counter() - start

    def peak(n):
        tracemalloc.start()
        run(n)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    run(1000)
    assert peak(16_000) < 4.5 * peak(4_000)  # 4 if linear, 16 if quadratic
    assert min(seconds(16_000) for _ in range(4)) < 10 * min(seconds(4_000) for _ in range(4))


def test_a_node_with_many_users_and_a_node_with_many_inputs():
    x = leaf(1.0, 2.0)
    y = knp.concatenate([x * k for k in range(1, 301)])
    y.sum().backward()
    assert x.grad.tolist() == [45150, 45150]


# Freeing


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    "compute",
    [
        lambda x: knp.tanh(x * x + 1.0).sum(),
        lambda x: knp.where(x > 0, x, x * x)[0] + x[1],
        lambda x: kb.grad(lambda v: (v * v).sum())(x).sum(),
        lambda x: kb.vmap(lambda v: v * v)(x).sum(),
        lambda x: kb.jvp(lambda v: v * v, (x,), (np.ones(2),))[1].sum(),
        lambda x: kb.hvp(lambda v: (v**3).sum(), x, np.ones(2)).sum(),
        lambda x: kb.jacobian(lambda v: v * v)(x).sum(),
        lambda x: kb.vjp(lambda v: v * v, x)[1](np.ones(2))[0].sum(),
        lambda x: kb.scan(lambda c, v: (c * v, c), x.sum(), x)[1].sum(),
        lambda x: kb.checkpoint(knp.sin)(x).sum(),
    ],
)
def test_a_graph_is_freed_when_its_last_handle_goes(compute):
    x = leaf(1.0, 2.0)
    y = compute(x)
    inner = [weakref.ref(node) for node in topological([y]) if node is not x]
    assert len(inner) > 1
    y.backward()
    del y
    assert [ref() for ref in inner if ref() is not None] == []
    assert x.grad is not None


@pytest.mark.usefixtures("no_collector")
def test_a_failed_transform_leaves_nothing_behind():
    seen = []

    def f(x):
        seen.append(weakref.ref(x * 2.0))
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        kb.grad(f)(1.0)
    assert seen[0]() is None


# Recording


def test_a_leaf_without_gradient_records_nothing():
    y = kb.tensor([1.0]) * 2.0 + 1.0
    assert y.op is None
    assert y.inputs == ()


def test_no_grad_records_nothing_and_ends():
    x = leaf(1.0)
    with kb.no_grad():
        y = x * 2.0
        with kb.no_grad():
            pass
        z = x * 3.0
    assert y.op is None
    assert z.op is None
    assert (x * 2.0).op is e.multiply
    with pytest.raises(RuntimeError), kb.no_grad():
        raise RuntimeError
    assert (x * 2.0).requires_grad


def test_types_are_known_without_values():
    a, b = placeholder(Type((2, 3), np.dtype(np.float32))), placeholder(Type((3,), np.dtype(np.float64)))
    y = total(e.multiply(a, b), axis=(0,), keepdims=False)
    assert y.value is None
    assert str(y.type) == "float64[3]"
    with pytest.raises(kb.ShapeError, match="broadcast"):
        e.add(a, placeholder(Type((4,), np.dtype(np.float64))))


def test_python_numbers_are_weak():
    a = placeholder(Type((2,), np.dtype(np.float32)), kb.Tensor)
    assert (a * 2.5).dtype == np.float32
    assert (a * np.float64(2.5)).dtype == np.float64
    assert (kb.tensor(np.ones(2, np.float32)) * 2.5).dtype == np.float32
    assert (kb.tensor(np.ones(2, np.float32)) * 2j).dtype == np.complex64


def test_where_a_node_was_made():
    y = leaf(1.0) * 2.0
    file, line = y.where().rsplit(":", 1)
    assert file.endswith("test_graph.py")
    assert "leaf(1.0) * 2.0" in Path(file).read_text(encoding="utf-8").split("\n")[int(line) - 1]


def test_orders():
    x = leaf(1.0)
    a, b = x * 2.0, x * 3.0
    y = a * b
    order = topological([y])
    assert order.index(x) < min(order.index(a), order.index(b)) < order.index(y)
    assert users_first([y]) == order[::-1]
    assert topological([]) == []
    assert topological([y, y, a]).count(y) == 1


# Printing


def test_a_graph_prints_one_node_a_line():
    x = leaf(1.0, 2.0, name="x")
    w = leaf(3.0, 4.0, name="w")
    lines = (knp.tanh(x * w).sum()).graph().split("\n")
    assert [line.split(" = ")[0].strip() for line in lines] == ["x", "w", "%2", "%3", "%4"]
    assert "multiply(x, w)" in lines[2]
    assert "float64[2]" in lines[2]
    assert "# test_graph.py:" in lines[2]
    assert "axis=(0,)" in lines[4]


def test_two_nodes_of_one_name_are_told_apart():
    text = to_text(leaf(1.0, name="x") * leaf(2.0, name="x"))
    assert len({line.split(" = ")[0].strip() for line in text.split("\n")}) == 3


# Verify


def test_what_is_made_by_ops_is_legal():
    x = leaf(1.0, 2.0)
    verify(knp.where(x > 0, x, 1.0) @ np.ones((2, 2)))
    verify([])


def spoil(node, **fields):
    for name, value in fields.items():
        setattr(node, name, value)
    return node


PLANTED = {
    "a cycle": (lambda x: _cycle(x), "cycle"),
    "a cycle of one": (lambda x: _own_input(x), "cycle"),
    "a user older than its input": (lambda x: spoil(x * 2.0, inputs=(x * 1.0, 2.0)), "made after its user"),
    "a wrong shape": (lambda x: spoil(x * 2.0, value=np.ones(3)), r"infers float64\[2\], the node has float64\[3\]"),
    "a wrong dtype": (lambda x: spoil(x * 2.0, value=np.ones(2, np.float32)), "float32"),
    "an input that is no number": (lambda x: spoil(x * 2.0, inputs=(x, "2")), "neither node, array nor number"),
    "too many inputs": (lambda x: spoil(x * 2.0, inputs=(x, x, x)), "multiply"),
    "inputs that do not fit": (lambda x: spoil(x * 2.0, inputs=(x, np.ones(5))), "broadcast"),
    "params of another op": (lambda x: spoil(reshape(x, shape=(2, 1)), params={"axes": (0,)}), "reshape"),
    "a leaf with inputs": (lambda x: spoil(constant(np.ones(2)), inputs=(x,)), "a leaf has inputs"),
    "an op that is none": (lambda x: spoil(x * 2.0, op=np.multiply), "expected an Op"),
    "a gradient for integers": (lambda x: constant(np.arange(3), requires_grad=True), "cannot require a gradient"),
    "outputs used together": (lambda x: _undivided(x), "several outputs"),
    "too few outputs": (lambda x: spoil(_pair(x), value=(np.ones(2),)), "infers 2 outputs"),
}


def _cycle(x):
    a = x * 2.0
    b = a * 3.0
    a.inputs = (b, 2.0)
    return b


def _own_input(x):
    y = x * 2.0
    y.inputs = (y, 2.0)
    return y


class Pair(kb.Function):
    def forward(self, x):
        return x, x

    def backward(self, a, b):
        return a + b


def _pair(x):
    first, _ = Pair()(x)
    return first.inputs[0]


def _undivided(x):
    return spoil(x * 2.0, inputs=(_pair(x), 2.0), number=10**9)


@pytest.mark.parametrize("name", PLANTED)
def test_verify_refuses(name):
    make, says = PLANTED[name]
    graph = make(leaf(1.0, 2.0))
    with pytest.raises(kb.VerifyError, match=says):
        verify(graph)


# The table of ops


def test_the_registry_is_by_name_and_refuses_a_second_op_of_a_name():
    assert registered("add") is e.add
    assert "add" in registry()
    with pytest.raises(kb.UsageError, match="exists already"):
        kb.register(kb.Op("add", np.add, e.add.infer, e.add.words))
    with pytest.raises(kb.UsageError, match="koubai ops"):
        registered("no_such_op")


def test_an_op_keeps_its_identity_when_copied():
    import copy
    import pickle

    assert pickle.loads(pickle.dumps(e.add)) is e.add
    assert copy.deepcopy(e.add) is e.add


def test_verify_wants_tensors():
    for wrong in (np.ones(2), None, [1.0]):
        with pytest.raises(kb.VerifyError, match="expected a tensor"):
            kb.verify(wrong)
