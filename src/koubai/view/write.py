"""`kb.view`: a computation as a file to look at."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from koubai.data.atomic import write_atomically
from koubai.errors import ShapeError, UsageError
from koubai.explain.record import Record, record
from koubai.nn import Linear, Module, functional_call
from koubai.nn.examples import aligned, as_pair
from koubai.nn.losses.lookup import loss_function
from koubai.tensor import Tensor, tensor
from koubai.view.data import page_data
from koubai.view.dot import dot_text
from koubai.view.html import page
from koubai.view.scene import scene
from koubai.view.svg import svg_text

__all__ = ["view"]

LANGUAGES = ("en", "ja")
ENDINGS = ("", ".html", ".htm", ".svg", ".dot", ".gv")


def view(
    what: Tensor | Module | Record,
    path: str | Path,
    x: Any = None,
    t: Any = None,
    loss: str | Callable[[Any, Any], Any] | None = None,
    *,
    gradient: Any = None,
    title: str | None = None,
    lang: str | None = None,
) -> Path:
    """Write a computation and its gradients as one file to look at.

    The file is a page that opens from disk in any browser and needs nothing else: it lays the graph out and steps
    forward and backward through it, op by op, with the numbers. A path that ends in ``.svg`` gets a picture for
    papers instead, one in ``.dot`` or ``.gv`` text for Graphviz.

    Parameters
    ----------
    what : Tensor, Module or Record
        The output of a computation, as for `kb.record`; a record; or a model.
    path : str or Path
        Where to write: a page (``.html``, ``.htm`` or no ending), a picture (``.svg``) or text for Graphviz (``.dot``,
        ``.gv``). The file appears whole or not at all.
    x, t, loss : optional, for a model
        An example or a batch for it; targets and the loss (its name or a function of outputs and targets, by default
        ``"mse"``). Without targets the gradients are those of the sum of the model's outputs. Without `x` the model,
        if it begins with a `Linear` layer, is shown with one example of normal random numbers (seed 0).
    gradient : array, optional
        What the output itself receives; 1 by default. For an output of several elements it must be given.
    title : str, optional
        The page's heading; by default the model's class or the output's name.
    lang : {"en", "ja"}, optional
        The language at first, in a page; the reader can change it. By default the reader's own.

    Returns
    -------
    Path

    Raises
    ------
    UsageError
        If there is nothing to differentiate, an argument does not fit, the path ends in anything else, or the graph
        has more than 5,000 nodes.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import koubai as kb
    >>> x, y = kb.tensor(2.0, requires_grad=True, name="x"), kb.tensor(3.0, requires_grad=True, name="y")
    >>> path = kb.view(x * y + kb.numpy.sin(x), Path(tempfile.mkdtemp()) / "page.html")
    >>> path.read_text(encoding="utf-8").splitlines()[0]
    '<!doctype html>'
    """
    if lang is not None and lang not in LANGUAGES:
        raise UsageError(f'view: lang must be "en", "ja" or None, got {lang!r}')
    target = _checked(path)
    output: Any = what
    if isinstance(what, Module):
        output, name = _pass(what, x, t, loss), type(what).__name__
    else:
        if x is not None or t is not None or loss is not None:
            raise UsageError("view: x, t and loss are for a model; of an output only the gradient can be given")
        name = ""
    if not isinstance(output, (Tensor, Record)):
        raise UsageError(
            f"view: expected the output of a computation (a kb.Tensor), a record or a model, got {type(what).__name__}"
        )
    if isinstance(output, Record) and gradient is not None:
        raise UsageError("view: a record holds its gradients already; pass gradient= to kb.record")
    seen = output if isinstance(output, Record) else record(output, gradient)
    drawn = scene(seen)
    heading = title if title is not None else name or seen.output.symbol
    ending = target.suffix.lower()
    if ending == ".svg":
        text = svg_text(drawn, heading)
    elif ending in (".dot", ".gv"):
        text = dot_text(drawn, heading)
    else:
        text = page(page_data(drawn, heading, lang))
    write_atomically(target, text)
    return target


def _checked(path: Any) -> Path:
    try:
        target = Path(path)
    except TypeError:
        raise UsageError(f"view: path must say where to write the page, got {type(path).__name__}") from None
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "this is a folder; name a file in it, such as page.html", str(target))
    if target.suffix.lower() not in ENDINGS:
        raise UsageError(
            f"view: a path ends in .html or .htm for a page, .svg for a picture, .dot or .gv for Graphviz; got "
            f"{target.name!r}"
        )
    return target


def _pass(model: Module, x: Any, t: Any, loss: Any) -> Tensor:
    """A forward pass of a model, down to one number; what its layers store meanwhile is dropped."""
    if x is None:
        if t is not None:
            raise UsageError("view: targets were given but no examples; call view(model, path, x, t)")
        x = _example(model)
    if t is None:
        if loss is not None:
            raise UsageError("view: a loss needs targets; call view(model, path, x, t, loss)")
        given = np.asarray(x.value if isinstance(x, Tensor) else x)
        output = functional_call(model, {}, tensor(given, dtype=model.input_dtype(given.dtype), name="x"))
        if not isinstance(output, Tensor):
            raise UsageError(
                f"view: a {type(model).__name__} returns {type(output).__name__}, of which it is not clear what to "
                f"differentiate; call the model, make one number of its outputs and view that"
            )
        total = output if output.size == 1 else output.sum()
    else:
        examples, targets = as_pair((x, t), model, "view")
        output = functional_call(model, {}, tensor(examples, name="x"))
        targets = aligned(targets, output)
        total = loss_function("mse" if loss is None else loss)(output, tensor(targets, name="t"))
        if total.size != 1:
            raise ShapeError(f"view: the loss must be one number, it has shape {total.shape}; take its mean")
    found: Tensor = total
    if t is not None and found.name is None:
        found.name = "loss"
    return found


def _example(model: Module) -> Any:
    for module in model.modules():
        if isinstance(module, Linear):
            return np.random.default_rng(0).standard_normal((1, module.in_features)).astype(model.dtype)
        if next(iter(module.parameters()), None) is not None and not list(module.children()):
            break
    raise UsageError(
        f"view: what a {type(model).__name__} takes cannot be told from its layers; give an example: "
        f"view(model, path, x)"
    )
