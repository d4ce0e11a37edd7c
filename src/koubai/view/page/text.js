// Every text of the page, in both languages. {0}, {1}, ... are filled in.
const TEXTS = {
  en: {
    search: "Search: name, op, layer", graph: "Computational graph", stage: "Graph", panel: "Details", player: "Steps",
    hint: "Up and down arrow keys move between nodes, Enter shows one. Left and right arrow keys step through the computation.",
    forward: "forward: values", backward: "backward: gradients", nearer: "Zoom in", farther: "Zoom out", fit: "Fit the graph to the window",
    first: "To the start (Home)", back: "One step back (left arrow)", next: "One step on (right arrow)", last: "To the end (End)",
    play: "Play (space)", pause: "Pause (space)", time: "Step", theme: "Light or dark", help: "Keyboard", turn: "Downwards or to the right",
    closeAll: "Collapse all layers", openAll: "Expand all layers", language: "日本語に切り替える", close: "Close", keys: "Keyboard",
    step: "{0} of {1}",
    sayStart: "The inputs and parameters are given. Press → for the first step.",
    sayForward: "Forward {0} of {1}: {2}",
    saySeed: "Backward begins at the output: the gradient of {0} is {1}.",
    sayBackward: "Backward {0} of {1}: {2}",
    saySends: "{0} sends upstream · local: ", sayGets: "{0} gets {1}", sayNorm: "{0}, norm {1}",
    sayTotal: "; the gradient of {0} is complete: {1}, the sum of {2} messages",
    sayEnd: "All gradients are there.",
    found: "{0} found", foundOne: "1 found", none: "nothing found",
    value: "value", gradient: "gradient", op: "operation", name: "name", layer: "layer", source: "source line", shape: "shape", dtype: "dtype",
    leaf: "input or parameter", data: "an array, given as it is",
    forwardTitle: "Forward", backwardTitle: "Backward", numbers: "with numbers",
    messagesSum: "The gradient is the sum of the messages of its users:", messageOne: "The gradient is the message of its only user:",
    noGradient: "No gradient flows here.", seed: "This is where backpropagation starts: dE/dE.",
    from: "from {0}", upstream: "upstream", local: "local", message: "message", sum: "sum",
    upstreamOf: "upstream gradient, of {0}", localOf: "local derivative", messageTo: "message to {0}",
    product: "upstream · local = message", productSummed: "Σ upstream · local = message: {0} was repeated along {1}, so the messages of all copies are summed.",
    axis: "axis {0}", axes: "axes {0}", over: "{0}, summed along {1}", output: "output {0}: ", edge: "input {0} of {1}", inputs: "Inputs", users: "Used by",
    structured: "mixes elements; the formula above is its rule", noMessage: "No message: {0} needs no gradient.",
    constant: "number", smallest: "min", largest: "max", mean: "mean", norm: "norm", notFinite: "{0} not finite",
    heat: "Heat map of {0} by {1} block means: negative values in blue, positive ones in red, largest size {2}", absolute: "sizes of complex numbers",
    nodes: "{0} nodes", oneNode: "1 node", layerAria: "layer {0}, {1}, collapsed; Enter expands",
    layerOpenAria: "layer {0}, expanded; Enter collapses", notYet: "not computed yet", partial: "so far {0}, {1} of {2} messages",
    several: "{0} outputs",
    helpKeys: [["→ ←", "one step on, back"], ["Home End", "to the start, to the end"], ["Space", "play, pause"],
      ["Tab", "to the graph and the buttons"], ["↑ ↓", "from node to node, in the graph"], ["Enter", "show a node, expand or collapse a layer"],
      ["+ − 0", "nearer, farther, fit, in the graph"], ["Esc", "close"]],
  },
  ja: {
    search: "検索：名前・演算・層", graph: "計算グラフ", stage: "グラフ", panel: "詳細", player: "ステップ",
    hint: "上下の矢印キーでノードを移動し、Enter キーで詳細を表示します。左右の矢印キーで計算を1ステップずつ進めたり戻したりできます。",
    forward: "順伝播：値", backward: "逆伝播：勾配", nearer: "拡大", farther: "縮小", fit: "全体を表示",
    first: "最初へ (Home)", back: "1ステップ戻る (←)", next: "1ステップ進む (→)", last: "最後へ (End)",
    play: "再生 (スペース)", pause: "一時停止 (スペース)", time: "ステップ", theme: "明るい表示と暗い表示の切り替え", help: "キーボード操作", turn: "縦向きと横向きの切り替え",
    closeAll: "すべての層をたたむ", openAll: "すべての層を展開する", language: "Switch to English", close: "閉じる", keys: "キーボード操作",
    step: "{0} / {1}",
    sayStart: "入力とパラメータの値が与えられています。→ キーで計算を始めます。",
    sayForward: "順伝播 {0} / {1}：{2}",
    saySeed: "出力から逆伝播を始めます。{0} 自身の勾配は {1} です。",
    sayBackward: "逆伝播 {0} / {1}：{2}",
    saySends: "{0} がメッセージ「上流の勾配 · 局所微分」を送ります。", sayGets: "{0} へ {1}", sayNorm: "{0}(ノルム {1})",
    sayTotal: "。{2} 個のメッセージがそろい、その和から {0} の勾配が {1} と決まります",
    sayEnd: "すべての勾配がそろいました。",
    found: "{0} 件見つかりました", foundOne: "1 件見つかりました", none: "見つかりません",
    value: "値", gradient: "勾配", op: "演算", name: "名前", layer: "層", source: "ソースの行", shape: "形状", dtype: "dtype",
    leaf: "入力またはパラメータ", data: "与えられた配列",
    forwardTitle: "順伝播", backwardTitle: "逆伝播", numbers: "数値を代入した式",
    messagesSum: "勾配は、この値を使う各ノードから届くメッセージの和：", messageOne: "勾配は、この値を使うただ一つのノードから届くメッセージ：",
    noGradient: "ここには勾配が流れません。", seed: "逆伝播の出発点。出力自身についての勾配です。",
    from: "{0} から", upstream: "上流の勾配", local: "局所微分", message: "メッセージ", sum: "和",
    upstreamOf: "上流の勾配({0} の勾配)", localOf: "局所微分", messageTo: "{0} へのメッセージ",
    product: "連鎖律：上流の勾配 · 局所微分 = メッセージ", productSummed: "連鎖律：Σ 上流の勾配 · 局所微分 = メッセージ。{0} は{1}に沿って複製して使われたので、すべての複製の分を足し合わせます。",
    axis: "軸 {0} ", axes: "軸 {0} ", over: "{0}({1}に沿った和)", output: "出力 {0}：", edge: "{1} の第 {0} 入力", inputs: "入力", users: "使われる先",
    structured: "要素どうしを混ぜる演算なので、上の式の規則に従います", noMessage: "メッセージなし：{0} に勾配は不要です。",
    constant: "定数", smallest: "最小", largest: "最大", mean: "平均", norm: "ノルム", notFinite: "有限でない要素 {0} 個",
    heat: "{0} 行 {1} 列のヒートマップ。各マスは区画の平均。負の値は青、正の値は赤、絶対値の最大は {2}", absolute: "複素数の絶対値",
    nodes: "{0} ノード", oneNode: "1 ノード", layerAria: "層 {0}、{1}、たたまれています。Enter キーで展開",
    layerOpenAria: "層 {0}、展開されています。Enter キーでたたむ", notYet: "未計算", partial: "途中 {0}、メッセージ {2} 個中 {1} 個",
    several: "出力 {0} 個",
    helpKeys: [["→ ←", "1ステップ進む・戻る"], ["Home End", "最初・最後へ"], ["スペース", "再生・一時停止"],
      ["Tab", "グラフやボタンへ移動"], ["↑ ↓", "(グラフで)ノードを移動"], ["Enter", "ノードの詳細、層の展開・折りたたみ"],
      ["+ − 0", "(グラフで)拡大・縮小・全体表示"], ["Esc", "閉じる"]],
  },
};
let lang = "en";

function t(key, ...parts) {
  return String(TEXTS[lang][key]).replace(/\{(\d)\}/g, (_, i) => parts[i]);
}

function applyTexts() {
  document.documentElement.lang = lang;
  for (const e of document.querySelectorAll("[data-text]")) e.textContent = t(e.dataset.text);
  for (const e of document.querySelectorAll("[data-label]")) {
    e.setAttribute("aria-label", t(e.dataset.label));
    if (e.tagName === "BUTTON") e.title = t(e.dataset.label);
  }
  byId("search").placeholder = t("search");
  byId("stage").setAttribute("aria-label", t("stage"));
  byId("panel").setAttribute("aria-label", t("panel"));
  const button = byId("language");
  button.textContent = lang === "en" ? "日本語" : "English";
  button.lang = lang === "en" ? "ja" : "en";
  const list = byId("keylist");
  list.replaceChildren();
  for (const [keys, what] of TEXTS[lang].helpKeys) {
    list.append(el("dt", {}, keys.split(" ").flatMap((k) => [el("kbd", {}, k), " "])), el("dd", {}, what));
  }
}
