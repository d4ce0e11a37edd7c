"""`explain`: the chain rule with the numbers put in, for any expression and for networks."""

from __future__ import annotations

from collections.abc import Callable
from operator import index as as_index
from typing import Any

from koubai.errors import IndexingError, UsageError
from koubai.explain.closed import closed_forms
from koubai.explain.computation import backward_line, computation_sections
from koubai.explain.dense import dense_layers, stand_alone
from koubai.explain.derivation import Explanation, Line, Section
from koubai.explain.layers import words_of
from koubai.explain.network import network_sections
from koubai.explain.phrases import Phrases
from koubai.explain.record import Record, record
from koubai.explain.replay import Replay
from koubai.explain.ways import ways
from koubai.nn import Module, standing_in
from koubai.nn.examples import aligned, as_pair
from koubai.nn.losses.lookup import loss_function
from koubai.tensor import Tensor, tensor

__all__ = ["explain"]


def explain(
    what: Tensor | Module | Record,
    x: Any = None,
    t: Any = None,
    loss: str | Callable[..., Any] | None = None,
    *,
    wrt: Tensor | str | None = None,
    index: Any = None,
    row: int = 0,
    most: int = 10,
    lang: str = "en",
    digits: int = 6,
) -> Explanation:
    """Write out the derivation of gradients, with the numbers put in.

    - ``explain(output)``: every value and every gradient of the computation that led to a tensor.
    - ``explain(output, wrt=w, index=(3, 1))``: the paths through which one number reaches the output, those that
      contribute most to its gradient first.
    - ``explain(model, x, t, loss)``: a network of dense layers layer by layer, for one example, in six steps for the
      output layer and five for each hidden layer; any other model op by op. With ``wrt`` and ``index`` the paths from
      one weight. What layers store meanwhile (running means, counters) is dropped.

    Each gradient is compared with numerical differentiation (central differences in float64).

    Parameters
    ----------
    what : Tensor, Module or Record
        A tensor must have one element and depend on something that requires a gradient.
    x, t : arrays
        Examples and targets, for a model.
    loss : str or callable
        As in `koubai.fit`, for a model.
    wrt : Tensor or str, optional
        A tensor (a parameter) or its name in the record: `koubai.record` shows the names.
    index : int or tuple of int, optional
        The element of `wrt`; needed if it has several.
    row : int
        The example for which a network is explained.
    most : int
        How many paths to show.
    lang : {"en", "ja"}
    digits : int
        Significant digits of the numbers shown.

    Returns
    -------
    Explanation
        ``str()`` of it is plain text; it has the attributes text, latex and html, and shows itself in notebooks.

    Raises
    ------
    UsageError
        If something is missing, no path leads from `wrt` to the output, or the computation has more than 300 nodes.
    IndexingError
        If there is no such row, name or element.

    Examples
    --------
    >>> import koubai as kb
    >>> x = kb.tensor(2.0, requires_grad=True, name="x")
    >>> y = kb.tensor(3.0, requires_grad=True, name="y")
    >>> for line in kb.explain(kb.numpy.sin(x) * y).text.splitlines()[-3:]:
    ...     print(line)
      v2 = sin(x) y = 2.72789
      ∂v2/∂x = y cos(x) = -1.24844   ✓ numerically -1.24844
      ∂v2/∂y = sin(x) = 0.909297   ✓ numerically 0.909297
    """
    say = Phrases(lang)
    if not isinstance(digits, int) or not 1 <= digits <= 17:
        raise UsageError(f"explain: expected digits to be an integer from 1 to 17, got {digits!r}")
    if isinstance(what, Module):
        with standing_in(what, {}):
            return _of_model(what, x, t, loss, wrt, index, row, most, say, digits)
    if x is not None or t is not None or loss is not None:
        raise UsageError("explain: x, t and loss belong to a model; for a tensor leave them out")
    if not isinstance(what, (Tensor, Record)):
        raise UsageError(
            f"explain: expected a tensor (the output of a computation) or a model, got {type(what).__name__}; make the "
            f"inputs with kb.tensor(data, requires_grad=True)"
        )
    seen = what if isinstance(what, Record) else record(what)
    title = say("computation", output=seen.output.symbol, nodes=len(seen), edges=len(seen.edges))
    if wrt is not None or index is not None:
        return ways(seen, wrt, index, most, say, digits)
    replay = Replay(seen)
    sections = computation_sections(seen, replay, say)
    formulas = closed_forms(seen, replay)
    if len(formulas) > 1:
        sections.append(Section(say("closed"), formulas, say("closed text")))
    return Explanation(title, tuple(sections), say.lang, digits)


def _of_model(
    model: Module, x: Any, t: Any, loss: Any, wrt: Any, index: Any, row: int, most: int, say: Phrases, digits: int
) -> Explanation:
    if x is None or t is None or loss is None:
        raise UsageError("explain: for a model give examples, targets and a loss: kb.explain(model, x, t, loss='mse')")
    function = loss_function(loss)
    x, t = as_pair((x, t), model, "explain")
    if wrt is not None or index is not None:
        return ways(record(_error(model, x, t, function)), wrt, index, most, say, digits)
    row = _row(row, len(x))
    one = tensor(x[row][None], requires_grad=x.dtype.kind == "f", name="x")
    layers = dense_layers(model, one) if x.ndim == 2 else None
    known = words_of(loss)
    if layers is not None:
        target = aligned(t[row][None], layers[-1].y)
        error = function(layers[-1].y, target)
    if layers is None or not stand_alone(layers, record(error), known is not None and bool(known.output)):
        return explain(_error(model, x, t, function), lang=say.lang, digits=digits)
    sections = network_sections(layers, error, target, loss, say)
    if len(x) > 1:
        text = say("net batch any" if known is None else "net batch text")
        sections.append(_over_the_batch(record(_error(model, x, t, function)), model, len(x), text, say))
    name = type(model).__name__
    return Explanation(say("net title", model=name), tuple(sections), say.lang, digits)


def _row(row: Any, rows: int) -> int:
    try:
        number = as_index(row)
    except TypeError:
        raise UsageError(f"explain: expected row to be an integer, got {row!r}") from None
    if not -rows <= number < rows:
        raise IndexingError(f"explain: there is no row {number} among {rows} examples; rows count from 0")
    return number % rows


def _error(model: Module, x: Any, t: Any, loss: Callable[..., Any]) -> Tensor:
    y = model(x)
    error: Tensor = loss(y, aligned(t, y))
    error.name = "E"
    return error


def _over_the_batch(seen: Record, model: Module, rows: int, text: str, say: Phrases) -> Section:
    replay = Replay(seen)
    lines = [backward_line(seen, seen[p], replay, say, most=6) for p in model.parameters() if p.requires_grad]
    return Section(say("net batch", rows=rows), tuple(map(_briefly, lines)), text)


def _briefly(line: Line) -> Line:
    """Without the chain rule and the note, which the layers' sections told."""
    return Line(line.symbol, line.steps[1:], line.result, line.agreement)
