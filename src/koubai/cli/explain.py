"""``koubai explain`` and ``koubai view``: an expression, or a computation in a Python file, with its gradients."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from koubai.cli.named import is_name, named
from koubai.data.atomic import write_atomically
from koubai.errors import UsageError
from koubai.explain.explaining import explain as explained
from koubai.explain.formula import Relation, Symbol, free_symbols, parse
from koubai.explain.formula.evaluate import evaluate
from koubai.nn import Module
from koubai.tensor import Tensor, tensor

__all__ = ["explain", "what_to_explain"]

HINT = 'give FILE.py:NAME, or an expression with its values: "x*y + sin(x)" x=2 y=3'


def explain(
    what: str,
    values: Sequence[str],
    wrt: str | None,
    index: str | None,
    row: int,
    most: int,
    lang: str,
    form: str,
    digits: int,
    out: str | None,
) -> int:
    """Explain and print, or write to a file; returns the exit code."""
    arguments = what_to_explain(what, values)
    found = explained(*arguments, wrt=wrt, index=_index(index), row=row, most=most, lang=lang, digits=digits)
    shown = {"text": lambda: found.text, "latex": lambda: found.document, "html": lambda: found.page}[form]()
    if out is None:
        print(shown)
    else:
        write_atomically(out, shown + "\n")
    return 0


def what_to_explain(what: str, values: Sequence[str]) -> tuple[Any, ...]:
    """The positional arguments of `koubai.explain`: a tensor, or a model with examples, targets and loss."""
    if not is_name(what):
        return (_expression(what, values),)
    if values:
        raise UsageError(f"values such as {values[0]} belong to an expression; {what} has its own")
    found = named(what, HINT)
    if isinstance(found, Tensor):
        return (found,)
    if isinstance(found, Mapping) and isinstance(found.get("model"), Module):
        x, t = found.get("data", (found.get("x"), found.get("t")))
        return found["model"], x, t, found.get("loss")
    if isinstance(found, Module):
        raise UsageError(
            f"{what} is a model without examples; name a dict with model, data (x, t) and loss, or a function that "
            f"returns one"
        )
    raise UsageError(
        f"{what}: expected a tensor, or a dict with model, data and loss, or a function that returns one of them; got "
        f"{type(found).__name__}"
    )


def _expression(text: str, values: Sequence[str]) -> Tensor:
    """The value of an expression, as a tensor that depends on all names in it."""
    formula = parse(text, derivatives=False)
    name = "f"
    if isinstance(formula, Relation) and formula.sign == "=" and isinstance(formula.left, Symbol):
        name, formula = formula.left.key, formula.right
    given = dict(map(_assignment, values))
    needed = [symbol.key for symbol in free_symbols(formula) if symbol.key not in ("e", "pi", "i")]
    missing = [key for key in needed if key not in given]
    if missing:
        raise UsageError(f"{missing[0]} has no value; give one, such as {missing[0]}=2")
    unused = [key for key in given if key not in {symbol.key for symbol in free_symbols(formula)}]
    if unused:
        raise UsageError(f"{unused[0]} does not stand in the expression; its names are {', '.join(needed) or 'none'}")
    output = evaluate(formula, given)
    if not isinstance(output, Tensor):
        raise UsageError("there is nothing to differentiate by: the expression has no names")
    if output.size != 1:
        raise UsageError(f"the expression has the shape {output.shape}; reduce it to one number, or give numbers")
    if output.op is not None:
        output.name = name
    return output


def _assignment(text: str) -> tuple[str, Tensor]:
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals or not name.isidentifier():
        raise UsageError(f"expected NAME=NUMBER, such as x=2, got {text!r}")
    try:
        number = np.asarray(json.loads(value), float)
    except (ValueError, TypeError):
        raise UsageError(f"{name}: expected a number or a list of numbers, got {value!r}") from None
    if not np.isfinite(number).all():
        raise UsageError(f"{name}: expected finite numbers, got {value!r}")
    return name, tensor(number, requires_grad=True, name=name)


def _index(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.strip("()[] ").split(",") if part.strip())
    except ValueError:
        raise UsageError(f"--index: expected whole numbers with commas, such as 3,1, got {text!r}") from None
