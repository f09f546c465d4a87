// The player: steps through one trace in the browser, without asking Python.
//
//   trace (sent once) --fold--> a state per step --draw--> SVG
//
// A step is { say, call, kinds, events }; an event is [name, ...fields] in the order of mmaplab/sim/events.py.
// State is plain data; draw(state, step) is a function of it and nothing else. Colours come from Python's theme.

const PAGE = 4096;
const W = 960, LEFT = 190, CELL = 46, BOX = 38;
const SVG = "http://www.w3.org/2000/svg";

// ------------------------------------------------------------------ folding the trace

function empty() {
  return { areas: {}, ptes: {}, cache: {}, files: {}, blocks: {}, frames: {}, pids: {}, tlb: {},
           copies: [], focus: {}, fault: null, now: null, counts: { dma: 0, cpu: 0, calls: 0, faults: 0 } };
}

const page = (addr) => Math.floor(addr / PAGE);
const key = (...parts) => parts.join(":");

const FOLD = {
  Syscall: (s) => { s.counts.calls += 1; },
  Access: (s, pid, kind, addr) => { s.now = { pid, addr, kind }; s.counts = { dma: 0, cpu: 0, calls: 0, faults: 0 }; },
  PageFault: (s, pid, mm, addr) => { s.fault = { mm, page: page(addr) }; s.counts.faults += 1; focus(s, "v", mm, page(addr)); },
  Done: (s, of) => { if (of === "PageFault") s.fault = null; },
  TaskCreate: (s, pid, mm) => { s.pids[mm] = pid; },
  TaskExit: (s, pid, mm) => { delete s.pids[mm]; },
  FileCreate: (s, ino, path, size, fs) => { s.files[ino] = { path, size, fs }; },
  FileSize: (s, ino, size) => { s.files[ino].size = size; },
  FileFree: (s, ino) => { delete s.files[ino]; },
  VmaLink: (s, mm, start, end, flags, pgoff, ino, name) => {
    s.areas[key(mm, start)] = { mm, start, end, flags, pgoff, ino, name }; focus(s, "a", mm, start); },
  VmaAdjust: (s, mm, start, new_start, new_end, flags, pgoff) => {
    const area = { ...s.areas[key(mm, start)], start: new_start, end: new_end, flags, pgoff };
    delete s.areas[key(mm, start)]; s.areas[key(mm, new_start)] = area; focus(s, "a", mm, new_start); },
  VmaUnlink: (s, mm, start) => { delete s.areas[key(mm, start)]; },
  SetPte: (s, mm, addr, pte) => { s.ptes[key(mm, page(addr))] = pte; focus(s, "p", mm, page(addr)); },
  ClearPte: (s, mm, addr) => { delete s.ptes[key(mm, page(addr))]; focus(s, "p", mm, page(addr)); },
  TlbMiss: (s, mm, cpu, addr) => { focus(s, "v", mm, page(addr)); },
  TlbFill: (s, mm, cpu, addr) => { s.tlb[key(mm, page(addr))] = true; focus(s, "p", mm, page(addr)); },
  TlbFlush: (s, mm, cpu, start, end) => {
    for (const k of Object.keys(s.tlb)) {
      const [m, p] = k.split(":").map(Number);
      if (m === mm && p >= page(start) && p < page(end)) delete s.tlb[k];
    } },
  PageAlloc: (s, pfn, use) => { s.frames[pfn] = use; },
  PageFree: (s, pfn) => { delete s.frames[pfn]; },
  Copy: (s, why, nbytes, source, target) => {
    s.copies.push({ why, nbytes, source, target });
    s.counts[why.startsWith("dma") ? "dma" : "cpu"] += 1; },
  UserStore: () => {},
  CacheHit: (s, ino, index) => { focus(s, "c", ino, index); },
  CacheMiss: (s, ino, index) => { focus(s, "c", ino, index); },
  CacheAdd: (s, ino, index, pfn) => { s.cache[key(ino, index)] = { pfn, uptodate: false, dirty: false }; focus(s, "c", ino, index); },
  CacheDelete: (s, ino, index) => { delete s.cache[key(ino, index)]; },
  PageUptodate: (s, ino, index) => { s.cache[key(ino, index)].uptodate = true; focus(s, "c", ino, index); },
  PageDirty: (s, ino, index) => { s.cache[key(ino, index)].dirty = true; focus(s, "c", ino, index); },
  PageClean: (s, ino, index) => { if (s.cache[key(ino, index)]) s.cache[key(ino, index)].dirty = false; },
  DiskRead: (s, ino, index, n) => { for (let i = index; i < index + n; i++) focus(s, "d", ino, i); },
  DiskWrite: (s, ino, index, n) => { for (let i = index; i < index + n; i++) focus(s, "d", ino, i); },
};

