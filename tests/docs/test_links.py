"""Every link of the docs that stays inside the repository leads to something."""

import pytest

from tests.docs.pages import ALL_PAGES, ROOT, anchors, links


@pytest.mark.parametrize("page", ALL_PAGES)
def test_every_link_leads_to_a_file_and_an_anchor_that_exist(page: str) -> None:
    broken = [link for link in links(page) if not leads_somewhere(page, link.target)]
    assert not broken, broken


def leads_somewhere(page: str, target: str) -> bool:
    file, _, anchor = target.partition("#")
    path = ((ROOT / page).parent / file).resolve() if file else ROOT / page
    if not path.exists() or not path.is_relative_to(ROOT):
        return False
    return not anchor or anchor in anchors(str(path.relative_to(ROOT)))
