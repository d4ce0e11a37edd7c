"""The loop around programs, in native code: run after run of a training, and epoch after epoch.

It adds up the losses and stops at one that is not finite. It runs a list of stretches once, or epoch after epoch;
then it keeps a copy of the state at the end of each epoch that was the best so far. It is one small function that
knows nothing of any model. `course` hands it what it needs.
"""

from __future__ import annotations

import numpy as np

from koubai.compile.llvm import Function, Module, Value
from koubai.compile.shuffle import write_shuffle

__all__ = ["CALLBACK_FAILED", "DONE", "NOT_FINITE", "write_drive"]

DONE, CALLBACK_FAILED, NOT_FINITE = 0, 1, 2

# What the native loop is handed: 64-bit words, by number.
(
    STRETCHES, COUNT, STEPS, EPOCHS, TOTAL, SUMS, BEST, BEST_EPOCH, STATE, KEPT, BYTES, SEEN, LAST_LOSS, WANTED,
    LAUNCH, RETIRE, SHARED, THREADS, ORDER, LENGTH, KEYS, SCRATCH, WORDS,
) = range(23)  # fmt: skip
# And of each stretch:
PROGRAM, TABLE, ARENA, CALLBACK, TIMES, EXAMPLES, MOVES, NUMBER_OF_MOVES, LOSS, WIDE, PARALLEL = range(11)
FIELDS = 11


def write_drive(triple: str) -> Module:
    """``i64 drive(words)``: run a course; what its words are stands at the top."""
    module = Module(triple)
    shuffle = write_shuffle(module)
    f = module.function("steps", [("ptr", "words")], result="i64", attributes="noinline", linkage="internal")
    (words,) = f.arguments

    def field(base: Value, number: int, kind: str = "i64") -> Value:
        return _field(f, base, number, kind)

    with f.loop(0, field(words, WANTED)) as epoch:
        with f.when(f.compare("ne", field(words, ORDER), f.integer(0))):
            key = f.offset(field(words, KEYS, "ptr"), f.mul(epoch, f.integer(2)), "i64")
            given = field(words, LENGTH), field(key, 0), field(key, 1), field(words, SCRATCH, "ptr")
            f.call(shuffle, "void", field(words, ORDER, "ptr"), *given)
        with f.loop(0, field(words, COUNT)) as number:
            stretch = f.offset(field(words, STRETCHES, "ptr"), f.mul(number, f.integer(FIELDS)), "i64")
            with f.loop(0, field(stretch, TIMES)) as turn:
                _one_run(f, words, stretch, turn)
        with f.when(f.compare("ne", field(words, SUMS), f.integer(0))):
            _end_of_epoch(f, words)
    f.ret(f.integer(DONE))

    # The team's threads leave the programs before Python can be interrupted, and free them.
    f = module.function("drive", [("ptr", "words")], result="i64")
    status = f.call("steps", "i64", *f.arguments)
    retire = _field(f, f.arguments[0], RETIRE, "ptr")
    with f.when(f.compare("ne", retire, Value("null", "ptr"))):
        f.call_pointer(retire, "void", _field(f, f.arguments[0], SHARED, "ptr"))
    f.ret(status)
    return module


def _leave(f: Function, status: int) -> None:
    f.ret(f.integer(status))
    f.start(f.new_block("never"))


def _field(f: Function, base: Value, number: int, kind: str = "i64") -> Value:
    return f.load(f.offset(base, number, "i64"), kind)


def _put(f: Function, words: Value, number: int, value: Value) -> None:
    f.store(value, f.offset(words, number, "i64"))


def _one_run(f: Function, words: Value, stretch: Value, turn: Value) -> None:
    table, loss = _field(f, stretch, TABLE, "ptr"), _field(f, stretch, LOSS, "ptr")
    with f.loop(0, _field(f, stretch, NUMBER_OF_MOVES)) as m:
        move = f.offset(_field(f, stretch, MOVES, "ptr"), f.mul(m, f.integer(3)), "i64")
        at = f.add(_field(f, move, 1), f.mul(turn, _field(f, move, 2)))
        f.store(at, f.offset(table, _field(f, move, 0), "ptr"))
    program, arena, callback = (_field(f, stretch, k, "ptr") for k in (PROGRAM, ARENA, CALLBACK))
    several = f.binary("mul", _field(f, stretch, PARALLEL), _field(f, words, THREADS))
    together = f.compare("ne", several, f.integer(0))
    status = f.variable(f.integer(0, "i32"))
    with f.when(together):
        launch, shared = _field(f, words, LAUNCH, "ptr"), _field(f, words, SHARED, "ptr")
        f.store(f.call_pointer(launch, "i32", program, table, arena, callback, shared, several), status)
    with f.when(f.opposite(together)):
        alone = f.integer(0), f.integer(1), f.integer(0), Value("null", "ptr")
        f.store(f.call_pointer(program, "i32", table, arena, callback, *alone), status)
    with f.when(f.compare("ne", f.load(status, "i32"), f.integer(0, "i32"))):
        _leave(f, CALLBACK_FAILED)
    wide = f.compare("ne", _field(f, stretch, WIDE), f.integer(0))
    with f.when(wide):
        _put(f, words, LAST_LOSS, f.load(loss, "double"))
    with f.when(f.opposite(wide)):
        _put(f, words, LAST_LOSS, f.convert("fpext", f.load(loss, "float"), "double"))
    value = _field(f, words, LAST_LOSS, "double")
    with f.when(f.opposite(f.compare("olt", f.intrinsic("fabs", value), f.constant(np.inf, "double")))):
        _leave(f, NOT_FINITE)
    examples = _field(f, stretch, EXAMPLES)
    weighted = f.mul(value, f.convert("sitofp", examples, "double"))
    _put(f, words, TOTAL, f.add(_field(f, words, TOTAL, "double"), weighted))
    _put(f, words, SEEN, f.add(_field(f, words, SEEN), examples))
    _put(f, words, STEPS, f.add(_field(f, words, STEPS), f.integer(1)))


def _end_of_epoch(f: Function, words: Value) -> None:
    epochs, total = _field(f, words, EPOCHS), _field(f, words, TOTAL, "double")
    f.store(total, f.offset(_field(f, words, SUMS, "ptr"), epochs, "double"))
    _put(f, words, TOTAL, f.constant(0.0, "double"))
    _put(f, words, SEEN, f.integer(0))
    _put(f, words, EPOCHS, f.add(epochs, f.integer(1)))
    with f.when(f.compare("olt", total, _field(f, words, BEST, "double"))):
        _put(f, words, BEST, total)
        _put(f, words, BEST_EPOCH, epochs)
        f.copy(_field(f, words, STATE, "ptr"), _field(f, words, KEPT, "ptr"), _field(f, words, BYTES))
