"""Files of claims, what is missing, what one seed says, and the real claims under the paper's own numbers."""

import csv
import io
import shutil

import pytest
import yaml

from sra.content.catalogue import Catalogue
from sra.content.claims import load_claims, scores_behind, shown_numbers
from sra.content.required import required_by_all
from sra.core.errors import InputError
from sra.core.files import read_json
from sra.reporting.claims.judge import build_claims, claims_sentence, render_claims
from sra.reporting.claims.verdicts import VERDICTS, ClaimsDocument
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.published import load_published
from sra.reporting.read.scores import load_scores
from sra.reporting.write.commands import build_command
from sra.spec.load import checked

# Files of claims


BLOCKS = {
    "id": "head",
    "sentence": "S | T.",
    "source": "Table 1",
    "targets": ["table_1"],
    "score": {"milestone": "m400k", "sampler": "sde250", "samples": 50000},
    "comparisons": [{"kind": "better", "metric": "fid", "side": {"run": "sit_b2_sra"}, "than": [{"run": "sit_b2"}], "margin": "m"}],
}
FILE = {"margins": {"m": {"value": 1.5, "why": "noise"}}, "claims": [BLOCKS]}


def changed(value, path: str, new):
    """`value` with the entry at `a/0/b` replaced, or removed where `new` is None."""
    first, _, rest = path.partition("/")
    key = int(first) if isinstance(value, list) else first
    copy = value.copy()
    if rest:
        copy[key] = changed(value[key], rest, new)
    elif new is None:
        del copy[key]
    else:
        copy[key] = new
    return copy


@pytest.fixture
def registry_of(tmp_path, root):
    """registry_of(file, preset) -> the repository's registry with these claims in place of its own."""

    def call(file=FILE, preset="digits", released=False) -> Catalogue:
        if not (tmp_path / "config").exists():
            for name in ("config", "report"):
                shutil.copytree(root / name, tmp_path / name)
        (tmp_path / "report/claims.yaml").write_text(yaml.safe_dump(file, allow_unicode=True))
        return Catalogue(tmp_path, preset, released)

    return call


@pytest.fixture
def judged(registry_of):
    """judged(scores, file, preset) -> the document."""

    def call(scores, file=FILE, preset="digits", released=False):
        registry = registry_of(file, preset, released)
        known = Evidence(preset, registry.preset, load_published(registry.root / "report/published"), load_scores(scores, preset))
        return build_claims(load_claims(registry), registry, known)

    return call


SIDE = "claims/0/comparisons/0/side"


