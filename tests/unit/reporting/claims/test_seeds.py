"""Verdicts on ours from scores of several training seeds whose effects are known, for each kind of comparison, and none from fewer than three."""

import math
import statistics

import pytest
from scipy import stats

from sra.content.catalogue import Catalogue
from sra.content.claims import Alike, AtLeast, Better, Closer, Side, load_claims
from sra.reporting.claims.judge import build_claims
from sra.reporting.claims.seeds import Measured, compare, p_value_of, together, verdict_on
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.published import load_published
from sra.reporting.read.scores import load_scores
from sra.spec.seeds import Seeds

A, B, C = (Side(run=name) for name in "abc")
BETTER = Better(kind="better", metric="fid", side=A, than=[B], margin="m")
NOISE = (-0.01, 0.0, 0.01)  # of the log ratio, by seed
LOG_SD = 4.302653 * 0.01 / math.sqrt(3)  # half a 95 % interval of three differences with that noise, 0.0248


def values(ratio: float, noise=NOISE, base: float = 20.0) -> Measured:
    """A side whose ratio to the base of 20 is known, up to the noise of each seed."""
    return Measured({seed: base * ratio * math.exp(each) for seed, each in enumerate(noise)})


BASE = values(1.0, (0.0, 0.0, 0.0))


def verdict(comparison, *sides, better="lower"):
    """Of a single pair, without Holm."""
    (found,) = compare(comparison, sides)
    return verdict_on(comparison, found, better, p_value_of(comparison, found, better) if found.judged else None)


@pytest.mark.parametrize(
    ("ratio", "noise", "expected"),
    [
        (0.97, NOISE, "supported"),  # 0.97 [0.946, 0.994]
        (1.03, NOISE, "contradicted"),
        (1.0, NOISE, "equivalent"),  # by two one-sided tests: the 90 % interval reaches 0.017
        (1.0, (-0.05, 0.0, 0.05), "undecided"),
        (0.9, (-0.10, 0.0, 0.10), "undecided"),
        (0.995, (-0.0001, 0.0, 0.0001), "supported"),  # however small
    ],
)
def test_better_by_the_interval_of_the_ratio(ratio, noise, expected):
    assert verdict(BETTER, values(ratio, noise), BASE) == expected
    opposite = {"supported": "contradicted", "contradicted": "supported"}.get(expected, expected)
    assert verdict(BETTER, values(ratio, noise), BASE, better="higher") == opposite


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (0.5, "supported"),
        (1.02, "supported"),  # surely less than 5 % worse: its interval ends at 1.046
        (1.03, "undecided"),  # ends at 1.056
        (1.07, "undecided"),  # begins at 1.044
        (1.08, "contradicted"),  # begins at 1.053
    ],
)
def test_no_worse_is_non_inferiority_within_the_margin(ratio, expected):
    assert abs(math.log(ratio) - math.log(1.05)) > LOG_SD or expected == "undecided"
    assert verdict(AtLeast(kind="at_least", metric="fid", side=A, than=[B], margin="m"), values(ratio), BASE) == expected


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(1.0, "supported"), (0.97, "supported"), (1.04, "undecided"), (0.96, "undecided"), (1.09, "contradicted"), (0.9, "contradicted")],
)
def test_alike_is_equivalence_and_a_surely_larger_gap_contradicts(ratio, expected):
    assert verdict(Alike(kind="alike", metric="fid", between=[A, B], margin="m"), values(ratio), BASE) == expected


@pytest.mark.parametrize(("side", "expected"), [(10.0, "supported"), (16.0, "contradicted"), (math.sqrt(9 * 20), "equivalent")])
def test_closer_compares_the_distances_seed_by_seed(side, expected):
    closer = Closer(kind="closer", metric="fid", side=A, to=B, than=C, margin="m")
    ours, near, far = (values(1.0, noise, base) for noise, base in ((NOISE, side), ((0.0, 0.0, 0.0), 9.0), ((0.002, 0.0, 0.0), 20.0)))
    assert verdict(closer, ours, near, far) == expected
    (found,) = compare(closer, [ours, near, far])
    by_hand = [abs(math.log(ours.by_seed[s] / far.by_seed[s])) - abs(math.log(ours.by_seed[s] / near.by_seed[s])) for s in range(3)]
    assert found.pair.differences == pytest.approx(by_hand)


