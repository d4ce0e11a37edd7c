"""What explanations say between the formulas, in English and in Japanese."""

from __future__ import annotations

import re

from koubai.errors import UsageError

__all__ = ["LANGUAGES", "Phrases"]

LANGUAGES = ("en", "ja")
SINGULAR = re.compile(r"\b(1 (?:value|message|path|unit|input|example|element))s\b")

TABLE = {
    "computation": (
        "{output}: {nodes} values, {edges} messages",
        "{output} の計算: 値 {nodes} 個、メッセージ {edges} 個",
    ),
    "forward": ("Forward: the values", "順伝播: 値の計算"),
    "forward text": ("Each value is computed from those before it.", "入力に近いほうから順に、値を計算する。"),
    "backward": ("Backward: the gradients", "逆伝播: 勾配の計算"),
    "backward text": (
        "From the output back to the inputs. By the chain rule the gradient of a value is the sum, over all "
        "that use it, of the user's gradient times the local derivative.",
        "出力から入力へさかのぼる。連鎖律により、ある値の勾配は、"
        "その値を使うすべての演算についての「その演算の勾配 × 局所微分」の和になる。",
    ),
    "forward layer": ("Forward, layer {path} ({kind})", "順伝播、層 {path}({kind})"),
    "backward layer": ("Backward, layer {path} ({kind})", "逆伝播、層 {path}({kind})"),
    "forward rest": ("Forward, outside of the layers", "順伝播、層の外"),
    "backward rest": ("Backward, outside of the layers", "逆伝播、層の外"),
    "the model": ("the model", "モデル"),
    "start": (
        "Backpropagation starts here: {output} changes by 1 when it changes by 1.",
        "逆伝播の出発点。{output} を {output} 自身で微分すると 1 になる。",
    ),
    "given": ("Backpropagation starts with the gradient that was given.", "与えられた勾配から逆伝播を始める。"),
    "summed": (
        "{symbol} was repeated along {axes}; the gradients of all copies are summed.",
        "{symbol} は{axes} に沿って複製して使われたので、複製すべての勾配を足し合わせる。",
    ),
    "axis": ("axis {axis}", "軸 {axis}"),
    "where": ("Here {formula}.", "ここで {formula}。"),
    "agrees": ("numerically {value}", "数値微分 {value}"),
    "agrees many": (
        "numerically, {count} of {of} elements: largest difference {difference}",
        "数値微分と比較: {of} 要素中 {count} 個、差の最大 {difference}",
    ),
    "unsure": ("no finite difference tells: rounding, or infinities", "差分では確かめられない(丸め誤差または無限大)"),
    "argument": (
        "{symbol} stands there more than once; this is the path through its place number {number}.",
        "{symbol} は複数の引数に現れる。これは {number} 番目の引数を通る経路。",
    ),
    "exception": (
        "The formula has no value at this point; the convention for it is used.",
        "この点では式が定義されないため、規約で定めた値を使う。",
    ),
    "step frozen": (
        "The weights of this layer are frozen: they receive no gradient.",
        "この層の重みは固定されているので、勾配を受け取らない。",
    ),
    "net batch any": ("The gradients of the loss of the whole batch.", "バッチ全体の損失の勾配。"),
    "kink": ("a kink: the slope differs on both sides", "微分できない点(左右で傾きが異なる)"),
    "differs": ("but numerically {value}", "数値微分は {value}"),
    "differs many": (
        "but numerically {count} of {of} elements differ by up to {difference}",
        "数値微分と比べた {of} 要素中 {count} 個で、差の最大が {difference}",
    ),
    "closed": ("All together: the gradients as formulas", "まとめ: 勾配の式"),
    "closed text": (
        "The same with everything put in, in nothing but the inputs.",
        "途中の値をすべて代入して、入力だけの式にしたもの。",
    ),
    "paths": ("How {symbol} reaches {output}", "{symbol} から {output} への経路"),
    "paths text": (
        "By the chain rule the gradient is the sum, over all paths, of the products of the local derivatives "
        "along the path. There are {count} paths; the {shown} with the largest contributions follow.",
        "連鎖律により、勾配は「経路に沿った局所微分の積」をすべての経路について足したものになる。"
        "経路は {count} 本あり、寄与の大きいものから {shown} 本を示す。",
    ),
    "paths all": (
        "By the chain rule the gradient is the sum, over all paths, of the products of the local derivatives "
        "along the path. There are {count} paths, the largest contribution first.",
        "連鎖律により、勾配は「経路に沿った局所微分の積」をすべての経路について足したものになる。"
        "経路は {count} 本で、寄与の大きい順に示す。",
    ),
    "path one": (
        "By the chain rule the gradient is the product of the local derivatives along the path: there is only one.",
        "連鎖律により、勾配は経路に沿った局所微分の積になる。経路は 1 本だけである。",
    ),
    "path": ("Path {number} contributes {value}", "経路 {number} の寄与 {value}"),
    "rest": ("the other {count} paths", "残りの {count} 本の経路"),
    "contribution": ("contribution", "寄与"),
    "sum of paths": ("The sum over all paths", "全経路の和"),
    "net title": (
        "{model}: the gradients of one example, layer by layer",
        "{model} の勾配を 1 つのサンプルについて層ごとに導く",
    ),
    "net forward": ("Forward: from the input to the error", "順伝播: 入力から誤差まで"),
    "net indices": (
        "`i` counts the units of the layer before, `j` those of a hidden layer, `k` those of the output "
        "layer, all from 0 as in Python. `u` goes into an activation, `y` comes out of it, `t` is the "
        "target, `E` the error.",
        "添字は、`i` が前の層、`j` が隠れ層、`k` が出力層のユニットを表し、Python と同じく 0 から数える。"
        "`u` は活性化関数の入力、`y` はその出力、`t` は目標値、`E` は誤差。",
    ),
    "net layer": (
        "Layer {path}: {before} inputs, {units} units.",
        "層 {path}: 入力 {before} 個、ユニット {units} 個。",
    ),
    "net activation": ("The activation: {name}.", "活性化関数: {name}。"),
    "net identity": ("No activation: what goes in comes out.", "活性化関数なし(恒等関数)。"),
    "net error": ("The error of this example.", "この 1 つのサンプルについての誤差。"),
    "net loss": ("The error, op by op", "誤差の計算と微分"),
    "net loss text": (
        "The loss is a function of its own; these are its operations, forward and backward.",
        "損失関数は独自の関数なので、その演算を順伝播・逆伝播の順に示す。",
    ),
    "net output": ("Output layer {path}{kind}: six steps", "出力層 {path}{kind}: 6 つの手順"),
    "net hidden": ("Hidden layer {path}{kind}: five steps", "隠れ層 {path}{kind}: 5 つの手順"),
    "net with": (" with {name}", "({name})"),
    "six steps": (
        "From the error to the gradients of bias, weights and inputs of the output layer.",
        "誤差から、出力層のバイアス・重み・入力の勾配までを求める。",
    ),
    "five steps": (
        "The gradient of `y_j` came from the layer behind; the rest goes as in the output layer.",
        "`y_j` の勾配は後ろの層から届いている。以降は出力層と同じように進む。",
    ),
    "step loss": (
        "How the error changes with each output: from the loss.",
        "誤差を出力で微分する(損失関数から決まる)。",
    ),
    "step activation": (
        "How the output changes with `u`: the derivative of the activation.",
        "活性化関数の微分: 出力を `u` で微分する。",
    ),
    "step delta": (
        "The chain rule: `delta_k` is the gradient of `u_k`, (1) times (2).",
        "連鎖律により (1) と (2) の積をとる。`delta_k` は `u_k` の勾配。",
    ),
    "step hidden delta": (
        "The chain rule: `delta_j` is the gradient of `u_j`, (1) times the gradient of `y_j`.",
        "連鎖律により (1) と `y_j` の勾配の積をとる。`delta_j` は `u_j` の勾配。",
    ),
    "step bias": (
        "`u` changes by 1 when the bias changes by 1: the bias receives `delta` itself.",
        "バイアスが 1 変わると `u` も 1 変わるので、バイアスの勾配は `delta` そのもの。",
    ),
    "step weight": (
        "The weight's gradient: `u_{b}` changes by `{below}_{a}` when `w_{a}{b}` changes by 1.",
        "重みの勾配: `w_{a}{b}` が 1 変わると `u_{b}` は `{below}_{a}` だけ変わる。",
    ),
    "step through": (
        "What reaches `{below}_{a}` by way of unit {b}: `u_{b}` changes by `w_{a}{b}` when `{below}_{a}` "
        "changes by 1.",
        "ユニット {b} を経由して `{below}_{a}` に届く分: "
        "`{below}_{a}` が 1 変わると `u_{b}` は `w_{a}{b}` だけ変わる。",
    ),
    "step chain": (
        "The input's gradient. It changes every `u_{b}`, and each of them changes E: the chain rule of "
        "several variables sums over {b}.",
        "入力の勾配。入力はすべての `u_{b}` を変え、それぞれが E を変えるので、"
        "多変数の連鎖律により {b} について和をとる。",
    ),
    "step vanish": (
        "In `u_{b}` = `sum_q w_q{b} {below}_q + b_{b}` every term but the one with `q = {a}` is constant in "
        "`{below}_{a}`, so its derivative vanishes.",
        "`u_{b}` = `sum_q w_q{b} {below}_q + b_{b}`"
        " のうち `{below}_{a}` を含むのは `q = {a}` の項だけで、"
        "ほかの項の微分は 0 になる。",
    ),
    "step softmax": (
        "Each softmax output depends on every `u_k`: a full Jacobian. `(q == k)` is 1 for `q = k` and 0 "
        "otherwise.",
        "softmax の各出力はすべての `u_k` に依存するので、微分はヤコビ行列になる。"
        "`(q == k)` は `q = k` のとき 1、それ以外は 0。",
    ),
    "step softmax sum": (
        "The chain rule of several variables: `u_k` changes all outputs `y_q`, so its gradient, `delta_k`, "
        "is a sum over q.",
        "多変数の連鎖律: `u_k` はすべての出力 `y_q` を変えるので、"
        "`u_k` の勾配 `delta_k` は q についての和になる。",
    ),
    "step softmax put": ("With (1) and (2) put in, `y_q` cancels.", "(1) と (2) を代入すると、`y_q` が約分される。"),
    "step softmax ones": (
        "The targets sum to 1, and all that is left is `y_k - t_k`.",
        "目標値の和は 1 なので、`y_k - t_k` だけが残る。",
    ),
    "net batch": ("Over all {rows} examples", "全 {rows} サンプルについて"),
    "net batch text": (
        "The loss of the batch is the mean over its examples, and so is each gradient.",
        "バッチの損失は各サンプルの損失の平均なので、勾配も各サンプルの勾配の平均になる。",
    ),
}  # fmt: skip


class Phrases:
    """The phrases of one language.

    Parameters
    ----------
    lang : {"en", "ja"}

    Raises
    ------
    UsageError
        For another language.

    Examples
    --------
    >>> Phrases("ja")("kink")
    '微分できない点(左右で傾きが異なる)'
    """

    def __init__(self, lang: str) -> None:
        if lang not in LANGUAGES:
            raise UsageError(f"explain: explanations are in English (lang='en') and Japanese ('ja'), got {lang!r}")
        self.lang = lang

    def __call__(self, key: str, **values: object) -> str:
        said = TABLE[key][LANGUAGES.index(self.lang)].format(**values)
        return SINGULAR.sub(r"\1", said) if self.lang == "en" else said
