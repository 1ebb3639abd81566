"""Claims that rest on probes: points of figures, published and ours, by the same rules as scores."""

import re
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
import yaml

from sra.content.catalogue import Catalogue
from sra.content.claims import load_claims, probed_by
from sra.content.inspected import carriers, figure_at_preset
from sra.core.errors import InputError
from sra.plan import analyse, show
from sra.plan.workflow import checked_plan
from sra.reporting.claims.judge import build_claims
from sra.reporting.figures.probes import build_probes, key_end
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.probes import load_probes
from sra.reporting.read.published import load_published

WITH, WITHOUT = {"line": "with SRA", "at": 20}, {"line": "SiT-XL/2", "at": 20}
CLAIM = {
    "id": "knows_more",
    "sentence": "S.",
    "source": "Figure 7a",
    "targets": ["figure_7a"],
    "comparisons": [{"kind": "better", "metric": "probe_accuracy", "side": WITH, "than": [WITHOUT], "margin": "m"}],
}


def file_of(**changes) -> dict:
    return {"margins": {"m": {"value": 0.01, "why": "noise"}}, "claims": [CLAIM | changes]}


@pytest.fixture
def registry_of(tmp_path, root):
    for name in ("config", "report"):
        shutil.copytree(root / name, tmp_path / name)

    def call(file, preset="digits") -> Catalogue:
        (tmp_path / "report/claims.yaml").write_text(yaml.safe_dump(file))
        return Catalogue(tmp_path, preset)

    return call


def judged(registry: Catalogue, files: list):
    """The document of claims from probe files."""
    published, claims = load_published(registry.root / "report/published"), load_claims(registry)
    figures = [figure_at_preset(figure, registry) for figure in probed_by(claims, registry)]
    probes, preset = load_probes(files, registry.preset_id), registry.preset
    known = Evidence(registry.preset_id, preset, published, probes=probes)
    probed = {figure.id: build_probes(figure, replace(known, carriers=carriers(figure, registry))) for figure in figures}
    return build_claims(claims, registry, known, probed)


@pytest.mark.parametrize(
    ("ours", "verdict", "text"),
    [
        ((0.75, 0.74, 0.77), "supported", "difference +25.3 [+21.5, +29.1], 3 seeds"),
        ((0.50, 0.55, 0.48), "undecided", "difference +1.0 [−8.0, +10.0], 3 seeds"),
        ((0.501, 0.500, 0.499), "equivalent", "difference 0.0 [−0.2, +0.2], 3 seeds"),  # within 5 % of 50 %
        ((0.35, 0.34, 0.36), "contradicted", "difference −15.0 [−17.5, −12.5], 3 seeds"),
        ((0.75,), "not judged", "difference +25.0, one seed"),
    ],
)
def test_points_of_a_figure_are_compared_seed_by_seed(registry_of, write_probe, ours, verdict, text):
    registry = registry_of(file_of())
    names = ["", "__s1", "__s2"]
    files = [write_probe(f"sit_xl2_sra{name}", {7: value}, preset="digits") for name, value in zip(names, ours, strict=False)]
    files += [write_probe(f"sit_xl2{name}", {7: 0.5}, preset="digits") for name in names[: len(ours)]]
    claim = judged(registry, files).claims[0]
    part = claim.parts[0]
    assert (claim.verdict, part.decisive.text, part.decisive.margin) == (verdict, text, pytest.approx(0.025))
    assert [len(number.seeds_sha256) for number in part.numbers] == [len(ours) - 1] * 2
    assert [(number.name, number.run, number.published) for number in part.numbers] == [
        ("with SRA, block 20", "sit_xl2_sra", "65.1"),
        ("SiT-XL/2, block 20", "sit_xl2", "59.8"),
    ]
    assert all(number.probe_sha256 and number.score_sha256 is None for number in part.numbers)
    assert claim.paper_verdict == "supported"


def test_what_is_not_probed_is_not_run(registry_of, write_probe):
    registry = registry_of(file_of())
    claim = judged(registry, [write_probe("sit_xl2_sra", {7: 0.5}, preset="digits")]).claims[0]
    assert (claim.verdict, claim.command) == ("not run", "snakemake --cores 2 figure_7a")
    assert [item.numbers for item in claim.missing] == [["SiT-XL/2, block 20"]]


