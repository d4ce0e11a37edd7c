"""Where parentheses, dots and spaces belong, for every way of rendering a formula."""

from __future__ import annotations

from koubai.explain.formula.expression import (
    Abs,
    Array,
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
    walk,
)

__all__ = ["GREEK", "is_constant", "is_transpose", "needs_dot", "needs_space", "split_name", "wraps"]

# How tightly what a formula is made of holds together, as in `language`.
EQUATION, CASES, OR, AND, NOT, COMPARISON, SUM, PRODUCT, POWER, ATOM = range(10)
#: Names that are shown as one letter.
GREEK = frozenset({
    "Delta", "Gamma", "Lambda", "Omega", "Phi", "Pi", "Psi", "Sigma", "Theta", "Upsilon", "Xi", "alpha", "beta", "chi",
    "delta", "epsilon", "eta", "gamma", "iota", "kappa", "lambda", "mu", "nu", "omega", "phi", "pi", "psi", "rho",
    "sigma", "tau", "theta", "upsilon", "xi", "zeta",
})  # fmt: skip
LEVELS: dict[type[Expr], int] = {
    Cases: CASES, Sum: SUM, Negative: SUM, Product: PRODUCT, ElementwiseProduct: PRODUCT, Quotient: PRODUCT,
    BigOperator: PRODUCT, Power: POWER,
}  # fmt: skip
LOGIC = {"or": OR, "xor": OR, "and": AND, "not": NOT}


def level(node: Expr) -> int:
    """How tightly a formula holds together as a line of text."""
    if isinstance(node, Relation):
        return EQUATION if node.sign == "=" else COMPARISON
    if isinstance(node, Logic):
        return LOGIC[node.word]
    if isinstance(node, Number):
        return SUM if isinstance(node.value, complex) or str(node.value).startswith("-") else ATOM
    return LEVELS.get(type(node), ATOM)


def wraps(parent: Expr, k: int, *, printed: bool = False) -> bool:
    """Whether part number k of a formula needs parentheses.

    `printed`: as a formula is set in a book, with fractions, raised exponents and lowered indices.
    """
    child = parent.parts[k]
    inner = level(child)
    if isinstance(parent, (Call, Tuple)) or (isinstance(parent, BigOperator) and k < len(parent.over)):
        return inner == EQUATION and isinstance(parent, Call)
    if isinstance(parent, (Quotient, Power, Index)):
        return _wraps_raised(parent, k, child, inner, printed)
    if isinstance(parent, Relation):
        return isinstance(child, (Relation, Logic)) or inner <= (EQUATION if parent.sign == "=" else COMPARISON)
    if isinstance(parent, Logic):
        return inner < NOT if parent.word == "not" else inner <= LOGIC[parent.word]
    if isinstance(parent, Cases):
        return inner <= CASES
    if isinstance(parent, Abs):
        return inner == EQUATION
    if isinstance(parent, Derivative):
        return not isinstance(child, (Symbol, Index))
    if isinstance(parent, Sum):
        bare = k == 0 or isinstance(child, Negative)  # which becomes a difference
        return inner < SUM or (inner == SUM and (isinstance(child, Sum) or not bare))
    if isinstance(parent, (BigOperator, Negative)):
        return inner <= SUM
    if isinstance(child, BigOperator) and isinstance(parent, Product):
        return k < len(parent.factors) - 1
    if printed and isinstance(child, Quotient):
        return False
    return inner <= PRODUCT


def _wraps_raised(parent: Expr, k: int, child: Expr, inner: int, printed: bool) -> bool:
    """The parts of a fraction, a power or an element."""
    if isinstance(parent, Index) and k > 0:
        return inner == EQUATION
    if printed and (isinstance(parent, Quotient) or k > 0):
        return False
    fraction = isinstance(child, Derivative) or (printed and isinstance(child, Quotient))
    if isinstance(parent, Quotient):
        if k == 0 and isinstance(child, Product):
            return _ends_open(child)
        return inner <= PRODUCT or fraction
    if isinstance(parent, Index):
        return inner < ATOM or fraction
    if k > 0:
        bare = child.of if isinstance(child, Negative) else child
        return level(bare) < ATOM or isinstance(bare, Derivative)
    return inner <= POWER or fraction


def _ends_open(product: Product) -> bool:
    """Whether what is written behind it would belong to a big operator."""
    return isinstance(product.factors[-1], BigOperator)


def is_constant(node: Expr) -> bool:
    """Whether no symbol stands in it."""
    return not any(isinstance(part, Symbol) for part in walk(node))


def needs_dot(left: Expr, right: Expr, text: str) -> bool:
    """Whether two factors need a dot between them; `text` is the second one as it is rendered."""
    if any(isinstance(x, (Array, Derivative)) for x in (left, right)) or text[:1].isdigit() or text[:1] == ".":
        return True
    return is_constant(left) and is_constant(right)


def needs_space(left: Expr, right: Expr) -> bool:
    """Whether two factors would run together in print: words, where one would read a product of letters."""
    names = (x.name for x in (_last(left), _first(right)) if isinstance(x, (Symbol, Call)))
    return any(len(name) > 1 and name not in GREEK for name in names)


def _first(node: Expr) -> Expr:
    while isinstance(node, (Power, Index)):
        node = node.parts[0]
    return node


def _last(node: Expr) -> Expr:
    return node.of if isinstance(node, Index) else node


def split_name(name: str) -> tuple[str, str]:
    """A function's name and its index: I_0 has one, sum_to has none."""
    stem, _, index = name.partition("_")
    return (stem, index) if stem and (index.isdigit() or len(index) == 1) else (name, "")


def is_transpose(node: Power) -> bool:
    """Whether a power is a transpose, as A^T or A^-T: of something in capital letters."""
    exponent = node.exponent.of if isinstance(node.exponent, Negative) else node.exponent
    if exponent != Symbol("T"):
        return False
    return any(isinstance(part, Symbol) and part.name[:1].isupper() for part in walk(node.base))
