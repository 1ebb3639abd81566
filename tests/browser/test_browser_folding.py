"""One screen says what ran, what it shows and what it cannot show; everything else is found by unfolding, at the width that there is."""

import pytest
from playwright.sync_api import Page

WIDE = """() => Array.from(document.querySelectorAll(".scroll, pre"))
    .filter((box) => box.checkVisibility() && box.scrollWidth > box.clientWidth + 1)
    .map((box) => box.getAttribute("aria-labelledby") || box.getAttribute("aria-label"))"""
OPEN_ALL = "document.querySelectorAll('details').forEach((details) => { details.open = true; })"


def bottom(page: Page, selector: str) -> float:
    return page.locator(selector).first.evaluate("(element) => element.getBoundingClientRect().bottom + scrollY")


def test_the_first_screen_holds_the_warning_the_summary_the_limits_and_what_ran(visit):
    page = visit(folded=True)
    assert max(bottom(page, selector) for selector in (".band", "section:has(> #summary)", ".limits", ".facts")) <= 900
    summary, limits = (page.locator(selector).bounding_box() for selector in ("section:has(> #summary)", ".limits"))
    assert summary["y"] == limits["y"]  # side by side
    assert summary["x"] + summary["width"] <= limits["x"]


def test_the_contents_show_all_their_entries_on_the_first_screen(visit):
    page = visit(folded=True)
    assert page.evaluate("(() => { const nav = document.querySelector('nav'); return nav.scrollHeight - nav.clientHeight; })()") == 0
    entries = page.get_by_role("navigation", name="Contents").get_by_role("link").all()
    assert len(entries) > 15
    for entry in entries:
        box = entry.bounding_box()
        assert box["y"] + box["height"] <= 900
        assert min(box["width"], box["height"]) >= 24


@pytest.mark.parametrize("width", [1280, 1920])
def test_no_table_figure_or_command_is_cut_where_there_is_room(visit, width):
    page = visit(width)
    page.evaluate(OPEN_ALL)
    assert page.evaluate(WIDE) == []


def test_wide_pages_give_their_width_to_tables(visit):
    main = visit(1920).get_by_role("main").bounding_box()
    assert main["width"] > 1600


def test_tables_and_figures_are_one_line_each_until_they_are_unfolded(visit):
    page = visit(folded=True)
    lines = [box.bounding_box()["height"] for box in page.locator(".item:visible").all()]
    assert len(lines) == 10
    assert max(lines) < 100  # one has a long name
    assert page.locator("img").filter(visible=True).count() == 0
    button = page.locator("section:has(> #tables)").get_by_role("button", name="Unfold all")
    button.press("Enter")
    assert page.locator("section:has(> #tables) .item:not([open])").count() == 0
    assert page.locator("section:has(> #figures) .item[open]").count() == 0
    page.get_by_role("button", name="Fold all", exact=True).click()
    assert page.locator(".item[open]").count() == 0


def test_a_link_of_the_contents_unfolds_what_it_leads_to(visit):
    page = visit(folded=True)
    page.get_by_role("navigation", name="Contents").get_by_role("link", name="Figure 4", exact=True).click()
    image = page.locator("#figure_4 img")
    image.wait_for()
    assert page.locator(".item[open]").count() == 1


def test_where_paper_and_code_disagree_stands_before_the_tables(visit):
    page = visit(folded=True)
    assert bottom(page, "#quirks") < bottom(page, "#tables")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_claims_are_cards_on_a_narrow_page_and_a_table_to_who_hears_them(visit, scheme):
    page = visit(400, folded=True, color_scheme=scheme)
    claims = page.get_by_role("table", name="Claims", exact=True)
    rows = claims.get_by_role("row").all()
    assert rows
    for row in rows:
        boxes = [cell.bounding_box() for cell in row.locator("> *").all()]
        assert len(boxes) == 4
        assert len({box["x"] for box in boxes}) == 1  # one under the other
        assert [box["y"] for box in boxes] == sorted(box["y"] for box in boxes)
    assert page.evaluate("(() => { const box = document.querySelector('.scroll:has(> .claims)'); return box.scrollWidth - box.clientWidth; })()") == 0
