// The player: steps through a film (film.py) without asking Python. Also the face of `play`: clicks on a page go back
// to Python as a message. One plain module, nothing from the network.

const SVG = "http://www.w3.org/2000/svg";

const CHROME = `
.mmaplab{--bg:#fff;--fg:#222;--soft:#555;--line:#c8c8c8;--key:#f3f3f3;--on:#fff7b8;font:14px/1.4 system-ui,"Segoe UI",Helvetica,Arial,sans-serif;
  background:var(--bg);color:var(--fg);border:1px solid var(--line);border-radius:6px;padding:12px 14px;max-width:960px;box-sizing:border-box}
.mmaplab.dark{--bg:#16181b;--fg:#e8e8e8;--soft:#b9b9b9;--line:#4a4f55;--key:#272b30;--on:#4a4410}
.mmaplab:focus-visible,.mmaplab button:focus-visible,.mmaplab input:focus-visible{outline:3px solid #0072B2;outline-offset:2px}
.mmaplab .say{font-size:18px;font-weight:600;min-height:2.8em;margin:2px 0}
.mmaplab .in{color:var(--soft);font-size:13px;min-height:1.4em;overflow-wrap:anywhere}
.mmaplab .bar{display:flex;flex-wrap:wrap;gap:6px;align-items:center;margin:8px 0}
.mmaplab button{font:inherit;font-size:13px;color:var(--fg);background:var(--key);border:1px solid var(--line);border-radius:4px;padding:4px 10px;min-width:34px;min-height:30px;cursor:pointer}
.mmaplab button:disabled{opacity:.45;cursor:default}
.mmaplab button[aria-pressed=true]{background:var(--on);border-color:var(--fg)}
.mmaplab input[type=range]{flex:1 1 120px;min-width:80px;accent-color:#0072B2}
.mmaplab .count{color:var(--soft);font-size:13px;min-width:6.5em;text-align:right}
.mmaplab .sum{font-size:13px;margin-top:4px}
.mmaplab .stale{background:#F0E442;color:#222;padding:3px 8px;border-radius:4px;font-size:13px;margin-bottom:6px}
.mmaplab .error{border-left:5px solid #D55E00;padding:4px 8px;margin:6px 0;font-size:13px;white-space:pre-wrap}
.mmaplab .task{font-weight:600;margin-bottom:4px}
.mmaplab .verdict{font-weight:600;border-left:5px solid #009E73;padding:4px 8px;margin:6px 0}
.mmaplab .verdict.lost{border-color:#D55E00}
.mmaplab pre.code{background:var(--key);color:var(--fg);border:1px solid var(--line);border-radius:4px;padding:6px 8px;font-size:13px;margin:6px 0;white-space:pre-wrap;user-select:all}
.mmaplab svg{width:100%;height:auto;display:block}
.mmaplab svg [data-addr].hot{cursor:pointer}
.mmaplab svg [data-addr].hot:focus-visible{outline:3px solid #0072B2}
.mmaplab svg .lit>*:first-child{stroke:#CC79A7;stroke-width:3.5;stroke-dasharray:none}
.mmaplab .keys{color:var(--soft);font-size:12px}
.mmaplab .hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
`;

