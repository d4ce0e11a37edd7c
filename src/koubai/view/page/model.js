// The record, and what is known of it at each step.
const data = JSON.parse(byId("data").textContent);
const nodes = data.nodes;
const edges = data.edges;

const into = nodes.map(() => []); // edges by target, in the order of its inputs
const out = nodes.map(() => []); // edges by source
edges.forEach((e, i) => { into[e.target].push(i); out[e.source].push(i); });
const received = nodes.map(() => []); // edges whose messages a node receives, in the order in which they are sent
data.sent.forEach((i) => received[edges[i].source].push(i));

// Steps: 0 is the start; then one for each op, one for the gradient of the output, one for each op that sends messages.
const steps = [{ phase: "start", touched: [] }];
const computedAt = nodes.map(() => 0);
nodes.forEach((n, i) => {
  if (n.kind !== "op") return;
  computedAt[i] = steps.length;
  steps.push({ phase: "forward", node: i, touched: [i], edges: into[i] });
});
const forwardCount = steps.length - 1;
const seedAt = steps.length;
steps.push({ phase: "seed", node: data.output, touched: [data.output], edges: [] });
const sentAt = edges.map(() => Infinity);
for (const i of data.sent) {
  const target = edges[i].target;
  let step = steps[steps.length - 1];
  if (step.phase !== "backward" || step.node !== target) {
    step = { phase: "backward", node: target, touched: [target], edges: [] };
    steps.push(step);
  }
  step.edges.push(i);
  if (!step.touched.includes(edges[i].source)) step.touched.push(edges[i].source);
  sentAt[i] = steps.length - 1;
}
const lastStep = steps.length - 1;
let now = 0;

function symbol(i) { return nodes[i].symbol; }

// A symbol in a sentence: its index behind an underscore, as in formulas.
function told(i) {
  const [head, index] = symbolParts(nodes[i].symbol);
  return index ? `${head}_${index}` : head;
}

function isComputed(i, step = now) { return computedAt[i] <= step; }

function isSeeded(i, step = now) { return i === data.output && step >= seedAt; }

// How much of a node's gradient is known: how many messages came, out of how many, and their sum.
function gradientAt(i, step = now) {
  const all = received[i].length;
  const came = received[i].filter((e) => sentAt[e] <= step);
  if (isSeeded(i, step) || (all > 0 && came.length === all)) return { state: "whole", value: nodes[i].grad, came: all, all };
  if (came.length === 0) return { state: "none", came: 0, all };
  const messages = came.map((e) => edges[e].message);
  const sum = messages.every((m) => typeof m === "number") ? messages.reduce((a, b) => a + b) : undefined;
  return { state: "partial", value: sum, came: came.length, all };
}

function isScalarEdge(e) { return [edges[e].message, edges[e].local, nodes[edges[e].target].grad].every((x) => typeof x === "number"); }

function equation(i) {
  const n = nodes[i];
  return (n.said === undefined ? `${told(i)} = ${n.op}` : n.said) + (n.value.shape ? "  " + brief(n.value) : "");
}

// One sentence for a step, as pieces [text, kind].
function sentence(k) {
  const step = steps[k];
  if (step.phase === "start") return [[t("sayStart"), ""]];
  if (step.phase === "forward") {
    const parts = t("sayForward", k, forwardCount, "\u0001").split("\u0001");
    return [[parts[0], "forward"], [equation(step.node), "b"], [parts[1], ""]];
  }
  if (step.phase === "seed") return [[t("saySeed", told(step.node), brief(nodes[step.node].grad)), "backward"]];
  const parts = t("sayBackward", k - seedAt, lastStep - seedAt, "\u0001").split("\u0001");
  const [comma, stop] = lang === "ja" ? ["、", "。"] : [", ", ". "];
  const messages = step.edges.slice(0, 3).map(gets).join(comma) + (step.edges.length > 3 ? ", …" : "");
  const totals = step.touched.slice(1).filter((i) => received[i].length > 1 && gradientAt(i, k).state === "whole").slice(0, 2)
    .map((i) => t("sayTotal", told(i), brief(nodes[i].grad), received[i].length));
  const end = k === lastStep ? stop + t("sayEnd") : stop.trim();
  return [[parts[0], "backward"], [t("saySends", told(step.node)) + messages, "b"], [totals.join("") + parts[1] + end, ""]];
}

function gets(e) {
  const { source, target, message, local } = edges[e];
  if (isScalarEdge(e)) return t("sayGets", told(source), `${number(nodes[target].grad)} · ${number(local)} = ${number(message)}`);
  const size = normOf(message) === undefined ? brief(message) : t("sayNorm", brief(message), number(normOf(message), 4));
  return t("sayGets", told(source), edges[e].summed ? t("over", size, along(e)) : size);
}

// The axes along which an input was repeated, and its message summed.
function along(e) { return t(edges[e].summed.length > 1 ? "axes" : "axis", edges[e].summed.join(", ")); }
