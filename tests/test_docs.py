"""The documentation says what is: generated parts are current, links lead somewhere."""

from __future__ import annotations

import re

import pytest

from cosim.pynn import list_standard_models
from tests.docs import DOCS, refreshed

PAGES = sorted(DOCS.glob("*.md")) + sorted(DOCS.parent.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_generated_parts_are_current(page):
    assert refreshed(page.read_text(encoding="utf-8")) == page.read_text(encoding="utf-8"), (
        "run: python -m tests.docs"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_readme_names_every_cell_type():
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    for name in list_standard_models():
        assert name in readme or name.startswith("SpikeSource")
