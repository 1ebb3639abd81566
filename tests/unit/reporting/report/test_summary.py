"""The first sentence of the page is computed and honest."""

import pytest

from sra.content.figures import CurvesFigure, Panel, Series
from sra.data.scenes import COLOURS, DIGIT_NAMES
from sra.reporting.figures.curves import build_curves
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.scores import load_scores
from sra.reporting.report.summary import CAPTIONS_OF_SCENES, caption_sentence, comparisons, progress_of, verdict_sentence

CAVEAT = "This preset exercises the method, it does not prove or disprove the paper."


@pytest.fixture
def figure() -> CurvesFigure:
    panels = [
        Panel(title=name, sampler="sde250", series=[Series(method="none", run=name), Series(method="sra", run=f"{name}_sra")]) for name in ("b", "l")
    ]
    values = {"kind": "curves", "id": "figure_9", "title": "T", "paper": "p", "caption": "c", "metric": "fid", "better": "lower", "samples": 50000}
    return CurvesFigure(**values, milestones=["m200k", "m400k", "m600k"], panels=panels)


@pytest.fixture
def sentence(figure, preset):
    def call(paths, preset=preset, milestone="m400k"):
        scores = load_scores(paths, "small")
        document = build_curves(figure, Evidence("small", preset, scores=scores))
        return verdict_sentence(comparisons([document], scores), milestone, "small", preset)

    return call


def pairs(write_score, gap, milestone="m400k"):
    """Both models; SRA's FID is `gap` above its baseline's and its IS as much below."""
    return [
        write_score(f"{name}{suffix}", milestone, fid=10.0 + extra, **{"is": 5.0 - extra})
        for name in ("b", "l")
        for suffix, extra in (("", 0.0), ("_sra", gap))
    ]


def test_worse_is_said(sentence, write_score):
    start = "On preset small (ten digits), SRA is worse than its baseline in 4 of 4 comparisons at 400K (FID and IS of 2 models, one seed each)."
    assert sentence(pairs(write_score, 0.5)) == f"{start} {CAVEAT}"


def test_the_sentence_flips_with_the_scores(sentence, write_score):
    assert "SRA is better than its baseline in 4 of 4 comparisons" in sentence(pairs(write_score, -0.5))


def test_a_draw_names_both_sides(sentence, write_score):
    paths = pairs(write_score, 0.5)[:2] + pairs(write_score, -0.5)[2:]
    assert "is better than its baseline in 2 and worse in 2 of 4 comparisons" in sentence(paths)


def test_equal_scores_are_neither(sentence, write_score):
    assert "is better than its baseline in 0 and worse in 0 of 4 comparisons and equal to it in 4" in sentence(pairs(write_score, 0.0))


def test_other_milestones_are_added(sentence, write_score):
    text = sentence(pairs(write_score, 0.5) + pairs(write_score, -0.5, "m200k"))
    assert "worse than its baseline in 4 of 4 comparisons at 400K" in text
    assert "; over all milestones it is better than its baseline in 4 and worse in 4 of 8 comparisons." in text


def test_half_a_pair_is_no_comparison(sentence, write_score):
    assert sentence([write_score("b", fid=1.0), write_score("l_sra", fid=1.0)]).startswith("No pair of SRA and its baseline has been scored yet")


def test_the_caveat_belongs_to_small_presets(sentence, write_score, comparable):
    assert CAVEAT not in sentence(pairs(write_score, 0.5), comparable)


def test_progress_counts_what_the_preset_reaches(figure, preset, write_score):
    scores = load_scores([write_score("b", fid=1.0)], "small")
    progress = progress_of(build_curves(figure, Evidence("small", preset, scores=scores)), scores, preset)
    assert (progress.done, progress.wanted, progress.beyond) == (1, 8, 4)


def test_the_best_guided_run_draws_that_many_captions(write_score):
    scores = [
        write_score("plain", sampler="cfg2", scale=2.0, caption_accuracy=0.5),
        write_score("with_sra", sampler="cfg2", scale=2.0, caption_accuracy=0.9304),
        write_score("with_repa", sampler="ode", scale=1.0, caption_accuracy=0.99),  # without guidance
        write_score("with_repa", sampler="cfg4", scale=4.0, fid=1.0),
    ]
    assert caption_sentence(load_scores(scores, "small")) == (
        "With guidance 2.0 the best run, with_sra (step 400, sampler cfg2), draws both digits in the right colours for 93.0 % of 500 captions, "
        "as the feature network reads them; chance is about 1 in 1600."
    )
    assert caption_sentence(load_scores(scores[2:], "small")) is None


def test_chance_is_that_of_the_scenes():
    assert (len(DIGIT_NAMES) * len(COLOURS)) ** 2 == CAPTIONS_OF_SCENES
