"""What lies between graph and machine code: indices, layouts, places in memory, threads."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import koubai as kb
import koubai.numpy as knp
from koubai.compile import Program, simplify
from koubai.compile.index import Counter, affine, plus, quotient, rest, times
from koubai.compile.llvm import host
from koubai.compile.llvm.engine import assembly
from koubai.compile.llvm.machine import aarch64, x86_64
from koubai.compile.native import write_program
from koubai.compile.nest import stride
from koubai.compile.place import planned
from koubai.compile.team import pool, team
from koubai.errors import UsageError
from koubai.graph import placeholder, type_of
from koubai.tensor import Tensor


def value_of(i: Any, at: dict[Any, int]) -> int:
    """What an index is where its counters have these values."""
    if isinstance(i, int):
        return i
    total = i.constant
    for atom, c in i.terms:
        if isinstance(atom, Counter):
            total += c * at[atom]
        else:
            inner = value_of(atom.index, at)
            assert inner >= 0
            assert 0 <= (inner % atom.by if atom.remainder else inner // atom.by) < atom.extent
            total += c * (inner % atom.by if atom.remainder else inner // atom.by)
    return total


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(1, 12), st.integers(-40, 9), st.data())
def test_division_of_indices(extents: list[int], by: int, constant: int, data: st.DataObject) -> None:
    counters = [Counter(n) for n in extents]
    i: Any = constant
    for c in counters:
        i = plus(i, times(affine(c), data.draw(st.integers(-12, 12))))
    at = {c: data.draw(st.integers(0, c.extent - 1)) for c in counters}
    n = value_of(i, at)
    assert value_of(quotient(i, by), at) == n // by
    assert value_of(rest(i, by), at) == n % by
    again = plus(times(quotient(i, by), by), rest(i, by))
    assert value_of(again, at) == n


def test_a_reshape_and_back_keeps_its_strides() -> None:
    i, j = Counter(32), Counter(64)
    flat = plus(times(affine(i), 64), affine(j))
    assert quotient(flat, 64) == affine(i)
    assert rest(flat, 64) == affine(j)
    assert stride(quotient(flat, 7), j) is None


def traced(f: Any, *examples: Any) -> tuple[list[Any], list[Any]]:
    inputs = [placeholder(type_of(x), Tensor) for x in examples]
    y = f(*inputs)
    outputs = list(y) if isinstance(y, (tuple, list)) else [y]
    return inputs, simplify(outputs, {x: x for x in inputs})


def test_a_narrow_table_lies_by_columns() -> None:
    inputs, outputs = traced(lambda x, w: knp.sum(knp.tanh(x @ w), axis=1), np.ones((400, 2)), np.ones((2, 4)))
    plan, _ = planned(inputs, outputs)
    strides = {b.strides for node, b in plan.buffers.items() if node.shape == (400, 4)}
    assert strides == {(1, 400)}


@pytest.mark.parametrize(
    ("f", "in_place"),
    [
        (lambda p, g: p - 0.1 * g, True),
        (lambda p, g: p - 0.1 * (g @ p), True),  # the product reads all of p before
        (lambda p, g: p[::-1] + g, False),  # reads elsewhere than it writes
        (lambda p, g: p.T + g, False),
        (lambda p, g: knp.tanh(p @ g) @ p, False),  # a product overwrites what it reads
    ],
)
def test_updates_are_written_in_place_where_that_is_safe(f: Any, in_place: bool) -> None:
    rng = np.random.default_rng(0)
    p, g = rng.normal(size=(5, 5)), rng.normal(size=(5, 5))
    inputs, outputs = traced(f, p, g)
    plan, nests = planned(inputs, outputs, [(0, 0)])
    copies = [nest for nest in nests if any(f"{plan.inputs[0].name} = " in t and "  " not in t for t in titles(nest))]
    assert bool(copies) != in_place
    program = Program(inputs, outputs, updates=[(0, 0)])
    frame, mine = program.frame(), p.copy()
    for buffer, array in zip(program.inputs, (mine, g)):
        frame.point(buffer, array)
    expected = p
    for _ in range(3):
        with frame.callback() as entry:
            program.run(frame, entry)
        expected = np.asarray(f(expected, g))
    np.testing.assert_allclose(mine, expected, rtol=1e-13)


def titles(nest: Any) -> list[str]:
    return list(getattr(nest, "title", []))


def test_two_updates_that_read_each_other() -> None:
    a, b = np.arange(4.0), np.arange(4.0) * 10
    inputs, outputs = traced(lambda a, b: (a + b, a - b), a, b)
    program = Program(inputs, outputs, updates=[(0, 0), (1, 1)])
    frame, x, z = program.frame(), a.copy(), b.copy()
    for buffer, array in zip(program.inputs, (x, z)):
        frame.point(buffer, array)
    program.run(frame, None)
    np.testing.assert_array_equal(x, a + b)
    np.testing.assert_array_equal(z, a - b)


def test_memory_is_used_again() -> None:
    def chain(x: Any) -> Any:
        for _ in range(10):
            x = knp.tanh(x @ x)
        return x

    inputs, outputs = traced(chain, np.ones((64, 64)))
    assert Program(inputs, outputs).arena_size <= 3 * 64 * 64 * 8


def large(x: Any, w: Any) -> Any:
    h = knp.tanh(x @ w)
    return knp.sum(h, axis=0), knp.sum(h), h.T @ x, knp.exp(h) * 2


@pytest.fixture
def threads() -> Any:
    before = kb.get_num_threads()
    yield kb.set_num_threads
    kb.set_num_threads(before)


X, W = (np.random.default_rng(k).normal(size=s).astype(np.float32) for k, s in enumerate([(300, 257), (257, 190)]))


def test_the_same_bits_for_any_number_of_threads(threads: Any) -> None:
    f = kb.compile(large)
    results = []
    for n in (1, 2, 3, 5):
        threads(n)
        results.append(f(X, W))
    assert f._traced()[0].program.parallel
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(results[0][3], np.exp(np.tanh(X @ W)) * 2, rtol=1e-4)


def test_a_new_team_does_not_take_up_the_work_of_another() -> None:
    """Each team numbers its runs from the start, so counters that another one has left could be taken for its own."""
    frame = Program(*traced(large, X, W)).frame()
    frame.reserve(3)
    frame._arena[:] = 1
    frame.reserve(2)
    assert not frame._arena.any()


def test_many_callers_at_once(threads: Any) -> None:
    threads(2)
    f = kb.compile(large)
    expected = f(X, W)
    wrong: list[int] = []

    def call() -> None:
        for _ in range(20):
            wrong.extend(not np.array_equal(a, b) for a, b in zip(f(X, W), expected))

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(wrong) == 4 * 20 * 4
    assert not any(wrong)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_makes_a_team_of_its_own(threads: Any) -> None:
    threads(2)
    f = kb.compile(large)
    expected = f(X, W)
    child = os.fork()
    if child == 0:
        same = all(np.array_equal(a, b) for a, b in zip(f(X, W), expected))
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_failed_callback_in_shared_work(threads: Any) -> None:
    class Fails(kb.Function):
        def forward(self, x: Any) -> Any:
            if x.max() > 0.9:  # not so in the example from which the type is taken
                raise ValueError("not today")
            return x

    threads(2)
    f = kb.compile(lambda x, w: Fails()(knp.tanh(x @ w)) @ w.T)
    for _ in range(3):
        with pytest.raises(ValueError, match="not today"):
            f(X, W)
    np.testing.assert_array_equal(kb.compile(large)(X, W)[0], kb.compile(large)(X, W)[0])


def test_followers_sleep_while_the_leader_is_in_python(threads: Any) -> None:
    class Waits(kb.Function):
        spent = 0.0

        def forward(self, x: Any) -> Any:
            before = time.process_time()
            time.sleep(0.5)
            Waits.spent = time.process_time() - before
            return x

    threads(2)
    f = kb.compile(lambda x, w: Waits()(knp.tanh(x @ w)) @ w.T)
    f(X, W)
    f(X, W)
    assert Waits.spent < 0.25  # of processors' time: half of what one that spins has spent


class Interrupted:
    """A lock; Ctrl-C comes right after it is taken."""

    def __init__(self, lock: Any) -> None:
        self.lock = lock

    def acquire(self, blocking: bool) -> None:
        self.lock.acquire(blocking)
        raise KeyboardInterrupt


def used_by_another() -> bool:
    found: list[Any] = []

    def use() -> None:
        with team() as several:
            found.append(several)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    return found == [None]


def test_ctrl_c_while_a_team_is_taken(threads: Any) -> None:
    threads(2)
    with team() as several:
        assert several is not None
        assert used_by_another()
        with team() as again:
            assert again is None

    def interrupted() -> None:
        lock, several.lock = several.lock, Interrupted(several.lock)
        with pytest.raises(KeyboardInterrupt), team():
            pass
        several.lock = lock

    interrupted()
    with team() as again:
        assert again is several
    assert not used_by_another()
    interrupted()
    running = threading.active_count()
    threads(1)  # which waits for nobody
    assert threading.active_count() == running - 1


@pytest.mark.parametrize("n", [0, -1, 1.5, True, 100_000])
def test_numbers_of_threads_that_make_no_sense(n: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"set_num_threads: expected a whole number from 1 to \d+, got"):
        kb.set_num_threads(n)
    monkeypatch.setenv("KOUBAI_NUM_THREADS", str(n))
    with pytest.raises(UsageError, match=r"KOUBAI_NUM_THREADS: expected a whole number from 1 to \d+, got"):
        pool._Pool().wanted()


@pytest.mark.parametrize("machine", [aarch64(), x86_64(), x86_64("x86-64-v3", level=3)], ids=["arm", "sse2", "avx2"])
def test_code_for_other_processors(machine: Any) -> None:
    inputs, outputs = traced(large, X, W)
    plan, nests = planned(inputs, outputs)
    text = assembly(write_program(nests, plan.temporaries, machine).module.text(), machine)
    assert "program:" in text
    assert machine.vector_bytes <= host().vector_bytes or host().vector_bytes == 16