@pytest.mark.parametrize(
    ("path", "new", "message"),
    [
        (f"{SIDE}/run", "sit_b2_sar", "claim head: unknown run 'sit_b2_sar'; did you mean 'sit_b2_sra'?"),
        (f"{SIDE}/released", "sit_xl2_sra_relesed", "claim head: unknown run 'sit_xl2_sra_relesed'; did you mean 'sit_xl2_sra_released'?"),
        (f"{SIDE}/run", "dit_b2", "claim head: table_1 shows no number of run dit_b2"),
        (f"{SIDE}/milestone", "m600k", "claim head: run sit_b2_sra in table_1: unknown milestone 'm600k'; did you mean 'm400k'?"),
        (f"{SIDE}/published", "table_1/baseline", "side: a side is a run, a line of a figure of probes, or a published number"),
        (SIDE, {"published": "table_1/baseline", "milestone": "m400k"}, "milestone and released belong to a run"),
        ("claims/0/score/sampler", "sde251", "claim head: unknown sampler 'sde251'; did you mean 'sde250'?"),
        ("claims/0/score/sampler", "ode50", "table_1 shows run sit_b2_sra by sde250 with 50000 samples, not by ode50 with 50000"),
        ("claims/0/score/samples", 1000, "table_1 shows run sit_b2_sra by sde250 with 50000 samples, not by sde250 with 1000"),
        ("claims/0/targets", ["table_11"], "claim head: unknown table or figure 'table_11'; did you mean 'table_1'?"),
        ("claims/0/targets", ["figure_5"], "claim head: figure_5 shows no number of run sit_b2_sra"),
        ("claims/0/comparisons/0/metric", "recall", "claim head: table_1 shows no recall of run sit_b2_sra; it shows fid, is"),
        ("claims/0/comparisons/0/metric", "fidd", "metric: Input should be 'fid'"),
        ("claims/0/comparisons/0/kind", "best", "unknown claims.0.comparisons.0.kind 'best'"),
        ("claims/0/comparisons/0/margin", "n", "claim head: unknown margin 'n'; known: m"),
        ("claims/0/comparisons/0/than", [], "than: List should have at least 1 item"),
        ("claims/0/sentense", "S", "unknown key 'sentense'; did you mean 'sentence'?"),
        ("claims/0/targets", None, "claims.0.targets is missing"),
        ("claims", [BLOCKS, BLOCKS], "claim head is given twice"),
        ("margins/unused", {"value": 1, "why": "w"}, "margin unused is used by no claim"),
        ("margins/m/share", 0.1, "margins.m: a margin is either a value or a share"),
        ("margins/m/value", 0, "margins.m.value: Input should be greater than 0"),
        ("margins/m/why", None, "margins.m.why is missing"),
        ("elsewhere", {"share": 0.1, "why": "w"}, "unknown key 'elsewhere'"),
    ],
)
def test_a_wrong_file_is_refused_with_one_line(registry_of, path, new, message):
    with pytest.raises(InputError) as error:
        load_claims(registry_of(changed(FILE, path, new)))
    assert "claims.yaml: " in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_published_key_is_refused_with_the_nearest(judged):
    file = changed(FILE, "claims/0/comparisons/0/than", [{"published": "table_3/sit_repaa"}])
    with pytest.raises(InputError, match=r"claim head: unknown published key 'table_3/sit_repaa'; did you mean 'table_3/sit_repa'\?"):
        judged([], file, "paper")
    with pytest.raises(InputError, match="claim head: table_3/sd_dit has no is; name a metric"):
        judged([], changed(changed(file, "claims/0/comparisons/0/metric", "is"), "claims/0/comparisons/0/than/0/published", "table_3/sd_dit"))


# Verdicts from score files


def pair(write_score, ours, base, preset="digits"):
    return [write_score("sit_b2_sra", fid=ours, preset=preset), write_score("sit_b2", fid=base, preset=preset)]


@pytest.mark.parametrize("preset", ["digits", "paper"])
@pytest.mark.parametrize("ours", [1.0, 9.9, 100.0])
def test_one_seed_judges_nothing_however_far_apart(judged, write_score, preset, ours):
    document = judged(pair(write_score, ours, 10.0, preset), preset=preset)
    claim = document.claims[0]
    assert (claim.verdict, claim.words, claim.missing, claim.command) == ("not judged", "one seed: not judged", [], None)
    assert (document.counts["not judged"], document.judged) == (1, False)
    part = claim.parts[0]
    assert [number.value for number in part.numbers] == [ours, 10.0]
    assert all(len(number.score_sha256) == 64 for number in part.numbers)
    assert (part.decisive.low, part.decisive.high, part.decisive.p_value) == (None, None, None)
    assert part.decisive.value == pytest.approx(ours / 10)
    assert part.decisive.text.endswith(", one seed")
    # Table 1 prints 29.10 and 33.02, at any preset, and a margin judges them.
    assert ([number.published for number in part.numbers], part.paper_verdict, claim.paper_verdict) == (["29.10", "33.02"], "supported", "supported")
    assert (part.paper_margin, part.paper_difference, part.margin_why) == (1.5, pytest.approx(3.92), "noise")


def test_what_is_missing_is_listed_with_its_command(judged, write_score):
    claim = judged(pair(write_score, 9.0, 10.0)[:1]).claims[0]
    assert (claim.verdict, claim.command) == ("not run", "snakemake --cores 2 table_1")
    assert [(item.numbers, item.reason) for item in claim.missing] == [(["sit_b2 at 400K (sde250, 50\u202f000 samples)"], None)]
    assert (claim.parts[0].decisive, claim.parts[0].paper_verdict) == (None, "supported")
    assert judged([], preset="paper").claims[0].command == "snakemake --cores 2 table_1 --config preset=paper"


