"""Code for other processors does there what it should: emulated, or on this processor where that can run it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import koubai as kb
import koubai.numpy as knp
from foreign import Bench, missing
from koubai.compile import simplify
from koubai.compile.llvm import Module, vector
from koubai.compile.llvm.machine import Machine, aarch64, x86_64
from koubai.compile.math import functions
from koubai.compile.nest import Call
from koubai.compile.place import planned
from koubai.graph import Op, Sample, placeholder, registry, type_of
from koubai.nn import losses
from koubai.ops.random import permutation
from koubai.ops.structure import outputs_of
from koubai.tensor import Tensor
from koubai.train.native import NativeSteps
from koubai.train.step import Step, updates_of
from vector_math_cases import ELEMENTS, errors, exact, points

MACHINES = [aarch64(), x86_64(), x86_64("x86-64-v3", level=3)]
EXTENDED = np.finfo(np.longdouble).nmant >= 63
Check = Callable[[], None]
RNG = np.random.default_rng(0)


def normal(*shape: int, dtype: Any = np.float32) -> Any:
    return RNG.normal(size=shape).astype(dtype)


def traced(f: Any, *examples: Any) -> tuple[list[Any], list[Any]]:
    inputs = [placeholder(type_of(x), Tensor) for x in examples]
    y = f(*inputs)
    return inputs, simplify(list(y) if isinstance(y, (tuple, list)) else [y], {x: x for x in inputs})


def close(got: Any, want: Any, rounding: float = 16) -> None:
    """Equal but for some roundings, as many as there are in the longest sums."""
    for a, b in zip(got, want, strict=True):
        b = np.asarray(b)
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        unit = float(np.finfo(b.dtype).eps) if b.dtype.kind == "f" else 0.0
        finite = np.abs(b[np.isfinite(b)]) if b.dtype.kind == "f" else np.zeros(0)
        np.testing.assert_allclose(a, b, rtol=rounding * unit, atol=rounding * unit * float(finite.max(initial=0)))


def agrees(f: Any, *examples: Any, rounding: float = 16) -> Callable[[Bench], Check]:
    """A case: a function's program gives what NumPy gives."""

    def case(bench: Bench) -> Check:
        program = bench.program(*traced(f, *examples))
        assert not any(isinstance(nest, Call) for nest in program.nests)
        result = program.call(examples)

        def check() -> None:
            status, got = result()
            assert status == 0
            with np.errstate(all="ignore"):
                want = f(*map(kb.tensor, examples))
            close(got, [y.numpy() for y in (want if isinstance(want, tuple) else (want,))], rounding)

        return check

    return case


# Every vector function, with the bounds of its record


def vector_math(dtype: str) -> Callable[[Bench], Check]:
    def case(bench: Bench) -> Check:
        machine, element = bench.machine, ELEMENTS[dtype]
        lanes = machine.lanes(np.dtype(dtype).itemsize)
        module = Module(machine.triple, fma=machine.fma)
        f = module.function(f"math_{dtype}", [("ptr", "table")], result="i32")
        (table,) = f.arguments
        image = bench.image(f"math_{dtype}", 1)
        image.block(np.zeros(4 * len(functions), np.int64))
        where: dict[str, tuple[Any, int]] = {}
        for name, function in functions.items():
            xs = [np.pad(x, (0, -x.size % lanes)) for x in points(name, dtype, 2**10)]
            blocks = [image.block(x) for x in (*xs, np.zeros_like(xs[0]))]
            slots = [4 * len(where) + k for k in range(len(blocks))]
            for slot, block in zip(slots, blocks):
                image.put(1, slot, block)
            *sources, target = (f.load(f.offset(table, slot, "ptr"), "ptr") for slot in slots)
            with f.loop(0, xs[0].size, lanes) as i:
                values = [f.load(f.offset(p, i, element), vector(element, lanes)) for p in sources]
                f.store(function(f, *values), f.offset(target, i, element))
            where[name] = xs, blocks[-1]
        f.ret(f.integer(0, "i32"))
        bench.add_code(f"math_{dtype}", module.text())
        bench.functions.append(f"math_{dtype}")

        def check() -> None:
            for name, (xs, block) in where.items():
                bound = functions[name].ulp32 if dtype == "float32" else functions[name].ulp64
                bound += 0 if dtype == "float32" or EXTENDED else 1
                off = errors(image.blocks[block], exact(name, *xs))
                assert off.max() <= bound, f"{name} is {off.max():.2f} ulp off"

        return check

    return case


# Whole chunks of training


def steps(seed: int) -> tuple[NativeSteps, Any]:
    model = kb.nn.Sequential(kb.nn.Linear(40, 96), kb.nn.Tanh(), kb.nn.Linear(96, 10))
    model.init(seed)
    rng = np.random.default_rng(seed)
    x, t = rng.normal(size=(320, 40)).astype(np.float32), rng.integers(0, 10, 320)
    updates = updates_of(len(x), 64)
    made = NativeSteps(Step(model, losses.cross_entropy, kb.optim.Adam(lr=0.01), x, t, None), updates, False)
    return made, updates


