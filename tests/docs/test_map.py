"""docs/README.md is the map: it leads to every page, directly or by the index of its folder."""

from tests.docs.pages import ALL_PAGES, ROOT, links

MAP = "docs/README.md"
INDEXES = (MAP, "docs/decisions/README.md", "docs/measurements/README.md")


def linked_from(page: str) -> set[str]:
    """The pages that a page links to, from the root of the repository."""
    folder = (ROOT / page).parent
    targets = ((folder / link.target.partition("#")[0]).resolve() for link in links(page))
    return {str(target.relative_to(ROOT)) for target in targets if target.is_relative_to(ROOT)}


def test_the_map_leads_to_every_page() -> None:
    reached = {MAP}.union(*(linked_from(index) for index in INDEXES))
    assert sorted(set(ALL_PAGES) - reached - {"README.md"}) == []


def test_the_map_leads_to_the_indexes() -> None:
    assert set(INDEXES) - {MAP} <= linked_from(MAP)
