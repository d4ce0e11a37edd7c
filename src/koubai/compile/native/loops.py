"""The loops that are open around what is being emitted, and what can be computed further out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from koubai.compile.index import Counter
from koubai.compile.llvm import Block, Function, Value

__all__ = ["Loops"]


class Loops:
    """Where in its loops a function stands.

    Attributes
    ----------
    f : Function
    counter : dict
        Counter -> its value in this turn.
    lanes : int
        How many turns at once,
    along : Counter or None
        of which counter (None: one turn, of none),
    filled : int
        and how many of the lanes have one.
    """

    def __init__(self, f: Function) -> None:
        self.f = f
        self.counter: dict[Counter, Value] = {}
        self.along: Counter | None = None
        self.lanes = self.filled = 1
        self._depth: dict[Counter, int] = {}
        self._blocks: list[Block] = [f.block]
        self._known: list[dict[Any, Any]] = [{}]

    @property
    def mask(self) -> Value | None:
        """Which lanes have a turn; None where all have."""
        return None if self.filled == self.lanes else self.f.first_lanes(self.filled, self.lanes)

    # What is open

    @contextmanager
    def turns(self, counter: Counter, start: Value | int, stop: Value | int, step: int = 1) -> Iterator[None]:
        """A loop over a counter: what depends on outer counters only stays in front of it."""
        before = self.f.block
        with self.f.loop(start, stop, step) as here, self.at(counter, here):
            yield
        self._blocks = [self.f.block if block is before else block for block in self._blocks]

    @contextmanager
    def at(self, counter: Counter, value: Value) -> Iterator[None]:
        """One turn of a counter."""
        self.counter[counter] = value
        self._depth[counter] = len(self._blocks)
        self._blocks.append(self.f.block)
        self._known.append({})
        yield
        self._blocks.pop()
        self._known.pop()
        del self._depth[counter]

    def move(self, counter: Counter, value: Value) -> None:
        """Within the innermost loop, go to another turn of its counter."""
        self.counter[counter] = value
        self._known[-1] = {}

    @contextmanager
    def wide(self, counter: Counter, lanes: int) -> Iterator[None]:
        """So many turns of a counter at once, from its present value on."""
        with self._lanes(counter, lanes, lanes):
            yield

    @contextmanager
    def rest(self, counter: Counter, lanes: int, whole: int) -> Iterator[None]:
        """The turns from `whole` on, which do not fill a vector, under a mask."""
        with self.at(counter, self.f.integer(whole)), self._lanes(counter, lanes, counter.extent - whole):
            yield

    @contextmanager
    def _lanes(self, counter: Counter, lanes: int, filled: int) -> Iterator[None]:
        before = self.lanes, self.along, self.filled
        self.lanes, self.along, self.filled = lanes, counter if lanes > 1 else None, filled
        yield
        self.lanes, self.along, self.filled = before

    def over(
        self, counters: Sequence[Counter], body: Callable[[], None], along: Counter | None = None, lanes: int = 1
    ) -> None:
        """The body in every turn of all counters; `along`, if the last one, takes so many of its turns at once."""
        if not counters:
            body()
            return
        counter, *others = counters
        if counter is not along:
            with self.turns(counter, 0, counter.extent):
                self.over(others, body, along, lanes)
            return
        assert not others
        whole = counter.extent - counter.extent % lanes
        if whole:
            with self.turns(counter, 0, whole, lanes), self.wide(counter, lanes):
                body()
        if whole < counter.extent:
            with self.rest(counter, lanes, whole):
                body()

    # What can be computed further out

    def depth(self, counters: Iterable[Counter]) -> int:
        """In how many loops something must lie that depends on these counters."""
        return max((self._depth[c] for c in counters if c in self._depth), default=0)

    def once(self, depth: int, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` emits, in so many of the open loops; emitted there before, it is taken from there."""
        known = self._known[depth]
        if key not in known:
            if depth == len(self._blocks) - 1:
                known[key] = make()
            else:
                with self.f.at(self._blocks[depth]):
                    known[key] = make()
        return known[key]
