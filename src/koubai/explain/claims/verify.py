"""verify_example: claims against what is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from os.path import isfile
from typing import Any

import numpy as np

from koubai.errors import DTypeError, KoubaiError, UsageError
from koubai.explain.claims.example import Descent, Example, of_formulas, of_function, of_model
from koubai.explain.claims.printed import Printed, printed
from koubai.explain.claims.quantity import Derivative, Quantity, quantity
from koubai.explain.claims.read import Program, Stated, claims_of, read_program
from koubai.explain.claims.report import Claim, ClaimReport, Language
from koubai.explain.claims.slips import common_factor, find_slip
from koubai.nn import Module

__all__ = ["verify_example"]

Checked = tuple[Claim, Quantity | None, Printed | None, bool]


def verify_example(
    example: str | PathLike[str] | Callable[..., Any] | Module,
    claims: Any = None,
    values: Mapping[str, Any] | None = None,
    *,
    data: Any = None,
    loss: Any = None,
    rate: float | None = None,
    over: Sequence[str] = (),
    lang: Language = "en",
) -> ClaimReport:
    """Verify the numbers of a worked example: which are right, and which slip made the wrong ones.

    Parameters
    ----------
    example : str, path, function, or Module
        A formula, or lines of ``let x = 10`` and ``z = x*y`` (see `koubai.explain.claims.read`), or a file of these,
        given as a ``Path``, since a str is always the text itself: read by a parser of its own, never run. A function
        of named arguments that returns a tensor: the names of its local variables are names of the example, what it
        returns is ``output``. A network: parameters have their paths, layers theirs, outputs are ``y``, the loss is
        ``E``.
    claims : dict, lines of text, table, or path
        Names and numbers: ``z``, ``dz/dx``, ``dz/dW[0, 1]``, ``w'`` for w after a step, ``E after 3 steps``, or a
        formula of these. A table has the columns name and value. By default the lines ``claim dz/dx = 20`` of the
        example.
    values : dict, optional
        Of the given quantities, by name.
    data : (x, t), optional
    loss : str or callable, optional
        For a network, as in `koubai.fit`. It is computed in float64.
    rate : float, optional
        Of a step of gradient descent on the last quantity (of a network: on its loss).
    over : sequence of str
        What moves in that step; by default everything that is given (of a network: its parameters).
    lang : {"en", "ja"}
        Of the report's text.

    Returns
    -------
    ClaimReport
        A claim is right if it equals the computed number within its printed digits: 0.3775 stands for 0.37745 to
        0.37755; a whole number or a fraction is meant exactly.

    Raises
    ------
    DataError, UsageError
        If the example or the claims cannot be read.

    Examples
    --------
    >>> import koubai as kb
    >>> report = kb.verify_example("z = x*y", "z = 200\\ndz/dx, dz/dy = 20, 20.0", {"x": 10, "y": 20})
    >>> print(report)
           claim  printed  computed  note
    right  z      200      200
    right  dz/dx  20       20
    WRONG  dz/dy  20.0     10        a product passes its input on as it is, instead of swapping its two inputs
    2 of 3 claims are right, 1 wrong
    >>> square = lambda w, x: (w * x - 5) ** 2
    >>> kb.verify_example(square, {"dw": -4, "w'": 2.4}, {"w": 2, "x": 2}, rate=0.1, over=["w"]).ok
    True
    """
    if lang not in ("en", "ja"):
        raise UsageError(f"verify_example: lang must be 'en' or 'ja', got {lang!r}")
    with _hinting(example):
        built, stated = _built(example, values or {}, data, loss, rate, tuple(over))
    with _hinting(claims):
        stated = claims_of(claims) if claims is not None else stated
    if not stated:
        raise UsageError("verify_example: nothing is claimed; give claims, such as {'dz/dx': 20}")
    return ClaimReport(tuple(claim for claim, *_ in _explained([_check(s, built) for s in stated])), lang)


@contextmanager
def _hinting(text: Any) -> Iterator[None]:
    """A text is never taken for a path; where it cannot be read and is one, the message says what to give."""
    try:
        yield
    except KoubaiError as error:
        if isinstance(text, str) and isfile(text):
            raise UsageError(f"{error}; this is the name of a file: to read it, give Path({text!r})") from None
        raise


def _built(
    example: Any, values: Mapping[str, Any], data: Any, loss: Any, rate: float | None, over: tuple[str, ...]
) -> tuple[Example, list[Stated]]:
    if isinstance(example, Module):
        if data is None or loss is None:
            raise UsageError("verify_example: of a network the data and the loss are needed: data=(x, t), loss='mse'")
        return of_model(example, data, loss, rate), []
    if isinstance(example, (str, PathLike)):
        program = read_program(example)
        program.start.update({name: value for name, value in values.items() if name not in program.start})
        _refuse_both(program, values)
        target = program.formulas[-1][0] if program.formulas else next(reversed(program.start))
        descent = _descent(rate, over, target, program.start) or program.descent
        return of_formulas(program.start, program.formulas, descent), program.claims
    if callable(example):
        return of_function(example, values, _descent(rate, over, "output", values)), []
    raise DTypeError(f"verify_example: expected a formula, a path, a function or a model, got {type(example).__name__}")


def _refuse_both(program: Program, values: Mapping[str, Any]) -> None:
    both = [name for name in values if name in dict(program.formulas)]
    if both:
        raise UsageError(f"verify_example: {both[0]!r} has a value and a formula; leave one out")


def _descent(rate: float | None, over: tuple[str, ...], target: str, start: Mapping[str, Any]) -> Descent | None:
    return None if rate is None else Descent(target, float(rate), over or tuple(start))


def _check(stated: Stated, example: Example) -> Checked:
    try:
        claim = printed(stated.value)
        shown = claim.text
        what = quantity(stated.name, example)
        right = what.compute()
        right = np.asarray(getattr(right, "value", right))[()]
    except KoubaiError as error:
        text = stated.value if isinstance(stated.value, str) else repr(stated.value)
        note = str(error)
        return Claim(stated.name, text, "unknown", None, None, note, note, stated.line), None, None, False
    if claim.value.ndim and claim.value.shape != np.shape(right):
        note = f"the shape is {np.shape(right)}, not {claim.value.shape}"
        ja = f"形状は {claim.value.shape} ではなく {np.shape(right)}"
        return Claim(stated.name, shown, "wrong", right, "shape", note, ja, stated.line), None, None, False
    if claim.fits(right):
        return Claim(stated.name, shown, "right", right, line=stated.line), what, claim, False
    slip = find_slip(what, claim, right)
    found = Claim(stated.name, shown, "wrong", right, line=stated.line)
    if slip is not None:
        found = replace(found, slip=slip.key, en=slip.en, ja=slip.ja)
    return found, what, claim, slip is None or slip.weak


def _explained(checked: list[Checked]) -> list[Checked]:
    """The same, with the slips that explain several claims at once."""
    groups: dict[str, list[int]] = {}
    for i, (_, what, _, open_) in enumerate(checked):
        if open_ and isinstance(what, Derivative):
            groups.setdefault(what.name, []).append(i)
    for name, members in groups.items():
        pairs = [(claim, checked[i][0].computed) for i in members if (claim := checked[i][2]) is not None]
        slip = common_factor(pairs, name)
        for i in members if slip is not None else ():
            assert slip is not None
            found, what, claim, _ = checked[i]
            checked[i] = replace(found, slip=slip.key, en=slip.en, ja=slip.ja), what, claim, False
    return checked
