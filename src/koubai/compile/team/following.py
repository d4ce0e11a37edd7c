"""What a team's threads do between programs: launch one, follow the leader into it, sleep when there is none."""

from __future__ import annotations

from koubai.compile.llvm import Function, Module, Value
from koubai.compile.team.sharing import ASLEEP, CONDITION, INSIDE, JOB, MUTEX, PATIENCE, RUN, pause, wait

__all__ = ["write_team"]

PROGRAM, TABLE, ARENA, THREADS = range(4)
HOME = Value("inttoptr (i64 1 to ptr)", "ptr")  # in place of a program: the thread ends
NULL = Value("null", "ptr")


def write_team(triple: str) -> Module:
    """The functions of a team.

    - ``i32 launch(program, table, arena, callback, shared, threads)`` runs a program, as its leader.
    - ``void retire(shared)`` returns when no follower is in a program any more. It must follow the last launch within
      native code: where Python runs in between, an interrupt may free the program under the followers.
    - ``i32 run(...)`` is one launch and retires.
    - ``void follow(shared, thread)`` is what the other threads run.
    - ``void prepare(shared)`` must come first, ``void dismiss(shared)`` last.
    """
    module = Module(triple)
    _launch(module)
    _retire(module)
    _run(module)
    _follow(module)
    f = module.function("prepare", [("ptr", "shared")])
    f.call("pthread_mutex_init", "i32", f.offset(f.arguments[0], MUTEX, "i64"), NULL)
    f.call("pthread_cond_init", "i32", f.offset(f.arguments[0], CONDITION, "i64"), NULL)
    f.ret()
    f = module.function("dismiss", [("ptr", "shared")])
    _publish(f, f.arguments[0], (HOME, NULL, NULL, f.integer(0)))
    f.ret()
    return module


def _publish(f: Function, shared: Value, job: tuple[Value, Value, Value, Value]) -> Value:
    """Begin a run with a new number, an even one: while its number is odd, a job is being changed."""
    run = f.offset(shared, RUN, "i64")
    before = f.atomic_add(run, f.integer(1))
    for number, value in enumerate(job):
        f.atomic_store(value, f.offset(f.offset(shared, JOB, "i64"), number, "i64"))
    f.atomic_add(run, f.integer(1))
    asleep = f.atomic_load(f.offset(shared, ASLEEP, "i64"), "i64")
    with f.when(f.compare("ne", asleep, f.integer(0))):
        mutex = f.offset(shared, MUTEX, "i64")
        f.call("pthread_mutex_lock", "i32", mutex)
        f.call("pthread_cond_broadcast", "i32", f.offset(shared, CONDITION, "i64"))
        f.call("pthread_mutex_unlock", "i32", mutex)
    return f.add(before, f.integer(2))


def _launch(module: Module) -> None:
    given = ["program", "table", "arena", "callback", "shared"]
    f = module.function("launch", [*(("ptr", name) for name in given), ("i64", "threads")], result="i32")
    program, table, arena, callback, shared, threads = f.arguments
    run = _publish(f, shared, (program, table, arena, threads))
    f.ret(f.call_pointer(program, "i32", table, arena, callback, f.integer(0), threads, run, shared))


def _run(module: Module) -> None:
    given = ["program", "table", "arena", "callback", "shared"]
    f = module.function("run", [*(("ptr", name) for name in given), ("i64", "threads")], result="i32")
    status = f.call("launch", "i32", *f.arguments)
    f.call("retire", "void", f.arguments[4])
    f.ret(status)


def _retire(module: Module) -> None:
    f = module.function("retire", [("ptr", "shared")])
    (shared,) = f.arguments
    run = f.offset(shared, RUN, "i64")
    f.atomic_add(run, f.integer(1))
    f.atomic_store(NULL, f.offset(shared, JOB + PROGRAM, "i64"))
    f.atomic_add(run, f.integer(1))
    turns = f.variable(f.integer(0))
    with f.until_equal(f.offset(shared, INSIDE, "i64"), f.integer(0)):
        wait(f, turns)
    f.ret()


def _follow(module: Module) -> None:
    f = module.function("follow", [("ptr", "shared"), ("i64", "thread")])
    shared, thread = f.arguments
    run, inside = f.offset(shared, RUN, "i64"), f.offset(shared, INSIDE, "i64")
    last = f.variable(f.integer(0))
    head = f.new_block("next")
    f.jump(head)
    f.start(head)
    _await(f, shared, f.load(last, "i64"))
    f.atomic_add(inside, f.integer(1))  # first, so that a program that is read after this is not freed
    now = f.atomic_load(run, "i64")
    f.store(now, last)
    job = f.offset(shared, JOB, "i64")
    program, table, arena = (f.atomic_load(f.offset(job, k, "i64"), "ptr") for k in (PROGRAM, TABLE, ARENA))
    threads = f.atomic_load(f.offset(job, THREADS, "i64"), "i64")
    steady = f.binary("and", f.compare("eq", f.atomic_load(run, "i64"), now), _even(f, now))
    with f.when(steady):
        with f.when(f.compare("eq", program, HOME)):
            f.atomic_add(inside, f.integer(-1))
            f.ret()
            f.start(f.new_block("never"))
        with f.when(f.compare("ne", program, NULL)):
            f.call_pointer(program, "i32", table, arena, NULL, thread, threads, now, shared)
    f.atomic_add(inside, f.integer(-1))
    f.jump(head)


def _even(f: Function, number: Value) -> Value:
    return f.compare("eq", f.binary("and", number, f.integer(1)), f.integer(0))


def _await(f: Function, shared: Value, last: Value) -> None:
    """Until there is another run than the last one: spinning at first, then asleep."""
    run, asleep = f.offset(shared, RUN, "i64"), f.offset(shared, ASLEEP, "i64")
    mutex, condition = f.offset(shared, MUTEX, "i64"), f.offset(shared, CONDITION, "i64")
    turns = f.variable(f.integer(0))
    f.store(f.integer(0), turns)
    with f.while_equal(run, last):
        pause(f, turns)
        with f.when(f.compare("sgt", f.load(turns, "i64"), f.integer(PATIENCE))):
            f.call("pthread_mutex_lock", "i32", mutex)
            f.atomic_add(asleep, f.integer(1))
            with f.while_equal(run, last):
                f.call("pthread_cond_wait", "i32", condition, mutex)
            f.atomic_add(asleep, f.integer(-1))
            f.call("pthread_mutex_unlock", "i32", mutex)
