"""Functions that nobody wrote: all ways to differentiate agree, and so do compiled and interpreted."""

from dataclasses import replace

import numpy as np
import pytest

import koubai as kb
from koubai.check.evaluate import evaluate
from koubai.check.random_graphs import TABLE, RandomGraph, check_random_graph
from koubai.check.random_programs import RandomProgram, compare_programs, is_delicate
from koubai.check.random_steps import DTYPES, STEPS
from koubai.graph import Words, placeholder, type_of, verify
from koubai.ops.lowering import Scalar


def blocks(quick, count):
    """Numbers of blocks of seeds, those after the first ones for the long sweep."""
    return pytest.mark.parametrize(
        "block", [*range(quick), *(pytest.param(k, marks=pytest.mark.slow) for k in range(quick, count))]
    )


@blocks(5, 10)
def test_all_ways_to_differentiate_agree(block):
    for seed in range(40 * block, 40 * block + 40):
        assert check_random_graph(seed).max_error < 1e-7


@pytest.mark.parametrize("seed", range(1000, 1040))
def test_second_derivatives_agree(seed):
    assert check_random_graph(seed, order=2).max_error < 1e-6


@blocks(0, 10)
def test_many_more(block):
    for seed in range(10_000 + 100 * block, 10_100 + 100 * block):
        assert check_random_graph(seed).max_error < 1e-6


