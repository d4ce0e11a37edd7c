// Zoom and pan: one transform of the whole picture.
const camera = { x: 0, y: 0, k: 1, frame: 0 };
const NEAREST = 3, FAR = 0.34;

function look(x, y, k) {
  Object.assign(camera, { x, y, k });
  world.setAttribute("transform", `translate(${x} ${y}) scale(${k})`);
  graph.classList.toggle("far", k < FAR);
}

function farthest() { return Math.min(0.2, fitting().k); }

function lookSmoothly(x, y, k) {
  cancelAnimationFrame(camera.frame);
  if (still.matches || document.hidden) return look(x, y, k);
  const from = { ...camera }, start = performance.now();
  const move = (time) => {
    const share = Math.min((time - start) / 260, 1), ease = 1 - (1 - share) ** 3;
    look(from.x + (x - from.x) * ease, from.y + (y - from.y) * ease, from.k + (k - from.k) * ease);
    if (share < 1) camera.frame = requestAnimationFrame(move);
  };
  camera.frame = requestAnimationFrame(move);
}

function windowSize() { return [graph.clientWidth || 1, graph.clientHeight || 1]; }

// On a phone the panel lies over the picture: what is left of it is what counts.
function freeHeight() {
  const panel = byId("panel");
  const [, high] = windowSize();
  if (panel.hidden || !matchMedia("(max-width: 760px)").matches) return high;
  return Math.max(80, Math.min(high, panel.getBoundingClientRect().top - graph.getBoundingClientRect().top));
}

function fitting(smallest = 0) {
  const [w, h] = windowSize(), [x, y, width, height] = places.box, edge = 24;
  const k = Math.max(smallest, Math.min(1.35, (w - 2 * edge) / width, (h - 2 * edge - 20) / height));
  const at = (room, start, size) => (size * k <= room - 16 ? (room - size * k) / 2 - start * k : edge - start * k);
  return { x: at(w, x, width), y: at(h - 20, y, height), k };
}

function fit(smallest, smooth = true) {
  const to = fitting(smallest);
  (smooth ? lookSmoothly : look)(to.x, to.y, to.k);
}

function zoom(factor, px, py) {
  cancelAnimationFrame(camera.frame);
  const [w, h] = windowSize();
  const x = px === undefined ? w / 2 : px, y = py === undefined ? h / 2 : py;
  const k = Math.min(Math.max(camera.k * factor, farthest()), NEAREST);
  look(x - (x - camera.x) * k / camera.k, y - (y - camera.y) * k / camera.k, k);
}

// Bring places of the picture into view. What is in view already does not move; what is too small to read comes nearer.
function reveal(boxes) {
  const found = boxes.filter((b) => b);
  if (!found.length) return;
  const w = windowSize()[0], h = freeHeight(), a = CARD_W / 2 + 8, b = CARD_H / 2 + 8;
  const k = camera.k < 0.55 ? 0.8 : camera.k;
  const extent = (list) => [Math.min(...list.map((p) => p[0])) - a, Math.min(...list.map((p) => p[1])) - b,
    Math.max(...list.map((p) => p[0])) + a, Math.max(...list.map((p) => p[1])) + b];
  let box = extent(found);
  if ((box[2] - box[0]) * k > w || (box[3] - box[1]) * k > h) box = extent(found.slice(0, 1)); // the first counts most
  const seen = box[0] * k + camera.x >= 0 && box[1] * k + camera.y >= 0 && box[2] * k + camera.x <= w && box[3] * k + camera.y <= h;
  if (k === camera.k && seen) return;
  const [left, top, width, height] = places.box;
  lookSmoothly(centred(w, (box[0] + box[2]) / 2, left, width, k), centred(h, (box[1] + box[3]) / 2, top, height, k), k);
}

// The shift that puts `middle` in the middle of the window, but leaves no more than a margin empty beside a large picture.
function centred(room, middle, start, size, k) {
  const wanted = room / 2 - middle * k, margin = 36;
  if (size * k <= room - 2 * margin) return (room - size * k) / 2 - start * k;
  return Math.min(Math.max(wanted, room - margin - (start + size) * k), margin - start * k);
}

const fingers = new Map();
let travelled = 0;

function watchCamera() {
  graph.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = graph.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016) * (event.ctrlKey ? 5 : 1)), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  graph.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (!fingers.size) travelled = 0;
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
  });
  window.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const after = [event.clientX, event.clientY];
    const dx = after[0] - before[0], dy = after[1] - before[1];
    travelled += Math.abs(dx) + Math.abs(dy);
    if (travelled > 5) graph.classList.add("dragging");
    if (fingers.size === 2) {
      const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
      const box = graph.getBoundingClientRect();
      zoom(apart(after) / apart(before), (after[0] + other[0]) / 2 - box.left, (after[1] + other[1]) / 2 - box.top);
      look(camera.x + dx / 2, camera.y + dy / 2, camera.k);
    } else if (travelled > 5) {
      cancelAnimationFrame(camera.frame);
      look(camera.x + dx, camera.y + dy, camera.k);
    }
    fingers.set(event.pointerId, after);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    window.addEventListener(end, (event) => {
      fingers.delete(event.pointerId);
      if (!fingers.size) graph.classList.remove("dragging");
    });
  }
}