function focus(s, kind, owner, number) { s.focus[key(kind, owner, number)] = true; }

function fold(steps) {
  const states = [];
  let state = empty();
  for (const step of steps) {
    state = structuredClone(state);
    state.copies = []; state.focus = {};
    for (const [name, ...fields] of step.events) (FOLD[name] || (() => {}))(state, ...fields);
    states.push(state);
  }
  return states;
}

// ------------------------------------------------------------------ what is on the stage

// Which pages of an area, and of a file, are drawn: a run of at most `most` that holds what the trace touches.
function stage(states, most) {
  const areas = new Map(), files = new Map(), touched = {};
  for (const s of states) {
    for (const k of Object.keys(s.focus)) { const [kind, owner, n] = k.split(":"); if (kind === "v") (touched[owner] ||= new Set()).add(+n); }
    for (const a of Object.values(s.areas)) areas.set(key(a.mm, a.start), a);
    for (const [ino, f] of Object.entries(s.files)) files.set(+ino, f);
  }
  const shown = [...areas.values()].sort((a, b) => a.mm - b.mm || a.start - b.start).map((a) => {
    const first = page(a.start), count = page(a.end) - first;
    const hits = [...(touched[a.mm] || [])].filter((p) => p >= first && p < first + count);
    const from = hits.length && count > most ? Math.min(Math.max(first, Math.min(...hits) - 2), first + count - most) : first;
    return { ...a, from, to: Math.min(first + count, from + most), first, count };
  });
  const windows = new Map();
  for (const a of shown) {
    if (!a.ino) continue;
    const lo = a.pgoff + a.from - a.first, hi = a.pgoff + a.to - a.first, w = windows.get(a.ino);
    windows.set(a.ino, w ? [Math.min(w[0], lo), Math.min(Math.max(w[1], hi), Math.min(w[0], lo) + most)] : [lo, hi]);
  }
  return { areas: shown, windows, files };
}

// ------------------------------------------------------------------ drawing