@pytest.mark.parametrize("seed", range(2000, 2040))
def test_a_stack_is_a_loop(seed):
    graph = RandomGraph.draw(seed)
    both = lambda *xs: kb.value_and_grad(graph, argnums=tuple(range(len(xs))))(*xs)
    stacks = [np.stack([x, x + 0.01, 0.9 * x]) for x in graph.inputs]
    values, slopes = kb.vmap(both)(*stacks)
    for k in range(3):
        value, expected = both(*(s[k] for s in stacks))
        assert values[k] == pytest.approx(value, rel=1e-12)
        for found, one in zip(slopes, expected):
            assert np.allclose(found[k], one, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("seed", range(2100, 2130))
def test_transforms_of_transforms(seed):
    graph = RandomGraph.draw(seed)
    stacks = [np.stack([[x, x + 0.01], [0.9 * x, x - 0.01], [x, 1.1 * x]]) for x in graph.inputs]
    every = tuple(range(len(stacks)))
    found = kb.vmap(kb.vmap(kb.grad(graph, every)))(*stacks)
    single = kb.grad(graph, every)
    for a, b in np.ndindex(3, 2):
        for slope, expected in zip(found, single(*(s[a, b] for s in stacks))):
            assert np.allclose(slope[a, b], expected, rtol=1e-10, atol=1e-12)
    total = lambda *xs: kb.vmap(kb.vmap(graph))(*xs).sum()
    for slope, expected in zip(kb.grad(total, every)(*stacks), found):
        assert np.allclose(slope, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("seed", range(2200, 2230))
def test_the_hessian_is_symmetric_and_its_products_are_right(seed):
    graph = RandomGraph.draw(seed)
    x, *rest = graph.inputs
    f = lambda v: graph(v, *rest)
    h = kb.hessian(f)(x).reshape(x.size, x.size)
    size = np.max(np.abs(h), initial=1e-3)
    assert np.allclose(h, h.T, atol=1e-10 * size)
    v = np.random.default_rng(seed).normal(size=x.shape)
    assert np.allclose(kb.hvp(f, x, v), (h @ v.reshape(-1)).reshape(x.shape), atol=1e-9 * size)
    slow = kb.numerical_grad(lambda u: (kb.grad(f)(u) * v).sum(), x)
    assert np.allclose(slow, kb.hvp(f, x, v), atol=1e-6 * size)


@pytest.mark.parametrize("seed", range(3000, 3040))
def test_traced_graphs_are_legal_and_mean_the_same(seed):
    graph = RandomGraph.draw(seed)
    inputs = [placeholder(type_of(x), kb.Tensor, requires_grad=True) for x in graph.inputs]
    y, pullback = kb.vjp(graph, *inputs)
    slopes = pullback(1.0)
    outputs = [y, *(g for g in slopes if isinstance(g, kb.Tensor))]
    verify(outputs)
    found = evaluate(outputs, dict(zip(inputs, graph.inputs)))
    assert found[0] == pytest.approx(graph(*graph.inputs), rel=1e-12)
    expected = kb.grad(graph, argnums=tuple(range(len(inputs))))(*graph.inputs)
    for a, b in zip(found[1:], [e for e, g in zip(expected, slopes) if isinstance(g, kb.Tensor)]):
        assert np.allclose(a, b, rtol=1e-10, atol=1e-12)


def test_the_same_seed_gives_the_same_graph():
    a, b = RandomGraph.draw(5), RandomGraph.draw(5)
    assert str(a) == str(b)
    assert a(*a.inputs) == b(*b.inputs)
    assert str(a) != str(RandomGraph.draw(6))


def test_every_step_of_the_table_is_drawn_and_values_are_used_twice():
    graphs = [RandomGraph.draw(seed) for seed in range(300)]
    drawn = {name for graph in graphs for name, _, _ in graph.steps}
    assert drawn == {name for name, _, _ in TABLE}
    operands = [[i for _, at, _ in graph.steps for i in at] for graph in graphs]
    assert sum(len(set(at)) < len(at) for at in operands) > 200


def test_a_wrong_rule_in_a_random_graph_is_found():
    wrong = kb.Op(
        "wrong_tanh", np.tanh, lambda x: x, Words("y = tanh x", "planted", "Wrong.", "誤り。"),
        vjp=(lambda g, y, x: g * (1.0 - y),), jvp=(lambda t, y, x: t * (1.0 - y * y),),
    )  # fmt: skip
    caught = 0
    for seed in range(200):
        graph = RandomGraph.draw(seed)
        if not any(name == "tanh" for name, _, _ in graph.steps):
            continue
        faulty = replace(graph, steps=tuple((name, at, wrong if name == "tanh" else f) for name, at, f in graph.steps))
        every = tuple(range(len(graph.inputs)))
        slopes = zip(kb.grad(graph, every)(*graph.inputs), kb.grad(faulty, every)(*graph.inputs))
        if all(np.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in slopes):
            continue  # Hardly any gradient passes through the fault here.
        with pytest.raises(kb.GradientError, match="wrong_tanh"):
            kb.check_grads(faulty, *graph.inputs)
        caught += 1
    assert caught > 40


# Compiled programs


@blocks(20, 20)
def test_compiled_and_interpreted_agree(block):
    delicate = 0
    for first in range(100 * block, 100 * block + 100, 10):  # ten to a program: LLVM starts once for them
        differences, passed_over = compare_programs([RandomProgram.draw(seed) for seed in range(first, first + 10)])
        assert not differences, str(differences[0])
        delicate += passed_over
    assert delicate < 5


@pytest.mark.parametrize("block", range(3))
def test_compiled_gradients_of_deeper_graphs(block):
    graphs = [RandomGraph.draw(seed) for seed in range(4000 + 10 * block, 4010 + 10 * block)]
    every = lambda inputs: [kb.value_and_grad(g, tuple(range(len(xs))))(*xs) for g, xs in zip(graphs, inputs)]
    inputs = [list(graph.inputs) for graph in graphs]
    for (value, slopes), (want, expected) in zip(kb.compile(every)(inputs), every(inputs)):
        assert value == pytest.approx(want, rel=1e-12)
        for a, b in zip(slopes, expected):
            assert np.allclose(a, b, rtol=1e-9, atol=1e-12)


def test_random_programs_have_all_dtypes_and_steps():
    programs = [RandomProgram.draw(seed) for seed in range(2000)]
    assert {name for p in programs for name, _, _ in p.steps} == {name for name, _, _ in STEPS}
    assert {x.dtype for p in programs for x in p.inputs} == set(map(np.dtype, DTYPES))
    sizes = {x.size for p in programs for x in p.inputs}
    assert {1, 17, 33} < sizes
    assert max(sizes) > 64


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_wrong_program_is_found_and_made_small(dtype):
    wrong = kb.Op(
        "wrong_tanh", np.tanh, lambda x: x, Words("y = tanh x", "planted", "Wrong.", "誤り。"),
        vjp=(lambda g, y, x: g * (1.0 - y * y),), jvp=(lambda t, y, x: t * (1.0 - y * y),),
        lower=Scalar(lambda e, x: e.mul(e.tanh(x), e.number(1.001, x))),
    )  # fmt: skip
    x = np.linspace(0.1, 1.0, 6).astype(dtype)
    steps = (("square", (0,), lambda v: v * v), ("wrong", (0,), wrong), ("sum", (2,), lambda v: v.sum()))
    good = RandomProgram.draw(1)
    (difference,), delicate = compare_programs([good, RandomProgram(7, (x,), steps, (1.0,) * 4), good])
    assert [name for name, _, _ in difference.program.steps] == ["wrong"]
    assert "seed 7: result 0 differs by 1.0e-03" in str(difference)
    assert delicate == 0


def test_what_rounding_alone_decides_is_passed_over():
    x = np.linspace(0.1, 1.0, 6)
    zero = ("zero", (0,), lambda v: np.tanh(v) - np.sinh(v) / np.cosh(v))
    delicate = RandomProgram(7, (x,), (zero, ("sign", (1,), lambda v: np.sign(v))), (1.0,) * 3)
    assert is_delicate(delicate)
    assert compare_programs([delicate])[0] == []
    assert not is_delicate(RandomProgram(7, (x,), (("sign", (0,), lambda v: np.sign(v)),), (1.0,) * 2))


def test_a_program_that_cannot_be_compiled_is_reported():
    steps = (("branch", (0,), lambda v: v if v > 0 else -v),)
    good, bad = RandomProgram.draw(1), RandomProgram(7, (np.float64(1.0),), steps, (1.0,) * 2)
    (difference,), _ = compare_programs([good, bad, good])
    assert difference.program is bad
    assert "TracingError" in difference.what
