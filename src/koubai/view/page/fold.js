// Which layers are collapsed, and where things stand then. The order of the drawing never changes: a collapsed layer
// becomes a box in the middle of its frame, and the strips of the drawing in which nothing is left are taken out.
const groups = data.groups;
const closed = new Set();
const [CARD_W, CARD_H] = data.card;
const CLOSED_W = CARD_W + 14, CLOSED_H = CARD_H;
const HEADER = 22, PAD = 14;
let turned = "right";

function drawing() { return data.drawings[turned]; }

function parentOf(i) { return drawing().parents[i]; }

// The outermost collapsed layer around a layer, itself included; null if there is none.
function closedAround(g) {
  let found = null;
  for (; g !== null && g !== undefined; g = drawing().around[g]) if (closed.has(g)) found = g;
  return found;
}

function hiddenIn(i) { return closedAround(parentOf(i)); }

function isShownGroup(g) { return drawing().groups[g] !== null && closedAround(drawing().around[g]) === null; }

// Which nodes a layer holds, in it and in the layers inside of it.
const members = groups.map(() => []);
nodes.forEach((_, i) => {
  for (let g = data.drawings.right.parents[i]; g !== null && g !== undefined; g = data.drawings.right.around[g]) members[g].push(i);
});

// A large graph starts with its layers collapsed; they are expanded as long as few enough things are shown.
function foldAtFirst(most = 60) {
  closed.clear();
  groups.forEach((_, g) => closed.add(g));
  const children = new Map();
  const count = (g) => (children.get(g) || 0);
  const { parents, around } = data.drawings.right;
  for (const p of parents) children.set(p, count(p) + 1);
  around.forEach((p, g) => { if (members[g].length) children.set(p, count(p) + 1); });
  let shown = count(null);
  for (let changed = true; changed;) {
    changed = false;
    groups.forEach((_, g) => {
      if (closed.has(g) && closedAround(around[g]) === null && shown - 1 + count(g) <= most) {
        closed.delete(g);
        shown += count(g) - 1;
        changed = true;
      }
    });
  }
}

// Where a collapsed layer stands: in line with the edges that enter and leave it.
const anchors = { right: [], down: [] };
for (const name of ["right", "down"]) {
  const d = data.drawings[name];
  const seen = groups.map(() => []);
  const across = name === "down" ? 0 : 1;
  d.paths.forEach((path, e) => {
    for (const [g, at] of [...d.leaves[e], ...d.enters[e]]) seen[g].push(path[2 * at + across]);
  });
  d.groups.forEach((box, g) => {
    if (box === null) return;
    const [x, y, w, h] = box;
    const middle = seen[g].length ? seen[g].reduce((a, b) => a + b) / seen[g].length : across === 0 ? x + w / 2 : y + h / 2;
    const clamp = (v, low, size, half) => Math.min(Math.max(v, low + half), low + size - half);
    anchors[name][g] = across === 0 ? [clamp(middle, x, w, CLOSED_W / 2), y + h / 2] : [x + w / 2, clamp(middle, y, h, CLOSED_H / 2)];
  });
}

// A function that takes out the middle of each gap between covered intervals, as far as it exceeds `most`.
function squeeze(intervals, most) {
  intervals.sort((a, b) => a[0] - b[0]);
  const cuts = []; // [where the cut begins and ends, what was taken out before it]
  let end = intervals.length ? intervals[0][1] : 0;
  let removed = 0;
  for (const [low, high] of intervals) {
    if (low - end > most) { cuts.push([end + most / 2, low - most / 2, removed]); removed += low - end - most; }
    end = Math.max(end, high);
  }
  return (v) => {
    let a = 0, b = cuts.length;
    while (a < b) { const m = (a + b) >> 1; if (cuts[m][0] < v) a = m + 1; else b = m; }
    if (a === 0) return v;
    const [low, high, before] = cuts[a - 1];
    return v - before - (Math.min(v, high) - low);
  };
}

