"""Training steps in native code: the counterpart of `step`, with the state in one block of memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from koubai.compile import Program
from koubai.compile.aligned import aligned, aligned_bytes
from koubai.compile.course import Course, Epochs, Shuffle, Stretch
from koubai.compile.drive import NOT_FINITE
from koubai.compile.program import Frame
from koubai.compile.team import get_num_threads
from koubai.diff import reverse_mode
from koubai.errors import TrainingError, UnsupportedError
from koubai.graph import topological
from koubai.ops.random import permutation
from koubai.ops.shape import astype
from koubai.tensor.trace import Trace
from koubai.train.locate import all_finite, failure, locate_natively
from koubai.train.memory import Memory
from koubai.train.step import Pass, State, Step, place
from koubai.train.update import Slopes, slopes

__all__ = ["Failed", "NativeSteps"]


class Block:
    """Arrays that lie in one piece of memory, so that all of them are copied at once."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        starts, end = [], 0
        for x in arrays:
            starts.append(end)
            end += aligned(np.asarray(x).nbytes)
        self.bytes = aligned_bytes(end)
        self.arrays = []
        for x, start in zip(arrays, starts):
            x = np.asarray(x)
            self.arrays.append(self.bytes[start : start + x.nbytes].view(x.dtype).reshape(x.shape))
        self.put(arrays)

    def put(self, arrays: Sequence[Any]) -> None:
        """Take over other values."""
        for mine, x in zip(self.arrays, arrays):
            mine[...] = x


class Live:
    """The state in a block of memory that native steps write in."""

    def __init__(self, steps: NativeSteps, block: Block) -> None:
        self._steps, self._block = steps, block

    def kept(self) -> State:
        """A copy of what it is now."""
        return self._steps.copied(self._block)


@dataclass(slots=True)
class _Kind:
    """The program for updates of certain batch sizes."""

    frame: Frame
    rows: list[Any]  # the buffers of the batches' rows
    outputs: list[Any]  # and of their outputs
    loss: Any
    held: list[tuple[Any, Any]]  # captured tensors and their buffers
    trace: Trace


