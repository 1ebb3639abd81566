"""One page, rendered once from scores made up for the repository's own tables and figures, and a real browser to read it in."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from playwright.sync_api import Browser, Page, sync_playwright
from report_samples import rendered_page
from score_files import HOSTILE, digest, write_score_file
from study_documents import benchmark_in, made_study

from sra.content.catalogue import Catalogue
from sra.content.required import required_by_all
from sra.reporting.rendering import render_everything
from sra.reporting.report import pdf
from sra.spec.layout import Results

CHROMIUM = os.environ.get("SRA_CHROMIUM") or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ABSENT = "no Chromium: install Debian's package chromium, or name a browser in SRA_CHROMIUM"

# Rows of the table that is sorted, in the order of the "paper": label, run, group, FID here; None was not run.
ROWS = (
    ("middling", "sit_b2_sra_b6t10", "First group", 30.0),
    (HOSTILE, "sit_b2_sra_b4t8", "First group", 10.0),
    ("absent", "sit_b2_sra_b4t10", "First group", None),
    ("n" * 300, "sit_b2_sra_b4t12", "First group", 200.0),
    ("good", "sit_b2_sra_b2t6", HOSTILE, 5.0),
    ("lost", "sit_b2_sra_k00", HOSTILE, None),
    ("better", "sit_b2_sra_k01", HOSTILE, 3.0),
)
PRESET = "digits"
KEPT = {"table_5", "table_7", "figure_2a", "figure_4", "figure_5", "figure_7a", "figure_8a", "figure_10", "figure_t2i"}


def pytest_terminal_summary(terminalreporter):
    if CHROMIUM is None:
        terminalreporter.write_line(f"tests/browser: skipped, {ABSENT}")


def _few_claims(content: dict) -> None:
    """Those whose targets are kept, with their margins."""
    content["claims"] = [claim for claim in content["claims"] if KEPT.issuperset(claim["targets"])]
    used = {comparison.get("margin") for claim in content["claims"] for comparison in claim["comparisons"]}
    content["margins"] = {name: margin for name, margin in content["margins"].items() if name in used}
    content["claims"][0].update(sentence=HOSTILE, note=HOSTILE)


def _write_report_files(report: Path) -> None:
    """One table and figure of each kind; of those one figure, one claim and one quirk under a hostile name, and the sorted table."""
    for path in (*report.glob("tables/table_*.yaml"), *report.glob("figures/figure_*.yaml")):
        if path.stem not in KEPT:
            path.unlink()
    table = {
        "id": "table_s99",
        "title": HOSTILE,
        "paper": "no paper",
        "columns": [{"metric": "fid", "better": "lower"}, {"metric": "recall", "better": "higher"}],
        "setting_columns": [{"key": "s", "label": HOSTILE}],
        "score": {"milestone": "m400k", "sampler": "sde250", "samples": 50000},
        "rows": [{"label": label, "run": run, "group": group, "note": HOSTILE, "settings": {"s": HOSTILE}} for label, run, group, _ in ROWS],
        "notes": [HOSTILE],
    }
    (report / "tables/table_s99.yaml").write_text(yaml.safe_dump(table), encoding="utf-8")
    for path, change in (
        ("figures/figure_10.yaml", lambda figure: figure.update(title=HOSTILE, caption=HOSTILE)),
        ("claims.yaml", _few_claims),
        ("quirks.yaml", lambda quirks: quirks["quirks"][0].update(dict.fromkeys(("what", "paper", "code", "ours"), HOSTILE))),
    ):
        content = yaml.safe_load((report / path).read_text(encoding="utf-8"))
        change(content)
        (report / path).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def _write_results(registry: Catalogue) -> None:
    """A score for every cell but those that the sorted table leaves out, and samples for the figures of images."""
    results = Results(PRESET)
    of_table = {run: value for _, run, _, value in ROWS}
    size = registry.preset.image_size
    for run, score in ((item.run, item.score) for item in required_by_all(registry)):
        value = of_table.get(run, int(digest(f"{run}{score}")[:3], 16) / 100)
        if value is None:
            continue
        guided = 4.0 if "cfg" in score.sampler else 1.0
        metrics = {name: value for name in ("fid", "sfid", "is", "pick_score", "clip_score", "cmmd")}
        metrics |= {name: value / 1000 for name in ("precision", "recall", "label_agreement", "caption_accuracy")}
        path, warnings = registry.root / results.score(run, score), [HOSTILE] if run in of_table else []
        write_score_file(path, run, score.milestone, score.sampler, score.samples, PRESET, scale=guided, warnings=warnings, **metrics)
        if guided > 1:
            pack = registry.root / results.samples(run, score)
            pack.parent.mkdir(parents=True, exist_ok=True)
            images = np.full((100, size, size, 3), 200, np.uint8)
            np.savez(pack, arr_0=images, labels=np.arange(100) % 10, captions=np.array([HOSTILE.encode()] * 100))


@pytest.fixture(scope="session")
def chromium() -> str:
    if CHROMIUM is None:
        pytest.skip(ABSENT)
    return CHROMIUM


@pytest.fixture(scope="session")
def page_file(chromium, tmp_path_factory, new_checkout) -> Path:
    checkout = new_checkout(tmp_path_factory.mktemp("browser") / "checkout")
    _write_report_files(checkout.folder / "report")
    registry = Catalogue(checkout.folder, PRESET)
    _write_results(registry)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pdf, "render_pdf", lambda *_: None)  # it has tests of its own
        render_everything(registry)
    return checkout.folder / Results(PRESET).report


@pytest.fixture(scope="module")
def browser(chromium) -> Iterator[Browser]:
    """Of a module, not of the session: the event loop of Playwright would run on under other tests."""
    sandbox = [] if os.getuid() else ["--no-sandbox"]  # Chromium has none for root
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=sandbox)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def benchmark_file(chromium, tmp_path_factory) -> Path:
    """A page of the figures and table of a study, and of nothing else."""
    folder, preset = tmp_path_factory.mktemp("benchmark"), Catalogue(Path(__file__).parents[2], PRESET).preset
    benchmark_in(folder, made_study(), preset)
    rendered_page(folder, preset)
    return folder / "report.html"


@pytest.fixture
def visit_benchmark(browser, benchmark_file) -> Iterator:
    """visit_benchmark(width, **of the context) -> its page, with everything unfolded."""
    contexts = []

    def open_page(width: int, **options) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, reduced_motion="reduce", **options)
        contexts.append(context)
        page = context.new_page()
        page.goto(benchmark_file.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def visit(browser, page_file) -> Iterator:
    """visit(width=1280, fragment="", folded=False, **of the context) -> the page, offline, with its tables and figures unfolded or as it comes.

    Whatever a test does, the page must stay silent, open no alert and ask for nothing but itself.
    """
    contexts, said, asked = [], [], []

    def open_page(width: int = 1280, fragment: str = "", folded: bool = False, **options) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, **{"reduced_motion": "reduce", **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda alert: said.append(f"alert: {alert.message}"))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(page_file.as_uri() + fragment)
        if not folded:
            page.evaluate("document.querySelectorAll('.item').forEach((details) => { details.open = true; })")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith("data:") and url.partition("#")[0] != page_file.as_uri()] == []


@pytest.fixture
def sorted_table():
    """sorted_table(page) -> the table with known values."""
    return lambda page: page.get_by_role("table", name=re.compile("^Table S99:"))
