"""The loop around programs: many steps of training in one native call.

A `Course` is a list of stretches: so many runs of a program, each on the next piece of the order of the
examples. The loop adds up the losses and notices one that is not finite. It runs the list once, or epoch after
epoch; then it keeps a copy of the state at the end of each epoch that was the best so far. It is one small
function that knows nothing of any model.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from koubai.compile.llvm import Function, Module, Value, host
from koubai.compile.llvm.engine import Code
from koubai.compile.objects import cached_code
from koubai.compile.program import Frame
from koubai.compile.shuffle import scratch_bytes, write_shuffle
from koubai.compile.team import team

__all__ = ["CALLBACK_FAILED", "DONE", "NOT_FINITE", "Course", "Epochs", "Shuffle", "Stretch"]

DONE, CALLBACK_FAILED, NOT_FINITE = 0, 1, 2

# What the native loop is handed: 64-bit words, by number.
(
    STRETCHES, COUNT, STEPS, EPOCHS, TOTAL, SUMS, BEST, BEST_EPOCH, STATE, KEPT, BYTES, SEEN, LAST_LOSS, WANTED,
    LAUNCH, RETIRE, SHARED, THREADS, ORDER, LENGTH, KEYS, SCRATCH, WORDS,
) = range(23)  # fmt: skip
# And of each stretch:
PROGRAM, TABLE, ARENA, CALLBACK, TIMES, EXAMPLES, MOVES, NUMBER_OF_MOVES, LOSS, WIDE, PARALLEL = range(11)
FIELDS = 11


@dataclass(slots=True)
class Stretch:
    """So many runs of a program in a row.

    Attributes
    ----------
    frame : Frame
    times : int
    examples : int
        In each run; the loss counts as often.
    moves : sequence of (slot, address, step)
        Buffers that move on: at the n-th run (from 0) the slot points to address + n * step.
    loss : array
        The scalar to which the program writes its loss.
    """

    frame: Frame
    times: int
    examples: int
    moves: Sequence[tuple[int, int, int]]
    loss: Any


@dataclass(slots=True)
class Shuffle:
    """A new order of the rows for every epoch.

    Attributes
    ----------
    order : array of int64
        Overwritten at the beginning of every epoch.
    keys : array of int64, (epochs, 2)
        The key of each epoch's random numbers.
    """

    order: Any
    keys: Any


@dataclass(slots=True)
class Epochs:
    """What whole epochs need, and what comes of them.

    Attributes
    ----------
    state : array of bytes
        What the programs change.
    kept : array of bytes
        Receives a copy of the state at the end of every epoch whose sum of losses is the least so far.
    sums : array
        For each epoch, the sum of the examples' losses.
    best : float
        The least sum so far.
    shuffle : Shuffle or None
        How each epoch's order is drawn at its beginning.
    best_epoch : int
        At the end of which epoch of this course it was reached; -1 if in none.
    done : int
        Completed epochs.
    """

    state: Any
    kept: Any
    sums: Any
    best: float
    shuffle: Shuffle | None = None
    best_epoch: int = -1
    done: int = 0


class Course:
    """Stretches to be run in one native call.

    Parameters
    ----------
    stretches : list of Stretch
    total, seen : float, int
        What has been summed up already, and over how many examples.
    epochs : Epochs, optional
        Run the list once for each; without, once as a part of an epoch.

    Attributes
    ----------
    steps : int
        Completed runs.
    total, seen : float, int
        Of the epoch under way.
    loss : float
        Of the last run.
    """

    def __init__(
        self, stretches: Sequence[Stretch], total: float = 0.0, seen: int = 0, epochs: Epochs | None = None
    ) -> None:
        self._stretches, self._epochs = stretches, epochs
        self._held: list[Any] = []
        self._table = np.zeros((len(stretches), FIELDS), np.int64)
        self._words = np.zeros(WORDS, np.int64)
        self._reals = self._words.view(np.float64)
        self._words[STRETCHES], self._words[COUNT] = self._table.ctypes.data, len(stretches)
        self._reals[TOTAL], self._words[SEEN] = total, seen
        self._words[WANTED] = 1
        self._words[BEST_EPOCH] = -1
        if epochs is not None:
            self._words[SUMS], self._words[WANTED] = epochs.sums.ctypes.data, len(epochs.sums)
            self._reals[BEST] = epochs.best
            self._words[STATE], self._words[KEPT] = epochs.state.ctypes.data, epochs.kept.ctypes.data
            self._words[BYTES] = epochs.state.nbytes
            if epochs.shuffle is not None:
                order, keys = epochs.shuffle.order, epochs.shuffle.keys
                scratch = np.empty(scratch_bytes(len(order)), np.uint8)
                self._held += [order, keys, scratch]
                addresses = order.ctypes.data, len(order), keys.ctypes.data, scratch.ctypes.data
                self._words[[ORDER, LENGTH, KEYS, SCRATCH]] = addresses

    def run(self) -> int:
        """Run it; returns `DONE`, `NOT_FINITE` after the first loss that is not finite, or `CALLBACK_FAILED`."""
        with ExitStack() as stack:
            several = None
            if any(s.frame.program.parallel for s in self._stretches):
                several = stack.enter_context(team())
            if several is not None:
                words = several.launch, several.retire, several.shared, several.threads
                self._words[[LAUNCH, RETIRE, SHARED, THREADS]] = words
            entries: dict[Frame, Any] = {}
            for row, s in zip(self._table, self._stretches):
                if s.frame not in entries:
                    s.frame.reserve(several.threads if several else 1)
                    entries[s.frame] = stack.enter_context(s.frame.callback())
                moves = np.array(s.moves, np.int64).reshape(-1, 3)
                self._held.append(moves)
                entry = entries[s.frame]
                row[:] = (
                    s.frame.program.address, s.frame.table_address, s.frame.arena_address,
                    0 if entry is None else entry.value, s.times, s.examples, moves.ctypes.data, len(moves),
                    s.loss.ctypes.data, s.loss.dtype.itemsize == 8, s.frame.program.parallel,
                )  # fmt: skip
            status = int(_native()(self._words.ctypes.data))
        if self._epochs is not None:
            self._epochs.done = int(self._words[EPOCHS])
            self._epochs.best = float(self._reals[BEST])
            self._epochs.best_epoch = int(self._words[BEST_EPOCH])
        return status

    @property
    def steps(self) -> int:
        return int(self._words[STEPS])

    @property
    def total(self) -> float:
        return float(self._reals[TOTAL])

    @property
    def seen(self) -> int:
        return int(self._words[SEEN])

    @property
    def loss(self) -> float:
        return float(self._reals[LAST_LOSS])


@cache
def _code() -> Code:
    return cached_code("drive", lambda: write_drive(host().triple).text())


def _native() -> Any:
    return _code().function("drive", ctypes.c_void_p, result=ctypes.c_int64)


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
