"""What looks wrong in a checkup, why that is thought, and what to do.

The limits are rules of thumb, with a wide margin: a network that trains well should have no finding.

References
----------
X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010):
saturation, and the size of gradients from layer to layer.
L. Lu et al., "Dying ReLU and initialization" (2019).
A. Karpathy, "Convolutional neural networks for visual recognition", course notes (2015): an update should be about a
thousandth of the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from koubai.explain.doctor import LayerCheck
    from koubai.explain.trouble import Trouble

__all__ = ["Finding", "findings_of"]

FEW = 16  # examples, of which a unit may well be 0 by chance
MANY = 0.7  # of a layer's units: where biases outweigh a weak signal, half of all ReLUs are 0 by chance
SATURATED_AT = 0.97  # of |tanh|: its slope is 1 - 0.97^2 = 0.06 there
SATURATED_ON = 0.9  # of the examples
VANISHED, EXPLODED = 1e-3, 1e3  # the first layer's message relative to the last one's
LARGE, SMALL = 0.1, 1e-7  # an update relative to the weights


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that looks wrong.

    Attributes
    ----------
    kind : str
    layer : str or None
        The path of the layer.
    evidence : dict
        The numbers that say so.
    en, ja : str
        What was seen, with the numbers.
    advice : dict from language to str
        What to do.
    """

    kind: str
    layer: str | None
    en: str
    ja: str
    evidence: dict[str, Any] = field(default_factory=dict)
    advice: dict[str, str] = field(default_factory=dict)

    def text(self, lang: str = "en") -> str:
        """What was seen and what to do."""
        if lang == "ja":
            return f"{self.ja}。{self.advice['ja']}。"
        return f"{self.en}. {self.advice['en']}."

    def __str__(self) -> str:
        return self.text()

    def to_dict(self) -> dict[str, Any]:
        """Everything as dicts, numbers and strings."""
        return {
            "kind": self.kind, "layer": self.layer, "evidence": self.evidence, "en": self.en, "ja": self.ja,
            "advice": self.advice,
        }  # fmt: skip


ADVICE = {
    "not finite": (
        "Mend that first: nothing else can be measured",
        "まずこれを直してください。ほかは測れません",
    ),
    "dead": (
        "Lower the learning rate, begin with other weights (model.init with another seed, biases at 0), or use "
        "LeakyReLU, which lets some gradient through everywhere",
        "学習率を下げるか、初期値を変えるか(model.init に別のシード、バイアスは 0)、"
        "どこでも勾配を通す LeakyReLU を使ってください",
    ),
    "saturated": (
        "Standardize the inputs, begin with smaller weights, add BatchNorm, or use ReLU",
        "入力を標準化するか、初期の重みを小さくするか、BatchNorm を入れるか、ReLU を使ってください",
    ),
    "vanishing": (
        "Use ReLU instead of sigmoid or tanh, an initialization that fits the activation (He, Glorot), normalization "
        "or skip connections",
        "シグモイドや tanh の代わりに ReLU を使う、活性化関数に合った初期化(He、Glorot)にする、"
        "正規化やスキップ接続を入れる、のいずれかを試してください",
    ),
    "exploding": (
        "Begin with smaller weights, clip the gradient (clip=1.0), or add normalization",
        "初期の重みを小さくするか、勾配をクリッピングするか(clip=1.0)、正規化を入れてください",
    ),
    "unused": (
        "Use it in forward, or remove or freeze it",
        "forward で使うか、取り除くか、freeze してください",
    ),
    "large update": (
        "Lower the learning rate",
        "学習率を下げてください",
    ),
    "small update": (
        "Raise the learning rate, or see why the gradient is so small",
        "学習率を上げるか、勾配が小さい原因を調べてください",
    ),
}  # fmt: skip


def findings_of(
    layers: Sequence[LayerCheck], examples: int, unused: Sequence[str], trouble: Trouble | None
) -> list[Finding]:
    """What looks wrong, the likely cause before what follows from it."""
    if trouble is not None:
        return [_finding("not finite", trouble.layer, {"value": str(trouble.value)}, trouble.en, trouble.ja)]
    found = []
    for layer in layers:
        found += [*_dead(layer, examples), *_saturated(layer)]
    if not any(layer.units and layer.dead == layer.units for layer in layers):  # behind them all gradients are 0
        found += _messages(layers)
    found += _large(layers)
    if not found:
        found += _small(layers)
    found += [
        _finding("unused", name.rpartition(".")[0], {"parameter": name},
                 f"no gradient leads to {name}: the loss does not depend on it",
                 f"{name} には勾配が届きません。損失がこれに依存していません")
        for name in unused
    ]  # fmt: skip
    return found


