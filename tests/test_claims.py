"""Worked examples: right numbers are confirmed, wrong ones found with their slip, and nothing in a file is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import koubai as kb
import koubai.numpy as knp
from koubai.cli import main
from koubai.explain.claims.expressions import parse
from koubai.explain.claims.printed import printed

EXAMPLES = Path(__file__).parent.parent / "examples" / "verify"


def slips(report: kb.ClaimReport) -> dict[str, str | None]:
    return {claim.name: claim.slip for claim in report.wrong}


def one(example: Any, name: str, value: Any, values: Any = None, **options: Any) -> Any:
    return kb.verify_example(example, {name: value}, values, **options).claims[0]


# The examples that come with it


def test_the_product_of_two_layers_is_printed_wrong_and_all_else_right() -> None:
    report = kb.verify_example(EXAMPLES / "layers_by_hand.txt")
    assert slips(report) == {"dproduct/dx": "factor", "dproduct/dy": "factor"}
    assert [float(c.computed) for c in report.wrong] == [20.0, 10.0]
    assert "1.1 times" in report["dproduct/dx"].en
    assert str(report).endswith("13 of 15 claims are right, 2 wrong")


def test_mazurs_page() -> None:
    report = kb.verify_example(EXAMPLES / "mazur.txt")
    assert slips(report) == {"dE_o2/dout_h1": "rounding", "E'": "rounding"}
    assert len(report.claims) == 31
    assert float(report["E'"].computed) == pytest.approx(0.2910277737, abs=5e-11)
    assert float(report["E'"].printed) - float(report["E'"].computed) == pytest.approx(1.5e-7, rel=0.01)
    assert float(report["w5'"].computed) == pytest.approx(0.35891648, abs=5e-9)


# Digits


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("0.3775", 0.37745, 0.37755), ("22.0", 21.95, 22.05), ("-1.5e-3", -0.00155, -0.00145), ("[1.0, 2]", None, None)],
)
def test_printed_digits_leave_half_a_unit_open(text: str, low: float | None, high: float | None) -> None:
    claim = printed(text)
    if low is None or high is None:
        assert claim.fits(np.array([1.04, 2.0]))
        assert not claim.fits(np.array([1.04, 2.04]))
        assert not claim.fits(np.array([1.0, 2.0, 3.0]))
        return
    inside, outside = 1e-9 * abs(high), 1e-6 * abs(high)
    assert claim.fits(low + inside)
    assert claim.fits(high - inside)
    assert not claim.fits(low - outside)
    assert not claim.fits(high + outside)


def test_whole_numbers_are_meant_exactly_and_arrays_by_their_dtype() -> None:
    assert not printed("3").fits(3.2)
    assert printed(3).fits(3.0)
    assert printed(0.5).fits(0.5 + 1e-14)
    assert printed(np.float32(0.1)).fits(0.1 + 1e-8)
    assert printed(np.array([[0.5, 2.0]])).fits(np.array([[0.5, 2.0]]))
    for bad in ("x", "[1, [2]]", "1 2", "[1, 2", True, "nan", "__import__('os')", {"a": 1}, "[1-2]", "1/2/3", "1_000",
                "1.5/7", "3/0", "1e400", "½", "1½", "%", "≈", "2×10"):  # fmt: skip
        with pytest.raises(kb.UsageError):
            printed(bad)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("-1.633×10^-1", -0.16335, -0.16325), ("-1.633 x 10⁻¹", -0.16335, -0.16325),
        (r"−1.633 \times 10^{-1}", -0.16335, -0.16325), ("1.6*10**2", 155, 165), ("42.86%", 0.42855, 0.42865),
        ("43 %", 0.425, 0.435), ("≈0.43", 0.425, 0.435), ("≈ 3", 2.5, 3.5),
    ],
)  # fmt: skip
def test_numbers_as_people_print_them(text: str, low: float, high: float) -> None:
    claim, edge = printed(text), 1e-6 * abs(high)
    assert claim.fits(low + edge)
    assert claim.fits(high - edge)
    assert not claim.fits(low - edge)
    assert not claim.fits(high + edge)


def test_a_fraction_is_meant_exactly() -> None:
    assert printed("-8/49").fits(-8 / 49)
    assert not printed("-8/49").fits(-8 / 49 * (1 + 1e-11))
    assert printed("[3/7, 42.9%]").fits(np.array([3 / 7, 0.4294]))
    assert one("z = x/y", "z", "5/2", {"x": 7.0, "y": 3.0}).slip is None


@pytest.mark.parametrize("line", ["z ≈ 0.43", "z = ≈0.43", "z = 3/7", "z = 42.86%", "z, x ≈ 0.43, 3"])
def test_claims_in_a_file_as_people_write_them(line: str) -> None:
    assert kb.verify_example(f"let x = 3\nz = x/7\nclaim {line}").ok
    assert kb.verify_example("let x = 3\nz = x/7", line).ok


def test_a_text_that_names_a_file_is_told_to_be_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("page.txt").write_text("let x = 3\nclaim x = 3")
    with pytest.raises(kb.UsageError, match=r"give Path\('page.txt'\)"):
        kb.verify_example("page.txt")
    with pytest.raises(kb.UsageError, match=r"give Path\('page.txt'\)"):
        kb.verify_example("z = x", "page.txt", {"x": 1})
    assert kb.verify_example(Path("page.txt")).ok


# The parser

LEAVES = st.sampled_from(["x", "y", "2.5", "0.75", "3"])
FORMULAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" + ", "-", "*", " / "]), inner).map("".join),
        inner.map(lambda t: f"({t})"),
        inner.map(lambda t: f"-{t}"),
        inner.map(lambda t: f"sin({t})"),
        inner.map(lambda t: f"({t})**2"),
    ),
    max_leaves=12,
)


@given(FORMULAS)
def test_formulas_mean_what_they_mean_in_python(text: str) -> None:
    values = {"x": np.float64(1.3), "y": np.float64(-0.4)}
    with np.errstate(all="ignore"):
        wanted = eval(text.replace("3", "3."), {"sin": np.sin, **values}) if "." not in text else None
        found = parse(text)(values)
        if wanted is None:
            wanted = eval(text, {"sin": np.sin, **values})
    np.testing.assert_allclose(found, wanted)


def test_what_people_write() -> None:
    values = {"x": np.float64(3.0), "wʹ": np.float64(5.0), "A": np.eye(2)}
    for text, wanted in [
        ("x^2 + 1", 10.0), ("x² − 2·x", 3.0), ("w' × 2 ÷ 5", 2.0), ("max(x, 7, 1)", 7.0), ("sum(A)", 2.0),
        ("(A @ [1, x])[1]", 3.0), ("sum([[1, x], [2, 5]], axis=0)[1]", 8.0), ("σ(0)", 0.5), ("cos(pi)", -1.0),
    ]:  # fmt: skip
        assert float(parse(text)(values)) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2x", "write 2\\*x"),
        ("x +", "does not parse"),
        ("q + 1", "'q' is not defined; there are x, y"),
        ("xx", "did you mean 'x'"),
        ("x = 2", "'=' cannot stand"),
        ("__import__('os').system('true')", "is no function here"),
        ("x.__class__", "cannot stand in a formula"),
        ("(lambda: 1)()", "is no function here"),
        ("[v for v in x]", "cannot stand in a formula"),
        ("'text'", "is not defined"),
        ("1j", "cannot stand"),
        ("True", "cannot stand"),
        ("x if y else 1", "cannot stand"),
        ("sinus(x)", "did you mean sin"),
        ("sum(x, out=y)", "only option here is axis"),
        ("x[y]", "an index is a whole number"),
        ("[[1, 2], [3]]", "same shape"),
        ("1" * 5000, "does not parse|too large"),
        ("(" * 300 + ")" * 300, "does not parse"),
        ("-" * 9000 + "x", "does not parse"),
        ("x" * 20000, "too long"),
    ],
)
def test_what_is_no_formula_is_refused(text: str, says: str) -> None:
    with pytest.raises(kb.UsageError, match=says):
        parse(text)({"x": np.float64(1.0), "y": np.float64(2.0)})


def test_signs_of_other_keyboards() -> None:
    text = (
        "let ｗ₅ ＝ ２．０\nＥ＝w5² × 3\nstep E rate 0.1 over w5\nclaim ∂E／∂w₅ ＝ １２\nclaim w₅′ = 0.8\nclaim E ≈ −12"
    )
    assert [c.status for c in kb.verify_example(text).claims] == ["right", "right", "wrong"]


def test_towers_of_powers_cost_nothing() -> None:
    with np.errstate(over="ignore"):
        assert parse("9**9**9**9")({}) == np.inf


# What a claim can speak of


def chain(x: Any, y: Any) -> Any:
    product = x * y
    total = product + x
    return knp.sin(total) * total


def test_functions_lend_the_names_of_their_variables() -> None:
    x, y = 0.3, 1.2
    total = x * y + x
    slope = np.cos(total) * total + np.sin(total)
    report = kb.verify_example(
        chain,
        {
            "product": 0.36, "total": 0.66, "output": np.sin(total) * total, "z": np.sin(total) * total,
            "dz/dtotal": slope, "dz/dx": slope * (y + 1), "∂total/∂product": 1, "d(total)/d(y)": 0.3,
            "dx": slope * (y + 1), "x.grad": slope * (y + 1), "dx/dx": 1, "dx/dy": 0, "total + 2*y": 3.06,
        },
        {"x": x, "y": y},
    )  # fmt: skip
    assert report.ok, str(report)
    assert float(report["dz/dx"].computed) == pytest.approx(float(kb.grad(chain)(x, y)))


def test_arrays_whole_and_by_element() -> None:
    text = """
    let W = [[1, 2, 3], [4, 5, 6]]
    let x = [1, 10]
    u = x @ W
    E = sum(u*u)/2
    """
    claims = """
    u = [41, 52, 63]
    u[1] = 52
    dE/dW = [[41, 52, 63], [410, 520, 630]]
    dE/dW[1, 0], dE/dx[0] = 410, 334
    du[2]/dW[1, 2] = 10
    du[2]/dW = [[0, 0, 1], [0, 0, 10]]
    dE/dW[0, 1] = 410
    dE/dx = [1, 2, 3]
    """
    report = kb.verify_example(text, claims)
    assert slips(report) == {"dE/dW[0, 1]": "transposed", "dE/dx": "shape"}
    assert "(2,), not (3,)" in report["dE/dx"].en


def test_steps_of_descent() -> None:
    text = "let w = 2\nlet x = 2\nE = (w*x - 5)^2\nstep E rate 0.1 over w"
    report = kb.verify_example(
        text, {"w'": 2.4, "w+": 2.4, "E'": 0.04, "w''": 2.48, "w after 2 steps": 2.48, "dE'/dw'": -0.8, "x'": 2}
    )
    assert report.ok, str(report)
    assert slips(kb.verify_example(text, {"w'": 1.6, "w''": 3.2})) == {"w'": "ascent", "w''": "rate_missing"}
    assert one(text, "w'", "2.0").slip == "not_updated"
    assert one("let w = 1", "w'", 1).status == "unknown"


def test_many_steps_run_as_native_code() -> None:
    text = "let w = [2, -1]\nlet x = 0.5\nE = sum(tanh(w*x)^2)\nstep E rate 0.01 over w"
    w = np.array([2.0, -1.0])
    for _ in range(600):
        w = w - 0.01 * 2 * np.tanh(w * 0.5) * (1 - np.tanh(w * 0.5) ** 2) * 0.5
    report = kb.verify_example(text, {"w after 600 steps": w, "w[0] after 599 steps": 1.0})
    assert [c.status for c in report.claims] == ["right", "wrong"]
    by_function = kb.verify_example(
        lambda w: (w * w).sum() if float(w.sum()) > 0 else w.sum(), {"w after 600": 0.9**600}, {"w": 1.0}, rate=0.05
    )
    assert by_function.ok


def network() -> tuple[kb.nn.Module, np.ndarray, np.ndarray]:
    model = kb.nn.Sequential(hidden=kb.nn.Linear(2, 2), act=kb.nn.Tanh(), out=kb.nn.Linear(2, 1))
    return model, np.array([[0.3, -0.5], [1.0, 0.2], [0.7, 0.4]]), np.array([[1.0], [0.0], [0.5]])


def test_networks() -> None:
    model, x, t = network()
    params = {name: p.numpy().astype(float) for name, p in model.named_parameters()}
    slopes = kb.grad(lambda p: kb.nn.losses.mse(kb.nn.functional_call(model, p, x), t))(params)
    g = slopes["hidden.weight"]
    claims = {
        "E": kb.nn.losses.mse(kb.nn.functional_call(model, params, x), t),
        "dE/dhidden.weight": g, "dE/dhidden.weight[1, 0]": g[1, 0], "dout.bias": slopes["out.bias"],
        "act": np.tanh(x @ params["hidden.weight"] + params["hidden.bias"]),
        "out.weight'": params["out.weight"] - 0.5 * slopes["out.weight"],
    }  # fmt: skip
    report = kb.verify_example(model, claims, data=(x, t), loss="mse", rate=0.5)
    assert report.ok, str(report)
    wrong = {
        "dE/dhidden.weight": g.T, "dE/dhidden.bias": 3 * slopes["hidden.bias"], "dE/dout.weight": -slopes["out.weight"],
        "dE/dout.bias": "[1e9]",
    }  # fmt: skip
    assert slips(kb.verify_example(model, wrong, data=(x, t), loss="mse")) == {
        "dE/dhidden.weight": "transposed", "dE/dhidden.bias": "undivided", "dE/dout.weight": "sign",
        "dE/dout.bias": None,
    }  # fmt: skip
    assert all(p.dtype == np.float32 for p in model.parameters())


# Slips

S = 1 / (1 + np.exp(-0.7))


@pytest.mark.parametrize(
    ("formula", "name", "value", "slip"),
    [
        ("z = x*y", "dz/dx", 0.7, "product"),
        ("z = x*y", "z", "-0.84", "sign"),
        ("z = exp(x) + x*y", "dz/dx", "1.20", "path"),
        ("z = exp(x) + x*y", "dz/dx", f"{np.exp(0.7):.5f}", "overwritten"),
        ("z = sigmoid(x)", "dz/dx", 1, "activation"),
        ("z = sigmoid(x)", "dz/dx", "0.2100", "activation_input"),
        ("z = sigmoid(x)", "dz/dx", f"{np.exp(-S) / (1 + np.exp(-S)) ** 2:.6f}", "activation_output"),
        ("z = (x - y)^2", "dz/dx", "-0.5", "exponent"),
        ("z = (y - x)^2 + y", "dz/dx", "1.0", "sign"),
        ("z = exp(x)*y", "dz/dx", f"{np.exp(0.7) * 0.6:.5f}", "factor_missing"),
        ("z = exp(x)*y", "dz/dx", f"{np.exp(0.7) * 2.4:.5f}", "factor_extra"),
        ("z = exp(x)*y", "dz/dx", f"{1 / (np.exp(0.7) * 1.2):.5f}", "inverted"),
        ("u = exp(x)\nz = u*u*sin(y)", "dz/dx", f"{np.exp(0.7) ** 2 * np.sin(1.2):.6f}", "overwritten"),
        ("z = exp(x)*cos(y)", "dz/dx", f"{-np.exp(0.7) * np.sin(1.2):.6f}", "other"),
        ("z = exp(x)*y", "z", "2.4615", "swapped"),
        ("z = exp(x)*y", "z", "2.7165", "digit"),
        ("z = exp(x)*y", "z", "24.165", "point"),
        ("z = exp(x)*y", "z", "2.41650324", "cut"),
        ("z = exp(x)*y", "z", "2.416503", "right"),
        ("z = exp(x)*y", "z", "2.416509", "rounding"),
        ("z = exp(x)*y", "z", "5.1", None),
    ],
)
def test_slips(formula: str, name: str, value: Any, slip: str | None) -> None:
    claim = one(formula, name, value, {"x": 0.7, "y": 1.2})
    if slip == "right":
        assert claim.status == "right", claim
    else:
        assert (claim.status, claim.slip) == ("wrong", slip), claim
        assert slip is None or (claim.en and claim.ja)


def test_means_over_a_batch() -> None:
    text = "let x = [1, 2, 4, 8, 16]\nlet w = 0.5\nE = mean((w*x - 1)^2)"
    right = float(np.mean(2 * (0.5 * np.array([1, 2, 4, 8, 16]) - 1) * np.array([1, 2, 4, 8, 16])))
    assert one(text, "dE/dw", f"{right:.4f}").status == "right"
    assert one(text, "dE/dw", f"{right * 5:.4f}").slip == "undivided"


def test_what_cannot_be_computed_says_why() -> None:
    report = kb.verify_example(
        "z = x*y",
        {"dz/dq": 1, "zz": 2, "dz/dx": "ten", "z'": 3, "z[0]": 1, "z + q": 2, "dx after 2": 1},
        {"x": 2, "y": 3},
    )
    assert not report.ok
    assert {claim.status for claim in report.claims} == {"unknown"}
    notes = [claim.en for claim in report.claims]
    for note, says in zip(
        notes,
        ["'q' is not defined", "did you mean 'z'", "no number", "no step", "shape ()", "'q' is not defined", "no step"],
    ):
        assert says in note
    assert report.summary() == "0 of 7 claims are right, 7 not computable"
    vector = kb.verify_example("y = x*x", {"dy/dx": [2, 4], "dy[0]/dx": [2, 0]}, {"x": [1.0, 2.0]})
    assert [claim.status for claim in vector.claims] == ["unknown", "right"]
    assert "y[0]" in vector["dy/dx"].en


# Forms of examples and claims


def test_tables(tmp_path: Path) -> None:
    table = tmp_path / "example.csv"
    table.write_text(
        "kind,name,value\nlet,x,10\nlet,y,20\ndefine,z,x*y\nstep,z over x y,0.1\n"
        "claim,z,200\nclaim,dz/dx,22.0\nclaim,x',8\n"
    )
    assert [c.status for c in kb.verify_example(table).claims] == ["right", "wrong", "right"]
    claims = tmp_path / "claims.csv"
    claims.write_text("name,value\nz,200\ndz/dy,10\n")
    for given_as in (
        claims,
        claims.read_text(),
        {"z": 200, "dz/dy": 10.0},
        [("z", 200), ("dz/dy", 10.0)],
        "z=200\ndz/dy ≈ 10.0",
    ):
        assert kb.verify_example(table, given_as).ok
    assert kb.verify_example(table).claims[1].line == 7


def test_plain_data_and_japanese() -> None:
    report = kb.verify_example("z = x*y", {"z": 6.0, "dz/dx": 2}, {"x": 2, "y": 3}, lang="ja")
    assert str(report).endswith("2項目中、正しいもの1、誤り1。")
    assert "入れ替え" in str(report)
    data = json.loads(json.dumps(report.to_dict()))
    assert data["claims"][1]["slip"] == "product"
    assert data["claims"][1]["computed"] == 3.0
    with pytest.raises(KeyError, match="there are z, dz/dx"):
        report["w"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("let x = 1\nlet x = 2", "line 2: 'x' is defined already"),
        ("let x y = 1", "'x y' is no name"),
        ("let sin = 1", "'sin' is a function"),
        ("let x = q", "line 1: 'q' is not defined"),
        ("c += 1", "'c \\+' is no name"),
        ("step E over w", "expected as in"),
        ("let w = 1\nstep E rate fast over w", "rate must be a number"),
        ("let w = 1\nx = w\nclaim a, b = 1", "2 names and 1 values"),
        ("# nothing", "nothing to compute"),
        ("let x = 1\nx + 1\nx + 2", "expected NAME = VALUE"),
    ],
)
def test_files_that_cannot_be_read_name_the_line(text: str, says: str) -> None:
    with pytest.raises(kb.DataError, match=says):
        kb.verify_example(text, {"z": 1})


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: kb.verify_example("z = x", {"z": 1}, {"x": 1}, lang="fr"), kb.UsageError, "'en' or 'ja'"),
        (lambda: kb.verify_example("let x = 1"), kb.UsageError, "nothing is claimed"),
        (lambda: kb.verify_example(3, {"z": 1}), kb.DTypeError, "expected a formula"),
        (lambda: kb.verify_example(chain, {"z": 1}, {"x": 1}), kb.UsageError, "needs a value of y"),
        (lambda: kb.verify_example(lambda x: 3, {"z": 1}, {"x": 1}), kb.UsageError, "returned int"),
        (lambda: kb.verify_example(network()[0], {"z": 1}), kb.UsageError, "the data and the loss"),
        (lambda: kb.verify_example("z = x", {"z": 1}, {"x": "a"}), kb.UsageError, "x must be a number"),
        (lambda: kb.verify_example("z = x", {"z": 1}, {"x": 1, "z": 2}), kb.UsageError, "a value and a formula"),
        (lambda: kb.verify_example("z = x", {"z": 1}), kb.UsageError, "'x' is not defined"),
        (lambda: kb.verify_example("z = x\nstep q rate 1 over x", {"z": 1}, {"x": 1}), kb.UsageError, "step: 'q'"),
        (lambda: kb.verify_example("z = x\nstep z rate 1 over z", {"z": 1}, {"x": 1}), kb.UsageError, "is computed"),
        (lambda: kb.verify_example("z = x", 3, {"x": 1}), kb.UsageError, "got int"),
        (lambda: kb.verify_example("z = x", "z", {"x": 1}), kb.DataError, "expected NAME = NUMBER"),
    ],
)  # fmt: skip
def test_refusals(make: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make()


# The command


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)

    def command(*arguments: Any) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["verify-example", *map(str, arguments)])
        return caught.value.code, *capsys.readouterr()

    return command


def test_the_command(run: Any, tmp_path: Path) -> None:
    code, out, err = run(EXAMPLES / "layers_by_hand.txt")
    assert (code, err) == (1, "")
    assert "WRONG  dproduct/dx    22.0     20" in out
    good = tmp_path / "good.txt"
    good.write_text("let x = 2\nz = x*x\nclaim dz/dx = 4\n")
    assert run(good)[0] == 0
    code, out, _ = run(good, "--json")
    assert (code, json.loads(out)["ok"]) == (0, True)
    assert "正しいもの1" in run(good, "--lang", "ja")[1]
    claims = tmp_path / "claims.csv"
    claims.write_text("name,value\ndz/dx,5\n")
    assert run(good, "--claims", claims)[0] == 1
    code, out, err = run(tmp_path / "none.txt")
    assert (code, out) == (1, "")
    assert "none.txt: No such file" in err
    good.write_text("let x = os.system('true')")
    code, _, err = run(good)
    assert code == 1
    assert "good.txt, line 1" in err


def test_the_page_on_worked_examples(run: Any, tmp_path: Path) -> None:
    page = (EXAMPLES.parent.parent / "docs" / "worked_examples.md").read_text(encoding="utf-8")
    text, code = (page.split(f"```{kind}\n")[1].split("```")[0] for kind in ("", "python"))
    (tmp_path / "product.txt").write_text(text)
    printed_lines = [line.strip().removesuffix(" ...") for line in page.split("product.txt\n")[1].splitlines()[:5]]
    shown = run(tmp_path / "product.txt")[1]
    assert all(line in shown for line in printed_lines)
    exec(compile(code, "page", "exec"), {})