def test_the_natural_scale_has_a_share_of_the_value_compared_with():
    precision = Better(kind="better", metric="precision", side=A, than=[B], margin="m")
    ours, theirs = Measured({0: 0.61, 1: 0.60, 2: 0.59}), Measured({0: 0.60, 1: 0.60, 2: 0.60})
    (found,) = compare(precision, [ours, theirs])
    assert (found.scale, found.margin) == ("natural", pytest.approx(0.03))
    assert found.pair.differences == pytest.approx((0.01, 0.0, -0.01))
    assert verdict(precision, ours, theirs, better="higher") == "equivalent"


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        ({0: 1.0}, {0: 9.0}, "one seed: not judged"),
        ({0: 1.0, 1: 1.1}, {0: 9.0, 1: 9.0, 2: 9.0}, "2 seeds: not judged"),
        ({0: 1.0, 1: 1.1, 2: 1.2}, {0: 9.0}, "one seed: not judged"),
        ({0: 1.0, 1: 1.1, 2: 1.2}, {2: 9.0, 3: 9.0, 4: 9.0}, "one seed in common: not judged"),
        ({0: 1.0, 1: 1.1, 2: 1.2}, {3: 9.0, 4: 9.0, 5: 9.0}, "no seed in common: not judged"),
        ({0: 1.0, 1: 1.1, 2: 0.0}, {0: 9.0, 1: 9.0, 2: 9.0}, "a value that is not above 0 has no ratio: not judged"),
    ],
)
def test_nothing_is_judged_below_three_seeds_in_common(ours, theirs, reason):
    (found,) = compare(BETTER, [Measured(ours), Measured(theirs)])
    assert (found.reason, verdict_on(BETTER, found, "lower", None)) == (reason, "not judged")


def test_unequal_seeds_are_compared_where_both_have_one():
    ours, theirs = Measured({0: 9.0, 1: 9.1, 2: 9.2, 3: 100.0}), Measured({0: 10.0, 1: 10.0, 2: 10.1, 5: 1.0})
    (found,) = compare(BETTER, [ours, theirs])
    assert (found.pair.seeds, found.reason) == ((0, 1, 2), None)
    assert verdict(BETTER, ours, theirs) == "supported"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["supported", "supported"], "supported"),
        (["supported", "equivalent"], "equivalent"),
        (["supported", "undecided"], "undecided"),
        (["equivalent", "undecided"], "undecided"),
        (["supported", "contradicted", "undecided"], "contradicted"),
        (["contradicted", "not judged"], "not judged"),
        (["not judged", "not run"], "not run"),
    ],
)
def test_all_must_hold(parts, expected):
    assert together(parts) == expected


# From score files, under the repository's own claims

LOWEST = {"b6t10": 1.2, "b4t8": 1.2, "b4t10": 1.2, "b4t12": 1.2, "b2t6": 1.2, "b2t8": 1.2, "b3t3": 1.2}  # over 3 -> 8


@pytest.fixture
def claims_of(root, write_score):
    """claims_of({run: (FID by seed, ...)}) -> the repository's claims by id at preset digits. A FID may be several, of several sample sets."""

    def call(fids: dict[str, tuple], seeds=(0, 1, 2)):
        registry = Catalogue(root, "digits", asked=Seeds(training=seeds))
        files = []
        for run, found in fids.items():
            for seed, value in zip(seeds, found, strict=False):
                for drawn, one in enumerate(value if isinstance(value, tuple) else (value,)):
                    name, sampler = (run if seed == 0 else f"{run}__s{seed}"), ("sde250" if drawn == 0 else f"sde250__s{drawn}")
                    files.append(write_score(name, sampler=sampler, fid=one, preset="digits"))
        known = Evidence("digits", registry.preset, load_published(root / "report/published"), load_scores(files, "digits", registry.seeds))
        return {claim.id: claim for claim in build_claims(load_claims(registry), registry, known).claims}

    return call


