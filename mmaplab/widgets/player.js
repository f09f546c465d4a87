// The player: steps through a film (film.py) without asking Python. One plain module, nothing from the network.

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
.mmaplab svg{width:100%;height:auto;display:block;max-height:max(calc(100vh - 260px),var(--least))}
.mmaplab svg .zigzag,.mmaplab svg .shaft,.mmaplab svg .head,.mmaplab svg .now,.mmaplab svg text{pointer-events:none}
.mmaplab svg [data-area]>text{pointer-events:auto}
.mmaplab svg.mmaplab-film .lit.lit>:is(.o,.ol,.none,.absent,.bracket){stroke:#CC79A7;stroke-width:3.5;stroke-dasharray:none}
.mmaplab .told{font-size:13px;min-height:2.8em;margin-top:4px;overflow-wrap:anywhere}
.mmaplab .keys{color:var(--soft);font-size:12px}
.mmaplab.presenting{position:fixed;inset:0;z-index:2147483000;max-width:none;border:0;border-radius:0;overflow:auto;padding:2vh 4vw;font-size:24px}
.mmaplab.presenting .say{font-size:38px;line-height:1.25}
.mmaplab.presenting :is(.in,.sum,.told,.count,button,.keys){font-size:22px}
.mmaplab.presenting button{min-width:56px;min-height:52px}
.mmaplab.presenting svg{max-height:62vh}
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
    // As high as leaves room for the sentence and the bar above it, and never so low that its words cannot be read.
    this.svg.style.setProperty("--least", `${0.8 * film.height}px`);
    this.layers = film.layers.map(() => this.svg.appendChild(document.createElementNS(SVG, "g")));
    this.nodes = film.objects.map(([layer]) => this.layers[layer].appendChild(document.createElementNS(SVG, "g")));
    this.shown = new Int32Array(film.objects.length).fill(-1);
    this.wanted = new Int32Array(film.objects.length).fill(-1);
    this.telling = new Map();
    this.at = -1;
  }
  goto(k) {
    const { steps, parts } = this.film;
    if (k < this.at) { this.wanted.fill(-1); this.telling.clear(); this.at = -1; }
    while (this.at < k) {
      const { set, tell } = steps[++this.at];
      for (let i = 0; i < set.length; i += 2) this.wanted[set[i]] = set[i + 1];
      for (let i = 0; i < tell.length; i += 2) this.telling.set(this.film.targets[tell[i]], tell[i + 1]);
    }
    for (let i = 0; i < this.wanted.length; i++) {
      if (this.wanted[i] === this.shown[i]) continue;
      this.nodes[i].innerHTML = this.wanted[i] < 0 ? "" : parts[this.wanted[i]];
      this.shown[i] = this.wanted[i];
    }
  }
  tell(target) { return this.film.words[this.telling.get(target) ?? -1] ?? ""; }
}

// Point at an object: everything in its column (area page, entry, cached page, block) is lit; at an area: all of it.
// `told(sentence)` gets what lies there, empty for nothing. `next(by)` points at the next target, for the keys.
class Pointer {
  constructor(screen, told) {
    this.screen = screen;
    this.told = told;
    this.target = "";
    screen.svg.addEventListener("pointerover", (event) => {
      const here = event.target.closest("[data-col],[data-area]");
      this.point(!here ? "" : here.dataset.col ? `col:${here.dataset.col}` : `area:${here.dataset.area}`);
    });
    screen.svg.addEventListener("pointerleave", () => this.point(""));
  }
  point(target, aloud = false) {
    this.target = target;
    this.light();
    this.told(this.screen.tell(target), aloud);
  }
  next(by) {
    const there = this.screen.film.targets.filter((target) => this.screen.tell(target));
    if (!there.length) return;
    const at = there.indexOf(this.target);
    this.point(there[(at < 0 ? (by > 0 ? 0 : there.length - 1) : at + by + there.length) % there.length], true);
  }
  light() {
    const { svg } = this.screen;
    svg.querySelectorAll(".lit").forEach((node) => node.classList.remove("lit"));
    if (!this.target) return;
    const cut = this.target.indexOf(":"), kind = this.target.slice(0, cut), name = this.target.slice(cut + 1);
    const cols = new Set();
    svg.querySelectorAll(`[data-${kind}="${CSS.escape(name)}"]`).forEach((node) => { node.classList.add("lit"); if (node.dataset.col) cols.add(node.dataset.col); });
    if (kind === "area") cols.forEach((c) => svg.querySelectorAll(`[data-col="${CSS.escape(c)}"]`).forEach((node) => node.classList.add("lit")));
  }
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

const NAMES = { fault: "fault", copy: "copy", syscall: "system call" };
const KEYS = "← → step · Home End · space play · ↑ ↓ point · next f fault, c copy, s system call; with Shift the one before · p present";

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
  const told = make("div", { class: "told" });
  root.append(stale, where, say, bar, screen.svg, sum, told, make("div", { class: "keys" }, KEYS), live);
  const hint = "Point at a page or at an area, with the mouse or with ↑ ↓: all that belongs to it lights up, and stands here in words.";
  const pointer = new Pointer(screen, (sentence, aloud) => {
    told.textContent = sentence || hint;
    if (aloud) live.textContent = sentence;
  });

