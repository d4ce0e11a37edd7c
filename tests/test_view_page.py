"""The page of kb.view in a real browser: stepping, clicking, searching, collapsing, both languages, accessibility.

Needs Chromium and playwright (``pip install playwright``, and a chromium on the path or ``playwright install
chromium``). The check with axe-core runs where the variable KOUBAI_AXE names its file axe.min.js.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import koubai as kb

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
AXE = os.environ.get("KOUBAI_AXE", "")
EVIL = "</script><img src=x onerror=document.title='caught'>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as play:
        try:
            found = play.chromium.launch(
                executable_path=shutil.which("chromium") or shutil.which("chromium-browser"), args=["--no-sandbox"]
            )
        except sync_api.Error as error:
            pytest.skip(f"no Chromium to test with (apt-get install chromium): {str(error).splitlines()[0]}")
        yield found
        found.close()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens a view; whatever the page complains about, or asks of a network, fails the test."""
    complaints: list[str] = []
    contexts = []

    def opened(what: Any, *args: Any, width: int = 1366, height: int = 768, dark: bool = False, **options: Any) -> Any:
        path = kb.view(what, tmp_path / "page.html", *args, **options)
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light",
            reduced_motion="reduce", locale="en-US", has_touch=width < 500,
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: complaints.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def expression() -> kb.Tensor:
    """Two paths lead from x: its gradient is the sum of two messages."""
    x, y = kb.tensor(2.0, requires_grad=True, name="x"), kb.tensor(3.0, requires_grad=True, name="y")
    z = x * y
    result: kb.Tensor = z + x
    return result


def network(depth: int = 1) -> Any:
    layers = [layer for _ in range(depth) for layer in (kb.nn.Linear(3, 3), kb.nn.Tanh())]
    return kb.nn.Sequential(*layers, kb.nn.Linear(3, 2))


def until(holds: Callable[[], bool]) -> None:
    """Waits here: the page's own policy lets no script in that would wait there."""
    for _ in range(200):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come about")


def card(page: Any, node: int, part: str) -> str:
    text: str = page.locator(f"[data-node='{node}'] .{part}").text_content()
    return text


def said(page: Any) -> str:
    text: str = page.locator("#say").text_content()
    return text


def test_values_appear_forward_and_gradients_backward(show: Any) -> None:
    page = show(expression())
    assert [card(page, i, "value") for i in range(4)] == ["2", "3", "", ""]
    page.keyboard.press("ArrowRight")
    assert card(page, 2, "value") == "6"
    assert said(page) == "Forward 1 of 2: z = x y = 2 · 3 = 6"
    page.keyboard.press("ArrowRight")
    assert card(page, 3, "value") == "8"
    assert [card(page, i, "grad") for i in range(4)] == [""] * 4
    page.keyboard.press("ArrowRight")
    assert said(page).startswith("Backward begins at the output")
    assert card(page, 3, "grad") == "1"
    page.keyboard.press("ArrowRight")
    assert card(page, 0, "grad") == "1  1/2"  # one of two messages
    page.keyboard.press("ArrowRight")
    assert "z sends upstream · local: x gets 1 · 3 = 3, y gets 1 · 2 = 2" in said(page)
    assert "the gradient of x is complete: 4, the sum of 2 messages" in said(page)
    assert [card(page, i, "grad") for i in range(4)] == ["4", "2", "1", "1"]
    page.keyboard.press("ArrowLeft")
    assert card(page, 0, "grad") == "1  1/2"
    page.keyboard.press("Home")
    assert card(page, 2, "value") == ""
    page.keyboard.press("End")
    assert card(page, 0, "grad") == "4"


def test_buttons_and_the_slider_step_too(show: Any) -> None:
    page = show(expression())
    page.click("#next")
    assert page.input_value("#time") == "1"
    page.click("#last")
    assert page.input_value("#time") == "5"
    page.focus("#time")
    page.keyboard.press("Home")
    assert page.input_value("#time") == "0"
    page.keyboard.press(" ")
    until(lambda: page.input_value("#time") != "0")
    assert page.get_attribute("#play", "aria-label") == "Pause (space)"
    page.keyboard.press(" ")
    assert page.get_attribute("#play", "aria-label") == "Play (space)"


def test_a_node_shows_its_formula_and_the_sum_of_its_messages(show: Any) -> None:
    page = show(expression())
    page.keyboard.press("End")
    page.locator("[data-node='0']").click()
    panel = page.locator("#panel").inner_text()
    assert "sum of the messages" in panel
    assert "1 + 3 = 4" in panel
    page.locator(".messages button").nth(1).click()
    assert "local derivative" in page.locator("#panel").inner_text()
    page.locator("#panel .chips button").last.click()
    text = page.locator("#panel").inner_text()
    assert "test_view_page.py:" in text
    assert page.locator("#panel math").count() >= 3
    page.keyboard.press("Escape")
    assert not page.locator("#panel").is_visible()