def training(bench: Bench) -> Check:
    """Shuffle, gather, forward, backward and Adam, for three epochs, as `fit` has it done."""
    keys = np.arange(6).reshape(3, 2) * 12345
    native, updates = steps(0)
    trace, count = native.traced((64,)), len(native.block.arrays)
    assert not trace.captured
    moved = [k for k in range(count) if trace.outputs[1 + k] is not trace.inputs[k]]
    wanted = [trace.outputs[0], *(trace.outputs[1 + k] for k in moved)]
    program = bench.program(trace.inputs, wanted, [(1 + i, k) for i, k in enumerate(moved)])
    assert program.parallel
    given = [*native.block.arrays, native.step.x, native.step.t, np.zeros(64, np.int64)]
    result = program.course(given, program.plan.inputs[-1], len(updates), keys)

    def check() -> None:
        status, state, sums, order = result()
        assert status == 0
        host = np.zeros(320, np.int64)
        epochs = native.run_epochs(updates, host, keys, 3, np.inf)
        np.testing.assert_array_equal(order, host)
        np.testing.assert_array_equal(order, permutation(tuple(keys[-1].tolist()), 320))
        np.testing.assert_allclose(sums, epochs.sums, rtol=1e-6)
        assert sums[2] < sums[0]
        for mine, theirs in zip(state, native.block.arrays, strict=False):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)

    return check


def threads(bench: Bench) -> Check:
    """A team of two gives the bits of one thread, time after time."""

    def f(x: Any, w: Any) -> Any:
        h = knp.tanh(x @ w)
        return knp.sum(h, axis=0), knp.sum(h), h.T @ x, knp.exp(h) * 2

    examples = normal(200, 150), normal(150, 90)
    program = bench.program(*traced(f, *examples))
    assert program.parallel
    alone, *together = [program.call(examples, shared=k > 0) for k in range(20)]

    def check() -> None:
        status, want = alone()
        assert status == 0
        close(want, f(*examples), 400)
        for result in together:
            status, got = result()
            assert status == 0
            for a, b in zip(got, want):
                np.testing.assert_array_equal(a, b)

    return check


def out_of_range(bench: Bench) -> Check:
    """The check in front of a gather calls back, and the program ends."""
    examples = np.arange(5.0), np.array([0, -6, 1])
    result = bench.program(*traced(lambda x, i: x[i] * 2, *examples)).call(examples)

    def check() -> None:
        status, (y,) = result()
        assert status == 1
        assert np.all(y == 7)

    return check


def numbers(x: Any, z: Any) -> Any:
    positive = knp.absolute(x) + 0.5
    return (
        knp.where(x > z, x * z, x / positive) - knp.floor(z) + knp.rint(x * 3) + knp.trunc(z) - knp.ceil(x),
        knp.maximum(x, z) + knp.minimum(x, z[::-1]) + knp.sqrt(positive) + knp.sign(x),
        knp.fmod(x, positive) + knp.remainder(z, 0.7) + knp.floor_divide(x, positive),
        (x > 0) & (z < 1) | (x == z),
        knp.power(positive, z) + knp.arctan2(x, z) + knp.hypot(x, z),
    )


def integers(a: Any, b: Any) -> Any:
    return a // b, a % b, a * b - a, (a ^ b) | (a & 7), a << 3, a >> 2, a > b, a.astype(np.float64), a.astype(np.uint8)


def truncated(x: Any) -> Any:
    """Out of range too."""
    return tuple((x * 1e9).astype(d) for d in "bhilBHL")


def reductions(x: Any) -> Any:
    return (
        knp.sum(x), knp.sum(x, axis=0), knp.mean(x, axis=1), knp.max(x, axis=(0, 2)), knp.min(x), knp.argmax(x, axis=1),
        knp.prod(x, axis=2), knp.any(x > 2.5, axis=0), knp.cumsum(x, axis=1), knp.var(x, axis=-1),
    )  # fmt: skip


def moved(x: Any, i: Any, v: Any) -> Any:
    return (
        x[i], x[:, i[:5]], x[::-1, ::3], x[3:20:5], x.T + 1, x[i, i[::-1] % 13], x.at[i].add(v), x.at[::2].set(0.0),
        knp.take(x, i, axis=1, mode="wrap"), knp.concatenate([x, v]), knp.pad(x, 2), x.reshape(13, 31)[:, 1::4],
    )  # fmt: skip


def images(x: Any, w: Any, v: Any) -> Any:
    """The value and the gradients of convolutions and a pooling."""

    def loss(w: Any, v: Any) -> Any:
        h = kb.nn.max_pool2d(knp.tanh(kb.nn.conv2d(x, w, padding=2)), 2)
        return knp.mean(kb.nn.conv2d(h, v, stride=2) ** 2)

    value, slopes = kb.value_and_grad(loss, argnums=(0, 1))(w, v)
    return value, *slopes


