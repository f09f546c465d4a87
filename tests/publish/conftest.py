"""The site and the slides, made once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the whole site."""
    from mmaplab.publish.site import make_site

    folder = tmp_path_factory.mktemp("site")
    make_site(ROOT, folder)
    return folder
