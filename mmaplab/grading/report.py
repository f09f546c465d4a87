"""What grading leaves in its folder, all of it made from the results.

    scores.json, scores.csv     everything, and a line for each submission
    index.html, pages/          the submissions, and the questions by how much was missed; a page for each submission
    junit/, gradescope/         a file for each submission, for other programs (formats.py)

Pages are single HTML files that refer to nothing else. They hold messages; of hidden tests only their labels.
"""

from __future__ import annotations

import csv
import hashlib
import html
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from mmaplab.grading.formats import dicts, gradescope, junit, label, texts
from mmaplab.grading.plain import Plain
from mmaplab.grading.wording import as_html

Result = dict[str, Plain]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem }
body { color: #222; background: #fff }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ccc }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
pre { background: #f4f4f4; padding: .6rem; overflow-x: auto; line-height: 1.3 }
.lost { border-left: .4rem solid #d55e00; padding-left: .6rem }
.passed { border-left: .4rem solid #009e73; padding-left: .6rem }
.note { color: #555 } h2 { margin-top: 2rem }
"""


def scores_json(results: Sequence[Result], protection: str) -> str:
    """Return all results as JSON text."""
    return json.dumps({"protection": protection, "submissions": list(results)}, indent=1, ensure_ascii=False) + "\n"


def scores_csv(results: Sequence[Result]) -> str:
    """Return a line for each submission, with a column for each question."""
    keys = list(dict.fromkeys(str(question["key"]) for result in results for question in dicts(result["questions"])))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["submission", "assignment", "points", "max", *keys, "remark"])
    for result in results:
        points = {str(q["key"]): q["points"] for q in dicts(result["questions"])}
        remark = str(result["broken"]) or " ".join(texts(result["notes"]))
        row = [result["name"], result["assignment"], result["points"], result["max"]]
        table.writerow([safe(str(item)) for item in [*row, *(points.get(key, "") for key in keys), remark]])
    return text.getvalue()


def safe(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def file_name(result: Result) -> str:
    """Return the beginning of a submission's file names: readable, harmless, different for different submissions."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", str(result["name"])).strip("._")[-80:] or "submission"
    digest = hashlib.sha256(f"{result['name']} {result['sha256']}".encode("utf-8", "replace"))
    return f"{stem}-{digest.hexdigest()[:8]}"


def page(result: Result, protection: str) -> str:
    """Return the feedback page of one submission."""
    parts = [f"<h1>{_text(result['name'])}</h1>"]
    if result["broken"]:
        parts.append(f"<p class='lost'>{_text(result['broken'])}</p>")
    else:
        parts.append(f"<p><b>{result['points']} of {result['max']} points</b> · {_text(result['assignment'])}</p>")
    parts += [f"<p class='note'>{_text(note)}</p>" for note in texts(result["notes"])]
    parts += [question_html(question, str(result["assignment"])) for question in dicts(result["questions"])]
    parts.append(f"<p class='note'>How the answers were run: {_text(protection)}.</p>")
    return document(str(result["name"]), "\n".join(parts))


def question_html(question: Result, assignment: str) -> str:
    """Return one question of an assignment with its tests."""
    parts = [f"<h2>{as_html(str(question['title']))} · {question['points']} of {question['max']}</h2>"]
    parts += [f"<p class='note'>{as_html(note)}</p>" for note in texts(question["notes"])]
    for test in dicts(question["tests"]):
        kind = "passed" if test["passed"] else "lost"
        mark = "✓" if test["passed"] else "✗"
        text = f"{mark} {as_html(label(test))}, {test['points']} of {test['max']}: {as_html(str(test['message']))}"
        parts.append(f"<p class='{kind}'>{text}</p>")
        if test["lines"]:
            parts.append(f"<pre>{_text(chr(10).join(texts(test['lines'])))}</pre>")
    if question["points"] != question["max"]:
        parts.append(f"<p>Reread: {as_html(str(question['section']))} (chapter {_text(assignment)})</p>")
    return "\n".join(parts)


def index(results: Sequence[Result], protection: str) -> str:
    """Return the page that lists all submissions, and then the questions."""
    rows = []
    for result in results:
        link = f"pages/{file_name(result)}.html"
        remark = str(result["broken"]) or " ".join(texts(result["notes"]))
        rows.append(
            f"<tr><td><a href='{_text(link)}'>{_text(result['name'])}</a></td>"
            f"<td class='number'>{result['points']}</td>"
            f"<td class='number'>{result['max']}</td><td>{_text(remark)}</td></tr>"
        )
    head = "<tr><th>submission</th><th class='number'>points</th><th class='number'>of</th><th>remarks</th></tr>"
    note = f"<p class='note'>How the answers were run: {_text(protection)}.</p>"
    return document("Scores", f"<h1>Scores</h1><table>{head}{''.join(rows)}</table>{missed_html(results)}{note}")


def missed_html(results: Sequence[Result]) -> str:
    """Return the questions as a table: the smallest share of points reached stands first."""
    asked: dict[tuple[str, str, str, int], list[float]] = {}
    for result in results:
        for question in dicts(result["questions"]):
            name = (str(result["assignment"]), str(question["title"]), str(question["key"]), int(str(question["max"])))
            asked.setdefault(name, []).append(float(str(question["points"])))
    rows = []
    by_share = sorted(asked.items(), key=lambda one: mean(one[1]) / (one[0][3] or 1))
    for (assignment, title, _key, most), points in by_share:
        rows.append(
            f"<tr><td>{_text(title)}</td><td>{_text(assignment)}</td><td class='number'>{mean(points):.1f}</td>"
            f"<td class='number'>{most}</td><td class='number'>{len(points)}</td></tr>"
        )
    if not rows:
        return ""
    heads = ("mean points", "of", "submissions")
    head = "<tr><th>question</th><th>assignment</th>" + "".join(f"<th class='number'>{name}</th>" for name in heads)
    return f"<h2>What was missed most</h2><table>{head}</tr>{''.join(rows)}</table>"


def document(title: str, body: str) -> str:
    """Return a whole HTML document."""
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{_text(title)}</title>"
        f"<style>{STYLE}</style></head><body>{body}</body></html>\n"
    )


def write_reports(out: Path, results: Sequence[Result], protection: str) -> None:
    """Write all files of the report into the folder `out`; those of an earlier report that are not made anew go."""
    for folder, ending, make in (
        ("pages", ".html", lambda result: page(result, protection)),
        ("junit", ".xml", junit),
        ("gradescope", ".json", gradescope),
    ):
        files = {f"{file_name(result)}{ending}": make(result) for result in results}
        (out / folder).mkdir(parents=True, exist_ok=True)
        for old in set((out / folder).glob(f"*{ending}")) - {out / folder / name for name in files}:
            old.unlink()
        for name, text in files.items():
            write(out / folder / name, text)
    write(out / "scores.json", scores_json(results, protection))
    write(out / "scores.csv", scores_csv(results))
    write(out / "index.html", index(results, protection))


def write(path: Path, text: str) -> None:
    """Write a file; halves of surrogate pairs, which a notebook can hold and UTF-8 cannot, become question marks."""
    path.write_text(text, encoding="utf-8", errors="replace")


def _text(value: Plain) -> str:
    return html.escape(str(value).encode("utf-8", "replace").decode(), quote=True)
