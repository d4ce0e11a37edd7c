"""Training steps in native code: the counterpart of `step`, with the state in one block of memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from koubai.compile import Program
from koubai.compile.drive import NOT_FINITE, Course, Epochs, Shuffle, Stretch
from koubai.compile.program import Frame
from koubai.diff import reverse_mode
from koubai.errors import TrainingError, UnsupportedError
from koubai.graph import Node, topological
from koubai.nn import standing_in
from koubai.ops.random import permutation
from koubai.ops.structure import bind
from koubai.tensor.trace import Trace
from koubai.train.memory import Memory
from koubai.train.step import Pass, State, Step

__all__ = ["Failed", "NativeSteps"]

ALIGNMENT = 64  # bytes


class Block:
    """Arrays that lie in one piece of memory, so that all of them are copied at once."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        starts, end = [], 0
        for x in arrays:
            starts.append(end)
            end += -(-np.asarray(x).nbytes // ALIGNMENT) * ALIGNMENT
        raw = np.zeros(end + ALIGNMENT, np.uint8)
        skip = -raw.ctypes.data % ALIGNMENT
        self.bytes = raw[skip : skip + end]
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


class NativeSteps:
    """What `step.run` does, in native code.

    Parameters
    ----------
    step : Step
    updates : the batches of an epoch
    outputs : bool
        Whether the model's outputs are wanted, for metrics.
    """

    def __init__(self, step: Step, updates: Sequence[Any], outputs: bool) -> None:
        self.step, self.outputs = step, outputs
        start = step.state()
        self._params, self._buffers = list(start.params), list(start.buffers)
        self._memory = Memory(step.optimizer, start.params)
        memory = self._memory.arrays(start.optimizer)
        self.block = Block([*start.params.values(), *start.buffers.values(), *memory])
        self.kept = Block(self.block.arrays)
        self._kinds: dict[tuple[int, ...], _Kind] = {}
        for batches in updates:
            self._kind(batches)

    # The state

    def begin(self) -> Any:
        """What stands for the present state, whatever it is when asked."""
        return Live(self, self.block)

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
        count = len(self.block.arrays)

        def update(*given: Any) -> Any:
            return self._update(given[:count], given[count], given[count + 1], given[count + 2 :])

        rows = [np.zeros(size, np.int64) for size in sizes]
        trace = Trace(update, [*self.block.arrays, self.step.x, self.step.t, *rows], tuple)
        self._refuse_outside(trace)
        return trace

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
        if trace.states:
            raise UnsupportedError("the loss changes the buffers of a module that is not the one being trained")
        loss, *others = trace.outputs
        results, ys = others[:count], others[count : count + len(sizes)] if self.outputs else []
        moved = [k for k in range(count) if results[k] is not trace.inputs[k]]
        wanted = [loss, *(results[k] for k in moved), *ys]
        program = Program([*trace.inputs, *trace.stand_ins], wanted, updates=[(1 + i, k) for i, k in enumerate(moved)])
        frame = program.frame()
        buffers = program.inputs
        for buffer, array in zip(buffers, [*state, step.x, step.t]):
            frame.point(buffer, array)
        of = program.outputs
        value = np.zeros((), of[0].type.dtype)
        frame.point(of[0], value)
        held = list(zip(trace.captured, buffers[len(trace.inputs) :]))
        start = count + 2
        return _Kind(frame, buffers[start : start + len(sizes)], of[1 + len(moved) :], value, held)

    def _update(self, state: Sequence[Any], x: Any, t: Any, rows: Sequence[Any]) -> list[Any]:
        """The loss, the new state and the outputs, as a function of tensors."""
        step = self.step
        n, m = len(self._params), len(self._buffers)
        params, buffers, memory = dict(zip(self._params, state)), dict(zip(self._buffers, state[n:])), state[n + m :]
        variables = {name: _variable(p) for name, p in params.items()}
        total: Any = None
        grads: dict[str, Any] = {}
        outputs = []
        seen = sum(r.shape[0] for r in rows)
        for r in rows:
            with standing_in(step.model, {**variables, **buffers}) as present:
                y = step.model(x[r])
                loss = step.loss(y, t[r])  # which may read the model's parameters too
                buffers = present()
            outputs.append(y)
            size = r.shape[0]
            one = loss.dtype.type(1)
            found = reverse_mode([loss], [one], list(variables.values()), record=True)
            part = {name: g for name, g in zip(variables, found) if g is not None}
            if len(rows) == 1:
                total, grads = loss, part
                continue
            weighted = {name: g * g.dtype.type(size) for name, g in part.items()}
            grads = {
                name: grads[name] + weighted[name] if name in grads and name in weighted
                else grads.get(name, weighted.get(name))
                for name in {**grads, **weighted}
            }  # fmt: skip
            scaled = loss * loss.dtype.type(size)
            total = scaled if total is None else total + scaled
        if len(rows) > 1:
            grads = {name: g / g.dtype.type(seen) for name, g in grads.items()}
            total = total / total.dtype.type(seen)
        if step.clip is not None:
            grads = step.clip(grads)
        moved, remembered = step.optimizer.update(grads, self._memory.traced(memory), params)
        kept = [buffers[name] for name in self._buffers]
        return [total, *(moved[name] for name in self._params), *kept,
                *self._memory.after(remembered, memory), *(outputs if self.outputs else [])]  # fmt: skip

    # Running

    def run(self, work: Pass, last: int) -> None:
        """Take the steps of a pass up to update number `last` (excluded).

        Raises
        ------
        TrainingError
            When a loss is not finite; the state is that before the step.
        """
        state, total, seen, first = work.done
        before = self.block.bytes.copy()
        course = Course(self._stretches(work, first, last), total, seen)
        status = self._run(course, before)
        done = first + course.steps
        work.done = (state, course.total, course.seen, done)
        if status == NOT_FINITE:
            self.block.bytes[:] = before
            self._run(Course(self._stretches(work, first, done)), before)
            raise TrainingError(f"step {done + 1}: the loss became {course.loss}")

    def run_epochs(self, updates: list[Any], order: Any, keys: Any, count: int, best: float) -> Epochs:
        """Take all steps of so many epochs.

        Parameters
        ----------
        order : array
            The rows; shuffled at the beginning of every epoch if there are `keys`.
        keys : array (count, 2) or None
        best : float
            The least sum of losses so far.

        Raises
        ------
        TrainingError
            When a loss is not finite; the state is that before the step.
        """
        work = Pass(order, updates, None, (None, 0.0, 0, 0))
        stretches = self._stretches(work, 0, len(updates))

        def course(epochs: int) -> tuple[Course, Epochs]:
            shuffle = None if keys is None else Shuffle(order, keys)
            made = Epochs(self.block.bytes, self.kept.bytes, np.empty(epochs), best, shuffle)
            return Course(stretches, epochs=made), made

        before = self.block.bytes.copy()
        whole, epochs = course(count)
        if self._run(whole, before) == NOT_FINITE:
            self.block.bytes[:] = before
            if epochs.done:
                self._run(course(epochs.done)[0], before)
            done = whole.steps - epochs.done * len(updates)
            if keys is not None:
                order[:] = permutation(tuple(keys[epochs.done].tolist()), len(order))
            self._run(Course(self._stretches(work, 0, done)), before)
            raise Failed(epochs, f"step {done + 1}: the loss became {whole.loss}")
        return epochs

    def _run(self, course: Course, before: Any) -> int:
        """Run; where Ctrl-C or an error in a callback ends it, the state is what it was before."""
        try:
            return course.run()
        except BaseException:
            self.block.bytes[:] = before
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


class Failed(TrainingError):
    """A loss that is not finite, after some epochs that were completed."""

    def __init__(self, epochs: Epochs, message: str) -> None:
        super().__init__(message)
        self.epochs = epochs


def _variable(p: Any) -> Any:
    node = bind(p)
    assert isinstance(node, Node)
    node.requires_grad = True
    return node
