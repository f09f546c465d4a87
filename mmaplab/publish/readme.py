"""What README shows of the running course: the player's picture, and a twin table from this machine.

    python -m mmaplab.publish readme        takes both anew; needs Chromium, Playwright, and a live kernel

Neither is the same on two machines (type, addresses), so they are stored, and tests compare what must be equal.
"""

from __future__ import annotations

import base64
import contextlib
import io
import os
import re
import shutil
from pathlib import Path

from mmaplab.publish.chapters import NoCourse
from mmaplab.publish.marks import filled, marks
from mmaplab.widgets import player as room
from mmaplab.widgets.player import Player, player

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
STEP = 7
"""The step that the picture shows, from 1: pages are on their way from the disk."""
RENDER = """async ([code, film, styles, start]) => {
  const {default: widget} = await import(`data:text/javascript;base64,${code}`);
  const state = {film, styles, start, stale: false};
  document.body.style.margin = "0";
  widget.render({model: {get: (name) => state[name], on() {}, off() {}}, el: document.body});
}"""


class NotShowable(RuntimeError):
    """This machine cannot take the picture; the text says what is missing."""


def program(root: Path) -> str:
    """Return the first program of README, the one whose table stands below it."""
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    found = re.search(r"```python\n(.+?)```", text, re.DOTALL)
    if not found:
        raise NoCourse(f"{readme} has no program: run this in the checkout of the course")
    return found.group(1)


def printed(code: str) -> str:
    """Run a program of README, and return what it prints."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(code, {"__name__": "readme"})
    return said.getvalue().rstrip()


def masked(table: str) -> str:
    """Return a twin table without what another run has otherwise: the addresses that Linux chose."""
    return re.sub(r"0x7[0-9a-f]{11}", "0x7...", table)


def stored_table(root: Path) -> str:
    """Return the twin table that README shows."""
    begin, end = marks("twin")
    text = (root / "README.md").read_text(encoding="utf-8")
    return text.partition(begin)[2].partition(end)[0].strip().removeprefix("```").removesuffix("```").strip("\n")


def the_player() -> Player:
    """Return the player of README's picture: the first load of a page of a cold file, and the load after it."""
    from mmaplab.constants import PAGE_SIZE, Map, Prot
    from mmaplab.sim import Kernel, KernelConfig

    kernel = Kernel(KernelConfig(ra_pages=4, fault_around_bytes=4 * PAGE_SIZE))
    kernel.create_file("data.bin", b"word" * 1024 * 8)
    p = kernel.spawn()
    fd = p.open("data.bin")
    a = p.mmap(0x7FFF_0000_0000, 8 * PAGE_SIZE, Prot.PROT_READ, Map.MAP_SHARED | Map.MAP_FIXED, fd)
    p.load(a + 3 * PAGE_SIZE), p.load(a + 3 * PAGE_SIZE)
    return player(kernel, last=2, start=STEP)


def photograph() -> tuple[bytes, str]:
    """Return the player's picture as PNG, and the sentence that it shows. Raises NotShowable."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise NotShowable("Playwright is missing: in the course's folder, pip install -e '.[test]'") from None
    named = os.environ.get("CHROMIUM")
    chromium = next(filter(None, (shutil.which(name) for name in ([named] if named else BROWSERS))), None)
    if chromium is None:
        raise NotShowable("there is no Chromium: install it, or set CHROMIUM to its path")
    code = base64.b64encode(Path(room.__file__).with_suffix(".js").read_bytes()).decode()
    shown = the_player()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 960, "height": 900}, device_scale_factor=1.5, color_scheme="light")
        page.evaluate(RENDER, [code, shown.film, shown.styles, shown.start])
        root = page.locator(".mmaplab")
        picture, says = root.screenshot(), root.locator(".say").inner_text()
        browser.close()
    return picture, says


def store(root: Path) -> list[Path]:
    """Take both anew, and write them; returns the files. Raises NotShowable, NoCourse."""
    readme, picture = root / "README.md", root / "docs" / "player.png"
    table = printed(program(root))
    png, says = photograph()
    picture.write_bytes(png)
    image = f'<img src="docs/player.png" width="430" alt="The player, at step {STEP}: {says}">'
    text = filled(readme.read_text(encoding="utf-8"), {"twin": f"```\n{table}\n```", "player": image})
    readme.write_text(text, encoding="utf-8")
    return [readme, picture]