def products(dtype: Any) -> dict[str, Callable[[Bench], Check]]:
    found = {}
    shapes = [(1, 1, 1), (7, 5, 3), (32, 32, 10), (1, 37, 64), (64, 1, 9), (20, 30, 1), (70, 40, 50)]
    for n, k, m in shapes:
        a, b = normal(n, k, dtype=dtype), normal(k, m, dtype=dtype)
        at, bt = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)

        name = f"product {n}x{k}x{m} {np.dtype(dtype)}"
        found[name] = agrees(lambda a, b, at, bt: (a @ b, at.T @ b, a @ bt.T, (at.T @ bt.T).T * 2), a, b, at, bt)
    large = normal(40, 300, dtype=dtype), normal(300, 70, dtype=dtype)
    found[f"large product {np.dtype(dtype)}"] = agrees(lambda a, b: a @ b, *large, rounding=100)
    stack = normal(3, 4, 9, 11, dtype=dtype), normal(4, 11, 6, dtype=dtype)
    found[f"stacked products {np.dtype(dtype)}"] = agrees(lambda a, b: a @ b, *stack)
    return found


def native_samples() -> list[tuple[Op, Sample, list[Any], list[Any], list[int]]]:
    """Each op's first sample that runs without a callback, as a graph; and which arguments are its inputs."""
    found = []
    for op in registry().values():
        for sample in op.samples():
            arrays = [i for i, x in enumerate(sample.args) if isinstance(x, (np.ndarray, np.generic))]
            arguments = list(sample.args)
            for i in arrays:
                arguments[i] = placeholder(type_of(sample.args[i]), Tensor)
            if not arrays:
                continue
            y = op(*arguments, **sample.params)
            inputs = [arguments[i] for i in arrays]
            outputs = simplify(list(outputs_of(y)) if isinstance(y.type, tuple) else [y], {x: x for x in inputs})
            if not any(isinstance(nest, Call) for nest in planned(inputs, outputs)[1]):
                found.append((op, sample, inputs, outputs, arrays))
                break
    return found


def every_op(bench: Bench) -> Check:
    results = [
        (op, sample, bench.program(inputs, outputs).call([sample.args[i] for i in arrays]))
        for op, sample, inputs, outputs, arrays in native_samples()
    ]

    def check() -> None:
        for op, sample, result in results:
            status, got = result()
            with np.errstate(all="ignore"):
                want = op.forward(*sample.args, **sample.params)
            assert status == 0, op.name
            for a, b in zip(got, want if isinstance(want, tuple) else [want], strict=True):
                assert a.dtype == np.asarray(b).dtype, op.name
                np.testing.assert_allclose(a, b, rtol=4e-15, atol=1e-15, err_msg=op.name)

    return check


INDEX = RNG.integers(-13, 13, 31)
CASES: dict[str, Callable[[Bench], Check]] = {
    **{f"vector math {dtype}": vector_math(dtype) for dtype in ELEMENTS},
    **{f"numbers {d.__name__}": agrees(numbers, normal(5, 37, dtype=d), normal(5, 37, dtype=d))
       for d in (np.float32, np.float64)},
    **{f"integers {d.__name__}": agrees(integers, *(RNG.integers(1, 100, (2, 43)).astype(d)))
       for d in (np.int8, np.uint8, np.int32, np.int64, np.uint64)},
    **{f"truncated {d.__name__}": agrees(truncated, normal(5, 37, dtype=d)) for d in (np.float32, np.float64)},
    **{f"reductions {d.__name__}": agrees(reductions, normal(7, 19, 11, dtype=d)) for d in (np.float32, np.float64)},
    **{f"gathers {d.__name__}": agrees(moved, normal(31, 13, dtype=d), INDEX, normal(31, 13, dtype=d))
       for d in (np.float32, np.float64)},
    **products(np.float32),
    **products(np.float64),
    **{f"{n} images {d.__name__}":
       agrees(images, *(normal(*s, dtype=d) for s in [(n, 2, 12, 13), (6, 2, 5, 5), (7, 6, 3, 3)]), rounding=300)
       for d in (np.float32, np.float64) for n in (5, 18)},
    "every op": every_op,
    "training": training,
    "threads": threads,
    "out of range": out_of_range,
}  # fmt: skip


@pytest.fixture(scope="module", params=MACHINES, ids=lambda m: f"{m.triple.partition('-')[0]}-{m.cpu}")
def machine(request: Any) -> Machine:
    reason = missing(request.param)
    if reason:
        pytest.skip(reason)
    return request.param


@pytest.fixture(scope="module")
def checks(machine: Machine, tmp_path_factory: Any) -> dict[str, Check]:
    """Every case's check, after all of them have run in one process."""
    bench = Bench(machine, threads=2)
    found = {name: case(bench) for name, case in CASES.items()}
    bench.run(tmp_path_factory.mktemp("linked"))
    return found


@pytest.mark.parametrize("name", CASES)
def test_it_runs_there(checks: dict[str, Check], name: str) -> None:
    checks[name]()