def test_no_command_is_given_for_what_no_run_can_give(judged):
    beyond = changed(changed(FILE, "claims/0/targets", ["figure_4"]), "claims/0/score/milestone", "m300k")
    claim = judged([], beyond).claims[0]
    assert (claim.verdict, claim.command) == ("not run", None)
    assert claim.missing[0].reason == "preset digits does not train to 300K"
    released = judged([], preset="paper", released=True).claims[0]
    assert (released.command, released.missing[0].reason) == (None, "no released weights stand for this run")


def test_a_printed_number_is_one_training_and_judges_nothing(judged, write_score):
    comparison = {"kind": "alike", "metric": "fid", "between": [{"published": "table_1/head_yes"}, {"run": "sit_b2_sra"}], "margin": "m"}
    file = changed(FILE, "claims/0/comparisons/0", comparison)
    scores = [write_score(run, fid=fid, preset="paper") for run, fid in (("sit_b2_sra", 29.0), ("sit_b2_sra__s1", 29.1), ("sit_b2_sra__s2", 29.2))]
    claim = judged(scores, file, "paper").claims[0]
    assert claim.words == "a printed number is one training: not judged"
    assert claim.parts[0].decisive.text == "ratio 1.00 [0.99, 1.01], 3 seeds"  # shown all the same: Table 1 prints 29.10
    here = judged([write_score("sit_b2_sra", fid=29.1, preset="digits")], file).claims[0]
    assert (here.verdict, here.command) == ("not run", None)
    assert here.missing[0].reason == "a published number has another scale than preset digits"


def test_the_papers_number_beside_itself_is_no_evidence(judged):
    comparison = {"kind": "alike", "metric": "fid", "between": [{"published": "table_1/blocks_3_8"}, {"run": "sit_b2_sra"}], "margin": "m"}
    assert judged([], changed(FILE, "claims/0/comparisons/0", comparison)).claims[0].paper_verdict is None


def test_released_runs_stand_in_as_in_the_table(judged, write_score):
    side = {"run": "sit_xl2_sra", "released": "sit_xl2_sra_released"}
    comparison = {"kind": "better", "metric": "fid", "side": side, "than": [{"published": "table_3/sit_xl_2"}], "margin": "m"}
    file = changed(changed(FILE, "claims/0/comparisons/0", comparison), "claims/0/targets", ["table_3"])
    file = changed(file, "claims/0/score", {"milestone": "m4m", "sampler": "sde250_cfg18", "samples": 50000})
    score = write_score("sit_xl2_sra_released", "m4m", "sde250_cfg18", preset="paper", fid=0.5)
    assert judged([score], file, "paper", released=True).claims[0].verdict == "not judged"
    assert judged([score], file, "paper").claims[0].verdict == "not run"
    missing = judged([], file, "paper", released=True).claims[0]
    assert missing.command == "snakemake --cores 2 table_3 --config preset=paper weights=released"


def test_the_scope_says_of_what_the_verdicts_speak(judged, write_score):
    assert "speak of preset digits alone" in judged([]).scope
    assert "neither confirm nor refute the paper" in judged([]).scope
    assert "preset" not in judged([], preset="paper").scope
    assert claims_sentence(judged([])) == "Of 1 claim of the paper none is judged at preset digits: 1 not run."
    one = judged(pair(write_score, 9.0, 10.0))
    assert claims_sentence(one) == "Of 1 claim of the paper none is judged at preset digits: 1 not judged (one seed)."
    assert one.command == build_command("claims", "digits", seeds=(0, 1, 2)) == "snakemake --cores 2 claims --config seeds='[0, 1, 2]'"
    assert judged([], preset="paper").command == "snakemake --cores 2 claims --config preset=paper seeds='[0, 1, 2]'"
    assert build_command("all", "digits") == "snakemake --cores 2 all"


# Files written


