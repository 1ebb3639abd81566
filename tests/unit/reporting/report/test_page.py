"""The page: one file, nothing from outside, nothing unescaped, the same bytes twice."""

import base64
import re
from hashlib import sha256
from html.parser import HTMLParser

import numpy as np
import pytest
from report_samples import TEMPLATES, claims_of, rendered_page

from sra.content.catalogue import Catalogue
from sra.content.figures import CaptionsFigure, CurvesFigure, GridFigure, Panel, SampleSeries, Series
from sra.content.tables import Column, Row, TableSpec
from sra.core.errors import InputError
from sra.core.files import write_json
from sra.reporting.figures.render import render_figure
from sra.reporting.report.methods import methods_at_a_glance
from sra.reporting.tables.render import render_table
from sra.spec.metric import ScoreOf
from sra.spec.run import write_run

VOID = {"meta", "img", "br", "input", "link"}


class Page(HTMLParser):
    """Elements as (tag, attributes) with their text; refuses tags that do not close in order and ids given twice."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.open, self.ids = [], {}, [], []
        self.feed(text)
        self.close()
        assert self.open == []
        assert len(set(self.ids)) == len(self.ids)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.texts[self.open[-1]] = self.texts.get(self.open[-1], "") + data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def build(tmp_path, write_score, write_published, preset, pack):
    published = write_published("table_9", "a,fid,29.10", "b,fid,30.00")

    def call(label="A", preset=preset, gap=1.0, output="report.html", warnings=(), **given):
        spec = TableSpec(
            id="table_9",
            title=label,
            paper="a paper",
            columns=[Column(metric="fid", better="lower")],
            score=ScoreOf(milestone="m400k", sampler="sde250", samples=50000),
            rows=[Row(label=label, run="base", published="table_9/a", note=label), Row(label="B", run="ours", published="table_9/b")],
            notes=[label],
        )
        series = [Series(method="none", run="base"), Series(method="sra", run="ours")]
        common = {"title": label, "paper": "a paper", "caption": label}
        curves = CurvesFigure(
            kind="curves", id="figure_9", metric="fid", better="lower", samples=50000, milestones=["m400k"],
            panels=[Panel(title=label, sampler="sde250", series=series)], **common,
        )  # fmt: skip
        guided = ScoreOf(milestone="m4m", sampler="cfg", samples=1000)
        grid = GridFigure(kind="grid", id="figure_10", score=guided, runs=[SampleSeries(method="sra", run="ours")], **common)
        scores = [
            write_score("base", fid=10.0, warnings=warnings),
            write_score("ours", fid=10.0 + gap),
            write_score("ours", "m4m", "cfg", 1000, scale=4.0, label_agreement=0.9312, step=900),
        ]
        tables, figures = tmp_path / "tables", tmp_path / "figures"
        render_table(spec, scores, published, "small", preset, tables, TEMPLATES)
        render_figure(curves, scores, {}, published, "small", preset, figures)
        render_figure(grid, scores, {"ours": pack}, published, "small", preset, figures)
        text = rendered_page(tmp_path, preset, scores, output, **given)
        for score in scores:
            score.unlink()
        return text

    return call


def test_the_page_is_well_formed_and_in_order(build):
    page = Page(build(commit="abc1234", date="2026-11-23"))
    headings = [tag for tag, _ in page.elements if tag in ("h1", "h2", "h3")]
    assert headings.count("h1") == 1
    assert headings[0] == "h1"
    expected = ("top", "summary", "limits", "quirks", "table_9", "figure_9", "figure_10", "cost", "reading", "provenance", "commands")
    order = [page.ids.index(name) for name in expected]
    assert order == sorted(order)
    assert "abc1234" in page.texts["code"]


def test_every_link_inside_leads_somewhere(build):
    page = Page(build())
    targets = {attributes["href"][1:] for attributes in page.all("a") if attributes["href"].startswith("#")}
    assert any(target.startswith("r-") for target in targets)
    assert targets <= set(page.ids)
    labels = {value for _, attributes in page.elements for name, value in attributes.items() if name == "aria-labelledby"}
    assert labels <= set(page.ids)


def test_nothing_comes_from_outside(build):
    text = build()
    page = Page(text)
    sources = [attributes["src"] for _, attributes in page.elements if "src" in attributes]
    assert len(sources) == 2
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert not page.all("link")
    assert not re.search(r"url\(|@import|srcset", text)
    assert all(attributes.get("rel") == "noopener noreferrer" for attributes in page.all("a") if "//" in attributes["href"])


def test_the_policy_allows_our_style_and_script_alone(build):
    page = Page(build())
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        assert len(page.all(tag)) == 1
        digest = base64.b64encode(sha256(page.texts[tag].encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    names = {name for _, attributes in page.elements for name in attributes}
    assert "style" not in names
    assert not {name for name in names if name.startswith("on")}


def test_hostile_names_stay_text(build, hostile):
    page = Page(build(label=hostile.replace("\u202e", ""), warnings=[hostile], commit=hostile))
    assert len(page.all("script")) == 1
    assert len(page.all("img")) == 2
    assert not [image for image in page.all("img") if "onerror" in image]
    assert "onerror=alert(1)" in page.texts["h3"]


def test_every_picture_has_words_and_every_box_a_name(build):
    page = Page(build())
    assert all(len(image["alt"]) > 10 for image in page.all("img"))
    boxes = [attributes for attributes in page.all("div") if "scroll" in attributes.get("class", "")]
    assert boxes
    assert all(box["tabindex"] == "0" and ("aria-labelledby" in box or "aria-label" in box) for box in boxes)
    assert all("scope" in cell for cell in page.all("th"))


def test_the_warning_stands_once_and_first(build, comparable):
    band = "Numbers are not comparable with the paper"
    text = build()
    assert text.count(band) == 1
    assert text.index(band) < text.index('id="summary"')
    assert band not in build(preset=comparable)


def test_captions_do_not_repeat_the_heading_above_them(build):
    text = build(label="A title of its own")
    captions = re.findall(r"<figcaption.*?</figcaption>", text, re.DOTALL)
    assert len(captions) == 3
    assert not any(number in caption for caption in captions for number in ("Table 9.", "Figure 9.", "Figure 10."))
    assert "A title of its own" not in captions[0]  # of the table; a figure's caption is a sentence of its own, here the same
    assert text.count('id="table_9-heading">Table 9: A title of its own</h3>') == 1


def test_how_to_check_stands_under_each_item_and_once(build):
    text = build()
    for item in ("table_9", "figure_9", "figure_10"):
        assert text.count(f"snakemake --cores 2 {item} ") == 1
        inside = text.split(f'id="{item}"')[1].split("</details>")[0]
        assert "How to check" in inside
        assert f"snakemake --cores 2 {item} --config preset=small</pre>" in inside
    general = text.split('id="commands"')[1]
    assert general.count("<pre") == 2


def test_each_item_is_folded_under_a_heading_that_counts_what_is_there(build):
    text = build()
    for item, state in (("table_9", "✓ 2 of 2 results"), ("figure_9", "✓ 2 of 2 results"), ("figure_10", "✓ 1 of 1 result<")):
        head = re.search(rf'<details class="item">\n<summary><h3 id="{item}-heading">(.*?)</summary>\n<div class="inside" id="{item}">', text)
        assert head
        assert state in head[1]


def test_receipts_are_folded_as_a_whole_and_each_by_itself(build):
    text = build()
    receipts = text.split('<details class="receipt">', 1)[1]
    assert receipts.startswith("\n<summary>3 receipts, one for each score")
    assert receipts.count('<details class="receipt">') == 3


def test_limits_of_this_preset_stand_open_and_those_of_every_preset_folded(build):
    limits = build().split('id="limits"')[1].split("</section>")[0]
    shown, folded = limits.split("<details>")
    assert "neither confirmed nor refuted here" in shown
    assert "rests on one training seed has no spread" not in shown
    assert "rests on one training seed has no spread" in folded


def test_one_seed_judges_nothing_on_the_page(build):
    for gap in (1.0, -1.0):
        page = Page(build(gap=gap))
        assert "Preset small trains each run from one seed, and fewer than 3 judge nothing" in page.texts["p"]
        assert "strong" not in [tag for tag, attributes in page.elements if attributes.get("class") == "best"]
        assert "✗" not in "".join(text for tag, text in page.texts.items() if tag not in ("dt", "script", "style"))


def test_the_summary_states_what_the_scores_say(build, tmp_path):
    (tmp_path / "benchmarks/train").mkdir(parents=True)
    (tmp_path / "benchmarks/train/base.tsv").write_text("s\th:m:s\n192\t0:03:12\n")
    text = build(warnings=["too few samples"])
    for fact in ("3 of 3", "3 min 12 s", "97.5 %", "93.1 %", "1 of 3 scores carry one", "too few samples", "snakemake --cores 2 table_9"):
        assert fact in text


def test_equal_inputs_are_equal_bytes_and_hold_no_machine_path(build, tmp_path):
    text = build()
    assert text == build(output="again.html")
    assert str(tmp_path) not in text
    assert 'href="tables/table_9.csv"' in text


def test_runs_are_shown_as_trained_and_old_scores_are_named(tmp_path, preset, write_score, root):
    spec = Catalogue(root, "digits").spec("sit_b2_sra")
    write_run(tmp_path / "runs/sit_b2_sra/config.json", spec)
    score = write_score("sit_b2_sra", fid=1.0)  # its fingerprint is not that of the configuration
    text = rendered_page(tmp_path, preset, [score])
    alignment = spec.alignment
    assert f"blocks {alignment.student_block} → {alignment.teacher_block}, k ~ U[0, 0.2), λ 0.2, smooth_l1, with head" in text
    assert f">{0.9999**spec.training.paper_steps_per_step:.4g}<" in text  # the decay at which a step here forgets, not the paper's
    assert "now: sit_b2_sra. Run snakemake again." in text


def test_methods_stand_after_the_figures_each_with_its_paper_and_code(build, root):
    methods = methods_at_a_glance(Catalogue(root, "digits"))
    text = build(methods=methods)
    page = Page(text)
    assert page.ids.index("figure_10") < page.ids.index("methods") < page.ids.index("cost")
    links = {attributes["href"]: attributes for attributes in page.all("a")}
    for method in methods.methods:
        assert f">{method.name}<span" in text
        assert links[f"https://arxiv.org/abs/{method.arxiv}"]["rel"] == "noopener noreferrer"
        assert method.code is None or f"https://github.com/{method.code}/tree/{method.commit}" in links
    section = text.split('<h2 id="methods">')[1].split("</section>")[0]
    assert section.count("<tr>") == 2 + len(methods.methods)
    assert section.count('href="#ref-') == len(methods.methods)  # every paper is among the references
    assert "methods" not in Page(build()).ids


def test_an_empty_preset_still_has_a_page(tmp_path, preset):
    page = Page(rendered_page(tmp_path, preset))
    assert "So far 0 scores of sample sets exist" in page.texts["p"]
    assert "tables" not in page.ids
    assert "claims" not in page.ids


@pytest.fixture
def with_claims(tmp_path, preset, write_score):
    """with_claims(sentence, command) -> the page of two score files under one claim that compares them."""

    def call(**given):
        scores = [write_score("ours", fid=9.0), write_score("base", fid=10.0)]
        return rendered_page(tmp_path, preset, scores, claims_file=claims_of(tmp_path, scores, **given))

    return call


def test_claims_stand_before_the_tables_with_verdicts_in_words(with_claims):
    text = with_claims()
    page = Page(text)
    assert page.ids.index("summary") < page.ids.index("claims") < page.ids.index("claim-one") < page.ids.index("quirks")
    for words in (
        "Of the digits alone.",
        '5</span> <a href="#claim-one">✓ supported</a>',
        "6</span> ✗ contradicted",
        "3</span> = equivalent",
        "7</span> ? undecided",
        "8</span> ○ not run",
    ):
        assert words in text
    assert '<td role="cell" class="verdict-here supported">✓ supported</td>' in text
    assert '<span class="inconclusive">≈ inconclusive</span>' in text
    assert "ratio 0.90 [0.88, 0.92], 3 seeds" in page.texts["span"]
    assert "By the paper's printed numbers: by more than 0.50 (noise)." in page.texts["span"]
    assert 'href="./claims.json"' in text
    assert {link["href"] for link in page.all("a") if link["href"].startswith("#r-")} == {f"#{name}" for name in page.ids if name.startswith("r-")}


def test_where_nothing_is_judged_no_verdicts_are_counted(with_claims):
    text = with_claims(judged=False)
    assert 'class="counts"' not in text
    assert '<td role="cell" class="verdict-here not-judged">– one seed: not judged</td>' in text
    assert "ratio 0.90, one seed" in text
    assert "what they say of each claim under “By the paper&#39;s printed numbers”" in text


def test_a_claim_without_a_verdict_says_how_to_get_one(with_claims):
    text = with_claims(command="snakemake --cores 2 table_9")
    assert '<td role="cell" class="verdict-here not-run">○ not run</td>' in text
    assert "Missing: base at 400K.</span> <code>snakemake --cores 2 table_9</code>" in text


def test_hostile_claims_stay_text(with_claims, hostile):
    page = Page(with_claims(sentence=hostile))
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert "onerror=alert(1)" in page.texts["th"]


def test_a_wrong_file_of_claims_is_refused(tmp_path, preset):
    path = tmp_path / "claims.json"
    write_json(path, {"preset": "small"})
    with pytest.raises(InputError, match=r"claims\.json: comparable is missing"):
        rendered_page(tmp_path, preset, claims_file=path)


@pytest.fixture
def text_to_image(tmp_path, preset, write_score, write_published, root):
    """text_to_image(caption, **metrics) -> the page of a preset with one run on captions, sampled and scored."""
    digits = Catalogue(root, "digits").preset
    captioned = preset.model_copy(update={"text_to_image": digits.text_to_image})

    def call(caption, **metrics):
        spec = Catalogue(root, "digits").spec("mmdit_sra")
        write_run(tmp_path / "runs/mmdit_sra/config.json", spec)
        score = write_score("mmdit_sra", sampler="cfg2", scale=2.0, fid=1.0, **metrics)
        pack = tmp_path / "captioned.npz"
        np.savez(pack, arr_0=np.zeros((3, 8, 8, 3), np.uint8), captions=np.array([caption.encode()] * 3))
        figure = CaptionsFigure(
            kind="captions", id="figure_t2i", title="T", paper="p", caption="c", count=3,
            score=ScoreOf(milestone="m400k", sampler="cfg2", samples=50000), runs=[SampleSeries(method="sra", run="mmdit_sra")],
        )  # fmt: skip
        published = write_published("table_9", "a,fid,29.10")
        render_figure(figure, [score], {"mmdit_sra": pack}, published, "small", captioned, tmp_path / "figures")
        text = rendered_page(tmp_path, captioned, [score])
        score.unlink()
        return text, spec

    return call


def test_text_to_image_on_the_page(text_to_image):
    text, spec = text_to_image("a red three left of a blue five", caption_accuracy=0.93)
    page = Page(text)
    assert "figure_t2i" in page.ids
    assert "Figure T2I: T" in page.texts["h3"]
    assert "1 of 1" in page.texts["dd"]  # the figure's score counts as wanted
    assert "93.0 % of the captioned images show both digits in the right colours" in page.texts["p"]
    assert f"captions, {spec.model.text.tokens} tokens of {spec.text_encoder}" in page.texts["td"]
    assert "digits and scenes, 8 × 8 pixels" in page.texts["span"]
    assert page.texts["th"].count("a red three left of a blue five") == 3
    assert "1 in 1600 by chance" in page.texts["dd"]


def test_no_caption_is_counted_where_none_was_scored(text_to_image):
    assert "of the captioned images" not in text_to_image("a red three left of a blue five")[0]


def test_hostile_captions_stay_text_on_the_page(text_to_image, hostile):
    page = Page(text_to_image(hostile)[0])
    assert len(page.all("script")) == 1
    assert len(page.all("img")) == 1
    assert "onerror=alert(1)" in page.texts["th"]


def test_supplements_follow_the_paper_s_own(tmp_path, preset, write_published):
    published = write_published("table_9", "a,fid,29.10")
    series = [SampleSeries(method="none", run="base")]
    score = ScoreOf(milestone="m400k", sampler="cfg2", samples=50000)
    common = {"title": "T", "paper": "p", "caption": "c", "score": score, "runs": series}
    figures = [CaptionsFigure(kind="captions", id="figure_t2i", **common)]
    figures += [GridFigure(kind="grid", id=identity, **common) for identity in ("figure_12", "figure_5", "figure_s3")]
    for figure in figures:
        render_figure(figure, [], {}, published, "small", preset, tmp_path / "figures")
    ids = [name for name in Page(rendered_page(tmp_path, preset)).ids if re.fullmatch(r"figure_[a-z0-9]+", name)]
    assert ids[:2] == ["figure_5", "figure_12"]
    assert set(ids[2:]) == {"figure_s3", "figure_t2i"}
