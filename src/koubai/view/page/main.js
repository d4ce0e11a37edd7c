// Everything comes together.
function refold() {
  unmark();
  arrange();
  mark(false);
  layersButton();
}

function toggleGroup(g, focus) {
  if (closed.has(g)) closed.delete(g); else closed.add(g);
  const before = places.groups[g];
  refold();
  const after = places.groups[g];
  look(camera.x + (before[0] - after[0]) * camera.k, camera.y + (before[1] - after[1]) * camera.k, camera.k);
  if (focus) groupView[g][closed.has(g) ? "box" : "head"].focus({ preventScroll: true });
}

function layersButton() {
  const button = byId("layers"), any = drawing().groups.some((box) => box !== null);
  button.hidden = !any;
  button.dataset.label = closed.size ? "openAll" : "closeAll";
  button.setAttribute("aria-label", t(button.dataset.label));
  button.title = t(button.dataset.label);
}

function retell() {
  applyTexts();
  nodes.forEach((_, i) => paintNode(i));
  groups.forEach((_, g) => paintGroup(g));
  tell();
  if (field.value) search();
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  if (places) nodes.forEach((_, i) => paintNode(i));
  fillPanel();
}

function act(target, focus) {
  const head = target.closest("[data-group]"), node = target.closest("[data-node]"), edge = target.closest("[data-edge]");
  if (head) toggleGroup(Number(head.dataset.group), focus);
  else if (node) select("node", Number(node.dataset.node), { focus });
  else if (edge) select("edge", Number(edge.dataset.edge), { focus });
  else return false;
  return true;
}

function moveFocus(direction) {
  const stops = graphStops();
  const at = stops.indexOf(document.activeElement.closest("[role=button]"));
  const next = stops[Math.min(Math.max(at + direction, 0), stops.length - 1)];
  if (!next) return;
  if (next.dataset.node !== undefined) { current = Number(next.dataset.node); reveal([places.nodes[current]]); }
  stopAt(next);
  next.focus({ preventScroll: true });
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) return;
  const target = event.target, typing = target.matches("input[type=search]"), sliding = target === time;
  if (event.key === "Escape") { closePanel(); return; }
  if (typing) return;
  const inGraph = graph.contains(target);
  const actions = { ArrowRight: () => walk(1), ArrowLeft: () => walk(-1), Home: () => goTo(0), End: () => goTo(lastStep) };
  if (actions[event.key] && !(target.closest(".panel .table"))) { event.preventDefault(); actions[event.key](); return; }
  if (inGraph) {
    const local = { ArrowDown: () => moveFocus(1), ArrowUp: () => moveFocus(-1), Enter: () => act(target, true), "+": () => zoom(1.25),
      "-": () => zoom(0.8), 0: () => fit(0) };
    if (local[event.key]) { event.preventDefault(); local[event.key](); return; }
  }
  if (event.key === " " && (inGraph || sliding || !target.closest("button"))) { event.preventDefault(); play(); }
}

function watch() {
  const on = (id, action) => byId(id).addEventListener("click", action);
  on("first", () => { play(false); goTo(0); });
  on("back", () => walk(-1));
  on("play", () => play());
  on("next", () => walk(1));
  on("last", () => { play(false); goTo(lastStep); });
  on("nearer", () => zoom(1.3));
  on("farther", () => zoom(1 / 1.3));
  on("fit", () => fit(0));
  on("language", () => { lang = lang === "en" ? "ja" : "en"; retell(); });
  on("theme", () => setTheme(theme() === "dark" ? "light" : "dark"));
  on("turn", () => { turned = turned === "right" ? "down" : "right"; refold(); fit(0.3, false); mark(true); });
  on("layers", () => { if (closed.size) closed.clear(); else groups.forEach((_, g) => { if (drawing().groups[g]) closed.add(g); }); refold(); fit(0.3); });
  on("help", () => byId("keys").showModal());
  on("keys-close", () => byId("keys").close());
  time.addEventListener("input", () => { play(false); goTo(Number(time.value)); });
  graph.addEventListener("click", (event) => { if (travelled <= 5) act(event.target, false) || closePanel(); });
  graph.addEventListener("focusin", (event) => { const e = event.target.closest("[data-node]"); if (e) current = Number(e.dataset.node); });
  document.addEventListener("keydown", onKey);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => setTheme(event.matches ? "dark" : "light"));
  watchCamera();
  watchSearch();
}

function begin() {
  lang = data.lang || ((navigator.language || "en").toLowerCase().startsWith("ja") ? "ja" : "en");
  setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  turned = innerHeight > innerWidth ? "down" : "right";
  byId("title").append(data.title === symbol(data.output) ? nice(data.title) : data.title);
  for (let k = 0; k < 5; k++) byId("petals").append(svg("path", { d: "M0 0C-6.4 -4 -4.6 -11.4 0 -11.4C4.6 -11.4 6.4 -4 0 0Z", transform: `rotate(${72 * k})` }));
  for (const name of ["first", "back", "next", "last", "play", "nearer", "farther", "fit", "theme", "help", "turn", "layers"]) setIcon(byId(name), name);
  time.max = lastStep;
  paintTrack();
  applyTexts();
  foldAtFirst();
  arrange();
  layersButton();
  watch();
  fit(innerWidth < 760 ? 0.62 : 0.4, false);
  goTo(0, { follow: false });
  window.addEventListener("resize", () => { if (places) focusable(); });
}

begin();