def test_files_hold_what_was_judged_and_the_same_bytes(registry_of, write_score, tmp_path):
    registry, scores = registry_of(), pair(write_score, 8.0, 10.0)
    written = []
    for name in ("one", "two"):
        document = render_claims(load_claims(registry), registry, scores, registry.root / "report/published", tmp_path / name)
        written.append([(tmp_path / name / f"claims.{kind}").read_bytes() for kind in ("json", "csv", "md")])
    assert written[0] == written[1]
    assert read_json(tmp_path / "one/claims.json") == document.model_dump(mode="json")
    rows = list(csv.DictReader(io.StringIO(written[0][1].decode())))
    assert [(row["run"], row["value"], row["published"]) for row in rows] == [("sit_b2_sra", "8.0", "29.10"), ("sit_b2", "10.0", "33.02")]
    assert {(row["verdict"], row["compared"], f"{float(row['effect']):.12g}", row["low"], row["seeds"]) for row in rows} == {
        ("one seed: not judged", "log", "0.8", "", "0"),
    }
    markdown = written[0][2].decode()
    numbers = "FID ↓ 8.00 (sit_b2_sra), 10.00 (sit_b2); ratio 0.80, one seed"
    assert rf"| – one seed: not judged | S \| T. | {numbers} | ✓ supported | Table 1 | table_1 |" in markdown
    assert "Nothing is judged here. Three training seeds are: `snakemake --cores 2 claims --config seeds='[0, 1, 2]'`" in markdown
    assert "Not run:" not in markdown


def test_an_old_file_with_verdicts_from_single_seeds_is_not_shown(judged):
    old = {**judged([]).model_dump(mode="json"), "schema_version": 1}
    with pytest.raises(InputError, match=r"claims\.json: schema_version: Input should be 2"):
        checked(old, ClaimsDocument, "claims.json")


# The repository's own claims


PAPER_ALONE = {"system_400_epochs", "system_800_epochs"}  # beside themselves
NOT_SHOWN_BY_THE_PAPER = {"blocks_best", "interval_best", "head_needed", "system_near_repa"}  # gaps within the noise


@pytest.mark.parametrize(("preset", "released"), [("digits", False), ("paper", False), ("paper", True)])
def test_claims_cost_no_run_of_their_own(root, preset, released):
    registry = Catalogue(root, preset, released)
    claims = load_claims(registry)
    assert len(claims.claims) >= 15
    reachable = {(run, score) for run, score in scores_behind(claims, registry) if score.milestone in registry.preset.milestones}
    possible = {(run, score) for run, score in reachable if not released or registry.checkpoint(run)}
    assert possible
    assert possible <= {(item.run, item.score) for item in required_by_all(registry)}


def test_before_anything_ran_no_claim_has_a_verdict(root):
    registry = Catalogue(root, "digits")
    document = build_claims(load_claims(registry), registry, Evidence("digits", registry.preset, load_published(root / "report/published")))
    assert document.counts == dict.fromkeys(VERDICTS, 0) | {"not run": len(document.claims)}


def test_the_papers_own_numbers_get_the_same_verdicts_as_ever_and_as_single_scores_none(root, write_score):
    """A claim whose rule the paper's numbers do not pass would be a claim about the rule."""
    registry, published = Catalogue(root, "paper"), load_published(root / "report/published")
    claims = load_claims(registry)
    claims = claims.model_copy(update={"claims": [claim for claim in claims.claims if claim.score]})
    printed = {}
    for claim in claims.claims:
        for (run, score, metric), shown in shown_numbers(claim, registry).items():
            if shown.published in published.keys and published.number(shown.published, metric, "test"):
                printed.setdefault((run, score), {})[metric] = published.number(shown.published, metric, "test").value
    for claim in claims.claims:
        behind = scores_behind(claims.model_copy(update={"claims": [claim]}), registry)
        scores = [write_score(run, of.milestone, of.sampler, of.samples, preset="paper", **printed[run, of]) for run, of in behind]
        judged = build_claims(claims, registry, Evidence("paper", registry.preset, published, load_scores(scores, "paper")))
        found = next(item for item in judged.claims if item.id == claim.id)
        assert found.verdict == "not judged", claim.id
        expected = "inconclusive" if claim.id in NOT_SHOWN_BY_THE_PAPER else "supported"
        assert found.paper_verdict == (None if claim.id in PAPER_ALONE else expected), claim.id
        for score in scores:
            score.unlink()
