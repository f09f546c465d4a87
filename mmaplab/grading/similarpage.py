"""The page about answers that are alike: one HTML file that refers to nothing, with both texts side by side."""

from __future__ import annotations

import html

from mmaplab.grading.report import document
from mmaplab.grading.seeds import COMPUTED
from mmaplab.grading.similar import Compared, Pair

MOST_PAIRS = 200
"""Pairs that are shown in full."""
STYLE = """
<style>body { max-width: 84rem } .pair { display: flex; gap: 1rem } .pair > div { flex: 1; min-width: 0 }
pre { counter-reset: line } pre span { display: block; white-space: pre-wrap } mark { background: #fde9c8; color: #222 }
</style>"""
EXPLAINED = """
<p>Answers to the same question are compared without comments, layout, names of their own, numbers and texts, and
without what the exercise gives. <b>Alike</b> is the share of the shorter answer that the other one has too; what many
in the class have counts less, what only these two have counts in full. <b>Evidence</b> says how much that is. Answers
are also compared with the master's and with the package's own functions, which every learner can read. Nothing
here is a proof: read both answers, and talk to both learners. Lines that hold something shared are marked.</p>"""

SEEDS_EXPLAINED = """
<p>The seed makes a learner's own program. Equal seeds make equal programs: with another one's seed, another one's
numbers are right. Is every seed the name of its learner?</p>"""


def similar_page(compared: Compared) -> str:
    """Return the page."""
    counted = f"{compared.submissions} submissions, {compared.answers} answers compared, {len(compared.pairs)} pairs."
    parts = [f"{STYLE}<h1>Answers that are alike</h1><p>{counted}</p>{EXPLAINED}", table(compared)]
    parts += [pair_html(number, pair) for number, pair in enumerate(compared.pairs[:MOST_PAIRS], 1)]
    if len(compared.pairs) > MOST_PAIRS:
        parts.append(f"<p>The texts of the first {MOST_PAIRS} pairs are shown.</p>")
    parts.append(seeds_html(compared))
    parts += [f"<p class='note'>Left out: {escaped(line)}</p>" for line in compared.left_out]
    return document("Answers that are alike", "\n".join(parts))


def table(compared: Compared) -> str:
    """Return the table of pairs."""
    if not compared.pairs:
        return "<p>No two answers are alike enough to be listed.</p>"
    head = "<tr><th>pair</th><th>question</th><th>learners</th><th>alike</th><th>evidence</th></tr>"
    rows = [
        f"<tr><td><a href='#pair-{number}'>{number}</a></td><td>{escaped(pair.one.question)}</td>"
        f"<td>{escaped(pair.one.name)}<br>{escaped(pair.other.name)}</td>"
        f"<td class='number'>{pair.alike:.0%}</td><td class='number'>{pair.evidence:.0f}</td></tr>"
        for number, pair in enumerate(compared.pairs, 1)
    ]
    return f"<table>{head}{''.join(rows)}</table>"


def seeds_html(compared: Compared) -> str:
    """Return the table of seeds; those that several have given stand first and are marked."""
    if not compared.seeds:
        return ""
    rows = []
    for one in compared.seeds:
        said = "computed: ask for it" if one.seed == COMPUTED else f"given by {len(one.names)}" if one.shared else ""
        cells = [escaped(one.question), escaped(one.seed), "<br>".join(map(escaped, one.names)), f"<b>{said}</b>"]
        rows.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    head = "<tr><th>question</th><th>seed</th><th>learners</th><th></th></tr>"
    return f"<h2>Seeds of variants</h2>{SEEDS_EXPLAINED}<table>{head}{''.join(rows)}</table>"


def pair_html(number: int, pair: Pair) -> str:
    """Return one pair, side by side."""
    same = " The texts are the same, letter by letter." if pair.one.source == pair.other.source else ""
    title = f"<h2 id='pair-{number}'>{number} · {escaped(pair.one.question)}</h2>"
    said = f"<p>{pair.alike:.0%} alike, evidence {pair.evidence:.0f}.{same}</p>"
    columns = "".join(
        f"<div><b>{escaped(one.name)}</b><pre>{marked(one.source, lines)}</pre></div>"
        for one, lines in zip((pair.one, pair.other), pair.lines, strict=True)
    )
    return f"{title}{said}<div class='pair'>{columns}</div>"


def marked(source: str, lines: set[int]) -> str:
    """Return a source with its shared lines marked."""
    rows = []
    for number, line in enumerate(source.splitlines()):
        text = escaped(line) or " "
        rows.append(f"<span><mark>{text}</mark></span>" if number in lines else f"<span>{text}</span>")
    return "".join(rows)


def escaped(text: str) -> str:
    """Return a text as HTML may hold it."""
    return html.escape(text.encode("utf-8", "replace").decode(), quote=True)
