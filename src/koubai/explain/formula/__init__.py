"""The language in which op records and people write formulas, and what explanations make of it.

A formula is text, such as ``y = 1/(1 + e^-x)``; `parse` makes a tree of it (an `Expr`), in which numbers can be put
for symbols, which can be evaluated, and which is rendered as text, LaTeX or MathML. How it is written: `language`.

Conventions of the records (`Words.formula`, `Words.derivative`):

- y (Y for a matrix) is the result; the inputs are named by `Words.symbols`.
- g (G for a matrix) is the upstream gradient, dE/dy; of several results g_ and G_ with their names. A derivative is
  either local, ``dy/dx = ...``, or a message, ``dE/dx = ...``, in which g stands; one for each input, separated by
  commas; ``0`` alone: no gradient at all.
- Capital letters are matrices: then ``A B`` is the product of matrices, ``A^T`` the transpose (of a complex matrix with
  the conjugate), ``A^-1`` the inverse, I the identity.
- e, pi and i (the imaginary unit) are numbers, except where they are names of inputs or indices.
- A comparison counts as 1 where it holds and as 0 elsewhere.
- What is neither result nor derivative defines a symbol that is used: ``F[i, j] = 1/(w[j] - w[i])``.
- Local derivatives are those of real numbers; of complex ones the message takes the conjugate.
"""

from koubai.explain.formula.evaluate import evaluate
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
    Text,
    Tuple,
    fold,
    free_symbols,
    substitute,
    times,
    walk,
)
from koubai.explain.formula.language import parse, parse_list
from koubai.explain.formula.latex import to_latex
from koubai.explain.formula.mathml import to_mathml
from koubai.explain.formula.plain import number_text, to_plain
from koubai.explain.formula.words import OpFormula, formula_of

__all__ = [
    "Abs",
    "Array",
    "BigOperator",
    "Call",
    "Cases",
    "Derivative",
    "ElementwiseProduct",
    "Expr",
    "Index",
    "Logic",
    "Negative",
    "Number",
    "OpFormula",
    "Power",
    "Product",
    "Quotient",
    "Relation",
    "Sum",
    "Symbol",
    "Text",
    "Tuple",
    "evaluate",
    "fold",
    "formula_of",
    "free_symbols",
    "number_text",
    "parse",
    "parse_list",
    "substitute",
    "times",
    "to_latex",
    "to_mathml",
    "to_plain",
    "walk",
]
