// Stepping: what changes between two steps is painted, and nothing else.
const say = byId("say");
const time = byId("time");
let timer = 0;
let marked = []; // what the present step has marked

function markAs(e, kind) {
  e.classList.add(kind);
  marked.push(e);
}

function goTo(k, { follow = true } = {}) {
  k = Math.min(Math.max(k, 0), lastStep);
  const low = Math.min(k, now), high = Math.max(k, now);
  const touchedNodes = new Set(), touchedEdges = new Set();
  for (let s = low; s <= high; s++) {
    steps[s].touched.forEach((i) => touchedNodes.add(i));
    (steps[s].edges || []).forEach((e) => touchedEdges.add(e));
  }
  unmark();
  now = k;
  touchedNodes.forEach(paintNode);
  touchedEdges.forEach(paintEdge);
  new Set([...touchedNodes].flatMap((i) => groupsAround(i))).forEach(paintGroup);
  mark(follow);
  tell();
}

function groupsAround(i) {
  const found = [];
  for (let g = parentOf(i); g !== null && g !== undefined; g = drawing().around[g]) found.push(g);
  return found;
}

// What a step shows on a collapsed layer stands for all of its ops: they are taken in one step.
function stepFrom(k, direction) {
  let next = k + direction;
  const inside = (s) => (steps[s] && steps[s].node !== undefined ? hiddenIn(steps[s].node) : null);
  if (next < 0 || next > lastStep) return k;
  const g = inside(next);
  if (g === null) return next;
  const phase = steps[next].phase;
  const sameStretch = (s) => steps[s] && steps[s].phase === phase && inside(s) === g;
  if (direction > 0) while (sameStretch(next + 1)) next++;
  else if (sameStretch(k)) { while (sameStretch(next)) next--; }
  return next;
}

function unmark() {
  for (const e of marked) e.classList.remove("now", "receives");
  marked = [];
  layer.flow.replaceChildren();
}

function placeOf(i) {
  const g = hiddenIn(i);
  if (g === null) return places.nodes[i];
  const [x, y, w, h] = places.groups[g];
  return [x + w / 2, y + h / 2];
}

function mark(follow) {
  const step = steps[now];
  const back = step.phase === "seed" || step.phase === "backward";
  world.classList.toggle("backwards", back);
  world.classList.toggle("forwards", !back);
  if (step.node === undefined) return;
  current = step.node;
  const g = hiddenIn(step.node);
  const view = g === null ? nodeView[step.node] : groupView[g] && { g: groupView[g].box };
  if (view) markAs(view.g, "now");
  const moving = [];
  for (const e of step.edges) {
    const edge = edgeView[e];
    if (!edge || places.paths[e] === null) continue;
    markAs(edge.g, "now");
    moving.push(edge);
    if (back && hiddenIn(edges[e].source) === null) markAs(nodeView[edges[e].source].g, "receives");
    if (back) layer.flow.append(pill(e, edge));
  }
  if (follow) reveal([step.node, ...step.edges.map((e) => edges[e].source)].slice(0, 4).map(placeOf));
  flow(moving.slice(0, 24), back);
  if (g === null) stopAt(view.g);
}

// A message on its edge: the local derivative above, the message below.
function pill(e, edge) {
  const { message, local } = edges[e];
  const path = edge.wire, at = path.getPointAtLength(path.getTotalLength() * 0.5);
  const lines = [cardText(message, true)];
  if (isScalarEdge(e)) lines.unshift("· " + number(local, 4));
  const width = 18 + 7.3 * Math.max(...lines.map((s) => s.length)), high = lines.length > 1 ? 36 : 22;
  const texts = lines.map((s, k) => svg("text", { class: lines.length > 1 && k === 0 ? "factor" : "", y: lines.length > 1 ? (k ? 12 : -4) : 4.5 }, s));
  return svg("g", { class: "pill", transform: `translate(${at.x} ${at.y})` }, [svg("rect", { x: -width / 2, y: -high / 2, width, height: high, rx: 11 }), texts]);
}

// A dot runs along each edge of the step, the way that the values or the messages go.
function flow(moving, back) {
  if (still.matches || !moving.length) return;
  const dots = moving.map((edge) => [edge.wire, edge.wire.getTotalLength(), svg("circle", { class: "pulse", r: 5 })]);
  for (const [, , dot] of dots) layer.flow.prepend(dot);
  const start = performance.now();
  const move = (clock) => {
    const share = Math.min((clock - start) / 620, 1);
    for (const [path, length, dot] of dots) {
      const at = path.getPointAtLength(length * (back ? 1 - share : share));
      dot.setAttribute("cx", at.x);
      dot.setAttribute("cy", at.y);
    }
    if (share < 1 && dots[0][2].isConnected) requestAnimationFrame(move);
    else for (const [, , dot] of dots) dot.remove();
  };
  requestAnimationFrame(move);
}

// The sentence of the step, which a screen reader hears too, and the slider.
function tell() {
  say.replaceChildren(...sentence(now).map(([text, kind]) => el("span", { class: kind }, withSymbols(text))));
  time.value = now;
  time.setAttribute("aria-valuetext", t("step", now, lastStep));
  byId("where").textContent = t("step", now, lastStep);
  fillPanel();
}

function play(on = !timer) {
  clearInterval(timer);
  timer = 0;
  if (on) {
    if (now === lastStep) goTo(0);
    timer = setInterval(() => {
      goTo(stepFrom(now, 1));
      if (now === lastStep) play(false);
    }, 1150);
  }
  const button = byId("play");
  setIcon(button, timer ? "pause" : "play");
  button.setAttribute("aria-label", t(timer ? "pause" : "play"));
  button.dataset.label = timer ? "pause" : "play";
  button.title = t(timer ? "pause" : "play");
}

function walk(direction) {
  play(false);
  goTo(stepFrom(now, direction));
}

function paintTrack() {
  const share = lastStep ? 100 * (seedAt - 0.5) / lastStep : 50;
  time.style.setProperty("--track", `linear-gradient(90deg, var(--forward) ${share}%, var(--backward) ${share}%)`);
}
