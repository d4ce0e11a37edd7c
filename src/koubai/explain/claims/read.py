"""Worked examples as files: a few lines of text, or a table.

The text form has one statement a line; ``#`` starts a comment::

    let x = 10                              what is given: a number or a list
    let y = 20
    z = x*y                                 what is computed from it
    step z rate 0.1 over x y                what a step of gradient descent does: x' = x - 0.1 dz/dx
    claim z = 200                           what is claimed
    claim dz/dx, dz/dy = 20, 10
    claim z after 3 steps = 81.3

The table (CSV) has the columns kind, name, value; the kinds are let, define, step and claim. The value of a step is its
rate, its name ``z over x y``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from koubai.errors import DataError, KoubaiError, UsageError
from koubai.explain.claims.example import Descent
from koubai.explain.claims.expressions import FUNCTIONS, Expression, parse, plainly
from koubai.graph import value_of

__all__ = ["Program", "Stated", "claims_of", "read_program"]

LARGEST = 1_000_000
NAME = re.compile(r"[^\W\d]\w*")
EQUALS = re.compile(r"=\s*[≈≒]|[=≈≒]")
STEP = re.compile(r"(\S+)\s+rate\s+(\S+)\s+over\s+(.+)")


@dataclass(frozen=True, slots=True)
class Stated:
    """One claim as it was written.

    Attributes
    ----------
    name : str
    value : str, number or array
    line : int or None
    """

    name: str
    value: Any
    line: int | None = None


@dataclass(slots=True)
class Program:
    """What a file or text says: values, formulas, a step, claims."""

    start: dict[str, Any] = field(default_factory=dict)
    formulas: list[tuple[str, Expression]] = field(default_factory=list)
    descent: Descent | None = None
    claims: list[Stated] = field(default_factory=list)

    def let(self, name: str, text: str) -> None:
        self.start[self._free(name)] = value_of(parse(text)(self.start))

    def define(self, name: str, text: str) -> None:
        self.formulas.append((self._free(name), parse(text)))

    def _free(self, name: str) -> str:
        name = name.strip()
        if not NAME.fullmatch(name) or name in FUNCTIONS:
            taken = f"{name!r} is a function" if name in FUNCTIONS else f"{name!r} is no name"
            raise UsageError(f"{taken}; a name is made of letters, digits and _, such as net_h1")
        if name in self.start or name in dict(self.formulas):
            raise UsageError(f"{name!r} is defined already; give the new quantity a name of its own, such as {name}_2")
        return name

    def step(self, target: str, rate: str, over: str) -> None:
        try:
            self.descent = Descent(target, float(rate), tuple(over.replace(",", " ").split()))
        except ValueError:
            raise UsageError(f"step: the rate must be a number, got {rate!r}") from None

    def claim(self, name: str, value: str, line: int | None) -> None:
        names, values = _parts(name), _parts(value)
        if len(names) == 1:
            self.claims.append(Stated(name.strip(), value.strip(), line))
        elif len(names) == len(values):
            self.claims += [Stated(n, v, line) for n, v in zip(names, values)]
        else:
            raise UsageError(f"claim: {len(names)} names and {len(values)} values")


def _parts(text: str) -> list[str]:
    """What commas divide, those in brackets aside."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in "([") - (sign in ")]")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def read_program(source: str | PathLike[str]) -> Program:
    """The program of a file (a path), or of a text.

    Raises
    ------
    DataError
        With file and line, if a line cannot be understood.
    """
    where, text = ("", source) if isinstance(source, str) else _file(source)
    program = Program()
    lines = _table(text, ("kind", "name", "value")) if where.lower().endswith(".csv") else None
    for number, entry in lines if lines is not None else enumerate(text.splitlines(), 1):
        try:
            if isinstance(entry, str):
                _statement(program, plainly(entry).partition("#")[0].strip(), number)
            else:
                _row(program, entry, number)
        except KoubaiError as error:
            place = f"{where}, line {number}" if where else f"line {number}"
            raise DataError(f"{place}: {error}") from None
    if not program.start and not program.formulas:
        raise DataError(f"{where or 'the example'}: there is nothing to compute; write lines such as: let x = 10")
    return program