// Places of everything that is shown: nodes by their centres, layers by their boxes, edges by their points.
function arrangement() {
  const d = drawing(), down = turned === "down";
  const xs = [], ys = [];
  const place = { nodes: [], groups: [], paths: [], box: [0, 0, ...d.size] };
  const cover = (x, y, w, h) => { xs.push([x - w / 2, x + w / 2]); ys.push([y - h / 2, y + h / 2]); };
  nodes.forEach((_, i) => { if (hiddenIn(i) === null) cover(...d.nodes[i], CARD_W, CARD_H); });
  groups.forEach((_, g) => {
    if (!isShownGroup(g)) return;
    if (closed.has(g)) return cover(...anchors[turned][g], CLOSED_W, CLOSED_H);
    const [x, y, w, h] = d.groups[g];
    xs.push([x, x + PAD], [x + w - PAD, x + w]);
    ys.push([y, y + HEADER + PAD], [y + h - PAD, y + h]);
  });
  const shown = edges.map((e) => {
    const a = hiddenIn(e.source), b = hiddenIn(e.target);
    return a !== null && a === b ? null : [a, b];
  });
  d.paths.forEach((path, e) => {
    if (shown[e] === null) return;
    for (const k of pointsShown(e, shown[e])) {
      const v = path[2 * k + (down ? 0 : 1)];
      (down ? xs : ys).push([v - 5, v + 5]);
    }
  });
  const same = (v) => v;
  const X = closed.size ? squeeze(xs, down ? 40 : 150) : same, Y = closed.size ? squeeze(ys, down ? 92 : 40) : same;
  const left = X(0), top = Y(0);
  nodes.forEach((_, i) => { place.nodes.push(hiddenIn(i) === null ? [X(d.nodes[i][0]), Y(d.nodes[i][1])] : null); });
  groups.forEach((_, g) => {
    if (!isShownGroup(g)) return place.groups.push(null);
    if (closed.has(g)) {
      const [x, y] = anchors[turned][g];
      return place.groups.push([X(x) - CLOSED_W / 2, Y(y) - CLOSED_H / 2, CLOSED_W, CLOSED_H]);
    }
    const [x, y, w, h] = d.groups[g];
    place.groups.push([X(x), Y(y), X(x + w) - X(x), Y(y + h) - Y(y)]);
  });
  edges.forEach((_, e) => {
    if (shown[e] === null) return place.paths.push(null);
    const path = d.paths[e];
    const points = pointsShown(e, shown[e]).map((k) => [X(path[2 * k]), Y(path[2 * k + 1])]);
    const [a, b] = shown[e];
    const middle = (g) => [place.groups[g][0] + CLOSED_W / 2, place.groups[g][1] + CLOSED_H / 2];
    if (a !== null) points.unshift(onBorder(place.groups[a], points[0] || middle(b), down, true));
    if (b !== null) points.push(onBorder(place.groups[b], points[points.length - 1], down, false));
    place.paths.push(points);
  });
  place.box = [left, top, X(d.size[0]) - left, Y(d.size[1]) - top];
  return place;
}

// The points of an edge outside of collapsed layers and their frames.
function pointsShown(e, [a, b]) {
  const d = drawing();
  let low = 0, high = d.paths[e].length / 2 - 1;
  if (a !== null) for (const [g, at] of d.leaves[e]) if (g === a) low = at + 1;
  if (b !== null) for (const [g, at] of d.enters[e]) if (g === b) high = at - 1;
  return Array.from({ length: Math.max(high - low + 1, 0) }, (_, k) => low + k);
}

function onBorder([x, y, w, h], [px, py], down, leaving) {
  const clamp = (v, low, high) => Math.min(Math.max(v, low + 16), high - 16);
  return down ? [clamp(px, x, x + w), leaving ? y + h : y] : [leaving ? x + w : x, clamp(py, y, y + h)];
}

function pathData(points, down) {
  let [x, y] = points[0];
  let text = `M${x} ${y}`;
  for (const [a, b] of points.slice(1)) {
    if (down ? a === x : b === y) text += `L${a} ${b}`;
    else if (down) text += `C${x} ${(y + b) / 2} ${a} ${(y + b) / 2} ${a} ${b}`;
    else text += `C${(x + a) / 2} ${y} ${(x + a) / 2} ${b} ${a} ${b}`;
    [x, y] = [a, b];
  }
  return text;
}