def test_an_edge_can_be_clicked(show: Any) -> None:
    page = show(expression())
    page.locator("[data-edge='0'] .hit").dispatch_event("click")
    assert "message to x" in page.locator("#panel").inner_text()


def test_everything_is_reached_by_keyboard(show: Any) -> None:
    page = show(network(), np.ones((1, 3)))
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('#graph') !== null"):
            break
    seen = set()
    for _ in range(20):
        seen.add(page.evaluate("document.activeElement.querySelector('title').textContent"))
        page.keyboard.press("ArrowDown")
    assert any("layer 0 Linear, expanded" in label for label in seen)
    assert any(label.startswith("0.weight,") for label in seen)
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "panel"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.closest('#graph') !== null")


def test_layers_collapse_into_one_step(show: Any) -> None:
    page = show(network(), np.ones((1, 3)))
    head = page.locator(".head[data-group='0']")
    head.focus()
    page.keyboard.press("Enter")
    box = page.locator(".closed[data-group='0']")
    assert box.is_visible()
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "false"
    assert not page.locator("[data-node='0']").is_visible() or not page.locator("[data-node='1']").is_visible()
    page.keyboard.press("ArrowRight")
    assert page.input_value("#time") == "2"  # product and bias at once
    page.keyboard.press("Enter")
    assert head.is_visible()
    page.click("#layers")
    assert page.locator(".closed").first.is_visible()


def test_search_finds_by_name_op_and_layer(show: Any) -> None:
    page = show(network(), np.ones((1, 3)))
    for text, hits in (("tanh", 1), ("0.weight", 1), ("linear", 8), ("nothing like it", 0)):
        page.fill("#search", text)
        assert page.locator("#hits button").count() == hits, text
    page.click("#layers")
    page.fill("#search", "0.weight")
    page.keyboard.press("Enter")
    assert "0.weight" in page.locator("#panel-title").inner_text()
    assert page.locator(".node.selected").is_visible()


def test_a_message_summed_over_a_batch_says_so(show: Any) -> None:
    page = show(network(), np.ones((2, 3)), lang="en")
    page.keyboard.press("End")
    bias = page.evaluate("JSON.parse(document.getElementById('data').textContent).edges.findIndex((e) => e.summed)")
    page.locator(f"[data-edge='{bias}'] .hit").dispatch_event("click")
    panel = page.locator("#panel").inner_text()
    assert "Σ upstream · local = message: 0.bias was repeated along axis 0" in panel
    page.locator("#panel .chips button").first.click()
    assert "Σ upstream · local" in page.locator(".messages").inner_text()
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
        if "0.bias gets" in said(page):
            break
    assert "summed along axis 0" in said(page)
    page.click("#language")
    assert "(軸 0 に沿った和)" in said(page)


def test_several_outputs_are_shown_one_by_one(show: Any) -> None:
    class Two(kb.Function):
        def forward(self, x: Any) -> Any:
            return x * x, x + 1.0

        def backward(self, d: Any, e: Any) -> Any:
            return 4.0 * d + e

    first, second = Two()(kb.tensor(2.0, requires_grad=True, name="x"))
    page = show(first * second)
    page.keyboard.press("End")
    page.locator("[data-node='1']").dispatch_event("click")
    assert page.locator("#panel .forward .part").all_inner_texts() == ["output 0: 4", "output 1: 3"]


def test_the_language_changes(show: Any) -> None:
    page = show(expression(), lang="ja")
    assert page.get_attribute("html", "lang") == "ja"
    page.keyboard.press("End")
    assert "メッセージ" in said(page)
    assert "上流の勾配 · 局所微分" in said(page)
    page.click("#language")
    assert page.get_attribute("html", "lang") == "en"
    assert "message" in said(page)


