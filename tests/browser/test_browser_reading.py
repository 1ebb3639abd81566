"""Reading the page in a real browser: it fits, it prints, it needs no script, nothing leaves it."""

import io

import pypdf
import pytest

OPEN_ALL = "document.querySelectorAll('details').forEach((details) => { details.open = true; })"


def overflow(page) -> int:
    """Pixels that the page could be scrolled sideways."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def in_view(locator) -> bool:
    top, height = locator.evaluate("(element) => [element.getBoundingClientRect().top, innerHeight]")
    return -1 < top < height  # part of a pixel may be cut


def test_a_whole_visit_is_silent_and_asks_for_nothing(visit):
    page = visit()
    page.evaluate(OPEN_ALL)
    page.mouse.wheel(0, 100_000)
    assert (
        page.evaluate("() => { const all = document.querySelectorAll('button'); all.forEach((button) => button.click()); return all.length; }") > 20
    )


def test_a_request_would_be_stopped_by_the_page_s_policy(visit, page_file, browser):
    page = browser.new_page()
    page.goto(page_file.as_uri())
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=http://127.0.0.1:9/ onerror=window.reached=1>')")
    page.wait_for_function("() => document.images[document.images.length - 1].complete")
    page.close()
    assert any("Content Security Policy" in text for text in said)


def test_every_image_has_words_and_a_size(visit):
    images = visit().evaluate(
        """() => Array.from(document.images, (image) => ({
            alt: image.alt, width: Number(image.getAttribute("width")), height: Number(image.getAttribute("height")),
            natural: [image.naturalWidth, image.naturalHeight], shown: [image.clientWidth, image.clientHeight],
        }))"""
    )
    assert len(images) == 7
    for image in images:
        assert len(image["alt"]) > 10
        assert min(image["natural"]) > 0
        assert (image["width"], image["height"]) == pytest.approx(image["natural"], abs=1)
        assert image["shown"][0] / image["shown"][1] == pytest.approx(image["width"] / image["height"], rel=0.1)


def test_hostile_names_are_shown_as_they_are(visit, sorted_table):
    page = visit()
    assert page.evaluate("[document.scripts.length, document.querySelectorAll('img[src=x]').length]") == [1, 0]
    assert sorted_table(page).get_by_role("rowheader", name="</script><img src=x onerror=alert(1)>").first.is_visible()


@pytest.mark.parametrize("width", [320, 400, 1280])
def test_the_page_never_scrolls_sideways(visit, width):
    page = visit(width)
    assert overflow(page) == 0
    page.evaluate(OPEN_ALL)
    assert overflow(page) == 0


@pytest.mark.parametrize("width", [320, 400, 1280])
def test_the_benchmark_fits_and_its_pictures_are_made_for_the_width(visit_benchmark, width):
    page = visit_benchmark(width)
    assert overflow(page) == 0
    shown = page.evaluate("Array.from(document.querySelectorAll('.benchmark img'), (image) => [image.clientWidth, image.naturalWidth])")
    assert [natural for _, natural in shown] == [346 if width < 700 else 648] * 4
    assert all(wide / natural >= 0.75 and wide <= width for wide, natural in shown)  # words of 7 points stay above 5


def test_an_enlarged_figure_of_the_benchmark_is_the_wide_one(visit_benchmark):
    page = visit_benchmark(400)
    page.get_by_role("button", name="Enlarge Figure B1").click()
    assert page.evaluate("document.querySelector('.zoom img').naturalWidth") == 648


def test_the_skip_link_is_the_first_stop_and_leads_to_the_summary(visit):
    page = visit(width=400)  # where the contents stand before it
    page.set_viewport_size({"width": 400, "height": 500})  # and fill the screen, however short a header they follow
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Skip to the summary")
    assert link.evaluate("(element) => element === document.activeElement")
    assert link.bounding_box()["x"] >= 0
    assert not in_view(page.get_by_role("heading", name="Summary"))
    page.keyboard.press("Enter")
    page.wait_for_url("**#summary")
    assert in_view(page.get_by_role("heading", name="Summary"))


@pytest.mark.parametrize(
    ("fragment", "heading"), [("table_5", "Table 5:"), ("table_s99", "Table S99:"), ("figure_4", "Figure 4:"), ("commands", "How to check")]
)
def test_deep_links_land(visit, fragment, heading):
    """Also to what is folded, which they open."""
    for script in (True, False):
        page = visit(fragment=f"#{fragment}", folded=True, java_script_enabled=script)
        assert in_view(page.get_by_role("heading", name=heading))
        assert page.locator(f"#{fragment}").is_visible()


def test_a_number_leads_to_its_receipt_and_opens_it(visit, sorted_table):
    page = visit()
    number = sorted_table(page).get_by_role("link", name="5.00", exact=True)
    number.click()
    receipt = page.locator(number.get_attribute("href"))
    assert receipt.is_visible()
    assert in_view(receipt)
    assert "sit_b2_sra_b2t6" in receipt.evaluate("(element) => element.closest('details').querySelector('summary').textContent")


def test_without_script_everything_is_there_to_read(visit):
    def content(page):
        return {tag: page.locator(tag).all_text_contents() for tag in ("h1", "h2", "h3", "caption", "figcaption", "td", "pre")}

    bare = visit(java_script_enabled=False)
    assert bare.get_by_role("button").count() == 0
    assert content(bare) == content(visit())
    tables = bare.locator("main table").filter(visible=True)
    assert tables.count() >= 3  # those outside of folded parts
    assert all(image.is_visible() and image.bounding_box()["width"] > 100 for image in bare.locator("main img").all())
    folded = bare.locator("details").first
    folded.locator("summary").click()
    assert folded.locator("table").is_visible()


def test_on_paper_nothing_is_cut_or_folded(visit):
    page = visit(width=718)  # the text of a letter page with Chromium's margins
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.querySelectorAll('details:not([open]):not(.receipt)').length") == 0
    wide = page.evaluate(
        """() => Array.from(document.querySelectorAll("table, img, pre, p, h3, dd, li, figcaption"))
            .filter((element) => element.checkVisibility() && element.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
            .map((element) => element.tagName + " " + (element.id || element.textContent.slice(0, 40)))"""
    )
    assert wide == []
    assert overflow(page) == 0
    assert page.get_by_role("navigation").filter(visible=True).count() == 0
    heads = page.get_by_role("columnheader").get_by_role("button").count()
    assert page.get_by_role("button").filter(visible=True).count() == heads  # which are words of the table; no other is left


def test_the_printed_page_holds_the_folded_tables_in_black_on_white(visit):
    page = visit(color_scheme="dark")
    text = "\n".join(sheet.extract_text() for sheet in pypdf.PdfReader(io.BytesIO(page.pdf(format="Letter"))).pages)
    assert "table,preset,group,label" in text  # a CSV, folded on the screen
    assert "The rule and what is compared" in text
    assert "Run everything that is missing" in text
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(26, 29, 33)"
