"""From text to formula: the language in which op records write their formulas, and people theirs.

What it understands, loosest first::

    y = ...                       an equation (once)
    1 if x > 0 else 0             cases
    a and b   a or b   not a      conditions, of comparisons == != < <= > >= in
    a + b - c     -a              sums
    a b   a*b   a·b   a/b   A∘B   products, quotients, products of matrices element by element
    sum_i ...   sum_{j >= i} ...  big operators (also prod, max, min, argmax, argmin, any, all), up to the next + or -
    a^b   e^-x   A^T   A^-1       powers
    f(a, b)   |x|   x[i, j]       functions, absolute values, elements; sin x where the argument is one name or number
    x   w_jk   w_{1,2}   x'   2.5e-3
    dE/dw                         a partial derivative (a quotient with derivatives=False)

Where people would read a text in two ways it is refused: ``a/b c`` is neither (a/b) c nor a/(b c).
"""

from __future__ import annotations

import math
import re
from typing import NoReturn

from koubai.explain.formula.expression import (
    Abs,
    BigOperator,
    Call,
    Cases,
    Derivative,
    ElementwiseProduct,
    Expr,
    Index,
    Logic,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Relation,
    Sum,
    Symbol,
    Tuple,
)
from koubai.explain.formula.tokens import Token, refuse, tokens_of

__all__ = ["parse", "parse_list"]

DEEPEST = 100
BIG_OPERATORS = frozenset({"sum", "prod", "max", "min", "argmax", "argmin", "any", "all"})
COMPARISONS = ("==", "!=", "<=", ">=", "<", ">", "in")
#: Functions whose argument may do without parentheses.
APPLIED = frozenset({
    "Im", "Re", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "arg", "cbrt", "ceil", "conj", "cos",
    "cosh", "det", "erf", "erfc", "exp", "floor", "ln", "log", "log10", "log2", "round", "sign", "sin", "sinh", "sqrt",
    "tan", "tanh", "trunc",
})  # fmt: skip
WORDS = frozenset({"if", "else", "and", "or", "xor", "not", "in"})
DIFFERENTIAL = re.compile(r"d[^\W\d_](_\w+|\d*)'*/d[^_]|∂[^_].*/∂[^_]")
# How tightly things hold together.
EQUATION, CASES, OR, AND, NOT, COMPARISON, SUM, PRODUCT, POWER = range(9)


def parse(text: str, *, derivatives: bool = True) -> Expr:
    """The formula that a text says.

    Parameters
    ----------
    text : str
    derivatives : bool
        Whether ``dy/dx`` is a derivative, otherwise the quotient of two numbers named dy and dx.

    Raises
    ------
    UsageError
        If the text says none, or two at once; also for texts of more than 4,000 characters or 100 levels. The
        message shows the place.

    Examples
    --------
    >>> parse("y = a b + 1")
    Relation(left=Symbol(name='y', subscript=''), sign='=', right=Sum(terms=(Product(factors=(Symbol(name='a', subscript=''), Symbol(name='b', subscript=''))), Number(value=1))))
    """  # noqa: E501
    (found,) = _Parser(text, derivatives).read(several=False)
    return found


def parse_list(text: str) -> tuple[Expr, ...]:
    """The formulas that a text says, separated by commas.

    Examples
    --------
    >>> [str(f) for f in parse_list("dy/da = b, dy/db = a")]
    ['∂y/∂a = b', '∂y/∂b = a']
    """
    return _Parser(text, True).read(several=True)