def _file(path: PathLike[str]) -> tuple[str, str]:
    where = fspath(path)
    try:
        if Path(path).stat().st_size > LARGEST:
            raise DataError(f"{where}: more than {LARGEST:,} bytes; an example is a short text")
        return where, Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{where}: this is no text in UTF-8") from None
    except OSError as error:
        raise DataError(f"{where}: {error.strerror or error}") from None


def _statement(program: Program, line: str, number: int) -> None:
    if not line:
        return
    word, _, rest = line.partition(" ")
    if word == "step":
        match = STEP.fullmatch(rest.strip())
        if match is None:
            raise UsageError(f"step: expected as in 'step E rate 0.5 over w1 w2', got {line!r}")
        program.step(*match.groups())
        return
    kind = word if word in ("let", "claim") else "define"
    left, sign, right = _equation(rest if kind != "define" else line, kind == "claim")
    if not sign:
        if kind != "define" or any(name == "output" for name, _ in program.formulas):
            raise UsageError(f"expected NAME = VALUE, got {line!r}")
        left, right = "output", line
    _do(program, kind, left, right, number)


def _equation(text: str, keeps: bool) -> tuple[str, str, str]:
    """Name, sign and value, the sign being =, ≈ or both; a claimed value keeps its ≈."""
    match = EQUALS.search(text)
    if match is None:
        return text, "", ""
    value, sign = text[match.end() :], match.group()
    about = "≈" * (keeps and sign != "=")
    return text[: match.start()], sign, ", ".join(about + part for part in _parts(value)) if about else value


def _do(program: Program, kind: str, name: str, value: str, number: int) -> None:
    if kind == "let":
        program.let(plainly(name), value)
    elif kind == "define":
        program.define(plainly(name), value)
    else:
        program.claim(name, value, number)


def _row(program: Program, row: dict[str, str], number: int) -> None:
    kind = row["kind"].strip().lower()
    if kind == "step":
        target, _, over = row["name"].partition(" over ")
        program.step(target.strip(), row["value"].strip(), over)
    elif kind in ("let", "define", "claim"):
        _do(program, kind, row["name"], row["value"], number)
    else:
        raise UsageError(f"kind: expected let, define, step or claim, got {row['kind']!r}")


def _table(text: str, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(text.splitlines())
    head = [cell.strip().lower() for cell in next(reader, [])]
    missing = [name for name in columns if name not in head]
    if missing:
        raise DataError(f"the table has no column {', '.join(missing)}; its first line must be {','.join(columns)}")
    for row in reader:
        if any(cell.strip() for cell in row):
            cells = dict(zip(head, row))
            yield reader.line_num, {name: cells.get(name, "") for name in columns}


def claims_of(claims: Any) -> list[Stated]:
    """Claims from a dict, pairs, lines of text, a table with the columns name and value, or a file with either.

    Raises
    ------
    DataError, UsageError
        If they have another form.
    """
    if isinstance(claims, Mapping):
        return [Stated(str(name), value) for name, value in claims.items()]
    if isinstance(claims, PathLike):
        claims = _file(claims)[1]
    if isinstance(claims, str):
        first = next(iter(claims.strip().splitlines()), "")
        if {"name", "value"} <= {cell.strip().lower() for cell in first.split(",")}:
            rows = _table(claims.strip(), ("name", "value"))
            return [Stated(row["name"].strip(), row["value"].strip(), number) for number, row in rows]
        program = Program()
        for number, line in enumerate(claims.splitlines(), 1):
            text = plainly(line).partition("#")[0].strip().removeprefix("claim ")
            left, sign, right = _equation(text, True)
            if text and not sign:
                raise DataError(f"claims, line {number}: expected NAME = NUMBER, got {line!r}")
            if text:
                program.claim(left, right, number)
        return program.claims
    try:
        return [Stated(str(name), value) for name, value in claims]
    except (TypeError, ValueError):
        raise UsageError(
            f"claims: expected lines such as 'dz/dx = 10', a dict, or a path; got {type(claims).__name__}"
        ) from None
