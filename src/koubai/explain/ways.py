"""One number explained: the paths on which it reaches the output."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.errors import UsageError
from koubai.explain.derivation import Explanation, Line, Section
from koubai.explain.filled import indexed, local_element, name_of, partial
from koubai.explain.formula import Derivative, Expr, Number, Sum, Text, times
from koubai.explain.formula.plain import number_text
from koubai.explain.paths import Path, Stop, paths_from
from koubai.explain.phrases import Phrases
from koubai.explain.record import Record, RecordEdge
from koubai.explain.replay import Replay

__all__ = ["ways"]


def ways(seen: Record, wrt: Any, index: Any, most: int, say: Phrases, digits: int) -> Explanation:
    """The paths from one element of a tensor to the output, those that contribute most first.

    Raises
    ------
    UsageError, IndexingError
        If the tensor or the element is not named or not there, or no path leads on.
    """
    if wrt is None:
        raise UsageError("explain: index= belongs to a tensor; name it with wrt=")
    if not isinstance(most, int) or most < 1:
        raise UsageError(f"explain: expected most to be a number of paths, at least 1, got {most!r}")
    node = seen[wrt]
    if index is None:
        if np.size(node.value) != 1:
            raise UsageError(
                f"explain: {node.symbol} has the shape {node.shape}; say with index= which of its elements to explain, "
                f"for example index={(0,) * len(node.shape)}"
            )
        index = (0,) * len(node.shape)
    found = paths_from(seen, node, index, most)
    shown = len(found.largest)
    start = Stop(node, found.index, 1.0, None)
    terms = [Number(path.contribution) for path in found.largest]
    if shown < found.count:
        terms.append(Number(found.gradient - sum(path.contribution for path in found.largest)))
    total = Line(
        indexed(partial(seen, node), found.index),
        (Sum(tuple(terms)),) if len(terms) > 1 else (),
        found.gradient,
        Replay(seen).agreement(node, [found.index]),
        say("rest", count=found.count - shown) if shown < found.count else "",
    )
    key = "path one" if found.count == 1 else "paths all" if shown == found.count else "paths text"
    text = say(key, count=found.count, shown=shown)
    sections = [Section(say("sum of paths"), (total,), text)]
    sections += [_section(path, number, digits, say) for number, path in enumerate(found.largest, 1)]
    title = say("paths", symbol=_name(start), output=seen.output.symbol)
    return Explanation(title, tuple(sections), say.lang, digits)


def _section(path: Path, number: int, digits: int, say: Phrases) -> Section:
    """A path: the local derivatives on it that are not 1, and their product."""
    lines = []
    for before, stop in zip(path.stops, path.stops[1:]):
        if stop.local != 1.0:
            assert stop.edge is not None
            symbol = Derivative(_expr(stop), _expr(before))
            lines.append(Line(symbol, local_element(stop.edge, stop.index), stop.local, note=_place(stop.edge, say)))
    factors = [Number(stop.local) for stop in path.stops if stop.local != 1.0]
    steps = (times(*factors),) if len(factors) > 1 else ()
    lines.append(Line(Text(say("contribution")), steps, path.contribution))
    title = say("path", number=number, value=number_text(path.contribution, digits))
    return Section(title, tuple(lines), " → ".join(map(_name, path.stops)))


def _place(edge: RecordEdge, say: Phrases) -> str:
    """Which argument the path goes through, where the same value stands in several."""
    same = [x for x in edge.target.inputs if x is edge.source]
    return say("argument", symbol=edge.source.symbol, number=edge.position + 1) if len(same) > 1 else ""


def _name(stop: Stop) -> str:
    return str(_expr(stop))


def _expr(stop: Stop) -> Expr:
    return indexed(name_of(stop.node), stop.index)