def _finding(kind: str, layer: str | None, evidence: dict[str, Any], en: str, ja: str) -> Finding:
    advice = dict(zip(("en", "ja"), ADVICE[kind]))
    return Finding(kind, layer, en, ja, evidence, advice)


def _dead(layer: LayerCheck, examples: int) -> Iterator[Finding]:
    if layer.units and layer.dead and layer.dead >= MANY * layer.units and examples >= FEW:
        evidence = {"dead": layer.dead, "units": layer.units, "examples": examples}
        yield _finding(
            "dead", layer.path, evidence,
            f"layer {layer.name}: {layer.dead} of {layer.units} units are 0 for all {examples} examples, so no "
            f"gradient passes through them",
            f"層 {layer.name}: {layer.units} ユニット中 {layer.dead} 個が {examples} サンプルすべてで 0 になり、"
            f"勾配を通しません",
        )  # fmt: skip


def _saturated(layer: LayerCheck) -> Iterator[Finding]:
    if layer.units and layer.saturated and layer.saturated >= MANY * layer.units:
        evidence = {"saturated": layer.saturated, "units": layer.units, "beyond": SATURATED_AT, "share": SATURATED_ON}
        yield _finding(
            "saturated", layer.path, evidence,
            f"layer {layer.name}: {layer.saturated} of {layer.units} units are saturated for {SATURATED_ON:.0%} of the "
            f"examples or more: the slope there is below 6% of the largest",
            f"層 {layer.name}: {layer.units} ユニット中 {layer.saturated} 個が {SATURATED_ON:.0%} 以上のサンプルで"
            f"飽和し、傾きが最大の 6% 未満です",
        )  # fmt: skip


def _messages(layers: Sequence[LayerCheck]) -> Iterator[Finding]:
    """The gradient that arrives at the first layer with weights, beside that at the last one."""
    there = [layer for layer in layers if layer.message is not None and layer.weight is not None]
    if len(there) < 2 or not there[-1].message:
        return
    first, last = there[0], there[-1]
    assert first.message is not None
    assert last.message is not None
    ratio = first.message / last.message
    if VANISHED <= ratio <= EXPLODED:
        return
    kind = "vanishing" if ratio < VANISHED else "exploding"
    a, b = _steepest(there, kind)
    evidence = {"first": first.message, "last": last.message, "ratio": ratio, "between": [a.path, b.path]}
    en, ja = (("shrinks", "小さく") if kind == "vanishing" else ("grows", "大きく"))  # fmt: skip
    yield _finding(
        kind, a.path, evidence,
        f"the gradient {en} on its way back: its norm is {last.message:.2e} at layer {last.name} and "
        f"{first.message:.2e} at layer {first.name}, and it changes most between {b.name} and {a.name}",
        f"勾配が逆伝播の途中で{ja}なります: ノルムは層 {last.name} で {last.message:.2e}、層 {first.name} で "
        f"{first.message:.2e} で、変化が最も大きいのは {b.name} と {a.name} の間です",
    )  # fmt: skip


def _steepest(there: Sequence[LayerCheck], kind: str) -> tuple[LayerCheck, LayerCheck]:
    """Between which neighbours the message changes most."""

    def change(pair: tuple[LayerCheck, LayerCheck]) -> float:
        before, after = (layer.message or 0.0 for layer in pair)
        return before / after if after else 1.0

    pairs = list(pairwise(there))
    return min(pairs, key=change) if kind == "vanishing" else max(pairs, key=change)


def _large(layers: Sequence[LayerCheck]) -> Iterator[Finding]:
    worst = max((layer for layer in layers if layer.update), key=lambda layer: layer.update or 0.0, default=None)
    if worst is not None and worst.update is not None and worst.update > LARGE:
        yield _finding(
            "large update", worst.path, {"update": worst.update, "limit": LARGE},
            f"layer {worst.name}: one step changes the weights by {worst.update:.1%} of their norm; 0.1% is usual",
            f"層 {worst.name}: 1 ステップで重みがノルムの {worst.update:.1%} も変わります(0.1% 程度が普通です)",
        )  # fmt: skip


def _small(layers: Sequence[LayerCheck]) -> Iterator[Finding]:
    updates = [layer.update for layer in layers if layer.update is not None]
    if updates and max(updates) < SMALL:
        yield _finding(
            "small update", None, {"update": max(updates), "limit": SMALL},
            f"a step changes no layer's weights by more than {max(updates):.1e} of their norm; 1e-3 is usual",
            f"1 ステップでの重みの変化は、どの層でもノルムの {max(updates):.1e} 以下です(1e-3 程度が普通です)",
        )  # fmt: skip