def of_eight(spread: float, **ratios: float) -> dict[str, tuple]:
    """FIDs of the eight pairs of blocks. spread: of the log ratio to 3 -> 8, whose own FID is 10 at each seed."""
    noise = [math.exp(spread * each) for each in (-1, 0, 1)]
    return {"sit_b2_sra": (10.0, 10.0, 10.0)} | {
        f"sit_b2_sra_{name}": tuple(10 * ratio * one for one in noise) for name, ratio in (LOWEST | ratios).items()
    }


def test_the_lowest_of_eight_must_be_lower_than_each(claims_of):
    claim = claims_of(of_eight(0.005))["blocks_best"]
    (part,) = claim.parts
    assert (claim.verdict, len(part.pairs)) == ("supported", 7)
    assert "Holm over the 7 comparisons" in part.rule
    assert part.decisive.text == "ratio 0.83 [0.82, 0.84], 3 seeds"
    assert (claim.paper_verdict, claim.words) == ("inconclusive", "supported")


@pytest.mark.parametrize(("ratio", "expected"), [(0.9, "contradicted"), (1.0, "equivalent")])
def test_one_of_eight_decides(claims_of, ratio, expected):
    (part,) = claims_of(of_eight(0.005, b4t10=ratio))["blocks_best"].parts
    assert part.verdict == expected
    assert part.numbers[part.decisive.places[1]].name == "sit_b2_sra_b4t10"


def test_holm_keeps_what_single_intervals_would_say_back(claims_of):
    """Each of seven intervals lies below 1, none by enough for seven comparisons."""
    fids = of_eight(0.05)
    (part,) = claims_of(fids)["blocks_best"].parts
    assert all(pair.high < 1 for pair in part.pairs)
    raw = stats.ttest_1samp(part.pairs[0].differences, 0).pvalue
    assert part.pairs[0].p_value == pytest.approx(7 * raw)
    assert raw < 0.05 < 7 * raw
    assert part.verdict == "undecided"
    assert part.decisive.text.endswith(f"3 seeds; by Holm p = {7 * raw:.2g}")


def test_what_a_claim_says_of_one_pair(claims_of):
    claims = claims_of(
        {"sit_b2_sra": (9.0, 9.1, 9.2), "sit_b2_sra_k00": (10.0, 10.0, 10.1), "sit_b2": (10.0, 10.0, 10.1), "sit_b2_sra_nohead": (9.0, 9.1, 9.2)}
    )
    assert {name: claims[name].words for name in ("interval_needed", "head_needed", "weight_robust")} == {
        "interval_needed": "supported",
        "head_needed": "contradicted",  # it is no worse here than no alignment
        "weight_robust": "not run",
    }
    pair = claims["interval_needed"].parts[0].decisive
    logs = [math.log(ours / theirs) for ours, theirs in zip((9.0, 9.1, 9.2), (10.0, 10.0, 10.1), strict=True)]
    expected = stats.ttest_1samp(logs, 0).confidence_interval(0.95)
    assert (pair.value, pair.low, pair.high) == pytest.approx((math.exp(statistics.fmean(logs)), math.exp(expected.low), math.exp(expected.high)))
    assert (pair.seeds, pair.text) == ([0, 1, 2], "ratio 0.91 [0.89, 0.92], 3 seeds")


def test_sample_sets_of_one_training_are_averaged_first(claims_of):
    claims = claims_of({"sit_b2_sra": ((8.0, 10.0), (9.0, 9.2), (9.2, 9.2)), "sit_b2_sra_k00": (10.0, 10.0, 10.1)})
    pair = claims["interval_needed"].parts[0].decisive
    assert pair.differences == pytest.approx([math.log(ours / theirs) for ours, theirs in ((9.0, 10.0), (9.1, 10.0), (9.2, 10.1))])


def test_two_seeds_are_shown_without_an_interval(claims_of):
    claim = claims_of({"sit_b2_sra": (9.0, 9.1), "sit_b2_sra_k00": (10.0, 10.0)}, seeds=(0, 1))["interval_needed"]
    assert (claim.verdict, claim.words) == ("not judged", "2 seeds: not judged")
    assert claim.parts[0].decisive.text == "ratio 0.90, 2 seeds"
    assert len(claim.parts[0].numbers[0].seeds_sha256) == 1
