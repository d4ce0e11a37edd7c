// The picture: elements are made when they are first shown, and touched again only when what they show has changed.
const world = byId("world");
const graph = byId("graph");
const layer = { frames: svg("g"), edges: svg("g"), nodes: svg("g"), heads: svg("g"), flow: svg("g", { "aria-hidden": "true" }) };
world.append(...Object.values(layer));
const nodeView = nodes.map(() => null);
const edgeView = edges.map(() => null);
const groupView = groups.map(() => null);
let places = null;
let selected = null; // {kind: "node" | "edge", index}
let current = 0; // the node that the keyboard is at

function cut(text, most) { return text.length > most ? text.slice(0, most - 1) + "…" : text; }

function makeNode(i) {
  const n = nodes[i];
  const w = CARD_W / 2, h = CARD_H / 2;
  const [head, index] = symbolParts(n.symbol);
  const room = n.kind === "op" ? 9 : 15;
  const title = svg("text", { class: "symbol", x: -w + 11, y: -h + 20 }, cut(head, room));
  if (index) title.append(svg("tspan", { class: "below", dy: 4 }, cut(index, 5)));
  const op = n.kind === "op" ? (data.glyphs[n.op] || n.op) : "";
  const view = {
    value: svg("text", { class: "value", x: w - 11, y: -h + 38, "text-anchor": "end" }),
    grad: svg("text", { class: "grad", x: w - 11, y: -h + 54, "text-anchor": "end" }),
    marks: [svg("text", { class: "equals", x: -w + 11, y: -h + 38 }, "="), svg("text", { class: "nabla", x: -w + 11, y: -h + 54 }, "∇")],
    images: [],
  };
  view.g = svg("g", { class: `node ${n.kind}${i === data.output ? " output" : ""}`, role: "button", tabindex: -1, "data-node": i }, [
    svg("rect", { class: "ring", x: -w - 4, y: -h - 4, width: 2 * w + 8, height: 2 * h + 8, rx: 14 }),
    svg("rect", { class: "card", x: -w, y: -h, width: 2 * w, height: 2 * h, rx: 11 }),
    title, svg("text", { class: "op", x: w - 11, y: -h + 19, "text-anchor": "end" }, cut(op, index ? 9 : 11)),
    view.marks[0], view.value, view.marks[1], view.grad,
  ]);
  layer.nodes.append(view.g);
  return view;
}

function makeEdge(e) {
  const view = {
    wire: svg("path", { class: "wire" }), message: svg("path", { class: "message" }), hit: svg("path", { class: "hit" }),
    tip: svg("path", { class: "tip" }),
  };
  view.g = svg("g", { class: "edge", "data-edge": e, "aria-hidden": "true" }, [view.wire, view.message, view.tip, view.hit]);
  layer.edges.append(view.g);
  return view;
}

function makeGroup(g) {
  const { path, kind } = groups[g];
  const view = {
    frame: svg("g", { class: "group" }, svg("rect", { class: "frame", rx: 16 })),
    head: svg("g", { class: "head", role: "button", tabindex: -1, "aria-expanded": "true", "data-group": g }, [
      svg("rect", { class: "ring", x: 3, y: 3, height: HEADER, rx: 8 }), svg("rect", { class: "grip", height: HEADER + 4 }),
      svg("text", { x: 14, y: 19 })]),
    box: svg("g", { class: "closed", role: "button", tabindex: -1, "aria-expanded": "false", "data-group": g }, [
      svg("rect", { class: "ring", x: -4, y: -4, width: CLOSED_W + 8, height: CLOSED_H + 8, rx: 15 }),
      svg("rect", { class: "behind", x: 5, y: 5, width: CLOSED_W - 10, height: CLOSED_H, rx: 12 }),
      svg("rect", { class: "card", width: CLOSED_W, height: CLOSED_H, rx: 12 }),
      svg("text", { class: "symbol", x: 12, y: 21 }, cut(path, 16)), svg("text", { class: "op", x: 12, y: 38 }),
      svg("text", { class: "op count", x: CLOSED_W - 12, y: 38, "text-anchor": "end" }),
      svg("rect", { class: "track", x: 12, y: 46, width: CLOSED_W - 24, height: 7, rx: 3.5 }),
      svg("rect", { class: "done-forward", x: 12, y: 46, height: 3 }), svg("rect", { class: "done-backward", y: 50, height: 3 })]),
  };
  view.head.querySelector("text").textContent = `▾ ${cut(path, 20)} · ${cut(kind, 20)}`;
  layer.frames.append(view.frame);
  layer.heads.append(view.head);
  layer.nodes.append(view.box);
  return view;
}

function show(e, visible) { if (visible) e.removeAttribute("display"); else e.setAttribute("display", "none"); }

// Put everything where it belongs now.
function arrange() {
  places = arrangement();
  const down = turned === "down";
  places.nodes.forEach((at, i) => {
    if (at === null) return nodeView[i] && show(nodeView[i].g, false);
    const fresh = nodeView[i] === null;
    if (fresh) nodeView[i] = makeNode(i);
    show(nodeView[i].g, true);
    nodeView[i].g.setAttribute("transform", `translate(${at[0]} ${at[1]})`);
    if (fresh) paintNode(i);
  });
  places.groups.forEach((box, g) => {
    if (box === null) { if (groupView[g]) for (const k of ["frame", "head", "box"]) show(groupView[g][k], false); return; }
    const view = groupView[g] || (groupView[g] = makeGroup(g));
    const folded = closed.has(g);
    show(view.frame, !folded);
    show(view.head, !folded);
    show(view.box, folded);
    const at = `translate(${box[0]} ${box[1]})`;
    for (const k of ["frame", "head", "box"]) view[k].setAttribute("transform", at);
    const frame = view.frame.firstChild;
    frame.setAttribute("width", box[2]);
    frame.setAttribute("height", box[3]);
    if (!folded) for (const r of view.head.querySelectorAll("rect")) r.setAttribute("width", Math.max(box[2] - 6, 10));
    paintGroup(g);
  });
  places.paths.forEach((points, e) => {
    if (points === null) return edgeView[e] && show(edgeView[e].g, false);
    const view = edgeView[e] || (edgeView[e] = makeEdge(e));
    show(view.g, true);
    const d = pathData(points, down);
    for (const k of ["wire", "message", "hit"]) view[k].setAttribute("d", d);
    view.points = points;
    paintEdge(e);
  });
  focusable();
}