class NativeSteps:
    """What `step.run` does, in native code.

    Parameters
    ----------
    step : Step
    updates : the batches of an epoch
    outputs : bool
        Whether the model's outputs are wanted, for metrics.
    start : State, optional
        By default the model's present one, with a fresh optimizer.
    """

    def __init__(self, step: Step, updates: Sequence[Any], outputs: bool, start: State | None = None) -> None:
        self.step, self.outputs = step, outputs
        start = start or step.state()
        self._params, self._buffers = list(start.params), list(start.buffers)
        self._wanted = self._gradients_wanted()
        self._memory = Memory(step.optimizer, start.params, start.optimizer)
        memory = self._memory.arrays(start.optimizer)
        self.block = Block([*start.params.values(), *start.buffers.values(), *memory])
        self.kept = Block(self.block.arrays)
        self._kinds: dict[tuple[int, ...], _Kind] = {}
        for batches in updates:
            self._kind(batches)

    # The state

    @property
    def names(self) -> list[str]:
        """The paths of parameters and buffers, in the order of the block's arrays."""
        return [*self._params, *self._buffers]

    def begin(self) -> Any:
        """What stands for the present state, whatever it is when asked."""
        return Live(self, self.block)

    def holds(self) -> bool:
        """Whether the model's layers, their settings and the choice of what is trained are as they were."""
        return self._wanted == self._gradients_wanted() and all(kind.trace.holds() for kind in self._kinds.values())

    def _gradients_wanted(self) -> list[bool]:
        return [p.requires_grad for p in self.step.trained.values()]

    @property
    def best(self) -> State:
        """A copy of the state at the end of the best epoch of those run by `run_epochs`."""
        return self.copied(self.kept)

    def take(self, state: State) -> Any:
        """Go on from another state."""
        memory = self._memory.arrays(state.optimizer)
        self.block.put([*state.params.values(), *state.buffers.values(), *memory])
        return self.begin()

    def copied(self, block: Block) -> State:
        """The state that a block holds, in arrays of its own."""
        arrays = [x[()] if x.ndim == 0 else x.copy() for x in block.arrays]
        n, m = len(self._params), len(self._buffers)
        params, buffers = dict(zip(self._params, arrays)), dict(zip(self._buffers, arrays[n:]))
        return State(params, buffers, self._memory.state(arrays[n + m :]))

    # The programs

    def _kind(self, batches: Any) -> _Kind:
        sizes = tuple(stop - start for start, stop in batches)
        if sizes not in self._kinds:
            self._kinds[sizes] = self._compiled(sizes)
        return self._kinds[sizes]

    def traced(self, sizes: tuple[int, ...]) -> Trace:
        """An update for batches of these sizes, as a graph.

        It takes the state's arrays, x, t and the rows of each batch, and gives the loss, the new state and the outputs.
        """
        return self.traced_with(sizes, reverse_mode)[0]

    def traced_with(self, sizes: tuple[int, ...], back: Any) -> tuple[Trace, Slopes]:
        """The same, with somebody else's reverse mode; and the gradients on the way."""
        count = len(self.block.arrays)
        seen: list[Slopes] = []

        def update(*given: Any) -> Any:
            results, of = self._update(given[:count], given[count], given[count + 1], given[count + 2 :], back)
            seen.append(of)
            return results

        rows = [np.zeros(size, np.int64) for size in sizes]
        arrays = [*self.block.arrays, self.step.x, self.step.t, *rows]
        trace = Trace(update, arrays, tuple, (self.step.loss, self.step.clip, *_nested(self.step.optimizer)))
        self._refuse_outside(trace)
        return trace, seen[-1]

    def _refuse_outside(self, trace: Trace) -> None:
        """Refuse parameters that are reached past the model: they would stand still, and their gradient be lost."""
        ours = {p: name for name, p in self.step.trained.items()}
        for node in topological([x for x in trace.captured if x.requires_grad]):
            if node in ours:
                raise UnsupportedError(
                    f"parameter {ours[node]} is used through a variable that holds it, or something computed from it "
                    f"before; read it from the model (model.layer.weight) where it is used"
                )

    def callbacks(self) -> list[str]:
        """The names of the ops that run in NumPy inside of the programs."""
        return [name for kind in self._kinds.values() for name in kind.frame.program.callbacks()]

    def _compiled(self, sizes: tuple[int, ...]) -> _Kind:
        step = self.step
        state = list(self.block.arrays)
        count = len(state)
        trace = self.traced(sizes)
        if trace.unsettled:
            raise UnsupportedError(
                f"the step {trace.unsettled} when it runs, which a program would not do again; hold what changes in a "
                f"kb.nn.Buffer"
            )
        if trace.states:
            raise UnsupportedError("the loss changes the buffers of a module that is not the one being trained")
        loss, *others = trace.outputs
        if loss.dtype not in (np.float32, np.float64):  # which the native loop reads
            loss = astype(loss, dtype=np.dtype(np.float64))
        results, ys = others[:count], others[count : count + len(sizes)] if self.outputs else []
        moved = [k for k in range(count) if results[k] is not trace.inputs[k]]
        wanted = [loss, *(results[k] for k in moved), *ys]
        program = Program([*trace.inputs, *trace.stand_ins], wanted, updates=[(1 + i, k) for i, k in enumerate(moved)])
        frame = program.frame()
        if program.parallel:
            frame.reserve(get_num_threads())  # now, when it can still be interpreted if there is no memory
        buffers = program.inputs
        for buffer, array in zip(buffers, [*state, step.x, step.t]):
            frame.point(buffer, array)
        of = program.outputs
        value = np.zeros((), of[0].type.dtype)
        frame.point(of[0], value)
        held = list(zip(trace.captured, buffers[len(trace.inputs) :]))
        start = count + 2
        return _Kind(frame, buffers[start : start + len(sizes)], of[1 + len(moved) :], value, held, trace)

    def _update(self, state: Sequence[Any], x: Any, t: Any, rows: Sequence[Any], back: Any) -> tuple[list[Any], Slopes]:
        """The loss, the new state and the outputs, as a function of tensors; and the gradients on the way."""
        step = self.step
        n, m = len(self._params), len(self._buffers)
        params, buffers, memory = dict(zip(self._params, state)), dict(zip(self._buffers, state[n:])), state[n + m :]
        of = slopes(step, params, buffers, x, t, rows, back)
        moved, remembered = step.optimizer.update(of.clipped, self._memory.traced(memory), params)
        results = [of.loss, *(moved[name] for name in self._params), *(of.buffers[name] for name in self._buffers),
                   *self._memory.after(remembered, memory), *(of.outputs if self.outputs else [])]  # fmt: skip
        return results, of

    # Running

    def run(self, work: Pass, last: int) -> None:
        """Take the steps of a pass up to update number `last` (excluded).

        Raises
        ------
        TrainingError
            When a loss or a weight is not finite; the state is that before the step. The error knows the first
            value that is not.
        """
        state, total, seen, first = work.done
        before = self.block.bytes.copy()

        def advance(start: int, stop: int) -> Course:
            course = Course(self._stretches(work, first + start, first + stop), total, seen)
            self._run(course, before, work, work.epoch, first + start)
            return course

        course = advance(0, last - first)
        if course.steps < last - first or not self._finite():
            good = self._last_good(before, advance, course.steps)
            self.block.bytes[:] = before
            whole = advance(0, good)
            work.done = (state, whole.total, whole.seen, first + good)
            loss = course.loss if good == course.steps else None
            raise failure(first + good, loss, locate_natively(self, work.order, work.updates[first + good]))
        work.done = (state, course.total, course.seen, last)

    def _finite(self) -> bool:
        """Whether the parameters are."""
        return all_finite(self.block.arrays[: len(self._params)])

    def _last_good(self, before: Any, advance: Callable[[int, int], Any], count: int) -> int:
        """After how many of `count` steps from the state `before` the parameters are finite for the last time.

        Parameters
        ----------
        advance : callable
            ``advance(a, b)`` takes the steps from number a to number b (excluded).
        """
        self.block.bytes[:] = before  # a step whose loss is not finite has changed it too
        advance(0, count)
        if self._finite():
            return count
        good, bad, kept = 0, count, before
        while bad - good > 1:
            middle = (good + bad) // 2
            self.block.bytes[:] = kept
            advance(good, middle)
            if self._finite():
                good, kept = middle, self.block.bytes.copy()
            else:
                bad = middle
        return good

    def run_epochs(self, updates: list[Any], order: Any, keys: Any, count: int, best: float, first: int = 1) -> Epochs:
        """Take all steps of so many epochs.

        Parameters
        ----------
        order : array
            The rows; shuffled at the beginning of every epoch if there are `keys`.
        keys : array (count, 2) or None
        best : float
            The least sum of losses so far.
        first : int
            The number of the first of these epochs.

        Raises
        ------
        TrainingError
            When a loss or a weight is not finite; the state is that before the step. The error knows the first
            value that is not.
        """
        work = Pass(order, updates, None, (None, 0.0, 0, 0))
        stretches = self._stretches(work, 0, len(updates))

        def course(epochs: int) -> tuple[Course, Epochs]:
            shuffle = None if keys is None else Shuffle(order, keys)
            made = Epochs(self.block.bytes, self.kept.bytes, np.empty(epochs), best, shuffle)
            return Course(stretches, epochs=made), made

        def advance(start: int, stop: int) -> None:
            while start < stop:
                epoch, k = divmod(start, len(updates))
                last = min(len(updates), k + stop - start)
                shuffled(epoch)
                self._run(Course(self._stretches(work, k, last)), before, work, first + epoch, k)
                start += last - k

        def shuffled(epoch: int) -> None:
            if keys is not None:
                order[:] = permutation(tuple(keys[epoch].tolist()), len(order))

        before = self.block.bytes.copy()
        whole, epochs = course(count)
        if self._run(whole, before, work, first) == NOT_FINITE or not self._finite():
            good = self._last_good(before, advance, whole.steps)
            self.block.bytes[:] = before
            again, epochs = course(good // len(updates))
            if len(epochs.sums):
                self._run(again, before, work, first)
            advance(len(epochs.sums) * len(updates), good)
            shuffled(len(epochs.sums))
            k = good - len(epochs.sums) * len(updates)
            loss = whole.loss if good == whole.steps else None
            error = failure(k, loss, locate_natively(self, order, updates[k]), Failed)
            error.epochs = epochs
            raise error
        return epochs

    def _run(self, course: Course, before: Any, work: Pass, epoch: int, number: int = 0) -> int:
        """Run from a step of an epoch; where Ctrl-C or an error in a callback ends that, the state is that before."""
        try:
            with np.errstate(all="ignore"):  # as interpreted: what is not finite is found out afterwards
                return course.run()
        except BaseException as error:
            self.block.bytes[:] = before
            if isinstance(error, Exception):
                epochs, steps = course.under_way
                place(error, work, epoch + epochs, number + steps)
            raise

    def _stretches(self, work: Pass, begin: int, last: int) -> list[Stretch]:
        """Updates of the same sizes in a row as one stretch."""
        updates, order = work.updates[begin:last], work.order
        found: list[Stretch] = []
        k = 0
        while k < len(updates):
            kind = self._kind(updates[k])
            same = k
            while same < len(updates) and self._kind(updates[same]) is kind:
                same += 1
            for node, buffer in kind.held:
                kind.frame.point(buffer, np.ascontiguousarray(node.value))
            first, stop = updates[k][0][0], updates[k][-1][1]
            size = order.itemsize
            moves = [
                (buffer.slot, order.ctypes.data + start * size, (stop - first) * size)
                for (start, _), buffer in zip(updates[k], kind.rows)
            ]
            for (start, _), buffer in zip(updates[k], kind.outputs):
                row = work.outputs[0].nbytes
                moves.append((buffer.slot, work.outputs.ctypes.data + start * row, (stop - first) * row))
            found.append(Stretch(kind.frame, same - k, stop - first, moves, kind.loss))
            k = same
        return found


def _nested(optimizer: Any) -> list[Any]:
    """The optimizer, and those that it wraps."""
    found = [optimizer]
    while hasattr(found[-1], "optimizer"):
        found.append(found[-1].optimizer)
    return found


class Failed(TrainingError):
    """A loss or weights that are not finite, after some epochs that were completed."""

    epochs: Epochs
