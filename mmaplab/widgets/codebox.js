// Code that grows: the newest lines are lit and in sight, and a button copies all of it. Nothing from the network.

const LOOK = `
.mmaplab-code{font:13px/1.4 var(--jp-ui-font-family,system-ui,sans-serif);color:var(--jp-ui-font-color0,inherit);margin:4px 2px}
.mmaplab-code .head{display:flex;gap:10px;align-items:center;min-height:28px}
.mmaplab-code summary{cursor:pointer}
.mmaplab-code button{font:inherit;color:inherit;background:var(--jp-layout-color2,#eee);border:1px solid var(--jp-border-color1,#bbb);border-radius:2px;padding:2px 10px;cursor:pointer}
.mmaplab-code :is(button,pre,summary):focus-visible{outline:3px solid #0072B2;outline-offset:1px}
.mmaplab-code pre{margin:4px 0 0;padding:4px 8px;line-height:1.35;max-height:16em;overflow:auto;border-left:3px solid var(--jp-border-color1,#bbb);color:inherit;background:transparent;font-family:var(--jp-code-font-family,monospace);font-size:13px}
.mmaplab-code .new{background:rgba(240,228,66,.32);display:block}
`;

function make(tag, attributes = {}, text = "") {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return node;
}

// Where a page may not use the clipboard, the code is marked, and the browser copies what is marked, or a person does.
async function copy(pre) {
  try {
    await navigator.clipboard.writeText(pre.textContent);
    return "Copied.";
  } catch {
    getSelection().selectAllChildren(pre);
    return document.execCommand("copy") ? "Copied." : "Marked: copy it with the keys of your system.";
  }
}

function render({ model, el }) {
  const root = make("div", { class: "mmaplab-code" });
  const details = make("details", { open: "" });
  const head = make("div", { class: "head" });
  const button = make("button", { type: "button", title: "copy the code" }, "Copy");
  const said = make("span", { role: "status" });
  const pre = make("pre", { tabindex: "0", "aria-label": model.get("title") });
  const old = make("span"), fresh = make("span", { class: "new" });
  pre.append(old, fresh);
  head.append(button, said);
  details.append(make("summary", {}, model.get("title")), head, pre);
  root.append(make("style", {}, LOOK), details);
  el.append(root);

  const draw = () => {
    const lines = model.get("code").split("\n"), cut = lines.length - model.get("newest");
    old.textContent = lines.slice(0, cut).map((line) => `${line}\n`).join("");
    fresh.textContent = lines.slice(cut).join("\n");
    fresh.hidden = cut === lines.length;
    said.textContent = "";
    pre.scrollTop = pre.scrollHeight;
  };
  button.addEventListener("click", async () => { said.textContent = await copy(pre); });
  pre.addEventListener("keydown", (event) => {  // they scroll here, and do not lead to another cell
    if (/^(Arrow|Page|Home|End)/.test(event.key)) event.stopPropagation();
  });
  details.addEventListener("toggle", () => { pre.scrollTop = pre.scrollHeight; });
  model.on("change", draw);
  draw();
  requestAnimationFrame(() => { pre.scrollTop = pre.scrollHeight; });
  return () => model.off("change", draw);
}

export default { render };
