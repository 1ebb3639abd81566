"""What script adds, used as a reader uses it: sorting, copying, the theme, folded parts, enlarged figures; by mouse and by keyboard."""

import re

import pytest

PAPER_ORDER = [["middling", "</script>", "absent", "nnn"], ["good", "lost", "better"]]
BEST_FIRST = [["</script>", "middling", "nnn", "absent"], ["better", "good", "lost"]]
WORST_FIRST = [["nnn", "middling", "</script>", "absent"], ["good", "better", "lost"]]


@pytest.fixture
def order(sorted_table):
    """order(page) -> labels of the rows by group, cut to those above."""
    known = [label for group in PAPER_ORDER for label in group]

    def read(page):
        rows = [body.get_by_role("rowheader").all_text_contents() for body in sorted_table(page).get_by_role("rowgroup").all()[1:]]
        assert [len(row) for row in rows] == [5, 4]  # the group's name first
        assert rows[0][0] == "First group"
        return [[next(label for label in known if text.startswith(label)) for text in group[1:]] for group in rows]

    return read


def header(table, metric):
    return table.get_by_role("columnheader", name=re.compile(f"^ours {metric}"))


def focused(locator) -> bool:
    return locator.evaluate("(element) => element === document.activeElement")


def test_a_click_sorts_best_first_then_worst_first_then_as_the_paper(visit, sorted_table, order):
    page = visit()
    fid = header(sorted_table(page), "FID")
    assert order(page) == PAPER_ORDER
    for expected, state in ((BEST_FIRST, "ascending"), (WORST_FIRST, "descending"), (PAPER_ORDER, None), (BEST_FIRST, "ascending")):
        fid.get_by_role("button").click()
        assert order(page) == expected
        assert fid.get_attribute("aria-sort") == state


def test_best_first_goes_down_where_more_is_better_and_one_column_alone_is_sorted(visit, sorted_table, order):
    page = visit()
    table = sorted_table(page)
    header(table, "FID").get_by_role("button").click()
    header(table, "Recall").get_by_role("button").click()
    assert order(page) == WORST_FIRST  # the recall of each row is a thousandth of its FID
    assert [head.get_attribute("aria-sort") for head in table.get_by_role("columnheader").all() if head.get_attribute("aria-sort")] == ["descending"]


def test_the_keyboard_reaches_and_sorts_every_sortable_column(visit, sorted_table, order):
    page = visit()
    table = sorted_table(page)
    buttons = table.get_by_role("columnheader").get_by_role("button")
    assert buttons.count() == 2
    page.get_by_role("region", name=re.compile("^Table S99:")).focus()
    for place in range(2):
        page.keyboard.press("Tab")
        assert focused(buttons.nth(place))
    page.keyboard.press("Shift+Tab")
    for key, expected in (("Enter", BEST_FIRST), ("Space", WORST_FIRST), ("Enter", PAPER_ORDER)):
        page.keyboard.press(key)
        assert order(page) == expected
        assert focused(buttons.first)


def test_a_copy_button_copies_the_whole_text(visit, page_file):
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    page.get_by_text("Table S99 as CSV").first.click()
    page.get_by_role("button", name="Copy: Table S99 as CSV").click()
    page.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == (page_file.parent / "tables/table_s99.csv").read_text(encoding="utf-8")


def test_without_a_clipboard_the_text_is_selected(visit):
    page = visit()
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('denied')); }")
    page.get_by_role("button", name="Copy: Run everything").click()
    assert page.evaluate("getSelection().toString()").strip() == "make run"


def test_the_theme_goes_round_and_is_remembered(visit):
    page = visit(color_scheme="dark")
    button = page.get_by_role("button", name=re.compile("^Theme"))

    def seen():
        return button.text_content(), page.evaluate("getComputedStyle(document.body).backgroundColor")

    dark, light = "rgb(20, 23, 28)", "rgb(255, 255, 255)"
    assert seen() == ("Theme: auto", dark)
    button.press("Enter")
    assert seen() == ("Theme: light", light)
    page.reload()
    assert seen() == ("Theme: light", light)
    page.emulate_media(color_scheme="light")
    button.click()
    assert seen() == ("Theme: dark", dark)
    button.click()
    assert seen() == ("Theme: auto", light)


def test_folded_parts_open_by_keyboard(visit):
    page = visit()
    folded = page.get_by_role("group").filter(has_text="Table S99 as CSV").last
    text = page.get_by_label("Table S99 as CSV", exact=True)
    assert not text.is_visible()
    folded.locator("summary").press("Enter")
    assert text.is_visible()


def enlarge(page):
    return page.get_by_role("button", name=re.compile("^Enlarge Figure 4: "))


@pytest.mark.parametrize("by", ["click on the figure", "Enter"])
def test_a_figure_is_enlarged_and_escape_leads_back(visit, by):
    page = visit()
    picture = page.get_by_role("region", name="Figure 4", exact=True).get_by_role("img")
    shown = picture.bounding_box()["width"]
    if by == "Enter":
        enlarge(page).press("Enter")
    else:
        picture.click()
    dialog = page.get_by_role("dialog", name=re.compile("^Figure 4: "))
    assert dialog.is_visible()
    large = dialog.get_by_role("img")
    assert large.get_attribute("alt") == picture.get_attribute("alt")
    assert large.bounding_box()["width"] > 1.5 * shown
    for _ in range(4):  # the focus stays inside
        assert page.evaluate("document.activeElement === document.body || document.activeElement.closest('dialog') !== null")
        page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert focused(enlarge(page))


def test_an_enlarged_figure_closes_by_its_button_and_another_takes_its_place(visit):
    page = visit()
    enlarge(page).click()
    dialog = page.get_by_role("dialog")
    first = dialog.get_by_role("img").get_attribute("src")
    dialog.get_by_role("button", name="Close").click()
    assert not dialog.is_visible()
    page.get_by_role("button", name=re.compile("^Enlarge Figure 5: ")).click()
    assert dialog.get_by_role("img").count() == 1
    assert dialog.get_by_role("img").get_attribute("src") != first


def test_on_a_narrow_screen_an_enlarged_figure_is_panned(visit):
    page = visit(width=400)
    enlarge(page).press("Enter")
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("img").bounding_box()["width"] >= 960
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('dialog').scrollLeft > 0")
    assert dialog.get_by_role("button", name="Close").bounding_box()["x"] >= 0
    assert page.evaluate("document.documentElement.scrollWidth") == 400


@pytest.mark.parametrize(("motion", "animation"), [("reduce", "none"), ("no-preference", "appear")])
def test_nothing_moves_for_who_asked_so(visit, motion, animation):
    page = visit(reduced_motion=motion)
    enlarge(page).click()
    assert page.get_by_role("dialog").evaluate("(element) => getComputedStyle(element).animationName") == animation
