"""Text into words: numbers, names and signs, with their places."""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from koubai.errors import UsageError
from koubai.explain.table import columns

__all__ = ["Token", "refuse", "tokens_of"]

LONGEST = 4000
TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>∂?[^\W\d⁰¹²³⁴-⁹][^\W⁰¹²³⁴-⁹]*'*)"
    r"|(?P<sign>\.\.\.|==|!=|<=|>=|[-+*/^(),|=<>\[\]{}·∘])"
)
# Other ways to write the same, of the same length: also what Japanese input methods produce.
ALIKE = {ord(a): b for a, b in zip("×⋅∙•∗−–", "····*--")}
ALIKE |= {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | {0x3000: " "}
LONGER = {"≠": "!=", "≤": "<=", "≥": ">=", "∈": "in", "²": "^2", "³": "^3", "π": "pi", "**": "^"}


class Token(NamedTuple):
    """A word of the text; `end` is where it ends, and whether a space stands in front of it."""

    kind: str
    text: str
    start: int
    end: int
    spaced: bool


def tokens_of(text: str) -> list[Token]:
    """The words of a text, with an end behind the last one."""
    if len(text) > LONGEST:
        raise UsageError(f"formula: expected at most {LONGEST:,} characters, got {len(text):,}")
    alike = text.translate(ALIKE)
    found, at, spaced = [], 0, False
    while at < len(alike):
        longer = next((key for key in LONGER if alike.startswith(key, at)), None)
        if longer:
            for part in TOKEN.finditer(LONGER[longer]):
                found.append(Token(str(part.lastgroup), part.group(), at, at + len(longer), spaced))
                spaced = False
            at += len(longer)
            continue
        match = TOKEN.match(alike, at)
        if not match:
            refuse(text, at, f"{text[at]!r} has no meaning in a formula")
        if match.lastgroup == "space":
            spaced = True
        else:
            found.append(Token(str(match.lastgroup), match.group(), at, match.end(), spaced))
            spaced = False
        at = match.end()
    return [*found, Token("end", "", len(text), len(text), spaced)]


def refuse(text: str, at: int, says: str) -> NoReturn:
    """Raise a `UsageError` that shows the place."""
    start = max(0, at - 50)
    line = "".join(c if c.isprintable() else " " for c in text[start : at + 30])
    before = columns(line[: at - start])
    raise UsageError(f"formula: {says}, at character {at + 1}:\n    {line}\n    {' ' * before}^")
