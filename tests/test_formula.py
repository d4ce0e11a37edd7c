"""The language of formulas: reading, writing in three ways, putting in, evaluating, refusing."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import koubai as kb
from koubai.explain.formula import (
    Abs,
    Array,
    BigOperator,
    Call,
    Cases,
    Derivative,
    ElementwiseProduct,
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
    parse,
    parse_list,
    times,
    to_latex,
    to_mathml,
    to_plain,
)

x, y, z = map(Symbol, "xyz")

TREES = {
    "a b + c": Sum((Product((Symbol("a"), Symbol("b"))), Symbol("c"))),
    "a - b": Sum((Symbol("a"), Negative(Symbol("b")))),
    "-x^2": Negative(Power(x, Number(2))),
    "(-x)^2": Power(Negative(x), Number(2)),
    "x^-1": Power(x, Negative(Number(1))),
    "x^y^z": Power(x, Power(y, z)),
    "x y/z": Quotient(Product((x, y)), z),
    "x/(y z)": Quotient(x, Product((y, z))),
    "x/y/z": Quotient(Quotient(x, y), z),
    "2x": Product((Number(2), x)),
    "2*3": Product((Number(2), Number(3))),
    "x (y)": Product((x, y)),
    "f(y)": Call("f", (y,)),
    "sin (x)": Call("sin", (x,)),
    "sin x + ln 2": Sum((Call("sin", (x,)), Call("ln", (Number(2),)))),
    "w_jk + w_{1,2}": Sum((Symbol("w", "jk"), Symbol("w", "1,2"))),
    "learning_rate": Symbol("learning", "rate"),
    "dE/dw_jk": Derivative(Symbol("E"), Symbol("w", "jk")),
    "∂E/∂x[i]": Derivative(Symbol("E"), Index(x, (Symbol("i"),))),
    "delta/dose": Quotient(Symbol("delta"), Symbol("dose")),
    "|x| |y|": Product((Abs(x), Abs(y))),
    "||x| - y|": Abs(Sum((Abs(x), Negative(y)))),
    "sum_i x[i] y[i] + z": Sum((BigOperator("sum", (Symbol("i"),), Product((Index(x, (Symbol("i"),)),
                                                                            Index(y, (Symbol("i"),))))), z)),
    "max_{i in p} x": BigOperator("max", (Relation(Symbol("i"), "in", Symbol("p")),), x),
    "max(x, y)": Call("max", (x, y)),
    "1 if x > 0 else y if x < 0 else z": Cases(
        (Number(1), y), (Relation(x, ">", Number(0)), Relation(x, "<", Number(0))), z
    ),
    "not x and y or z": Logic("or", (Logic("and", (Logic("not", (x,)), y)), z)),
    "x ∘ (y z)": ElementwiseProduct(x, Product((y, z))),
    "(y, z) = f(x)": Relation(Tuple((y, z)), "=", Call("f", (x,))),
    "f(x_1, ..., x_n)": Call("f", (Symbol("x", "1"), Symbol("..."), Symbol("x", "n"))),
    "ｘ＋２＊ｙ": Sum((x, Product((Number(2), y)))),  # full-width signs
    "x²": Power(x, Number(2)),
    "x**2": Power(x, Number(2)),
    "x ≤ y": Relation(x, "<=", y),
    "1.5e-3": Number(0.0015),
}  # fmt: skip


@pytest.mark.parametrize("text", TREES)
def test_a_text_is_read_as_people_read_it(text):
    assert parse(text) == TREES[text]


def test_a_derivative_is_a_quotient_where_names_may_begin_with_d():
    assert parse("dy/dx", derivatives=False) == Quotient(Symbol("dy"), Symbol("dx"))
    assert [str(f) for f in parse_list("dy/da = f(a, b), 0")] == ["∂y/∂a = f(a, b)", "0"]


NAMES = st.sampled_from(["x", "y", "alpha", "w_jk", "w_{1,2}", "x'", "重み", "lo"])
SYMBOLS = NAMES.map(lambda name: parse(name))
NUMBERS = st.one_of(st.integers(0, 10**20), st.floats(0, 1e300, allow_subnormal=False)).map(Number)
LEAVES = st.one_of(SYMBOLS, NUMBERS, st.just(Derivative(Symbol("E"), Symbol("w", "1"))))


def _larger(part):
    two, many = st.tuples(part, part), st.lists(part, min_size=2, max_size=3).map(tuple)
    comparison = st.builds(Relation, part, st.sampled_from(["==", "!=", "<", ">=", "in"]), part)
    condition = st.one_of(comparison, st.builds(Logic, st.sampled_from(["and", "or", "xor"]), many))
    return st.one_of(
        many.map(Sum), many.map(Product), part.map(Negative), two.map(lambda p: Quotient(*p)),
        two.map(lambda p: Power(*p)), two.map(lambda p: ElementwiseProduct(*p)), part.map(Abs), condition,
        st.builds(lambda c: Logic("not", (c,)), part), st.builds(Call, st.sampled_from(["sin", "f", "I_0"]), many),
        st.builds(Index, part, many), many.map(Tuple),
        st.builds(lambda v, c, o: Cases((v,), (c,), o), part, part, part),
        st.builds(lambda name, over, body: BigOperator(name, (over,), body),
                  st.sampled_from(["sum", "max"]), st.one_of(SYMBOLS, comparison), part),
    )  # fmt: skip


FORMULAS = st.recursive(LEAVES, _larger, max_leaves=10)


@given(FORMULAS)
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read_back(formula):
    assert parse(to_plain(formula)) == formula


@given(FORMULAS)
@settings(max_examples=100, deadline=None)
def test_every_formula_is_balanced_latex_and_well_formed_mathml(formula):
    _check_latex(to_latex(formula, digits=6))
    _check_mathml(to_mathml(formula, digits=6))


def _check_latex(text):
    """Braces, delimiters and environments that close in the order in which they opened."""
    bare = re.sub(r"\\[{}\\]", "  ", text)
    stack = []
    for word in re.findall(r"\\left|\\right|\\begin\{\w+\}|\\end\{\w+\}|[{}]", bare):
        if word in ("{", "\\left") or word.startswith("\\begin"):
            stack.append(word)
        else:
            opened = stack.pop()
            expected = {"}": "{", "\\right": "\\left"}.get(word, word.replace("\\end", "\\begin"))
            assert opened == expected, text
    assert not stack, text
    for command in re.findall(r"\\([A-Za-z]+)", bare):
        assert command in KNOWN_COMMANDS or command in GREEK_COMMANDS, command
    double = r"(?:[_^](?:[A-Za-z0-9]|\{(?:[^{}]|\{[^{}]*\})*\})){3}"
    assert not re.search(double, bare), text


KNOWN_COMMANDS = {
    "arccos", "arcsin", "arctan", "begin", "bigvee", "bigwedge", "cdot", "cdots", "cos", "cosh", "det", "end", "exp",
    "frac", "geq", "in", "infty", "lceil", "ldots", "left", "leq", "lfloor", "ln", "log", "mathit", "mathrm", "mathsf",
    "max", "min", "neg", "neq", "odot", "operatorname", "oplus", "overline", "partial", "prod", "rceil", "rfloor",
    "right", "sin", "sinh", "sqrt", "sum", "tan", "tanh", "text", "textasciicircum", "textasciitilde", "textbackslash",
    "times", "underset", "vdots", "vee", "wedge",
}  # fmt: skip
GREEK_COMMANDS = {"alpha", "theta", "sigma", "pi", "Gamma", "psi", "Phi", "delta", "Delta"}
ELEMENTS = {"math", "mrow", "mi", "mn", "mo", "mtext", "msub", "msup", "mfrac", "msqrt", "mroot", "munder", "mover",
            "mtable", "mtr", "mtd", "mspace"}  # fmt: skip
CHILDREN = {"msub": 2, "msup": 2, "mfrac": 2, "mroot": 2, "munder": 2, "mover": 2}


def _check_mathml(text):
    space = "{http://www.w3.org/1998/Math/MathML}"
    for element in ElementTree.fromstring(text).iter():
        name = element.tag.removeprefix(space)
        assert name in ELEMENTS, name
        assert len(element) == CHILDREN.get(name, len(element)), text
        if name in ("mi", "mn", "mo", "mtext"):
            assert len(element) == 0


def test_numbers_that_are_put_in_stand_in_parentheses_where_they_must():
    shown = lambda text, **values: to_plain(parse(text).substitute(values), digits=6)
    assert shown("a b", a=-2.0, b=3.0) == "(-2) · 3"
    assert shown("a b", a=2, b=-3) == "2 · (-3)"
    assert shown("y (1 - y)", y=1 / 3) == "0.333333 · (1 - 0.333333)"
    assert shown("a - b", a=-2, b=-3) == "-2 - (-3)"
    assert shown("a^2", a=-1.5) == "(-1.5)^2"
    assert shown("a^b", a=2, b=-1) == "2^(-1)"
    assert shown("-a", a=-1e-7) == "-(-1e-7)"
    assert shown("a x", a=1j) == "(0 + 1i) x"
    assert shown("x a", a=2) == "x · 2"
    assert shown("a/b", a=np.float32(0.1), b=3) == "0.1/3"
    assert parse("a").substitute({"a": 0.1 + 0.2}) == Number(0.1 + 0.2)


def test_arrays_that_are_put_in_are_summarized():
    small = parse("A b").substitute({"A": np.array([[1.0, 2.0], [3.0, 4.5]]), "b": np.array([1, -1])})
    assert to_plain(small) == "[[1, 2], [3, 4.5]] · [1, -1]"
    assert (
        to_latex(small) == r"\begin{pmatrix} 1 & 2 \\ 3 & 4.5 \end{pmatrix} \cdot \begin{pmatrix} 1 & -1 \end{pmatrix}"
    )
    large = parse("x").substitute({"x": np.arange(60.0).reshape(3, 4, 5)})
    assert to_plain(large) == "[[0, 1, 2, 3, ...], [5, 6, 7, 8, ...], [10, 11, 12, 13, ...], ...] (3 × 4 × 5)"
    for array in (np.zeros((0, 3)), np.zeros(0), np.zeros((2, 2, 2)), np.ones((9, 9)), np.array([True, False])):
        formula = Product((Array(array), x))
        _check_latex(to_latex(formula))
        _check_mathml(to_mathml(formula))
        assert to_plain(formula)


def test_substitution_keeps_names_of_derivatives_and_indices_of_sums():
    assert str(parse("dy/dx = x y").substitute({"x": 2, "y": 3})) == "∂y/∂x = 2 · 3"
    assert str(parse("dy/dx = x y").substitute({"x": Symbol("u"), "y": Symbol("h", "1")})) == "∂h_1/∂u = u h_1"
    assert str(parse("i + sum_i x[i]").substitute({"i": 2, "x": Symbol("w")})) == "2 + sum_i w[i]"
    assert str(parse("sum_{j >= i} g[j]").substitute({"i": 2, "j": 7})) == "sum_{j >= 2} g[j]"


LATEX = {
    "dE/dw_jk = y_j delta_k": r"\frac{\partial E}{\partial w_{jk}} = y_{j} \delta_{k}",
    "dE/dA = G B^T": r"\frac{\partial E}{\partial A} = G B^{\mathsf{T}}",
    "A^-T": r"A^{-\mathsf{T}}",
    "x^T": "x^{T}",
    "sqrt(1 - x^2)/2": r"\frac{\sqrt{1 - x^{2}}}{2}",
    "1 if x > 0 else 0": r"\begin{cases} 1 & (x > 0) \\ 0 & (\text{otherwise}) \end{cases}",
    "x[i, j]^2": "{x_{i, j}}^{2}",
    "sum_{j >= i} g[j]": r"\sum_{j \geq i} g_{j}",
    "(a/b) c": r"\frac{a}{b} c",
    "(a/b)^2": r"\left(\frac{a}{b}\right)^{2}",
    "a (b + c)": r"a \left(b + c\right)",
    "p stride + k": r"p \, \mathit{stride} + k",
    "sum_to(g, I_0(x))": r"\operatorname{sum\_to}\left(g, I_{0}\left(x\right)\right)",
    "1e-7 x": r"1 \times 10^{-7} x",
    "learning_rate": r"\mathit{learning}_{rate}",
    "θ": r"\theta",
    "Δ": r"\Delta",
    "x'": "x'",
    "arsinh_2(x)": r"\mathit{arsinh}_{2}\left(x\right)",
}


@pytest.mark.parametrize("text", LATEX)
def test_latex(text):
    assert to_latex(parse(text)) == LATEX[text]
    _check_latex(LATEX[text])


def test_matplotlib_sets_our_latex():
    """An independent reader of the part of LaTeX that it knows."""
    mathtext = pytest.importorskip("matplotlib.mathtext")
    read = mathtext.MathTextParser("path").parse
    for text in LATEX:
        written = to_latex(parse(text))
        if "cases" not in written:
            read(f"${written}$")


def test_words_of_cases_are_in_the_language_of_the_reader():
    relu = parse("1 if x > 0 else 0")
    assert "それ以外" in to_latex(relu, lang="ja")
    assert "それ以外" in to_mathml(relu, lang="ja")


HOSTILE = ["<script>alert(1)</script>", "a&b", "\\input{/etc/passwd}", "$x$ % _^~#{}", "]]>", "\x00\x1b[31m", "\"'><"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_never_becomes_markup(text):
    for formula in (Symbol(text), Symbol("x", text), Call(text, (x,)), Text(text), BigOperator(text, (x,), y)):
        latex, mathml = to_latex(formula), to_mathml(formula)
        _check_latex(latex)
        _check_mathml(mathml)
        assert "<script" not in mathml
        assert "\\input" not in latex
        assert not re.search(r"(?<!\\)[$%#&~]", latex)


def test_values():
    value = lambda text, **values: parse(text).evaluate(values)
    assert value("2 (x + 1)^2/3 - -x", x=2) == 8.0
    assert value("|x| max(x, y, 1)", x=-2, y=0.5) == 2.0
    assert value("1/x", x=0) == np.inf
    assert np.isnan(value("x^0.5", x=-1))
    assert value("e^(i pi)") == pytest.approx(-1)
    assert value("polygamma(1, x)", x=1) == pytest.approx(np.pi**2 / 6)
    assert value("round(x, 2)", x=0.126) == 0.13
    np.testing.assert_array_equal(
        value("1 if x > 0 and not x == 2 else -1 if x < 0 else 0", x=np.array([-3.0, 0.0, 1.0, 2.0])), [-1, 0, 1, 0]
    )
    assert value("x[1]", x=np.array([3.0, 4.0])) == 4.0
    assert kb.grad(lambda x: value("x y + sin(x)", x=x, y=3.0))(2.0) == pytest.approx(3 + np.cos(2))


@pytest.mark.parametrize(
    ("text", "says"),
    [("x + q", "q has no value"), ("foo(x)", "no function is named foo"), ("sum(x)", "no function is named sum"),
     ("sin(x, x)", "takes 1 argument"), ("dy/dx", "no value of its own"), ("sum_i x[i]", "no value of its own"),
     ("y = x", "no value of its own"), ("x in x", "has no value")],
)  # fmt: skip
def test_what_has_no_value_is_refused(text, says):
    with pytest.raises(kb.UsageError, match=re.escape(says)):
        parse(text).evaluate({"x": 1.0})


REFUSED = {
    "": "expected a number, a name or '(', got the end, at character 1",
    "a/b c": "unclear after a fraction",
    "2 3": "got '3', at character 3",
    "sin": "needs an argument: sin(x)",
    "sin x^2": "write sin(x^...)",
    "a < b < c": "one comparison at a time",
    "(a": "to close the parenthesis",
    "|a": "to close the absolute value",
    "x[1": "after the indices",
    "f(x": "after the arguments of f",
    "1e999": "too large",
    "x $ y": "'$' has no meaning",
    "a ∘ b c": "unclear beside another product",
    "2^--x": "parentheses around a negative number",
    "sum_{i": "after the indices of sum",
    "w_{": "after the index of w",
    "x if y": "expected 'else'",
    "import os; os": "';' has no meaning",
    "x.__class__": "'.' has no meaning",
    "f() + 1": "got ')'",
    "(" * 300: "more than 100 levels",
    "-" * 300 + "x": "more than 100 levels",
    "x/" * 300 + "x": "more than 100 levels",
    "x[1]" + "[1]" * 300: "more than 100 levels",
    "f(" * 300: "more than 100 levels",
    "x^" * 300 + "x": "more than 100 levels",
    "not " * 300 + "x": "more than 100 levels",
    "x + " * 3000: "at most 4,000 characters",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[:12]))
def test_refusals_say_what_was_expected_and_where(text):
    with pytest.raises(kb.UsageError, match=re.escape(REFUSED[text])):
        parse(text)


def test_a_refusal_shows_the_place_also_under_wide_letters():
    with pytest.raises(kb.UsageError) as caught:
        parse("重み * ) x")
    _, line, mark = str(caught.value).split("\n")
    assert line == "    重み * ) x"
    assert mark.index("^") == 4 + 4 + 3


@given(st.text(alphabet="xyde∂12.+-*/^()[]{}|_,=<>! ifelsand∘", max_size=20))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(text):
    try:
        formula = parse(text)
    except kb.UsageError:
        return
    assert parse(to_plain(formula)) == formula


def test_long_lists_are_not_deep():
    formula = parse(" + ".join(["x"] * 900))
    assert parse(str(formula)) == formula


def test_products_as_people_write_them():
    g = Symbol("g")
    written = {"1": "g", "-1": "-g", "0": "0", "1/x": "g/x", "-x/y": "-g x/y", "x y": "g x y",
               "1 if x > 0 else 0": "g if x > 0 else 0", "1 - y^2": "g (1 - y^2)"}  # fmt: skip
    assert {text: str(times(g, parse(text))) for text in written} == written


def test_several_indices_are_names_of_their_own() -> None:
    assert "<mrow><mi>i</mi><mi>j</mi></mrow>" in to_mathml(parse("w_ij"))
    assert "<mi>max</mi>" in to_mathml(parse("w_max"))
