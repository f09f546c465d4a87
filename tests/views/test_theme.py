"""The theme: contrast, and that no state is told by colour alone."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from mmaplab.views import shapes, theme

ON = {"file": "FILE", "anon": "ANON", "entry": "ENTRY", "now": "NOW", "you": "YOU"}


@pytest.mark.parametrize("colour", [theme.FILE, theme.ANON, theme.ENTRY, theme.NOW, theme.YOU])
def test_ink_is_readable_on_every_fill_that_carries_text(colour: str) -> None:
    assert theme.contrast(theme.INK, colour) >= 4.5


def test_white_is_readable_on_a_disk_block() -> None:
    assert theme.contrast(theme.WHITE, theme.BLOCK) >= 4.5


@pytest.mark.parametrize("page", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_text_is_readable_on_every_band(page: dict[str, str]) -> None:
    for band in ("paper", "user", "kernel", "kernel2"):
        for ink in ("ink", "soft", "alarm", "you-text"):
            assert theme.contrast(page[ink], page[band]) >= 4.5, (ink, band)


def test_contrast_is_that_of_wcag() -> None:
    assert theme.contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert theme.contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


def without_colour(svg: str) -> str:
    """Return a drawing with every class that only says a fill taken out."""
    return re.sub(r"\b(file|anon|zero|free|block|entry|void)\b ?", "", svg)


def test_every_page_state_is_told_apart_without_any_colour() -> None:
    states = {kind: shapes.page(0, 0, kind) for kind in ("file", "anon", "zero", "free", "absent", "none")}
    states["dirty"] = shapes.page(0, 0, "file", dirty=True)
    for one, other in combinations(states, 2):
        assert without_colour(states[one]) != without_colour(states[other]), (one, other)


def test_pages_left_out_are_told_apart_without_any_colour() -> None:
    kinds = ("file", "anon", "zero", "free", "block", "absent", "none", "mixed")
    gaps = {kind: without_colour(shapes.gap(0, 0, 40, 7, kind)) for kind in kinds}
    for one, other in combinations(gaps, 2):
        assert gaps[one] != gaps[other], (one, other)


def test_frames_blocks_and_entries_are_told_apart_without_any_colour() -> None:
    states = {
        "file frame": shapes.frame(0, 0, "file", 7),
        "dirty file frame": shapes.frame(0, 0, "file", 7, dirty=True),
        "anonymous frame": shapes.frame(0, 0, "anon", 7),
        "frame on its way": shapes.frame(0, 0, "free", 7),
        "block": shapes.cylinder(0, 0),
        "no block": shapes.cylinder(0, 0, letter=""),
        "entry rw": shapes.pill(0, 0, "rw"),
        "entry r-": shapes.pill(0, 0, "r-"),
        "entry --": shapes.pill(0, 0, "--"),
        "cached entry": shapes.pill(0, 0, "rw", cached=True),
        "no entry": shapes.pill(0, 0, ""),
    }
    for one, other in combinations(states, 2):
        assert without_colour(states[one]) != without_colour(states[other]), (one, other)


def test_every_kind_of_object_has_a_shape_of_its_own() -> None:
    things = [
        shapes.page(0, 0, "file"),
        shapes.frame(0, 0, "file", 7),
        shapes.cylinder(0, 0),
        shapes.pill(0, 0, "rw"),
        shapes.pill(0, 0, "rw", cached=True),
        shapes.pill(0, 0, ""),
        shapes.zigzag(0, 0),
        shapes.arrow(0, 9, 0, 0),
    ]
    assert len({without_colour(thing) for thing in things}) == len(things)


def test_orange_and_sky_are_the_same_in_grey_which_is_why_letters_are_there() -> None:
    assert abs(theme.luminance(theme.FILE) - theme.luminance(theme.ANON)) < 0.02


def test_wrapped_lines_fit() -> None:
    lines = theme.wrap("the kernel decides to read pages around the page that is missing " * 3, 400, 18, bold=True)
    assert len(lines) > 2
    assert all(theme.text_width(line, 18, bold=True) <= 400 for line in lines)


def test_no_text_of_the_style_sheet_is_smaller_than_12_units() -> None:
    assert min(float(size) for size in re.findall(r"font-size:([\d.]+)px", theme.css())) >= 12


def test_a_scoped_sheet_touches_nothing_else() -> None:
    rules = [rule for rule in theme.css(".mine").split("}") if rule]
    assert all(rule.startswith(".mine ") for rule in rules)