  let at = 0, timer = null;
  const jumps = {};
  const next = (kind) => film.steps.findIndex((step, i) => i > at && step.kinds.includes(kind));
  const previous = (kind) => film.steps.findLastIndex((step, i) => i < at && step.kinds.includes(kind));
  const back = button(bar, "← step", "one step back", () => go(at - 1));
  const forward = button(bar, "step →", "one step forward", () => go(at + 1));
  const playing = button(bar, "▶ play", "play", toggle, false);
  const range = make("input", { type: "range", min: 0, max: last, step: 1, value: 0, "aria-label": "step" });
  range.addEventListener("input", () => go(Number(range.value)));
  bar.append(range);
  const count = make("span", { class: "count" });
  bar.append(count);
  for (const kind in NAMES) jumps[kind] = button(bar, `next ${NAMES[kind]}`, `next ${NAMES[kind]}`, () => jump(kind));
  const presents = button(bar, "present", "presenter mode: large type over the whole screen", () => present(!presenting()), false);

  // Presenter mode fills the screen where the browser permits it, else the window; Esc leaves either.
  function presenting() { return root.classList.contains("presenting"); }
  function present(on) {
    root.classList.toggle("presenting", on);
    presents.setAttribute("aria-pressed", String(on));
    presents.textContent = on ? "leave" : "present";
    if (on) root.requestFullscreen?.().catch(() => {});
    else if (document.fullscreenElement === root) document.exitFullscreen();
    root.focus();
  }
  const left = () => { if (!document.fullscreenElement && presenting()) present(false); };
  document.addEventListener("fullscreenchange", left);

  function jump(kind, find = next) {
    const k = find(kind);
    if (k >= 0) return go(k);
    live.textContent = told.textContent = find === next ? `No further ${NAMES[kind]}.` : `No ${NAMES[kind]} before this step.`;
  }
  function stop() { clearInterval(timer); timer = null; playing.setAttribute("aria-pressed", "false"); playing.textContent = "▶ play"; playing.title = "play"; playing.setAttribute("aria-label", "play"); }
  function toggle() {
    if (timer) return stop();
    if (at === last) go(0);
    playing.setAttribute("aria-pressed", "true"); playing.textContent = "❚❚ pause"; playing.title = "pause"; playing.setAttribute("aria-label", "pause");
    timer = setInterval(() => (at < last ? go(at + 1) : stop()), 1100);
  }
  function go(k, tell = true) {
    at = Math.max(0, Math.min(last, k));
    screen.goto(at);
    const step = film.steps[at];
    say.textContent = step.say;
    where.textContent = step.in || "\u00a0";
    sum.textContent = step.sum;
    count.textContent = `step ${at + 1} of ${last + 1}`;
    range.value = at;
    range.setAttribute("aria-valuetext", `step ${at + 1} of ${last + 1}: ${step.say}`);
    back.disabled = at === 0; forward.disabled = at === last;
    for (const kind in jumps) jumps[kind].disabled = next(kind) < 0;
    screen.svg.setAttribute("aria-label", `${step.say} ${step.sum}.`);
    if (tell) live.textContent = `Step ${at + 1}: ${step.say}`;
    pointer.point(pointer.target);
    root.dataset.step = at;
  }
  const keys = {
    ArrowRight: () => go(at + 1), ArrowLeft: () => go(at - 1), ArrowDown: () => pointer.next(1), ArrowUp: () => pointer.next(-1), Home: () => go(0), End: () => go(last),
    " ": toggle, f: () => jump("fault"), c: () => jump("copy"), s: () => jump("syscall"),
    F: () => jump("fault", previous), C: () => jump("copy", previous), S: () => jump("syscall", previous),
    p: () => present(!presenting()),
  };
  root.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (event.key === " " && event.target.tagName === "BUTTON") { event.stopPropagation(); return; }
    if (event.target === range && (event.key === "ArrowUp" || event.key === "ArrowDown")) { event.stopPropagation(); return; }
    if (event.key === "Escape" && presenting()) { event.preventDefault(); event.stopPropagation(); return present(false); }
    if (event.key === "Escape" && pointer.target) { event.preventDefault(); event.stopPropagation(); return pointer.point(""); }
    if (!plain || !(event.key in keys)) return;
    event.preventDefault(); event.stopPropagation();
    keys[event.key]();
  });
  const mark = () => { stale.style.display = model.get("stale") ? "" : "none"; };
  model.on("change:stale", mark);
  mark();
  go(model.get("start") ?? 0, false);
  return () => { stop(); release(); document.removeEventListener("fullscreenchange", left); model.off("change:stale", mark); };
}

export default { render: renderPlayer };
