// Heat maps of large arrays: one byte a cell, negative values in blue, positive ones in red.
const COLD = { light: [15, 95, 134], dark: [124, 196, 228] }, WARM = { light: [174, 26, 72], dark: [245, 144, 174] };
const BLANK = { light: [250, 248, 246], dark: [42, 37, 41] };
const thumbnails = new Map();

function theme() { return document.documentElement.dataset.theme; }

// The cells of an array's heat map, from -1 to 1: those that the page carries, or those of a small table.
function cellsOf(x) {
  if (x.map) return { ...x.map, cells: Array.from(atob(x.map.data), (c) => (c.charCodeAt(0) << 24 >> 24) / 127) };
  const cells = x.table ? x.table.flat(Infinity) : [];
  if (!cells.length || !cells.every((v) => typeof v === "number")) return null;
  const scale = Math.max(...cells.map(Math.abs)), columns = x.shape[x.shape.length - 1];
  return { rows: cells.length / columns, columns, scale, cells: cells.map((v) => (scale ? v / scale : 0)) };
}

function heatCanvas({ rows, columns, cells }) {
  const canvas = el("canvas", { width: columns, height: rows });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(columns, rows);
  const [cold, warm, blank] = [COLD, WARM, BLANK].map((c) => c[theme()]);
  cells.forEach((level, i) => {
    const ink = level < 0 ? cold : warm, share = Math.abs(level) ** 0.7;
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = blank[c] + (ink[c] - blank[c]) * share;
    pixels.data[4 * i + 3] = 255;
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
}

// A small picture of an array on its card; row 0 is the value, row 1 the gradient.
function thumbnail(view, row, x) {
  if (!x || !(x.map || x.table)) { if (view.images[row]) show(view.images[row], false); return; }
  if (!view.images[row]) {
    view.images[row] = svg("image", { x: -CARD_W / 2 + 26, y: -CARD_H / 2 + (row ? 43.5 : 27.5), width: 34, height: 13, preserveAspectRatio: "none" });
    view.images[row].style.imageRendering = "pixelated";
    view.g.append(view.images[row]);
  }
  const key = theme() + (x.map ? x.map.data : JSON.stringify(x.table));
  if (!thumbnails.has(key)) {
    const cells = cellsOf(x);
    thumbnails.set(key, cells ? heatCanvas(cells).toDataURL() : "data:,");
  }
  view.images[row].setAttribute("href", thumbnails.get(key));
  show(view.images[row], true);
}