function make(tag, attributes = {}, text = "") {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

function isDark() {
  const body = document.body;
  if (body.dataset.jpThemeLight === "false") return true;
  if (body.dataset.jpThemeLight === "true") return false;
  if (body.classList.contains("vscode-dark") || body.classList.contains("theme-dark")) return true;
  return window.matchMedia("(prefers-color-scheme: dark)").matches && !body.classList.contains("vscode-light");
}

// The picture: keeps one <g> per object and sets only those that look different.
class Screen {
  constructor(film) {
    this.film = film;
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("class", "mmaplab-film");
    this.svg.setAttribute("viewBox", `0 0 ${film.width} ${film.height}`);
    this.svg.setAttribute("role", "img");
    this.layers = film.layers.map(() => this.svg.appendChild(document.createElementNS(SVG, "g")));
    this.nodes = film.objects.map(([layer]) => this.layers[layer].appendChild(document.createElementNS(SVG, "g")));
    this.shown = new Int32Array(film.objects.length).fill(-1);
    this.wanted = new Int32Array(film.objects.length).fill(-1);
    this.at = -1;
  }
  goto(k) {
    const { steps, parts } = this.film;
    if (k < this.at) { this.wanted.fill(-1); this.at = -1; }
    while (this.at < k) {
      const changes = steps[++this.at].set;
      for (let i = 0; i < changes.length; i += 2) this.wanted[changes[i]] = changes[i + 1];
    }
    for (let i = 0; i < this.wanted.length; i++) {
      if (this.wanted[i] === this.shown[i]) continue;
      this.nodes[i].innerHTML = this.wanted[i] < 0 ? "" : parts[this.wanted[i]];
      this.shown[i] = this.wanted[i];
    }
  }
}

// Point at an object: everything in its column (area page, entry, cached page, block) is lit; at an area: all of it.
function linkHover(svg) {
  const light = (event) => {
    svg.querySelectorAll(".lit").forEach((node) => node.classList.remove("lit"));
    const here = event.type === "pointerleave" ? null : event.target.closest("[data-col],[data-area]");
    if (!here) return;
    const { col, area } = here.dataset;
    const which = col ? `[data-col="${CSS.escape(col)}"]` : `[data-area="${CSS.escape(area)}"]`;
    const cols = new Set();
    svg.querySelectorAll(which).forEach((node) => { node.classList.add("lit"); if (node.dataset.col) cols.add(node.dataset.col); });
    if (!col) cols.forEach((c) => svg.querySelectorAll(`[data-col="${CSS.escape(c)}"]`).forEach((node) => node.classList.add("lit")));
  };
  svg.addEventListener("pointerover", light);
  svg.addEventListener("pointerleave", light);
}

function button(bar, label, name, action, pressed) {
  const node = make("button", { type: "button", "aria-label": name, title: name }, label);
  if (pressed !== undefined) node.setAttribute("aria-pressed", String(pressed));
  node.addEventListener("click", action);
  bar.append(node);
  return node;
}

function shell(el) {
  const root = make("div", { class: "mmaplab", tabindex: "0", role: "group" });
  root.append(make("style", {}, CHROME));
  el.append(root);
  const paint = () => root.classList.toggle("dark", isDark());
  paint();
  const watch = new MutationObserver(paint);
  watch.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  const media = window.matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", paint);
  return [root, () => { watch.disconnect(); media.removeEventListener("change", paint); }];
}

function renderPlayer({ model, el }) {
  const [root, release] = shell(el);
  const film = JSON.parse(model.get("film"));
  const last = film.steps.length - 1;
  root.setAttribute("aria-label", "player: step through a trace with the arrow keys");
  root.append(make("style", {}, model.get("styles")));
  const stale = make("div", { class: "stale", role: "status" }, "Stale: the kernel has gone on since this trace was taken. Run the cell again to see the new steps.");
  const where = make("div", { class: "in" });
  const say = make("div", { class: "say" });
  const bar = make("div", { class: "bar", role: "toolbar", "aria-label": "player" });
  const sum = make("div", { class: "sum" });
  const live = make("div", { class: "hidden", "aria-live": "polite" });
  const screen = new Screen(film);
  root.append(stale, where, say, bar, screen.svg, sum, make("div", { class: "keys" }, "← → step · Home End · space play · f fault · c copy · s system call"), live);
  linkHover(screen.svg);

  let at = 0, timer = null;
  const jumps = {};
  const next = (kind, from = at) => film.steps.findIndex((step, i) => i > from && step.kinds.includes(kind));
  const back = button(bar, "◀", "one step back", () => go(at - 1));
  const playing = button(bar, "▶▶", "play", toggle, false);
  const forward = button(bar, "▶", "one step forward", () => go(at + 1));
  const range = make("input", { type: "range", min: 0, max: last, step: 1, value: 0, "aria-label": "step" });
  range.addEventListener("input", () => go(Number(range.value)));
  bar.append(range);
  const count = make("span", { class: "count" });
  bar.append(count);
  for (const [kind, label] of [["fault", "next fault"], ["copy", "next copy"], ["syscall", "next system call"]])
    jumps[kind] = button(bar, label, label, () => jump(kind));

  function jump(kind) { const k = next(kind); if (k >= 0) go(k); }
  function stop() { clearInterval(timer); timer = null; playing.setAttribute("aria-pressed", "false"); playing.textContent = "▶▶"; playing.title = "play"; playing.setAttribute("aria-label", "play"); }
  function toggle() {
    if (timer) return stop();
    if (at === last) go(0);
    playing.setAttribute("aria-pressed", "true"); playing.textContent = "❚❚"; playing.title = "pause"; playing.setAttribute("aria-label", "pause");
    timer = setInterval(() => (at < last ? go(at + 1) : stop()), 1100);
  }
  function go(k, tell = true) {
    at = Math.max(0, Math.min(last, k));
    screen.goto(at);
    const step = film.steps[at];
    say.textContent = step.say;
    where.textContent = step.in || "\u00a0";
    sum.textContent = `so far in this span: ${step.sum}`;
    count.textContent = `step ${at + 1} of ${last + 1}`;
    range.value = at;
    range.setAttribute("aria-valuetext", `step ${at + 1} of ${last + 1}: ${step.say}`);
    back.disabled = at === 0; forward.disabled = at === last;
    for (const kind in jumps) jumps[kind].disabled = next(kind) < 0;
    screen.svg.setAttribute("aria-label", `${step.say} ${step.sum}.`);
    if (tell) live.textContent = `Step ${at + 1}: ${step.say}`;
    root.dataset.step = at;
  }
  const keys = {
    ArrowRight: () => go(at + 1), ArrowLeft: () => go(at - 1), ArrowUp: () => go(at + 1), ArrowDown: () => go(at - 1), Home: () => go(0), End: () => go(last),
    " ": toggle, f: () => jump("fault"), c: () => jump("copy"), s: () => jump("syscall"),
  };
  root.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (event.key === " " && event.target.tagName === "BUTTON") { event.stopPropagation(); return; }
    if (!plain || !(event.key in keys)) return;
    event.preventDefault(); event.stopPropagation();
    keys[event.key]();
  });
  const mark = () => { stale.style.display = model.get("stale") ? "" : "none"; };
  model.on("change:stale", mark);
  mark();
  go(model.get("start") ?? 0, false);
  return () => { stop(); release(); model.off("change:stale", mark); };
}

