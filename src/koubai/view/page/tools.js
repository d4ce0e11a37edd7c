// Small helpers. Text from data reaches the page as text nodes and attributes only, never as markup.
const SVG = "http://www.w3.org/2000/svg";
const MATHS = "http://www.w3.org/1998/Math/MathML";

function byId(id) { return document.getElementById(id); }

function fill(e, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") for (const [event, action] of Object.entries(value)) e.addEventListener(event, action);
    else if (value !== null && value !== undefined && value !== false) e.setAttribute(key, value);
  }
  for (const child of [children].flat(Infinity)) if (child !== null && child !== undefined) e.append(child);
  return e;
}

function el(tag, attributes = {}, children = []) { return fill(document.createElement(tag), attributes, children); }

function svg(tag, attributes = {}, children = []) { return fill(document.createElementNS(SVG, tag), attributes, children); }

// A formula is text, or a tree [tag, attributes, ...children] of MathML whose tags are checked here.
const MATHS_TAGS = new Set(["math", "mrow", "mi", "mn", "mo", "msub", "msup", "msubsup", "mfrac", "msqrt", "mroot", "mtext", "mspace",
  "munder", "mover", "munderover", "mtable", "mtr", "mtd", "mpadded", "mstyle"]);
const MATHS_ATTRIBUTES = new Set(["display", "mathvariant", "stretchy", "fence", "separator", "columnalign", "width", "accent", "form", "lspace", "rspace"]);

function maths(x) {
  if (typeof x === "string" || x === undefined || x === null) return x === undefined ? null : x;
  const [tag, attributes, ...children] = x;
  const e = document.createElementNS(MATHS, MATHS_TAGS.has(tag) ? tag : "mrow");
  for (const [key, value] of Object.entries(attributes)) if (MATHS_ATTRIBUTES.has(key)) e.setAttribute(key, value);
  if (tag === "math") e.setAttribute("displaystyle", "true");
  if (children[0] === "\u2062") e.setAttribute("lspace", "0.12em");
  for (const child of children) e.append(maths(child));
  return e;
}

// Numbers with six significant digits (or fewer), a real minus sign, and powers of ten for the very large and small.
function number(x, digits = 6) {
  if (typeof x === "boolean") return String(x);
  if (typeof x === "string") return x.replace("-", "\u2212").replace("Infinity", "\u221e");
  if (x === 0) return Object.is(x, -0) ? "\u22120" : "0";
  const size = Math.abs(x);
  if (Number.isInteger(x) && size < 1e9) return String(x).replace("-", "\u2212");
  let text = Number(x).toPrecision(digits);
  if (text.includes("e") || size < 1e-4) text = Number(x).toExponential(Math.max(digits - 2, 1));
  const [head, power] = text.split("e");
  const short = head.includes(".") ? head.replace(/0+$/, "").replace(/\.$/, "") : head;
  return (short + (power === undefined ? "" : "e" + power.replace("+", ""))).replaceAll("-", "\u2212");
}

function isNumber(x) { return typeof x === "number" || typeof x === "string" || typeof x === "boolean"; }

function shapeOf(x) { return x.shape.join("×"); }

// The norm of an array; undefined where it is not known.
function normOf(x) {
  if (!x.table) return x.norm;
  const cells = x.table.flat(Infinity);
  return cells.every((v) => typeof v === "number") ? Math.hypot(...cells) : undefined;
}

// A value in a few characters.
function brief(x, digits = 6) {
  if (x === undefined || x === null) return "";
  if (isNumber(x)) return number(x, digits);
  if (x.several) return t("several", x.several.length);
  return "[" + shapeOf(x) + "]";
}

// The digits behind a name's letters stand lower: w1, h_out.
function symbolParts(symbol) {
  const found = /^(\p{L}+)_?(\d+)$/u.exec(symbol) || /^(\p{L}{1,8})_([\p{L}\d]{1,8})$/u.exec(symbol);
  return found ? [found[1], found[2]] : [symbol, ""];
}

function nice(symbol) {
  const [head, index] = symbolParts(symbol);
  return el("span", {}, index ? [head, el("sub", {}, index)] : symbol);
}

// Text with the symbols in it set as formulas: x_1.
function withSymbols(text) {
  return text.split(/((?<![\p{L}\d_])\p{L}+_[\p{L}\d]+(?![\p{L}\d_]))/u).map((piece, k) => {
    if (k % 2 === 0) return piece;
    const [head, index] = piece.split("_");
    return el("i", {}, [head, el("sub", {}, index)]);
  });
}

const ICONS = {
  first: "M5 4V14M14 4L8 9L14 14Z", back: "M13 4L6 9L13 14Z", next: "M5 4L12 9L5 14Z", last: "M13 4V14M4 4L10 9L4 14Z",
  play: "M6 3.5L14 9L6 14.5Z", pause: "M6 4V14M12 4V14", nearer: "M9 4V14M4 9H14", farther: "M4 9H14",
  fit: "M3 7V3H7M11 3H15V7M15 11V15H11M7 15H3V11", theme: "M9 2.5A6.5 6.5 0 1 0 9 15.5ZM9 2.5A6.5 6.5 0 0 1 9 15.5",
  help: "M6.6 6.8A2.5 2.5 0 1 1 9 9.6V10.8M9 13.6V13.7", turn: "M3 6H13L10.5 3.5M6 15V9M6 15L3.8 12.8M6 15L8.2 12.8",
  layers: "M9 3L15.5 6.5L9 10L2.5 6.5ZM3 10L9 13.4L15 10", close: "M4.5 4.5L13.5 13.5M13.5 4.5L4.5 13.5",
};

function icon(name) { return svg("svg", { viewBox: "0 0 18 18", "aria-hidden": "true" }, svg("path", { d: ICONS[name] })); }

function setIcon(button, name) { button.replaceChildren(icon(name)); }

const still = matchMedia("(prefers-reduced-motion: reduce)");
