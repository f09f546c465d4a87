// The search: every word of the question must begin a word of a section; a heading counts more than the text.

const plain = (text) => text.toLowerCase();
const wordsOf = (text) => plain(text).split(/[^\p{L}\p{N}_]+/u).filter(Boolean);
const sections = window.COURSE.map((one) => ({ ...one, heads: wordsOf(one.title), words: wordsOf(one.text) }));

function score(section, asked) {
  let sum = 0;
  for (const word of asked) {
    const inHead = section.heads.filter((w) => w.startsWith(word)).length;
    const inText = section.words.filter((w) => w.startsWith(word)).length;
    if (!inHead && !inText) return 0;
    sum += 20 * inHead + Math.min(inText, 10);
  }
  return sum;
}

function search(question) {
  const asked = wordsOf(question);
  if (!asked.length) return [];
  return sections
    .map((section) => [score(section, asked), section])
    .filter(([points]) => points > 0)
    .sort(([a], [b]) => b - a)
    .slice(0, 12)
    .map(([, section]) => section);
}

function around(section, asked) {
  const at = Math.max(0, plain(section.text).indexOf(asked[0] ?? "") - 50);
  return (at ? "… " : "") + section.text.slice(at, at + 140) + " …";
}

const ask = document.getElementById("ask");
const found = document.getElementById("found");

function show() {
  const asked = wordsOf(ask.value);
  const results = search(ask.value);
  found.replaceChildren(...results.map((section) => {
    const link = document.createElement("a");
    link.href = window.UP + section.page + (section.at ? "#" + section.at : "");
    const title = document.createElement("b");
    title.textContent = section.title;
    const text = document.createElement("span");
    text.textContent = around(section, asked);
    link.append(title, text);
    const item = document.createElement("li");
    item.append(link);
    return item;
  }));
  if (asked.length && !results.length) found.append(Object.assign(document.createElement("li"), { textContent: "nothing found" }));
  found.hidden = !asked.length;
}

ask.addEventListener("input", show);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== ask) { event.preventDefault(); ask.focus(); }
  if (event.key === "Escape") { ask.value = ""; show(); }
  if (event.key === "Enter" && document.activeElement === ask) found.querySelector("a")?.click();
});
found.addEventListener("click", () => { found.hidden = true; });