// The end of an edge: an arrow at the target, or at the source once a message has come.
function tip(points, atSource, down) {
  const [x, y] = atSource ? points[0] : points[points.length - 1];
  const s = atSource ? -1 : 1;
  return down ? `M${x} ${y}l-4 ${-8 * s}h8z` : `M${x} ${y}l${-8 * s} -4v8z`;
}

function paintEdge(e) {
  const view = edgeView[e];
  if (!view) return;
  const carried = computedAt[edges[e].target] <= now, sent = sentAt[e] <= now;
  const list = view.g.classList;
  list.toggle("carried", carried);
  list.toggle("sent", sent);
  list.toggle("selected", selected !== null && selected.kind === "edge" && selected.index === e);
  view.tip.setAttribute("class", "tip" + (sent ? " sent" : carried ? " carried" : ""));
  if (view.points) view.tip.setAttribute("d", tip(view.points, sent, turned === "down"));
}

function paintNode(i) {
  const view = nodeView[i];
  if (!view) return;
  const n = nodes[i], ready = isComputed(i), g = gradientAt(i);
  view.g.classList.toggle("waiting", !ready);
  view.g.classList.toggle("ready", ready);
  view.g.classList.toggle("graded", g.state === "whole");
  view.g.classList.toggle("selected", selected !== null && selected.kind === "node" && selected.index === i);
  view.value.textContent = ready ? cardText(n.value) : "";
  view.grad.textContent = g.state === "none" ? "" : g.state === "whole" ? cardText(g.value, true) : partialText(g);
  view.grad.classList.toggle("partial", g.state === "partial");
  view.marks[0].textContent = ready ? "=" : "";
  view.marks[1].textContent = g.state === "none" ? "" : "∇";
  thumbnail(view, 0, ready ? n.value : null);
  thumbnail(view, 1, g.state === "whole" ? g.value : null);
  label(view.g, describe(i));
}

// What something is, in words: its name for a screen reader, and shown when a mouse rests on it.
function label(e, words) {
  if (!e.firstElementChild || e.firstElementChild.tagName !== "title") e.prepend(svg("title"));
  e.firstElementChild.textContent = words;
}

function cardText(x, gradient = false) {
  if (isNumber(x)) return number(x, 6);
  if (x && gradient && normOf(x) !== undefined) return "‖" + number(normOf(x), 3) + "‖";
  return brief(x).replace(/^\[|\]$/g, "");
}

function partialText(g) { return (g.value === undefined ? "" : number(g.value, 4) + "  ") + `${g.came}/${g.all}`; }

function describe(i) {
  const n = nodes[i], g = gradientAt(i);
  const kind = n.kind === "op" ? n.op : t(n.kind);
  const value = isComputed(i) ? `${t("value")} ${brief(n.value)}` : t("notYet");
  const grad = g.state === "none" ? "" : `, ${t("gradient")} ` +
    (g.state === "whole" ? brief(g.value) : t("partial", g.value === undefined ? "" : number(g.value), g.came, g.all));
  return `${n.symbol}, ${kind}, ${value}${grad}`;
}

function paintGroup(g) {
  const view = groupView[g];
  if (!view) return;
  const all = members[g].length;
  const count = all === 1 ? t("oneNode") : t("nodes", all);
  view.box.querySelector(".op").textContent = cut(groups[g].kind, 13);
  view.box.querySelector(".count").textContent = all;
  label(view.box, t("layerAria", `${groups[g].path} ${groups[g].kind}`, count));
  label(view.head, t("layerOpenAria", `${groups[g].path} ${groups[g].kind}`));
  if (!closed.has(g)) return;
  const wide = CLOSED_W - 24;
  const computed = members[g].filter((i) => isComputed(i)).length;
  const wanting = members[g].filter((i) => received[i].length);
  const done = wanting.filter((i) => gradientAt(i).state === "whole").length;
  view.box.querySelector(".done-forward").setAttribute("width", wide * computed / all);
  const back = view.box.querySelector(".done-backward");
  const width = wide * (wanting.length ? done / wanting.length : 0);
  back.setAttribute("width", width);
  back.setAttribute("x", 12 + wide - width);
}

// One stop for the Tab key in the whole graph.
let tabStop = null;

function stopAt(e) {
  if (tabStop) tabStop.setAttribute("tabindex", -1);
  tabStop = e;
  if (e) e.setAttribute("tabindex", 0);
}

function focusable() { stopAt(hiddenIn(current) === null ? nodeView[current].g : graphStops()[0]); }

// What the keyboard can reach in the graph, in the order of the computation; a layer stands before its first node.
function graphStops() {
  const stops = [], seen = new Set();
  const enter = (g) => {
    if (g === null || g === undefined || seen.has(g)) return;
    enter(drawing().around[g]);
    seen.add(g);
    if (isShownGroup(g)) stops.push(closed.has(g) ? groupView[g].box : groupView[g].head);
  };
  nodes.forEach((_, i) => {
    enter(parentOf(i));
    if (hiddenIn(i) === null) stops.push(nodeView[i].g);
  });
  return stops;
}