function node(name, attributes, ...children) {
  const e = document.createElementNS(SVG, name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  for (const c of children) e.append(c);
  return e;
}
const text = (x, y, words, cls = "", anchor = "start") => node("text", { x, y, class: cls, "text-anchor": anchor }, words);

const perms = (f) => (f & 1 ? "r" : "-") + (f & 2 ? "w" : "-") + (f & 4 ? "x" : "-") + (f & 128 ? "s" : "p");
const hex = (n) => "0x" + n.toString(16);
const pteRights = (pte) => (!(pte.f & 4) ? "--" : "r" + (pte.f & 2 ? "w" : pte.nx ? "-" : "x"));

function letterOf(state, pfn) {
  if (pfn === 0) return ["0", "zero"];
  return state.frames[pfn] === "anon" ? ["A", "anon"] : ["F", "file"];
}

function drawPage(g, x, y, letter, cls, marks, links) {
  const box = node("g", { class: `pg ${cls} ${marks.join(" ")}`, ...links });
  if (marks.includes("now")) box.append(node("rect", { x: x - 5, y: y - 5, width: BOX + 10, height: BOX + 10, rx: 6, class: "halo" }));
  box.append(node("rect", { x, y, width: BOX, height: BOX, rx: 3, class: "face" }));
  if (marks.includes("dirty")) {
    box.append(node("path", { d: `M${x} ${y + 14}l14 -14M${x} ${y + 28}l28 -28M${x + 6} ${y + BOX}l32 -32M${x + 20} ${y + BOX}l18 -18`, class: "hatch" }));
    box.append(node("circle", { cx: x + BOX - 6, cy: y + 6, r: 4, class: "corner" }));
  }
  if (marks.includes("fault")) box.append(node("path", { d: `M${x + 15} ${y + 7}l10 9l-10 4l8 12`, class: "zig" }));
  else box.append(text(x + BOX / 2, y + BOX / 2 + 6, letter, "letter", "middle"));
  g.append(box);
}

function drawPill(g, x, y, words, cls, links) {
  const pill = node("g", { class: `pill ${cls}`, ...links });
  if (cls.includes("now")) pill.append(node("rect", { x: x - 5, y: y - 5, width: BOX + 10, height: 34, rx: 17, class: "halo" }));
  pill.append(node("rect", { x, y, width: BOX, height: 24, rx: 12, class: "face" }));
  if (cls.includes("tlb")) pill.append(node("rect", { x: x + 3, y: y + 3, width: BOX - 6, height: 18, rx: 9, class: "inner" }));
  pill.append(text(x + BOX / 2, y + 17, words, "mono", "middle"));
  g.append(pill);
}

function drawArrow(g, x, from, to, words) {
  const down = to > from ? 1 : -1;
  g.append(node("path", { d: `M${x} ${from}L${x} ${to - 12 * down}`, class: "copy" }));
  g.append(node("path", { d: `M${x} ${to}l-9 ${-14 * down}l18 0z`, class: "copyhead" }));
  if (words) {
    const width = words.length * 7.4 + 18, y = (from + to) / 2;
    g.append(node("rect", { x: x + 12, y: y - 12, width, height: 24, rx: 12, class: "tag" }));
    g.append(text(x + 12 + width / 2, y + 5, words, "small strong", "middle"));
  }
}

function band(g, y, height, cls, name, who) {
  g.append(node("rect", { x: 0, y, width: W, height, class: cls }));
  g.append(text(20, y + 22, name, "strong"));
  g.append(text(W - 20, y + 22, who, "small quiet", "end"));
}

function draw(state, plan, step) {
  const g = node("g", {});
  const where = {};                      // key -> [x, y] of what has been drawn, for arrows
  let y = 0;
  for (const mm of [...new Set(plan.areas.map((a) => a.mm))]) y = drawProcess(g, state, plan, mm, y, where);
  for (const [ino, [lo, hi]] of plan.windows) if (state.files[ino]) y = drawFile(g, state, ino, lo, hi, y, where);
  drawCopies(g, state, where);
  const svg = node("svg", { viewBox: `0 0 ${W} ${y}`, width: "100%", role: "img", "aria-label": step.say }, g);
  return svg;
}

function drawProcess(g, state, plan, mm, y, where) {
  const areas = plan.areas.filter((a) => a.mm === mm);
  const pid = state.pids[mm] ?? mm;
  band(g, y, 158, "user", `P${pid} · address space`, "user");
  band(g, y + 158, 72, "kernel", `P${pid} · page table`, "kernel");
  let x = LEFT;
  for (const a of areas) {
    const live = state.areas[key(mm, a.start)];
    const end = x + (a.to - a.from) * CELL - 8;
    if (live) {
      const title = a.ino ? `${a.name}, ${a.flags & 128 ? "shared" : "private"}` : "anonymous, private";
      g.append(text(x, y + 24, title, "strong"));
      g.append(text(x, y + 42, `${perms(live.flags)} ${hex(a.start)}${a.ino ? " @" + a.pgoff : ""}`, "mono small"));
      g.append(node("path", { d: `M${x} ${y + 60}v-9H${end}v9`, class: "bracket" }));
    }
    for (let p = a.from; p < a.to; p++, x += CELL) drawTranslation(g, state, a, live, p, x, y, where);
    if (a.to - a.from < a.count) g.append(text(x - 4, y + 96, `… ${a.count} pages`, "small quiet"));
    x += 40 + (a.to - a.from < a.count ? 80 : 0);
  }
  return y + 230;
}

function drawTranslation(g, state, a, live, p, x, y, where) {
  const pte = state.ptes[key(a.mm, p)], marks = [];
  const link = a.ino ? { "data-file": key(a.ino, a.pgoff + p - a.first) } : {};
  const links = { ...link, "data-page": key(a.mm, p) };
  if (state.focus[key("v", a.mm, p)]) marks.push("now");
  if (state.fault && state.fault.mm === a.mm && state.fault.page === p) marks.push("fault", "now");
  let letter = "", cls = live ? "absent" : "none";
  if (pte) [letter, cls] = letterOf(state, pte.pfn);
  drawPage(g, x, y + 70, letter, cls, marks, links);
  where[key("v", a.mm, p)] = [x + BOX / 2, y + 70];
  g.append(text(x + BOX / 2, y + 124, p - a.first, "mono small", "middle"));
  if (marks.includes("fault")) g.append(text(x + BOX / 2, y + 142, "fault", "fault small strong", "middle"));
  if (pte) {
    g.append(node("path", { d: `M${x + BOX / 2} ${y + 148}V${y + 180}`, class: "thin" }));
    const cached = a.ino && state.cache[key(a.ino, a.pgoff + p - a.first)];
    if (cached && cached.pfn === pte.pfn) g.append(node("path", { d: `M${x + BOX / 2} ${y + 204}V${y + 230}`, class: "thin" }));
  }
  const state_ = (pte ? "set" : "empty") + (state.focus[key("p", a.mm, p)] ? " now" : "") + (state.tlb[key(a.mm, p)] ? " tlb" : "");
  if (live) drawPill(g, x, y + 180, pte ? pteRights(pte) : "", state_, links);
  if (pte) where[key("f", pte.pfn)] ||= [x + BOX / 2, y + 70];
}

function drawFile(g, state, ino, lo, hi, y, where) {
  const file = state.files[ino], disk = file.fs === "ext4";
  band(g, y, 92, "cacheband", `page cache · ${file.path}`, "kernel");
  if (disk) band(g, y + 92, 108, "device", `disk · ${file.path}`, "device");
  let x = LEFT;
  const pages = Math.ceil(file.size / PAGE);
  for (let i = lo; i < hi; i++, x += CELL) {
    const c = state.cache[key(ino, i)], marks = [];
    if (state.focus[key("c", ino, i)]) marks.push("now");
    if (c && c.dirty) marks.push("dirty");
    drawPage(g, x, y + 36, c ? (c.uptodate ? "F" : "…") : "", c ? (c.uptodate ? "file" : "loading") : "none", marks, { "data-file": key(ino, i) });
    where[key("c", ino, i)] = [x + BOX / 2, y + 36];
    if (c) where[key("f", c.pfn)] = [x + BOX / 2, y + 36];
    if (!disk || i >= pages) continue;
    drawBlock(g, x, y + 150, state.focus[key("d", ino, i)], { "data-file": key(ino, i) });
    where[key("d", ino, i)] = [x + BOX / 2, y + 146];
    g.append(text(x + BOX / 2, y + 196 - 3, i, "mono small", "middle"));
  }
  if (hi - lo < pages) g.append(text(x + 6, y + 60, `… ${pages} pages`, "small quiet"));
  return y + (disk ? 200 : 92);
}

function drawBlock(g, x, y, now, links) {
  const block = node("g", { class: "block" + (now ? " now" : ""), ...links });
  if (now) block.append(node("rect", { x: x - 4, y: y - 12, width: BOX + 8, height: 46, rx: 6, class: "halo" }));
  block.append(node("path", { d: `M${x} ${y}v24a${BOX / 2} 6 0 0 0 ${BOX} 0v-24`, class: "face" }));
  block.append(node("ellipse", { cx: x + BOX / 2, cy: y, rx: BOX / 2, ry: 6, class: "face" }));
  block.append(text(x + BOX / 2, y + 21, "D", "white strong", "middle"));
  g.append(block);
}

// One thick arrow per copy; only the first of a step carries the words.
function drawCopies(g, state, where) {
  state.copies.forEach((c, n) => {
    const words = n ? "" : `${c.nbytes.toLocaleString("en")} B · ${c.why.startsWith("dma") ? "device" : "CPU"}` +
      (state.copies.length > 1 ? `, ${state.copies.length} times` : "");
    const target = where[key("f", c.target)], source = where[key("f", c.source)];
    if (c.why === "dma_in" && target) drawArrow(g, target[0], target[1] + 108, target[1] + BOX + 2, words);
    else if (c.why === "dma_out" && source) drawArrow(g, source[0], source[1] + BOX + 2, source[1] + 106, words);
    else if (c.why === "copy_to_user" && source) drawArrow(g, source[0], source[1], source[1] - 60, words);
    else if (c.why === "copy_from_user" && target) drawArrow(g, target[0], target[1] - 60, target[1], words);
    else if (c.why === "cow" && source) drawArrow(g, source[0], source[1], source[1] - 60, words + " to a private page");
  });
}

// ------------------------------------------------------------------ the widget

const BUTTONS = [
  ["first", "⏮", "first step (Home)"], ["back", "◀", "one step back (left arrow)"], ["play", "▶ play", "play or pause (space)"],
  ["forward", "▶", "one step forward (right arrow)"], ["last", "⏭", "last step (End)"],
  ["fault", "next fault", "jump to the next fault (f)"], ["copy", "next copy", "jump to the next copy (c)"],
  ["call", "next call", "jump to the next system call or access (s)"],
];
const KEYS = { Home: "first", ArrowLeft: "back", " ": "play", ArrowRight: "forward", End: "last", f: "fault", c: "copy", s: "call" };

function render({ model, el }) {
  const steps = model.get("steps"), states = fold(steps), plan = stage(states, 12);
  let at = 0, timer = null;

  el.classList.add("mmaplab-player");
  el.tabIndex = 0;
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Player of a trace: arrow keys step, f next fault, c next copy, s next call");
  const title = document.createElement("div"), call = document.createElement("div"), stageBox = document.createElement("div");
  const bar = document.createElement("div"), scrub = document.createElement("input"), live = document.createElement("div");
  const count = document.createElement("div"), stale = document.createElement("div");
  title.className = "say"; call.className = "call"; stageBox.className = "stage"; bar.className = "bar"; count.className = "count";
  live.className = "live"; live.setAttribute("aria-live", "polite"); stale.className = "stale";
  Object.assign(scrub, { type: "range", min: 0, max: steps.length - 1, value: 0 });
  scrub.setAttribute("aria-label", "step");

  function show(next) {
    at = Math.max(0, Math.min(steps.length - 1, next));
    const step = steps[at], c = states[at].counts;
    title.textContent = step.say;
    call.textContent = step.call;
    count.textContent = `Step ${at + 1} of ${steps.length} · so far in this access: ${c.dma} device copies, ${c.cpu} CPU copies, ${c.calls} system calls, ${c.faults} faults`;
    live.textContent = `Step ${at + 1}: ${step.say}`;
    stageBox.replaceChildren(draw(states[at], plan, step));
    scrub.value = at;
    el.dataset.step = at;
  }
  function jump(kind) {
    const found = steps.findIndex((s, i) => i > at && s.kinds.includes(kind));
    show(found < 0 ? at : found);
    if (found < 0) live.textContent = `There is no later ${kind}.`;
  }
  function play() {
    const button = bar.querySelector("[data-act=play]");
    if (timer) { clearInterval(timer); timer = null; button.textContent = "▶ play"; return; }
    button.textContent = "⏸ pause";
    timer = setInterval(() => { if (at === steps.length - 1) play(); else show(at + 1); }, 900);
  }
  const ACTS = { first: () => show(0), back: () => show(at - 1), forward: () => show(at + 1), last: () => show(steps.length - 1),
                 play, fault: () => jump("fault"), copy: () => jump("copy"), call: () => jump("call") };

  for (const [act, label, help] of BUTTONS) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: label, title: help });
    button.dataset.act = act; button.setAttribute("aria-label", help);
    button.addEventListener("click", () => ACTS[act]());
    bar.append(button);
  }
  scrub.addEventListener("input", () => show(+scrub.value));
  el.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || (event.target === scrub && event.key.startsWith("Arrow")) || (event.key === " " && event.target.tagName === "BUTTON")) return;
    event.preventDefault(); event.stopPropagation();
    ACTS[act]();
  });
  stageBox.addEventListener("mouseover", (event) => light(stageBox, event.target.closest("[data-file],[data-page]")));
  stageBox.addEventListener("mouseleave", () => light(stageBox, null));
  function mark() { stale.textContent = model.get("stale") ? "The kernel has moved on since this trace was taken: run the cell again." : ""; }
  model.on("change:stale", mark);

  el.replaceChildren(count, title, call, stale, stageBox, bar, scrub, live);
  mark();
  show(0);
  return () => { if (timer) clearInterval(timer); };
}

// Point at a page, and its entry, its cached page and its block light up.
function light(root, target) {
  for (const e of root.querySelectorAll(".lit")) e.classList.remove("lit");
  if (!target) return;
  const { file, page: own } = target.dataset;
  const selector = file ? `[data-file="${file}"]` : `[data-page="${own}"]`;
  for (const e of root.querySelectorAll(selector)) e.classList.add("lit");
}

export default { render };
