"""How things look: the only room with a colour, a font or a dash pattern.

    shape = kind of object     colour = what backs the bytes     line = state of the mapping     thick arrow = a copy

Colours are Okabe and Ito's, which people who see few colours can tell apart; no state is told by colour alone, every
one has a letter, a pattern or a line of its own as well. A picture has classes, not colours; `css` gives them theirs.
Units: user units of an SVG, 720 to a picture's width.
"""

from __future__ import annotations

WIDTH = 720
MARGIN = 20

INK, WHITE = "#222222", "#FFFFFF"
FILE, ANON, BLOCK = "#56B4E9", "#E69F00", "#0072B2"
ENTRY, FAULT, YOU, NOW = "#009E73", "#D55E00", "#CC79A7", "#F0E442"
FREE = "#BBBBBB"

SANS = "system-ui,'Segoe UI',Helvetica,Arial,sans-serif"
MONO = "ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace"

LIGHT = {
    "ink": INK,
    "paper": WHITE,
    "soft": "#555555",
    "faint": "#8A8A8A",
    "user": "#FAFAFA",
    "kernel": "#EFEFEF",
    "kernel2": "#E4E4E4",
    "alarm": "#A64600",
    "you-text": "#8A3A66",
}
"""What changes between a light and a dark page: text, bands and the paper itself."""

DARK = {
    "ink": "#E8E8E8",
    "paper": "#16181B",
    "soft": "#B9B9B9",
    "faint": "#8C8C8C",
    "user": "#1D2024",
    "kernel": "#272B30",
    "kernel2": "#30353B",
    "alarm": "#FF9A52",
    "you-text": "#E7A6C8",
}

DASH = {"none": "1.5 4", "absent": "5 3.5"}
"""Outline of a page: dotted where there is no area, dashed where an area has no entry, solid where an entry exists."""

FIXED = {
    "INK": INK,
    "WHITE": WHITE,
    "FILE": FILE,
    "ANON": ANON,
    "BLOCK": BLOCK,
    "ENTRY": ENTRY,
    "FAULT": FAULT,
    "YOU": YOU,
    "NOW": NOW,
    "FREE": FREE,
    "SANS": SANS,
    "MONO": MONO,
    "dash_none": DASH["none"],
    "dash_absent": DASH["absent"],
}
"""What is the same on a light and on a dark page."""

RULES = {
    "text": "font-family:{SANS};font-size:12px;fill:{ink}",
    ".m": "font-family:{MONO}",
    ".b": "font-weight:600",
    ".t": "font-size:18px;font-weight:600",
    ".s": "fill:{soft}",
    ".h": "font-size:13px;font-weight:600",
    ".l": "font-size:14px;font-weight:600",
    ".over": "paint-order:stroke;stroke:{user};stroke-width:4px;stroke-linejoin:round",
    ".on": "fill:{INK}",
    ".onblue": "fill:{WHITE}",
    ".mark": "fill:{paper}",
    ".alarm": "fill:{alarm};font-weight:700",
    ".youtext": "fill:{you_text};font-weight:600",
    ".mid": "text-anchor:middle",
    ".end": "text-anchor:end",
    ".paper": "fill:{paper}",
    ".user": "fill:{user}",
    ".kernel": "fill:{kernel}",
    ".kernel2": "fill:{kernel2}",
    ".file": "fill:{FILE}",
    ".anon": "fill:{ANON}",
    ".zero": "fill:{WHITE}",
    ".free": "fill:{FREE}",
    ".block": "fill:{BLOCK}",
    ".entry": "fill:{ENTRY}",
    ".void": "fill:{paper}",
    ".now": "fill:{NOW}",
    ".you": "fill:{YOU}",
    ".dot": "fill:{INK}",
    ".inkfill": "fill:{ink}",
    ".o": "stroke:{INK};stroke-width:1.4",
    ".lid": "fill:none;stroke:{INK};stroke-width:1.4",
    ".ol": "stroke:{ink};stroke-width:1.4",
    ".absent": "stroke:{ink};stroke-width:1.4;stroke-dasharray:{dash_absent}",
    ".none": "fill:none;stroke:{faint};stroke-width:1.4;stroke-dasharray:{dash_none}",
    ".thin": "fill:none;stroke:{ink};stroke-width:1.2",
    ".rule": "fill:none;stroke:{faint};stroke-width:1",
    ".curve": "fill:none;stroke:{ink};stroke-width:2.4;stroke-linejoin:round",
    ".curve2": "fill:none;stroke:{ink};stroke-width:2.4;stroke-linejoin:round;stroke-dasharray:{dash_absent}",
    ".bracket": "fill:none;stroke:{ink};stroke-width:2",
    ".hatch": "fill:none;stroke:{INK};stroke-width:1.5;stroke-opacity:.6",
    ".zigzag": "fill:none;stroke:{FAULT};stroke-width:3;stroke-linejoin:round",
    ".ring": "fill:none;stroke:{FAULT};stroke-width:2",
    ".shaft": "fill:none;stroke:{ink};stroke-width:6",
    ".head": "fill:{ink}",
}
"""What each class of a picture looks like; the names in braces are colours, fonts and dash patterns."""

_NARROW, _WIDE = set("ijltfrI.,:;'|!()[] -·"), set("mwMW@%")


def text_width(text: str, size: float, mono: bool = False, bold: bool = False) -> float:
    """Return an estimate of how wide a text is, in user units; a little more than most fonts need."""
    if mono:
        return len(text) * size * 0.605
    units = sum(0.37 if c in _NARROW else 0.95 if c in _WIDE else 0.7 if c.isupper() else 0.61 for c in text)
    return units * size * (1.1 if bold else 1.0)


def wrap(text: str, width: float, size: float, bold: bool = False) -> list[str]:
    """Return the text in lines that are at most `width` user units wide, broken between words."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size, bold=bold) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def cut(text: str, width: float, size: float, bold: bool = True) -> str:
    """Return the text, cut in the middle where it is wider than `width` user units."""
    kept = text
    while text_width(kept, size, bold=bold) > width + 1 and len(kept) > 4:
        middle = len(kept) // 2
        kept = kept[: middle - 1].removesuffix("…") + "…" + kept[middle + 1 :].removeprefix("…")
    return kept


def css(scope: str = "", colours: dict[str, str] = LIGHT) -> str:
    """Return the style sheet of every class that pictures use; `scope` is a selector put before each rule."""
    values = {name.replace("-", "_"): colour for name, colour in colours.items()} | FIXED
    return "".join(f"{scope} {name}{{{rule.format(**values)}}}".strip() for name, rule in RULES.items())


def luminance(colour: str) -> float:
    """Return the relative luminance of `#RRGGBB`, 0 to 1, as the contrast rules of WCAG define it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21 (WCAG)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
