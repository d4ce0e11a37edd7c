// Search: by name, op or layer. What does not match steps back in the picture.
const field = byId("search");
const MOST_HITS = 40;

function hits(text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  return nodes.map((n, i) => i).filter((i) => {
    const n = nodes[i];
    const group = parentOf(i);
    const layers = group === null || group === undefined ? "" : groupsAround(i).map((g) => `${groups[g].path} ${groups[g].kind}`).join(" ");
    return [n.symbol, n.name, n.op, n.layer, n.where, layers].some((s) => s && s.toLowerCase().includes(wanted));
  });
}

function search() {
  const found = hits(field.value), asked = field.value.trim() !== "";
  byId("found").hidden = !asked;
  byId("count").textContent = found.length === 0 ? t("none") : found.length === 1 ? t("foundOne") : t("found", found.length);
  byId("hits").replaceChildren(...found.slice(0, MOST_HITS).map((i) => el("li", {}, el("button", { type: "button", on: { click: () => pick(i) } }, [
    el("span", {}, nice(symbol(i))), el("small", {}, [nodes[i].op || brief(nodes[i].value), nodes[i].layer].filter(Boolean).join(" · "))]))));
  const matching = new Set(found);
  nodeView.forEach((view, i) => { if (view) view.g.classList.toggle("dim", asked && !matching.has(i)); });
  groupView.forEach((view, g) => { if (view) view.box.classList.toggle("dim", asked && !members[g].some((i) => matching.has(i))); });
}

function endSearch() {
  field.value = "";
  search();
}

// Show a node wherever it is: the layers around it are expanded.
function pick(i) {
  const around = groupsAround(i).filter((g) => closed.has(g));
  around.forEach((g) => closed.delete(g));
  if (around.length) refold();
  endSearch();
  select("node", i, { focus: true });
}

function watchSearch() {
  field.addEventListener("input", search);
  field.addEventListener("keydown", (event) => {
    const found = hits(field.value);
    if (event.key === "Enter" && found.length) { event.preventDefault(); pick(found[0]); }
    if (event.key === "Escape") endSearch();
    if (event.key === "ArrowDown" && found.length) { event.preventDefault(); byId("hits").querySelector("button").focus(); }
  });
  byId("found").addEventListener("keydown", (event) => {
    const buttons = [...byId("hits").querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    if (event.key === "Escape") { endSearch(); field.focus(); }
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    event.stopPropagation();
    const next = at + (event.key === "ArrowDown" ? 1 : -1);
    (buttons[next] || field).focus();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest(".search") && field.value) endSearch();
  });
}
