"""A picture in the colours of the page that it stands in: light, or dark. For what a running kernel draws.

    HTML(themed(picture))       inline SVG, which follows JupyterLab's theme and VS Code's

A stored picture stays an image on white ground (views/svg.py): where nothing runs, inline SVG is taken out.
"""

from __future__ import annotations

import html

from mmaplab.views.svg import Svg, num, rect
from mmaplab.views.theme import DARK, LIGHT, NOW, css

IN_THE_DARK = ":is(body[data-jp-theme-light='false'],body.vscode-dark) .mmaplab-picture"
HALO = f"{IN_THE_DARK} .now{{fill:#6B6200;stroke:{NOW}}}"
"""A halo on which words in the light ink of a dark page can be read."""
STYLE = f"<style>{css('.mmaplab-picture', LIGHT)}{css(IN_THE_DARK, DARK)}{HALO}</style>"


def themed(picture: Svg) -> str:
    """Return a picture as HTML, with its sentence for those who cannot see it."""
    w, h = num(picture.width), num(picture.height)
    told = html.escape(f"{picture.title}. {picture.description}".replace("..", "."))
    paper = rect(0, 0, picture.width, picture.height, "paper", 0)
    return (
        f'{STYLE}<svg class="mmaplab-picture" viewBox="0 0 {w} {h}" width="{w}" role="img" aria-label="{told}" '
        f'style="max-width:100%;height:auto;display:block">{paper}{"".join(picture.parts)}</svg>'
    )
