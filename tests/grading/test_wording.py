"""Messages as HTML: nothing of an answer becomes markup, and code is shown as code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmaplab.grading.wording import as_html


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("`edit` makes no call", "<code>edit</code> makes no call"),
        ("a < b & `<b>`", "a &lt; b &amp; <code>&lt;b&gt;</code>"),
        ("one ` alone", "one ` alone"),
        ("half \ud800", "half ?"),
    ],
)
def test_code_is_shown_as_code(words: str, shown: str) -> None:
    assert as_html(words) == shown


@given(st.text())
def test_only_code_becomes_markup(words: str) -> None:
    left = as_html(words).replace("<code>", "").replace("</code>", "")
    assert "<" not in left and ">" not in left and '"' not in left
