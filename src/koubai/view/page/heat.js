// Heat maps of large arrays: one byte a cell, negative values in blue, positive ones in red.
const COLD = { light: [15, 95, 134], dark: [124, 196, 228] }, WARM = { light: [174, 26, 72], dark: [245, 144, 174] };
const BLANK = { light: [250, 248, 246], dark: [42, 37, 41] };
const thumbnails = new Map();

function theme() { return document.documentElement.dataset.theme; }

function heatCanvas(map) {
  const canvas = el("canvas", { width: map.columns, height: map.rows });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(map.columns, map.rows);
  const bytes = atob(map.data);
  const [cold, warm, blank] = [COLD, WARM, BLANK].map((c) => c[theme()]);
  for (let i = 0; i < bytes.length; i++) {
    const level = (bytes.charCodeAt(i) << 24 >> 24) / 127;
    const ink = level < 0 ? cold : warm, share = Math.abs(level) ** 0.7;
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = blank[c] + (ink[c] - blank[c]) * share;
    pixels.data[4 * i + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

// A small picture of an array on its card; row 0 is the value, row 1 the gradient.
function thumbnail(view, row, x) {
  const map = x && x.map;
  if (!map) { if (view.images[row]) show(view.images[row], false); return; }
  if (!view.images[row]) {
    view.images[row] = svg("image", { x: -CARD_W / 2 + 26, y: -CARD_H / 2 + (row ? 43.5 : 27.5), width: 34, height: 13, preserveAspectRatio: "none" });
    view.images[row].style.imageRendering = "pixelated";
    view.g.append(view.images[row]);
  }
  const key = theme() + map.data;
  if (!thumbnails.has(key)) thumbnails.set(key, heatCanvas(map).toDataURL());
  view.images[row].setAttribute("href", thumbnails.get(key));
  show(view.images[row], true);
}
