// The side panel: everything about one node or one edge.
const panel = byId("panel");
let opener = null; // where the focus goes back to

function select(kind, index, { focus = false } = {}) {
  const before = selected;
  selected = { kind, index };
  if (before) repaint(before);
  repaint(selected);
  if (panel.hidden) opener = document.activeElement;
  panel.hidden = false;
  fillPanel();
  panel.scrollTop = 0;
  if (kind === "node") current = index;
  focusable();
  const at = kind === "node" ? [places.nodes[index]] : [places.nodes[edges[index].source], places.nodes[edges[index].target]];
  reveal(at);
  if (focus) panel.focus({ preventScroll: true });
}

function repaint({ kind, index }) { if (kind === "node") paintNode(index); else paintEdge(index); }

function closePanel() {
  if (panel.hidden) return;
  const before = selected;
  selected = null;
  if (before) repaint(before);
  const inside = panel.contains(document.activeElement);
  panel.hidden = true;
  if (inside) {
    const back = opener && opener.isConnected && opener !== document.body ? opener : tabStop;
    if (back) back.focus({ preventScroll: true });
  }
}

function fillPanel() {
  if (panel.hidden || !selected) return;
  panel.replaceChildren(...(selected.kind === "node" ? nodePanel(selected.index) : edgePanel(selected.index)));
}

function panelHead(title, small) {
  const close = el("button", { type: "button", "aria-label": t("close"), title: t("close"), on: { click: closePanel } }, icon("close"));
  return el("header", {}, [el("h2", { id: "panel-title" }, [title, " ", el("small", {}, small)]), close]);
}

function facts(pairs) {
  const list = el("dl", { class: "about" });
  for (const [name, value] of pairs) if (value !== undefined && value !== null && value !== "") list.append(el("dt", {}, name), el("dd", {}, value));
  return list.childElementCount ? list : null;
}

function heading(key, kind) { return el("h3", { class: kind }, t(key)); }

function formula(x, kind = "", before = "") {
  return x === undefined || x === null ? null : el("div", { class: `maths ${kind}${before ? " long" : ""}`, tabindex: before ? 0 : null, role: before ? "group" : null,
    "aria-label": before ? t("numbers") : null }, [before, maths(x)]);
}

// What was computed: in symbols, with numbers, and what came of it.
function formulas(x) { return [formula(x.formula), formula(x.numbers, "", "="), formula(x.result, "", "=")]; }

// How much the output changes with a node, as a formula.
function derivativeBy(i) {
  const name = (k) => {
    const [head, index] = symbolParts(symbol(k));
    return index ? ["msub", {}, ["mi", {}, head], [/^\d+$/.test(index) ? "mn" : "mi", {}, index]] : ["mi", {}, head];
  };
  const change = (k) => ["mrow", {}, ["mo", {}, "∂"], name(k)];
  return ["math", {}, ["mrow", {}, ["mfrac", {}, change(data.output), change(i)], ["mo", {}, "="]]];
}

// What the op does in general.
function inGeneral(words) {
  return el("div", {}, [el("p", { class: "words" }, words[lang]),
    el("div", { class: "maths general" }, [words.formula, ...(words.derivatives || [])].map((x) => el("span", {}, maths(x))))]);
}

function nodePanel(i) {
  const n = nodes[i], words = n.op ? data.ops[n.op] : null;
  const what = n.kind === "op" ? n.op : t(n.kind);
  const shape = n.value && n.value.shape ? n.value : null;
  return [
    panelHead(nice(n.symbol), what),
    words && inGeneral(words),
    facts([[t("name"), n.name], [t("layer"), n.layer], [t("source"), n.where], [t("shape"), shape && shapeOf(shape)], [t("dtype"), shape && shape.dtype],
      ...Object.entries(n.params || {})]),
    heading("forwardTitle", "forward"),
    ...formulas(n),
    el("div", { class: "forward" }, valueOf(n.value, "forward")),
    heading("backwardTitle", "backward"),
    ...backwardPart(i),
    links("inputs", into[i].map((e) => edges[e].source), n),
    links("users", out[i].map((e) => edges[e].target)),
  ].filter(Boolean);
}

function backwardPart(i) {
  const n = nodes[i], messages = received[i];
  const parts = [];
  if (n.grad === undefined) return [el("p", { class: "words" }, t("noGradient"))];
  parts.push(gradientLine(i));
  if (i === data.output && !messages.length) parts.push(el("p", { class: "words" }, t("seed")));
  if (messages.length) {
    parts.push(el("p", { class: "words" }, t(messages.length > 1 ? "messagesSum" : "messageOne")));
    parts.push(el("ul", { class: "messages" }, messages.map((e) => el("li", {}, messageButton(e)))));
    if (messages.length > 1 && isNumber(n.grad)) parts.push(formula(sumText(messages, n.grad)));
  }
  return parts;
}

function gradientLine(i) {
  const { grad } = nodes[i], single = isNumber(grad);
  return el("div", { class: single ? "line" : "" }, [formula(derivativeBy(i)), valueOf(grad, "backward")]);
}

