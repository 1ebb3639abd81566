"""What supports a comparison, in words: of ours by intervals over seeds, of printed numbers by a margin."""

from sra.content.claims import Alike, AtLeast, Closer, Comparison
from sra.content.margins import Margin
from sra.reporting.write.numbers import METRIC_NAMES, MINUS, number_text
from sra.study.intervals import scale_of
from sra.study.verdicts import EQUIVALENCE

SHARE = f"{number_text(EQUIVALENCE, '.0%')} %"
BEYOND = f"{1 + EQUIVALENCE:.2f}"


def rule_of(comparison: Comparison, names: list[str], better: str, family: int) -> str:
    """Of ours. names: of the sides.  family: how many comparisons the claim has."""
    metric, (first, *others), lower = METRIC_NAMES[comparison.metric], names, better == "lower"
    ratio, several = scale_of(comparison.metric) == "log", len(others) > 1
    none, other = "1" if ratio else "0", "the other" if several else others[0]
    measure = "ratio" if ratio else "difference"
    within = f"within 1/{BEYOND} and {BEYOND}" if ratio else f"within {SHARE} of {first if isinstance(comparison, Alike) else other}"
    below, above = ("below", "above") if lower else ("above", "below")
    holm = f"; Holm over the {family} comparisons of the claim" if family > 1 else ""
    if isinstance(comparison, Alike):
        pairs = "each two" if several else "the two"
        return f"{metric} of {', '.join(names)}: {pairs} {within} by two one-sided tests; contradicted where the interval of two lies beyond{holm}"
    if isinstance(comparison, Closer):
        lead = f"the ratio to {others[1]} over that to {others[0]}" if ratio else f"the distance to {others[1]} less that to {others[0]}"
        return f"{metric} of {first} closer to {others[0]} than to {others[1]}: {lead} surely above {none}; contradicted: below{holm}"
    than = others[0] if not several else f"each of {', '.join(others)}"
    if isinstance(comparison, AtLeast):
        worse = "higher" if lower else "lower"
        edge = (BEYOND if lower else f"1/{BEYOND}") if ratio else f"{'' if lower else MINUS}{SHARE} of {other}"
        return f"{metric} of {first} no {worse} than of {than}: the interval of the {measure} lies {below} {edge}; contradicted: {above} it{holm}"
    said = f"the interval of the {measure} lies {below} {none}; contradicted: {above} it; equivalent: {within}"
    return f"{metric} of {first} {'lower' if lower else 'higher'} than of {than}: {said}{holm}"


def printed_rule_of(comparison: Comparison, names: list[str], better: str, margin: Margin, spec: str) -> str:
    """Of printed numbers. spec: the format of the metric."""
    metric, (first, *others), lower = METRIC_NAMES[comparison.metric], names, better == "lower"
    than = others[0] if len(others) == 1 else f"the best of {', '.join(others)}"
    if isinstance(comparison, Alike):
        return f"{metric} of {', '.join(names)} within {_words(margin, spec, first)}; contradicted beyond twice that"
    if isinstance(comparison, Closer):
        return f"{metric} of {first} closer to {others[0]} than to {others[1]} by more than {_words(margin, spec, others[1])}"
    if isinstance(comparison, AtLeast):
        return (
            f"{metric} of {first} no {'higher' if lower else 'lower'} than of {than}; contradicted {'above' if lower else 'below'} it "
            f"by more than {_words(margin, spec, 'the latter')}"
        )
    return f"{metric} of {first} {'lower' if lower else 'higher'} than of {than} by more than {_words(margin, spec, 'the latter')}"


def _words(margin: Margin, spec: str, reference: str) -> str:
    return number_text(margin.value, spec) if margin.value is not None else f"{number_text(margin.share, '.0%')} % of {reference}"
