"""What the page says first is computed and honest."""

import pytest

from sra.content.figures import CurvesFigure, Panel, Series
from sra.data.scenes import COLOURS, DIGIT_NAMES
from sra.reporting.figures.curves import build_curves
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.scores import load_scores
from sra.reporting.report.provenance import facts_of_scores
from sra.reporting.report.summary import CAPTIONS_OF_SCENES, caption_sentence, comparisons, opening, progress_of
from sra.spec.seeds import Seeds


@pytest.fixture
def figure() -> CurvesFigure:
    panels = [
        Panel(title=name, sampler="sde250", series=[Series(method="none", run=name), Series(method="sra", run=f"{name}_sra")]) for name in ("b", "l")
    ]
    values = {"kind": "curves", "id": "figure_9", "title": "T", "paper": "p", "caption": "c", "metric": "fid", "better": "lower", "samples": 50000}
    return CurvesFigure(**values, milestones=["m200k", "m400k", "m600k"], panels=panels)


@pytest.fixture
def said(figure, preset, tmp_path):
    """said(paths, preset=, seeds=, jobs=) -> the sentences that open the page, of one figure and no claims."""

    def call(paths, preset=preset, seeds=Seeds(), jobs=0, findings=()):
        scores = load_scores(paths, "small", seeds)
        document = build_curves(figure, Evidence("small", preset, scores=scores))
        return opening("small", preset, scores, [progress_of(document, scores, preset)], jobs, None, list(findings))

    return call


def pairs(write_score, gap, milestone="m400k", seed=""):
    """Both models; SRA's FID is `gap` above its baseline's and its IS as much below."""
    return [
        write_score(f"{name}{suffix}{seed}", milestone, fid=10.0 + extra, **{"is": 5.0 - extra})
        for name in ("b", "l")
        for suffix, extra in (("", 0.0), ("_sra", gap))
    ]


@pytest.mark.parametrize("gap", [-5.0, 0.0, 4.0])
def test_one_seed_judges_nothing_whatever_it_says(said, write_score, gap):
    first, *_, evidence = said(pairs(write_score, gap))
    assert first == (
        "Preset small trains each run from one seed, and fewer than 3 judge nothing: no claim of the paper gets a verdict here, no method is ranked "
        "and no number of ours is bold."
    )
    assert "`snakemake --cores 2 claims --config preset=small seeds='[0, 1, 2]'` trains them and judges the claims." in evidence
    text = " ".join(said([]))
    assert not {"better", "worse", "contradicted", "✗"} & set(text.replace(",", " ").split())


def test_three_seeds_let_the_figures_speak_first(said, write_score):
    first, works, *_, evidence = said(pairs(write_score, -5.0), seeds=Seeds(training=(0, 1, 2)), findings=["SRA speeds up."])
    assert (first, works.split()[0]) == ("SRA speeds up.", "So")
    assert "snakemake" not in evidence
    assert "judge nothing" in said([], seeds=Seeds(training=(0, 1)))[0]


def test_every_stage_works_where_all_numbers_exist(said, write_score):
    some = pairs(write_score, 0.5)
    assert "So far 4 scores of sample sets exist, and 0 of 1 tables and figures have all their numbers that this preset can give." in said(some)
    everything = some + pairs(write_score, 0.5, "m200k")
    assert (
        "Every stage works, from images through training, sampling and scoring to this page: 12 jobs ended, 8 scores of sample sets exist, and 1 of "
        "1 tables and figures have all their numbers that this preset can give."
    ) in said(everything, jobs=12)


def test_guided_samples_are_counted_over_all_runs(said, write_score):
    scores = [write_score(run, sampler="cfg", scale=4.0, label_agreement=share) for run, share in (("b", 0.85), ("l", 0.9312))]
    plain = write_score("b", label_agreement=0.2)
    expected = (
        "With guidance 85.0 to 93.1 % of the images show the class that they were asked for, as the feature network reads them; by chance it would "
        "be one in 10."
    )
    assert expected in said([*scores, plain])
    assert not any("With guidance" in sentence for sentence in said([plain]))


def test_guided_samples_are_one_line_of_the_facts_with_any_number_of_seeds(preset, write_score):
    def fact(paths):
        (value,) = facts_of_scores(load_scores(paths, "small"), preset)[-1].values
        return value.text, value.remark

    shares = [("b", 0.85), ("b__s1", 0.8), ("b__s2", 0.9312)]
    scores = [write_score(run, sampler="cfg", scale=4.0, label_agreement=share) for run, share in shares]
    text, remark = fact(scores)
    assert text == "80.0 to 93.1 %"
    assert remark == "show their label; 3 sets, least in b__s1"
    assert fact(scores[:1]) == ("85.0 %", "show their label; one set, in b")
    assert fact([write_score("b", label_agreement=0.2)]) == ("none scored", None)


def test_where_evidence_is_belongs_to_the_preset(said, comparable):
    assert "only preset paper speaks of the paper's" in said([])[-1]
    assert "only preset paper" not in said([], comparable)[-1]
    assert "The paper's numbers stand in the columns “paper” of the tables, digit for digit and with their sources." in said([])


def test_sra_stands_beside_its_baseline_without_a_verdict(figure, preset, write_score):
    def found_in(paths):
        scores = load_scores(paths, "small")
        return comparisons([build_curves(figure, Evidence("small", preset, scores=scores))], scores)

    one = pairs(write_score, -1.0)
    found = found_in(one)
    assert [(pair.model, pair.metric) for pair in found] == [("b", "fid"), ("b", "is"), ("l", "fid"), ("l", "is")]
    assert [pair.effect for pair in found[:2]] == ["0.90, one seed", "+1.00, one seed"]
    found = found_in([*one, *pairs(write_score, -1.2, seed="__s1"), *pairs(write_score, -0.9, seed="__s2")])
    assert [pair.effect for pair in found[:2]] == ["0.90 [0.86, 0.94], 3 seeds", "+1.03 [+0.65, +1.41], 3 seeds"]
    assert found[0].texts == ("10.00", "8.97")
    assert found_in([write_score("b", "m200k", fid=1.0)]) == []


def test_progress_counts_what_the_preset_reaches(figure, preset, write_score):
    scores = load_scores([write_score("b", fid=1.0)], "small")
    progress = progress_of(build_curves(figure, Evidence("small", preset, scores=scores)), scores, preset)
    assert (progress.done, progress.wanted, progress.beyond) == (1, 8, 4)


def test_captions_are_counted_over_all_guided_runs(write_score):
    scores = [
        write_score("plain", sampler="cfg2", scale=2.0, caption_accuracy=0.5),
        write_score("with_sra", sampler="cfg2", scale=2.0, caption_accuracy=0.9304),
        write_score("with_repa", sampler="ode", scale=1.0, caption_accuracy=0.99),  # without guidance
        write_score("with_repa", sampler="cfg4", scale=4.0, fid=1.0),
    ]
    assert caption_sentence(load_scores(scores, "small")) == (
        "With guidance 50.0 to 93.0 % of the captioned images show both digits in the right colours, as the feature network reads them; by chance it "
        "would be about 1 in 1600."
    )
    assert caption_sentence(load_scores(scores[2:], "small")) is None


def test_chance_is_that_of_the_scenes():
    assert (len(DIGIT_NAMES) * len(COLOURS)) ** 2 == CAPTIONS_OF_SCENES