function sumText(messages, total) {
  const terms = messages.map((e, k) => {
    const text = brief(edges[e].message);
    return k === 0 ? text : text.startsWith("−") ? ` − ${text.slice(1)}` : ` + ${text}`;
  });
  return `${terms.join("")} = ${number(total)}`;
}

// A text about a node, its symbol set as a formula.
function about(key, i) {
  const [before, after] = t(key, "\u0001").split("\u0001");
  return [before, nice(symbol(i)), after];
}

function messageButton(e) {
  const { target, message, local } = edges[e];
  const many = edges[e].summed ? "Σ " : "";
  const product = isScalarEdge(e) ? `${number(nodes[target].grad)} · ${number(local)}` : `${many}${t("upstream")} · ${t("local")}`;
  return el("button", { type: "button", class: sentAt[e] <= now ? "" : "waiting", on: { click: () => select("edge", e, { focus: true }) } }, [
    el("span", { class: "from" }, about("from", target)),
    el("span", { class: "product" }, product), el("span", { class: "sum" }, cardText(message, true))]);
}

function links(key, found, n) {
  const chips = found.map((i) => el("li", {}, el("button", { type: "button", on: { click: () => select("node", i, { focus: true }) } }, nice(symbol(i)))));
  if (n) for (const x of n.inputs || []) if (Array.isArray(x)) chips.push(el("li", { class: "words" }, `${t("constant")} ${brief(x[0])}`));
  return chips.length ? el("div", {}, [el("h3", {}, t(key)), el("ul", { class: "chips" }, chips)]) : null;
}

function edgePanel(e) {
  const { source, target, message, local, position } = edges[e];
  const words = data.ops[nodes[target].op];
  const head = panelHead([nice(symbol(source)), " → ", nice(symbol(target))], t("edge", position + 1, nodes[target].op));
  const ends = links("inputs", [source]);
  const goes = links("users", [target]);
  if (message === undefined) return [head, el("p", { class: "words" }, t("noMessage", symbol(source))), ends, goes];
  const rows = el("dl", { class: "chain" });
  const row = (name, value) => rows.append(el("dt", {}, name), el("dd", { class: value.tagName === "SPAN" ? "" : "wide" }, value));
  row(about("upstreamOf", target), valueOf(nodes[target].grad, "backward"));
  row(t("localOf"), local !== undefined ? valueOf(local, "") : el("span", { class: "words" }, t("structured")));
  row(about("messageTo", source), valueOf(message, "backward"));
  return [
    head, heading("forwardTitle", "forward"), ...formulas(nodes[target]),
    heading("backwardTitle", "backward"), ...formulas(edges[e]),
    el("p", { class: "words" }, edges[e].summed ? t("productSummed", told(source), along(e)) : t("product")),
    isScalarEdge(e) ? formula(`${number(nodes[target].grad)} · ${number(local)} = ${number(message)}`) : null,
    rows, inGeneral(words), ends, goes].filter(Boolean);
}

// A value in full: a number, a table, or what is known of a large array.
function valueOf(x, kind) {
  if (isNumber(x)) return el("span", { class: `number ${kind}` }, number(x, 9));
  if (!x) return el("span", {}, "–");
  if (x.several) return el("div", {}, x.several.map((part, k) => el("div", { class: "part" }, [el("b", {}, t("output", k)), valueOf(part, kind)])));
  if (x.table) return table(x);
  const items = [["", shapeOf(x) + " " + x.dtype], [t("smallest"), x.min], [t("largest"), x.max], [t("mean"), x.mean], [t("norm"), x.norm]];
  const list = el("ul", { class: "summary" }, items.filter(([, v]) => v !== undefined).map(([name, v]) =>
    el("li", {}, [el("b", {}, name + " "), isNumber(v) && name ? number(v) : String(v)])));
  if (x.notFinite) list.append(el("li", { class: "number backward" }, t("notFinite", x.notFinite)));
  if (x.absolute) list.append(el("li", {}, t("absolute")));
  return el("div", {}, [list, x.map ? heatMap(x) : null]);
}

function table(x) {
  const rows = x.shape.length === 1 ? [x.table] : x.shape.length === 2 ? x.table : x.table.map((row) => row.flat(Infinity));
  const lines = rows.map((row) => el("tr", {}, row.map((v) => el("td", {}, number(v, 6)))));
  return el("div", { class: "table", tabindex: 0, role: "group", "aria-label": `${t("shape")} ${shapeOf(x)}` }, el("table", { class: "matrix", role: "presentation" }, el("tbody", {}, lines)));
}

function heatMap(x) {
  const canvas = heatCanvas(cellsOf(x));
  canvas.className = "heat";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", t("heat", x.map.rows, x.map.columns, number(x.map.scale)));
  canvas.style.aspectRatio = String(Math.min(24, Math.max(0.8, x.map.columns / x.map.rows)));
  const scale = el("div", { class: "scale", "aria-hidden": "true" }, [-x.map.scale, 0, x.map.scale].map((v) => el("span", {}, number(v, 4))));
  return el("div", {}, [canvas, scale]);
}
