"""What others write - labels, notes, warnings, captions - is text in the page, whatever it looks like: none of it runs, styles or loads anything."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from checkout import ROOT
from playwright.sync_api import Locator, Page
from score_files import write_score_file

from sra.content.catalogue import Catalogue
from sra.content.required import required_by_figure, required_by_table
from sra.reporting.rendering import render_everything
from sra.reporting.report import pdf
from sra.spec.layout import Results

PRESET = "digits"
PAYLOADS = {
    "script": "<script>window.owned = 1</script>",
    "end of script": "</script><script>window.owned = 2</script>",
    "image": "<img src=x onerror='window.owned = 3'>",
    "svg": "<svg/onload=window.owned=4><style>*{display:none}</style></svg>",
    "attribute": '" onmouseover="window.owned = 5" style=\'position:fixed\' autofocus onfocus=window.owned=6 x="',
    "apostrophe": "' onclick='window.owned = 7' x='",
    "link": '<a href="javascript:window.owned=8">here</a> javascript:window.owned=8',
    "frame": "<iframe srcdoc='<script>parent.owned = 9</script>'></iframe><meta http-equiv=refresh content=0;url=data:text/html,owned>",
    "end of everything": "--></title></style></textarea></table></figure></svg></body></html><h1>owned</h1>",
    "comment": "<!-- <![CDATA[ ]]> -->",
    "entities": "&lt;b&gt; &#x3c;script&#x3e; &amp;amp; &nbsp;",
    "template": "{{ 7 * 7 }} {% for x in y %} ${7 * 7} #{7 * 7}",
    "shell": "$(touch owned); rm -rf . | `touch owned` && touch owned",
    "terminal": "\x1b[2J\x1b[31mred\x07 after",
    "direction": "\u202egnp.exe\u2066 \u200b\ufeff after",
    "formula": "=cmd|' /C calc'!A0",
    "TeX and Typst": '\\input{/etc/passwd} $x_1^2$ %% #read("/etc/passwd") ~ & @ref <label>',
    "lines": "first\nsecond\r\nthird\tfourth",
    "long": "w" * 2000,
}
RUNS = ("sit_b2", "sit_b2_sra")


@pytest.fixture(scope="module")
def page_file(chromium, tmp_path_factory, new_checkout) -> Path:
    """A page of one table and one figure of captions that say these things wherever they may."""
    checkout = new_checkout(tmp_path_factory.mktemp("escaping") / "a folder's <b>name</b> & $(touch owned)")
    texts = list(PAYLOADS.values())
    table = {"id": "table_s9", "title": texts[0], "paper": texts[1], "columns": [{"metric": "fid", "better": "lower"}]}
    table |= {"score": {"milestone": "m400k", "sampler": "sde250", "samples": 50000}, "setting_columns": [{"key": "s", "label": texts[2]}]}
    rows = [
        {"label": text, "run": RUNS[place % 2], "group": texts[place // 5], "note": text, "settings": {"s": text}} for place, text in enumerate(texts)
    ]
    figure = yaml.safe_load((ROOT / "report/figures/figure_t2i.yaml").read_text(encoding="utf-8"))
    figure |= {"title": texts[3], "caption": " ".join(texts[:6]), "paper": texts[4], "count": len(texts)}
    checkout.show_only(table_s9=yaml.safe_dump(table | {"rows": rows, "notes": texts}), figure_t2i=yaml.safe_dump(figure))
    registry, results = Catalogue(checkout.folder, PRESET), Results(PRESET)
    for wanted in required_by_table(registry.tables["table_s9"], registry):
        write_score_file(registry.root / results.score(wanted.run, wanted.score), wanted.run, preset=PRESET, warnings=texts, fid=9.0)
    for wanted in required_by_figure(registry.figures["figure_t2i"], registry):
        pack = registry.root / results.samples(wanted.run, wanted.score)
        pack.parent.mkdir(parents=True, exist_ok=True)
        images = np.full((len(texts), 32, 32, 3), 200, np.uint8)
        np.savez(pack, arr_0=images, captions=np.array([text.encode() for text in texts]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pdf, "render_pdf", lambda *_: None)  # it has tests of its own
        render_everything(registry)
    return checkout.folder / results.report


def shown(text: str) -> str:
    """As a reader sees it: spaces and lines run together."""
    return re.sub(r"\s+", " ", text).strip()


def labels(page: Page) -> Locator:
    return page.get_by_role("table", name=re.compile("^Table S9:")).get_by_role("rowheader")


def test_nothing_that_was_written_becomes_a_part_of_the_page(visit):
    page = visit()
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    for one in page.get_by_role("rowheader").all() + page.get_by_role("button").all():
        one.hover()
    assert page.evaluate("window.owned") is None
    assert page.evaluate("document.scripts.length") == 1
    strange = "iframe, meta[http-equiv=refresh], h1 ~ h1, img[src=x], svg[onload], [onclick], [onmouseover], [onfocus], a[href^=javascript]"
    assert page.evaluate(f"Array.from(document.querySelectorAll('{strange}'), (found) => found.outerHTML)") == []
    assert page.get_by_role("heading", name="owned", exact=True).count() == 0


@pytest.fixture(scope="module")
def read(browser, page_file) -> list[str]:
    """The labels as a browser shows them."""
    page = browser.new_page()
    page.goto(f"{page_file.as_uri()}#table_s9")  # which unfolds it
    found = [shown(label) for label in labels(page).all_text_contents()]
    page.close()
    return found


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_label_is_shown_as_it_was_written(read, payload):
    assert any(shown(PAYLOADS[payload]) in label for label in read)


def test_every_caption_stands_under_its_images(visit):
    text = shown(visit().evaluate("document.body.textContent"))
    for payload in PAYLOADS.values():
        assert text.count(shown(payload)) >= 3  # as label, as caption and as warning or note


def test_signs_that_turn_text_round_end_with_their_cell(visit):
    found = labels(visit()).filter(has_text="\u202e").evaluate_all("(cells) => cells.map((cell) => getComputedStyle(cell).unicodeBidi)")
    assert found
    assert set(found) <= {"isolate", "isolate-override", "plaintext"}


def test_files_beside_the_page_hold_no_formula_and_no_lines_that_were_written(page_file):
    for path in sorted(page_file.parent.rglob("table_s9.*")):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".csv":
            assert "'=cmd|" in text
            assert not re.search(r"(^|,|\")=cmd", text)
        if path.suffix == ".md":
            assert "<script>" not in text
            assert "<img" not in text
        if path.suffix == ".tex":
            assert r"\input{" not in text
        assert "\nsecond" not in text or path.suffix not in (".md", ".tex")
    assert not list(page_file.parents[2].rglob("owned*"))
