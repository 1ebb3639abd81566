"""axe-core finds nothing: WCAG A and AA up to 2.2 and its best practices, narrow in the dark and wide in the light, with everything unfolded."""

import pytest
from axe_playwright_python.sync_playwright import Axe

RULES = {
    "resultTypes": ["violations"],
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
}
LOOKS = [(400, "dark"), (1280, "light")]  # colours do not depend on the width, nor what stands where on the scheme


def findings(page, within: str | None = None) -> list[str]:
    """Each with its rule and the first place; of the whole page, or of what a selector names."""
    found = Axe().run(page, within, RULES).response
    return [
        f"{item['id']}: {len(item['nodes'])} x, {item['nodes'][0]['html'][:200]}: {item['nodes'][0]['failureSummary']}"
        for item in found["violations"]
    ]


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_axe_finds_nothing(visit, width, scheme):
    page = visit(width, color_scheme=scheme, bypass_csp=True)  # axe is a script that the page's policy would refuse
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert findings(page) == []


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_axe_finds_nothing_in_the_benchmark(visit_benchmark, width, scheme):
    page = visit_benchmark(width, color_scheme=scheme, bypass_csp=True)
    assert findings(page, "section.benchmark") == []


def test_axe_finds_nothing_in_an_enlarged_figure(visit):
    page = visit(400, bypass_csp=True)
    page.get_by_role("button", name="Enlarge Figure 4:").click()
    assert findings(page, "dialog") == []


def test_axe_does_find_what_is_wrong(visit):
    page = visit(bypass_csp=True)
    page.evaluate("document.querySelector('figure img').removeAttribute('alt')")
    page.evaluate("document.querySelector('figcaption').className = 'missing'")
    page.add_style_tag(content=".missing { color: #bbbbbb !important; }")
    assert {"image-alt", "color-contrast"} == {finding.partition(":")[0] for finding in findings(page, "figure")}
