"""A printed number beside ours: what is there of each, and which file ours was read from."""

from sra.reporting.read.comparison import AccuracyComparison, Comparison, Outcome, ScoreComparison
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.published import Published, PublishedNumber
from sra.reporting.read.scores import load_scores
from sra.reporting.read.spread import Spread
from sra.spec.metric import ScoreOf

NUMBER = PublishedNumber("table_9/a", "fid", "12.30", 12.3, "Table 9", "exact")
SCORE = ScoreOf(milestone="m400k", sampler="sde250", samples=50000)


def test_each_side_may_be_missing():
    both, alone = Comparison.of(NUMBER, Outcome("ok", 9.0)), Comparison.of(None, Outcome("not run", reason="why"))
    assert (both.published, both.published_value, both.source, both.value, both.status) == ("12.30", 12.3, "Table 9 (exact)", 9.0, "ok")
    assert (alone.published, alone.published_value, alone.source, alone.value, alone.reason) == (None, None, None, None, "why")


def test_ours_names_its_file_and_reads_as_a_number_or_its_status():
    found = ScoreComparison.of(NUMBER, Outcome("ok", 9.0, sha256s=("own", "other")))
    assert (found.score_sha256, found.text) == ("own", "9.00")
    spread = Spread(training=2, training_sd=0.02, sampling=1, sampling_sd=None)
    probed = AccuracyComparison.of(None, Outcome("ok", 0.5, spread=spread, sha256s=("own", "other")))
    assert (probed.probe_sha256, probed.seeds_sha256, probed.text) == ("own", ["other"], "50.0 ± 2.0")
    assert AccuracyComparison.of(None, Outcome("beyond")).text == "beyond"


def test_why_there_is_no_score(preset, write_score):
    evidence = Evidence("small", preset, Published([NUMBER]), load_scores([write_score("a", fid=1.0)], "small"))
    assert evidence.score("a", SCORE, "fid").value == 1.0
    assert evidence.score("a", SCORE, "kid").reason == "KID was not asked for when these samples were scored"
    assert evidence.score("a", SCORE, "sfid").reason == "sFID is not defined for extractor digits_cnn"
    assert evidence.score("b", SCORE, "fid") == Outcome("not run")
    late = SCORE.model_copy(update={"milestone": "m7m"})
    assert evidence.score("a", late, "fid").reason == "preset small does not train to 7M"