def test_a_block_that_stands_for_two_is_compared_once(registry_of, write_probe, tmp_path):
    """In a model of twelve blocks the paper's 20 and 22 are one block, so neither is better."""
    preset = tmp_path / "config/presets/digits.yaml"
    deeper, found = re.subn("XL: {depth: 10,", "XL: {depth: 12,", preset.read_text())
    assert found == 1
    preset.write_text(deeper)
    comparison = CLAIM["comparisons"][0] | {"than": [{"line": "with SRA", "at": 22}]}
    registry = registry_of(file_of(comparisons=[comparison]))
    claim = judged(registry, [write_probe("sit_xl2_sra", {9: 0.5}, preset="digits")]).claims[0]
    assert claim.verdict == "not run"
    assert "which stands at block 20 already" in claim.missing[0].reason


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"side": {"line": "with SAR", "at": 20}}, "claim knows_more: unknown line 'with SAR'; did you mean 'with SRA'?"),
        ({"side": {"line": "with SRA", "at": 21}}, "claim knows_more: line 'with SRA' of figure_7a: unknown block '21'; known: 12"),
        ({"side": {"line": "with SRA"}}, "line and at go together"),
        ({"side": {"run": "sit_xl2_sra"}}, "probe_accuracy has no side that is a run"),
        ({"metric": "fid"}, "fid has no side that is a line"),
    ],
)
def test_a_wrong_side_is_refused_with_one_line(registry_of, changes, message):
    registry = registry_of(file_of(comparisons=[CLAIM["comparisons"][0] | changes]))
    with pytest.raises(InputError, match=message.replace("?", r"\?")) as refused:
        load_claims(registry)
    assert "\n" not in str(refused.value)


def test_a_score_belongs_to_runs(registry_of):
    registry = registry_of(file_of(score={"milestone": "m400k", "sampler": "sde250", "samples": 50000}))
    with pytest.raises(InputError, match="score says how runs were scored; give it where a side is a run"):
        load_claims(registry)


@pytest.mark.parametrize("preset", ["digits", "paper"])
def test_the_repositorys_claims_probe_nothing_of_their_own(root, preset):
    plan, wildcards = checked_plan(root, {"preset": preset}), SimpleNamespace(preset=preset)
    needed = analyse.probes_of_claims(plan, wildcards)
    drawn = {path for name in show.figures(plan) for path in analyse.probes_of_figure(plan, SimpleNamespace(preset=preset, figure=name))}
    assert needed
    assert set(needed) <= drawn


def test_the_papers_own_accuracies_get_the_same_verdicts_as_ever_and_as_single_probes_none(root, write_probe):
    """A claim whose rule the paper's numbers do not pass would be a claim about the rule."""
    registry, published = Catalogue(root, "paper"), load_published(root / "report/published")
    claims, accuracies = load_claims(registry), {}
    for figure in probed_by(claims, registry):
        for line, here in zip(figure.lines, figure_at_preset(figure, registry).lines, strict=True):
            for at in line.places(figure.x):
                key = f"{line.published}/{key_end(figure, at)}"
                where = {"block": here.blocks[0], "time": here.times[0], "milestone": here.milestones[0]} | {figure.x: at}
                if key in published.keys:
                    of_file = accuracies.setdefault((here.run, where["milestone"], where["time"]), {})
                    of_file.setdefault(where["block"], published.number(key, "probe_accuracy", "test").value)
    files = [write_probe(run, found, milestone, time, "paper") for (run, milestone, time), found in accuracies.items()]
    judged_claims = {claim.id: claim for claim in judged(registry, files).claims}
    on_probes = [claim.id for claim in claims.claims if claim.score is None]
    assert len(on_probes) >= 6
    for name in on_probes:
        expected = "not run" if name == "teacher_leads" else "not judged"  # the paper prints no number of the student
        assert judged_claims[name].verdict == expected, name
        assert judged_claims[name].paper_verdict == (None if name == "teacher_leads" else "supported"), name