class _Parser:
    """Reads by precedence: `expression` takes everything that holds together at least as tightly as asked."""

    def __init__(self, text: str, derivatives: bool) -> None:
        self.text, self.derivatives = text, derivatives
        self.tokens = tokens_of(text)
        self.at = 0
        self.depth = 0
        self.inside_bars = False

    # Tokens

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def took(self, *texts: str) -> bool:
        """Whether the next token is one of these; if so it is taken."""
        if self.next.kind in ("sign", "name") and self.next.text in texts:
            self.at += 1
            return True
        return False

    def expect(self, text: str, after: str) -> None:
        if not self.took(text):
            self.refuse(f"expected {text!r} {after}, got {self.shown()}")

    def shown(self) -> str:
        return "the end" if self.next.kind == "end" else repr(self.text[self.next.start : self.next.end])

    def refuse(self, says: str, at: int | None = None) -> NoReturn:
        refuse(self.text, self.next.start if at is None else at, says)

    # The whole

    def read(self, several: bool) -> tuple[Expr, ...]:
        found = [self.expression(EQUATION)]
        while several and self.took(","):
            found.append(self.expression(EQUATION))
        if self.next.kind != "end":
            self.refuse(f"expected an operator or the end, got {self.shown()}")
        return tuple(found)

    def expression(self, level: int) -> Expr:
        self.deeper(1)
        left = self.operators(self.first(), level)
        self.depth -= 1
        return left

    def deeper(self, by: int) -> None:
        self.depth += by
        if self.depth > DEEPEST:
            self.refuse(f"more than {DEEPEST} levels inside of each other")

    # What stands first

    def first(self) -> Expr:
        token = self.next
        if self.took("-"):
            return Negative(self.expression(PRODUCT))
        if self.took("+"):
            return self.expression(PRODUCT)
        if self.took("not"):
            return Logic("not", (self.expression(NOT),))
        return self.postfix(self.atom(token))

    def atom(self, token: Token) -> Expr:
        if token.kind == "number":
            return self.number()
        if token.kind == "name" and token.text not in WORDS:
            return self.name()
        if self.took("("):
            return self.parenthesized()
        if self.took("|"):
            outside, self.inside_bars = self.inside_bars, True
            inner = self.expression(CASES)
            self.expect("|", "to close the absolute value")
            self.inside_bars = outside
            return Abs(inner)
        if not self.took("..."):
            self.refuse(f"expected a number, a name or '(', got {self.shown()}")
        return Symbol("...")

    def number(self) -> Expr:
        token = self.take()
        value = float(token.text) if re.search(r"[.eE]", token.text) else int(token.text)
        if not math.isfinite(float(token.text)):
            self.refuse("this number is too large", token.start)
        return Number(value)

    def parenthesized(self) -> Expr:
        outside, self.inside_bars = self.inside_bars, False
        items = [self.expression(EQUATION)]
        while self.took(","):
            items.append(self.expression(EQUATION))
        self.expect(")", "to close the parenthesis")
        self.inside_bars = outside
        return items[0] if len(items) == 1 else Tuple(tuple(items))

    def arguments(self, end: str, after: str) -> tuple[Expr, ...]:
        outside, self.inside_bars = self.inside_bars, False
        found: list[Expr] = []
        while not found or self.took(","):
            found.append(self.expression(EQUATION if end == "}" else CASES))
        self.expect(end, after)
        self.inside_bars = outside
        return tuple(found)

    # Names: derivatives, big operators, functions, symbols

    def name(self) -> Expr:
        derivative = self.derivative() if self.derivatives or self.next.text[0] == "∂" else None
        if derivative:
            return derivative
        token = self.take()
        head, _, tail = token.text.partition("_")
        if head in BIG_OPERATORS and (len(tail) == 1 or (token.text[-1] == "_" and self.next.text == "{")):
            over = (Symbol(tail),) if tail else self.arguments_of_braces(token)
            return BigOperator(head, over, self.expression(PRODUCT))
        if self.next.text == "(" and (not self.next.spaced or token.text in APPLIED):
            self.take()
            given = self.arguments(")", f"after the arguments of {token.text}")
            return Abs(given[0]) if token.text == "abs" and len(given) == 1 else Call(token.text, given)
        if token.text in APPLIED:
            return Call(token.text, (self.bare_argument(token),))
        return self.symbol(token)

    def arguments_of_braces(self, token: Token) -> tuple[Expr, ...]:
        self.take()
        return self.arguments("}", f"after the indices of {token.text.rstrip('_')}")

    def bare_argument(self, token: Token) -> Expr:
        if self.next.kind not in ("number", "name") or self.next.text in WORDS | APPLIED:
            self.refuse(f"{token.text} needs an argument: {token.text}(x)")
        argument = self.number() if self.next.kind == "number" else self.postfix(self.symbol(self.take()))
        if self.next.text == "^":
            self.refuse(f"unclear: write {token.text}({argument}^...) or {token.text}({argument})^...")
        return argument

    def symbol(self, token: Token) -> Symbol:
        if token.text[0] == "∂":
            self.refuse("expected a derivative such as ∂E/∂w", token.start)
        if token.text[-1] == "_" and len(token.text) > 1 and self.next.text == "{" and not self.next.spaced:
            opening = self.take()
            while self.next.text != "}":
                if self.next.kind not in ("name", "number") and self.next.text != ",":
                    self.refuse(f"expected '}}' after the index of {token.text[:-1]}, got {self.shown()}")
                self.take()
            inner = self.text[opening.end : self.take().start].replace(" ", "")
            if not inner:
                self.refuse("expected an index", opening.end)
            return Symbol(token.text[:-1], inner)
        return Symbol.from_key(token.text)

    def derivative(self) -> Expr | None:
        """``dE/dw`` where two names stand like that, an index of the second included."""
        above, line, below = (*self.tokens[self.at : self.at + 3], self.tokens[-1], self.tokens[-1])[:3]
        names = above.kind == below.kind == "name" and line.text == "/"
        if not names or not DIFFERENTIAL.match(above.text + "/" + below.text):
            return None
        self.at += 3
        parts = [self.symbol(t._replace(text=t.text[1:])) for t in (above, below)]
        return Derivative(parts[0], self.postfix(parts[1]))

    # What follows

    def postfix(self, left: Expr) -> Expr:
        links = 0
        while self.next.text == "[" and not self.next.spaced:
            self.take()
            left = Index(left, self.arguments("]", "after the indices"))
            links += 1
            self.deeper(1)
        self.depth -= links
        return left

    def operators(self, left: Expr, level: int) -> Expr:
        """Take operators and what follows them, as long as they hold at least as tightly as `level`."""
        depth, open_kind = self.depth, ""  # the kind of list that the next operator may extend
        while True:
            token = self.next
            found = self.operator(level)
            if found is None:
                self.depth = depth
                return left
            self.deeper(1)
            if found == "juxtaposition" and open_kind == "/":
                self.refuse("unclear after a fraction: write (a/b) c or a/(b c)", token.start)
            if (found == "∘" and open_kind == "*") or (found in ("*", "juxtaposition") and open_kind == "∘"):
                self.refuse("unclear beside another product: write (A B) ∘ C or A (B ∘ C)", token.start)
            before = open_kind
            left, open_kind = self.combined(found, left, open_kind)
            if open_kind == before and open_kind in ("+", "*", "and", "or", "xor"):
                self.depth -= 1  # a longer list is not a deeper one

    def operator(self, level: int) -> str | None:
        """The next operator, taken, if it holds at least as tightly as `level`."""
        token = self.next
        text = {"·": "*"}.get(token.text, token.text)
        if text in BINDING and (token.kind == "sign" or text in WORDS):
            if BINDING[text] < level:
                return None
            self.take()
            return text
        begins = text in ("(", "...") or (token.kind == "name" and text not in WORDS)
        if (begins or (text == "|" and not self.inside_bars)) and level <= PRODUCT:
            return "juxtaposition"
        return None

    def combined(self, sign: str, left: Expr, open_kind: str) -> tuple[Expr, str]:
        if sign in ("+", "-"):
            term = self.expression(PRODUCT)
            term = term if sign == "+" else Negative(term)
            return Sum((*_items(left, Sum, open_kind == "+"), term)), "+"
        if sign in ("*", "juxtaposition"):
            factor = self.factor()
            return Product((*_items(left, Product, open_kind == "*"), factor)), "*"
        if sign == "/":
            return Quotient(left, self.factor()), "/"
        if sign == "∘":
            return ElementwiseProduct(left, self.factor()), "∘"
        if sign == "^":
            return Power(left, self.factor()), "^"
        if sign in ("and", "or", "xor"):
            condition = self.expression(BINDING[sign] + 1)
            return Logic(sign, (*_items(left, Logic, open_kind == sign), condition)), sign
        if sign == "if":
            return self.cases(left), "if"
        return self.relation(left, sign, open_kind), "="

    def factor(self) -> Expr:
        """What a product, a quotient or a power takes next, perhaps with a sign."""
        negative = self.took("-")
        if negative and self.next.text == "-":
            self.refuse("unclear: write parentheses around a negative number")
        return Negative(self.expression(POWER)) if negative else self.expression(POWER)

    def cases(self, value: Expr) -> Expr:
        values, conditions = [value], [self.expression(OR)]
        self.expect("else", "after the condition")
        otherwise = self.expression(OR)
        while self.took("if"):
            values.append(otherwise)
            conditions.append(self.expression(OR))
            self.expect("else", "after the condition")
            otherwise = self.expression(OR)
        return Cases(tuple(values), tuple(conditions), otherwise)

    def relation(self, left: Expr, sign: str, open_kind: str) -> Expr:
        if open_kind == "=":
            self.refuse("one comparison at a time: write a < b and b < c", self.tokens[self.at - 1].start)
        return Relation(left, sign, self.expression(BINDING[sign] + 1))


BINDING = {
    "=": EQUATION, "if": CASES, "or": OR, "xor": OR, "and": AND, "+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT,
    "∘": PRODUCT, "^": POWER, **dict.fromkeys(COMPARISONS, COMPARISON),
}  # fmt: skip


def _items(left: Expr, kind: type[Expr], extends: bool) -> tuple[Expr, ...]:
    return left.parts if extends and isinstance(left, kind) else (left,)