def test_light_and_dark(show: Any) -> None:
    page = show(expression(), dark=True)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.click("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"


def test_text_from_data_never_becomes_markup(show: Any) -> None:
    x = kb.tensor(np.ones((1, 3)), requires_grad=True, name=EVIL)
    page = show((x * 2.0).sum(), title=EVIL)
    page.keyboard.press("End")
    page.locator("[data-node='0']").dispatch_event("click")
    page.fill("#search", "img")
    assert page.locator("img").count() == 0
    assert page.locator("#panel-title").inner_text().startswith(EVIL)
    assert page.title() == f"{EVIL} · koubai"


def test_nothing_is_cut_off_on_a_phone(show: Any) -> None:
    page = show(network(2), np.ones((2, 3)), width=375, height=812)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.locator("[data-node='2']").dispatch_event("click")
    box = page.locator("#panel").bounding_box()
    assert box["width"] == 375
    assert box["y"] > 812 * 0.3
    for button in page.locator(".player button").all():
        size = button.bounding_box()
        assert min(size["width"], size["height"]) >= 42


def test_zooming_and_panning(show: Any) -> None:
    page = show(expression())
    transform = "document.getElementById('world').getAttribute('transform')"
    seen = [page.evaluate(transform)]
    for act in (
        lambda: page.click("#nearer"),
        lambda: page.locator("#graph").hover() or page.mouse.wheel(0, 240),
        lambda: (page.mouse.move(30, 300), page.mouse.down(), page.mouse.move(90, 330), page.mouse.up()),
    ):
        act()
        until(lambda: page.evaluate(transform) != seen[-1])
        seen.append(page.evaluate(transform))
    page.click("#fit")
    until(lambda: page.evaluate(transform) == seen[0])


def test_two_thousand_nodes_stay_usable(show: Any) -> None:
    """Collapsed at first, few elements; a step touches few of them, however many nodes there are."""
    page = show(network(400), np.ones((1, 3)))
    assert page.evaluate("JSON.parse(document.getElementById('data').textContent).nodes.length") > 2000
    assert page.locator(".node, .closed").count() < 1000
    changed = page.evaluate("""() => {
        let count = 0;
        const watch = new MutationObserver((found) => { count += found.length; });
        const all = {subtree: true, childList: true, attributes: true, characterData: true};
        watch.observe(document.getElementById("graph"), all);
        document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true}));
        return new Promise((done) => setTimeout(() => done(count), 100));
    }""")
    assert changed < 200


@pytest.mark.parametrize(("width", "dark"), [(375, True), (1366, False)])
def test_structure_and_contrast(show: Any, dark: bool, width: int) -> None:
    """What can be checked without a tool: names for all controls, one live region, text that is dark enough."""
    page = show(network(), np.ones((1, 3)), width=width, dark=dark)
    page.keyboard.press("End")
    page.locator("[data-node='2']").dispatch_event("click")
    unnamed = page.evaluate("""() => [...document.querySelectorAll("button, input, [role=button], aside, main")]
        .filter((e) => e.checkVisibility() && !e.getAttribute("aria-label"))
        .filter((e) => !(e.querySelector("title") || e).textContent.trim()).length""")
    assert unnamed == 0
    assert page.locator("[aria-live=polite]").count() == 1
    assert page.locator("h1").count() == 1
    assert page.evaluate("document.querySelectorAll('#graph [tabindex=\"0\"]').length") == 1
    contrasts = page.evaluate("""() => {
        const parts = (c) => c.match(/[\\d.]+/g).slice(0, 3).map(Number);
        const light = (c) => parts(c).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const style = getComputedStyle(document.documentElement);
        const probe = document.createElement("i");
        document.body.append(probe);
        const colour = (name) => {
            probe.style.color = style.getPropertyValue(name);
            return getComputedStyle(probe).color;
        };
        const ratio = (a, b) => { const [x, y] = [light(colour(a)), light(colour(b))].sort((p, q) => q - p);
            return (x + 0.05) / (y + 0.05); };
        const inks = ["--ink", "--quiet", "--forward", "--backward", "--accent"];
        const papers = ["--paper", "--card", "--tint"];
        const found = inks.flatMap((ink) => papers.map((paper) => [ink, paper, ratio(ink, paper)]));
        probe.remove();
        return found;
    }""")
    assert all(ratio >= 4.5 for *_, ratio in contrasts), contrasts


@pytest.mark.skipif(not AXE, reason="KOUBAI_AXE does not name axe-core's axe.min.js")
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [375, 1366])
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_axe_finds_nothing(show: Any, dark: bool, width: int, lang: str) -> None:
    page = show(network(), np.ones((1, 3)), width=width, dark=dark, lang=lang)
    page.evaluate(Path(AXE).read_text(encoding="utf-8"))

    def check() -> None:
        found = page.evaluate("axe.run(document)")["violations"]
        assert not found, [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found]

    check()
    page.keyboard.press("End")
    page.locator("[data-node='2']").dispatch_event("click")
    check()
    page.click("#panel button[title]")
    page.fill("#search", "linear")
    check()
    page.keyboard.press("Escape")
    page.click("#help")
    check()