// A game: every click is a real call on the simulated process, made by Python, which answers with a new picture.
function renderPlay({ model, el }) {
  const [root, release] = shell(el);
  root.setAttribute("aria-label", "play: click a page to load from it or to store to it");
  root.append(make("style", {}, model.get("styles")));
  const task = make("div", { class: "task" });
  const bar = make("div", { class: "bar", role: "toolbar", "aria-label": "actions" });
  const say = make("div", { class: "say", role: "status" });
  const verdict = make("div", { class: "verdict", role: "status" });
  const error = make("div", { class: "error", role: "alert" });
  const picture = make("div");
  const code = make("pre", { class: "code", "aria-label": "the calls made so far, to copy" });
  root.append(task, bar, say, verdict, error, picture, code);
  let mode = "load";
  const modes = ["load", "store"].map((kind) => button(bar, kind, `a click on a page is a ${kind}`, () => {
    mode = kind;
    modes.forEach((node) => node.setAttribute("aria-pressed", String(node.textContent === kind)));
  }, kind === "load"));
  const actions = model.get("actions").map((label, i) => button(bar, label, label, () => model.send({ do: "action", which: i })));
  button(bar, "start again", "start again", () => model.send({ do: "reset" }));
  const left = make("span", { class: "count" });
  bar.append(left);

  function click(node) {
    if (model.get("state").over) return;
    model.send({ do: mode, addr: node.dataset.addr, pid: Number(node.dataset.pid) });
  }
  function draw() {
    const state = model.get("state");
    const film = JSON.parse(state.film);
    const screen = new Screen(film);
    screen.goto(film.steps.length - 1);
    picture.replaceChildren(screen.svg);
    linkHover(screen.svg);
    const seen = new Set();
    screen.svg.querySelectorAll('[data-addr]').forEach((node) => {
      node.classList.add("hot");
      if (seen.has(node.dataset.addr + ":" + node.dataset.pid)) return;
      seen.add(node.dataset.addr + ":" + node.dataset.pid);
      node.setAttribute("tabindex", state.over ? "-1" : "0");
      node.setAttribute("role", "button");
      node.setAttribute("aria-label", `page at ${node.dataset.addr} of process ${node.dataset.pid}`);
    });
    screen.svg.setAttribute("role", "group");
    screen.svg.setAttribute("aria-label", state.say);
    task.textContent = model.get("task");
    say.textContent = state.say;
    left.textContent = state.left < 0 ? `${state.calls} calls` : `${state.left} of ${state.limit} calls left`;
    code.textContent = state.code;
    error.textContent = state.error;
    error.style.display = state.error ? "" : "none";
    verdict.textContent = state.verdict;
    verdict.classList.toggle("lost", state.over && !state.won);
    verdict.style.display = state.verdict ? "" : "none";
    [...modes, ...actions].forEach((node) => { node.disabled = state.over; });
    root.dataset.calls = state.calls;
  }
  picture.addEventListener("click", (event) => { const node = event.target.closest("[data-addr]"); if (node) click(node); });
  picture.addEventListener("keydown", (event) => {
    const node = event.target.closest("[data-addr]");
    if (node && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); event.stopPropagation(); click(node); }
  });
  model.on("change:state", draw);
  draw();
  return () => { release(); model.off("change:state", draw); };
}

export default { render: (context) => (context.model.get("kind") === "play" ? renderPlay(context) : renderPlayer(context)) };
