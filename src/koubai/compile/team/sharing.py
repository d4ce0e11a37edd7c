"""How threads share a program's work, so that one that is late holds nobody up.

One thread leads. It runs the whole program; where there is work to share, it opens a counter from which every
thread claims parts, and goes on when all parts are done. The others follow: they wait for the next counter to be
opened, and claim. Whoever claims first has it, so if the others are not there, since the machine is busy, the
leader does everything by itself and loses nothing. A follower that comes when the leader is at a later run finds
that out at its next claim, and joins the present run. One that has waited for long, since the leader is in Python
perhaps, sleeps in between; it comes late by less than a tenth of what it has waited.

Each run has a number, which marks its counters: counter = 65536 run + parts claimed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from koubai.compile.llvm import Function, Module, Value

__all__ = ["ASLEEP", "COUNTER_WORDS", "INSIDE", "JOB", "RUN", "pause", "shared_parts"]

# Words of 8 bytes that all threads of a team see, on cache lines of their own.
RUN, INSIDE, ASLEEP, JOB, MUTEX, CONDITION, WORDS = 0, 8, 16, 24, 32, 48, 64
COUNTER_WORDS = 16  # of which two are used: what has been claimed, and on another line how much is done
DONE = 8
MARK = 16  # bits of a counter below the run's number
PATIENCE = 4000  # turns of spinning, some 40 to 100 microseconds
COURTESY = 2000  # turns of letting others run after that, some 500 to 1000 microseconds
NAP = 1000  # microseconds at most


@contextmanager
def shared_parts(
    f: Function, counter: Value, thread: Value, threads: Value, run: Value, shared: Value
) -> Iterator[Value]:
    """What is emitted inside is done once for each part, 0 to threads - 1, by whichever thread claims it.

    A follower that is late leaves the function, which must return i32.
    """
    module = f.module
    entered = f.call(_enter(module), "i1", counter, thread, run, shared)
    with f.when(f.opposite(entered)):
        f.ret(f.integer(0, "i32"))
        f.start(f.new_block("never"))
    head, body, after = f.new_block("claim"), f.new_block("part"), f.new_block("claimed")
    f.jump(head)
    f.start(head)
    part = f.call(_claim(module), "i64", counter, run, threads)
    f.branch(f.compare("sge", part, f.integer(0)), body, after)
    f.start(body)
    yield part
    f.atomic_add(f.offset(counter, DONE, "i64"), f.integer(1))
    f.jump(head)
    f.start(after)
    f.call(_finish(module), "void", counter, thread, threads)


def _function(module: Module, name: str, arguments: list[tuple[str, str]], result: str) -> Function:
    return module.function(name, arguments, result=result, attributes="nounwind noinline", linkage="internal")


def _enter(module: Module) -> str:
    """Open the counter, or wait until the leader has; false where the leader is at another run already."""
    name = "share_enter"
    if name not in module.functions:
        arguments = [("ptr", "counter"), ("i64", "thread"), ("i64", "run"), ("ptr", "shared")]
        f = _function(module, name, arguments, "i1")
        counter, thread, run, shared = f.arguments
        with f.when(f.compare("eq", thread, f.integer(0))):
            f.atomic_store(f.integer(0), f.offset(counter, DONE, "i64"))
            f.atomic_store(f.binary("shl", run, f.integer(MARK)), counter)
            _return(f, Value("true", "i1"))
        turns = f.variable(f.integer(0))
        with f.while_equal(f.offset(shared, RUN, "i64"), run):
            opened = f.binary("lshr", f.atomic_load(counter, "i64"), f.integer(MARK))
            with f.when(f.compare("eq", opened, run)):
                _return(f, Value("true", "i1"))
            wait(f, turns)
            _doze(f, turns)
        f.ret(Value("false", "i1"))
    return name


def _claim(module: Module) -> str:
    """The next part of a run's work; -1 if there is none left."""
    name = "share_claim"
    if name not in module.functions:
        f = _function(module, name, [("ptr", "counter"), ("i64", "run"), ("i64", "parts")], "i64")
        counter, run, parts = f.arguments
        again = f.new_block("again")
        f.jump(again)
        f.start(again)
        now = f.atomic_load(counter, "i64")
        claimed = f.binary("and", now, f.integer((1 << MARK) - 1))
        mine = f.compare("eq", f.binary("lshr", now, f.integer(MARK)), run)
        left = f.binary("and", mine, f.compare("slt", claimed, parts))
        with f.when(f.opposite(left)):
            _return(f, f.integer(-1))
        taken = f.compare_exchange(counter, now, f.add(now, f.integer(1)))
        got = f.new_block("got")
        f.branch(taken, got, again)
        f.start(got)
        f.ret(claimed)
    return name


def _finish(module: Module) -> str:
    """The leader waits until all parts are done; the others need not, since it opens what comes next."""
    name = "share_finish"
    if name not in module.functions:
        f = _function(module, name, [("ptr", "counter"), ("i64", "thread"), ("i64", "parts")], "void")
        counter, thread, parts = f.arguments
        with f.when(f.compare("eq", thread, f.integer(0))):
            turns = f.variable(f.integer(0))
            with f.until_equal(f.offset(counter, DONE, "i64"), parts):
                wait(f, turns)
        f.ret()
    return name


def _return(f: Function, value: Value) -> None:
    f.ret(value)
    f.start(f.new_block("never"))


def pause(f: Function, turns: Value) -> None:
    """Let the processor rest for some cycles, and count."""
    f.pause()
    f.store(f.add(f.load(turns, "i64"), f.integer(1)), turns)


def wait(f: Function, turns: Value) -> None:
    """One turn of waiting for what is about to happen: spinning at first, then others may run."""
    pause(f, turns)
    with f.when(f.compare("sgt", f.load(turns, "i64"), f.integer(PATIENCE))):
        f.call("sched_yield", "i32")


def _doze(f: Function, turns: Value) -> None:
    """Sleep after a turn of waiting that was long already, a microsecond longer each time."""
    beyond = f.sub(f.load(turns, "i64"), f.integer(PATIENCE + COURTESY))
    with f.when(f.compare("sgt", beyond, f.integer(0))):
        nap = f.select(f.compare("slt", beyond, f.integer(NAP)), beyond, f.integer(NAP))
        f.call("usleep", "i32", f.convert("trunc", nap, "i32"))
