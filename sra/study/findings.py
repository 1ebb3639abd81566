"""The study in words: sentences made by rule from its numbers, none of which says more than its interval."""

from sra.core.units import several
from sra.study.document import Budget, Effect, RowFound, StudyDocument
from sra.study.pairs import told_apart
from sra.study.samplers import GUIDED, OWN, effects_by_sampler, guidance_words, samplers_found
from sra.study.verdicts import CONTRADICTED, Verdict

TOLD = {"better": "better than the baseline", "worse": "worse than the baseline"}


def ratio_text(effect: Effect) -> str:
    """`× 0.93 (0.90 to 0.96)` on the scale of ratios, else a difference with its sign; without an interval where there is none."""
    number = "{:.3f}" if effect.scale == "log" else "{:+.3g}"
    sign = "× " if effect.scale == "log" else ""
    if effect.mean is None:
        return "no number"
    text = sign + number.format(effect.mean)
    return text if effect.low is None else f"{text} ({number.format(effect.low)} to {number.format(effect.high)})"


def informative_words(document: StudyDocument) -> str:
    """Whether this study can tell anything apart, in a sentence."""
    if document.longer is None:
        return "This study has no positive control at this preset, so nothing is ranked."
    if document.informative is None:
        return (
            "Whether this study can tell anything apart is not known yet: the baseline with twice the steps is its positive control, and fewer than "
            "three seeds of it are scored. Until then nothing is ranked."
        )
    effect = ratio_text(document.longer)
    if document.informative:
        return f"The positive control is told apart: twice the steps bring the baseline's distance to {effect} of what it was."
    return (
        f"Not informative: even twice the steps are not told from the baseline (its distance is {effect} of what it was), so nothing is ranked. "
        "Another scale, more seeds or more samples are needed before methods can be compared."
    )


def words_of(document: StudyDocument) -> list[str]:
    """Paragraphs, the finding first."""
    said = [_what_was_run(document)]
    if document.informative:
        said += _headline(document)
        said += [_at_cost(document, budget) for budget in ("flops", "hours")]
        said += _among_the_better(document)
        said.append(_tuned(document))
        said += [_by_sampler(document, name) for name in samplers_found(document)]
    said.append(_without_guidance(document))
    said.append(_controls(document))
    said.append(_what_could_not_be_seen(document))
    return [sentence for sentence in said if sentence]


def in_short(document: StudyDocument) -> list[str]:
    """For who reads no more: what is told from the baseline at which cost and by which sampler, what is not, and how little one data set says."""
    methods = [row for row in document.rows if row.kind == "method"]
    here = f"This is one small data set, {document.preset_title}" if not document.comparable else f"This is one data set, {document.preset_title}"
    limit = f"{here}, with {_training_seeds(document, methods)} a method: it says nothing of other images, models or lengths of training."
    limit = f"{limit} {_without_guidance(document)}".strip()
    if not document.informative:
        return [document.informative_words, _what_could_not_be_seen(document), limit]
    told = "; ".join(filter(None, (_told_at(document, "steps", "equal steps"), *_told_at_cost(document))))
    undecided = [row.label for row in methods if row.effect().verdict == "undecided"]
    equivalent = [row.label for row in methods if row.effect().verdict == "equivalent"]
    unjudged = [row.label for row in methods if not row.effect().is_judged]
    apart = [
        f"not told from it at equal steps: {', '.join(undecided)}" if undecided else "",
        f"within {document.equivalence:.0%} of it: {', '.join(equivalent)}" if equivalent else "",
        f"not judged yet: {', '.join(unjudged)}" if unjudged else "",
    ]
    rest = "; ".join(filter(None, apart)) or "every method is told from the baseline at equal steps"
    seen = _what_could_not_be_seen(document)
    number = "FID" if document.metric == "fid" else f"The distance ({document.metric})"
    told = f"{number} over the baseline's, with 95 % intervals: {told}."
    return [told, *_told_by_samplers(document), f"{rest[0].upper()}{rest[1:]}. {seen}".strip(), limit]


def _told_at(document: StudyDocument, budget: Budget, words: str) -> str:
    """What is better and worse at a budget, with intervals; nothing where no row is judged there."""
    judged = _judged(document, budget)
    return f"at {words}, {_better_and_worse(judged)}" if judged else ""


def _told_at_cost(document: StudyDocument) -> list[str]:
    """At equal FLOPs, and at equal hours in a word where the same methods are told there."""
    by_flops = _told_at(document, "flops", "equal FLOPs, encoders included, each by its own interval")
    by_hours = _told_at(document, "hours", "equal hours, likewise")
    told = [{row.run: effect.verdict for row, effect in _judged(document, budget) if effect.verdict in TOLD} for budget in ("flops", "hours")]
    return [by_flops, "at equal hours the same" if by_flops and by_hours and told[0] == told[1] else by_hours]


def _told_by_samplers(document: StudyDocument) -> list[str]:
    """With guidance, and by samplers that belong to single methods."""
    guided, own = (_judged_by(document, name) for name in (GUIDED, OWN))
    said = f"With guidance chosen by trials, at equal steps, each by its own interval, {_better_and_worse(guided)}." if guided else ""
    if own:
        samplers = ", ".join(dict.fromkeys(effect.sampler for _, effect in own))
        said += f" By a sampler of their own ({samplers}), {_better_and_worse(own)}."
    return [said.strip()] if said else []


def _better_and_worse(judged: list[tuple[RowFound, Effect]]) -> str:
    return ", ".join(_told(judged, {verdict: verdict for verdict in TOLD})) or f"none of the {len(judged)} judged is told from it"


def _told(judged: list[tuple[RowFound, Effect]], words: dict[str, str]) -> list[str]:
    """The rows of each verdict that some have, with their intervals. words: for the verdicts that are asked for."""
    found = {verdict: [_row_text(row, effect) for row, effect in judged if effect.verdict == verdict] for verdict in words}
    return [f"{words[verdict]}: {', '.join(rows)}" for verdict, rows in found.items() if rows]


def _row_text(row: RowFound, effect: Effect) -> str:
    """Its name, ratio and interval, and why it is undecided where the interval alone would tell."""
    name = row.label if row.factor is None else f"{row.label} at {row.factor:g} times its weight"
    why = f", {CONTRADICTED}" if effect.reason == CONTRADICTED else ""
    return f"{name} {ratio_text(effect)}{why}"


def _judged(document: StudyDocument, budget: Budget = "steps") -> list[tuple[RowFound, Effect]]:
    """The methods that have a verdict at a budget."""
    return [(row, effect) for row in document.rows if row.kind == "method" and (effect := row.effect(budget)) and effect.is_judged]


def _training_seeds(document: StudyDocument, rows: list[RowFound]) -> str:
    """How many those of the rows that are judged stand on, from the fewest to the most; the study's where none is judged yet."""
    counts = [len(effect.seeds) for row in rows if (effect := row.effect()).is_judged] or [len(document.seeds)]
    return f"{min(counts)} to {max(counts)} training seeds" if min(counts) < max(counts) else several(max(counts), "training seed")


def _without_guidance(document: StudyDocument) -> str:
    """For which methods samples without guidance are not what they are for others."""
    rows = [row.label for row in document.rows if row.kind == "method" and row.changes_guidance]
    return f"Without guidance does not mean the same for {' and '.join(rows)} as for others: notes of the study's table say why." if rows else ""


def _what_was_run(document: StudyDocument) -> str:
    methods = [row for row in document.rows if row.kind == "method"]
    controls = [row for row in document.rows if row.kind == "control"]
    rows = several(len(methods), "method") + (f" and {several(len(controls), 'control')}" if controls else "")
    text = (
        f"{rows} beside the baseline, {_training_seeds(document, methods + controls)} of each, on {document.preset_title}; "
        f"{document.samples:,} images a training and milestone, drawn without guidance by {document.sampler}."
    )
    if document.missing:
        text += f" {document.missing:,} of the numbers are not there yet."
    if document.diverged:
        text += f" Diverged: {'; '.join(document.diverged)}."
    return text


def _headline(document: StudyDocument) -> list[str]:
    methods = [row for row in document.rows if row.kind == "method"]
    judged = {row.run: row.effect().verdict for row in methods}
    said = []
    for verdict, words in TOLD.items():
        rows = [row for row in methods if judged[row.run] == verdict]
        if rows:
            numbers = "; ".join(_row_text(row, row.effect()) for row in rows)
            said.append(f"At equal steps, told apart as {words} after Holm's correction over {len(methods)} methods: {numbers}.")
    if not any(judged[row.run] in TOLD for row in methods):
        known = len(_judged(document))
        among = f"{len(methods)} methods" if known == len(methods) else f"{known} of {len(methods)} methods that are judged so far"
        said.append(f"At equal steps none of the {among} is told from the baseline after Holm's correction.")
    said += _group(document, methods, "equivalent", f"Equivalent to it, within {document.equivalence:.0%}")
    said += _group(document, methods, "undecided", "Undecided")
    said += _group(document, methods, "one seed", "Not judged, for want of seeds")
    return said


def _group(document: StudyDocument, rows: list[RowFound], verdict: Verdict, words: str) -> list[str]:
    found = [row for row in rows if row.effect().verdict == verdict]
    return [f"{words}: {'; '.join(_row_text(row, row.effect()) for row in found)}."] if found else []


def _at_cost(document: StudyDocument, budget: Budget) -> str:
    name = {"flops": "equal FLOPs, encoders included", "hours": f"equal hours on {document.machine}"}[budget]
    return _exploratory(f"At {name}", _judged(document, budget))


def _exploratory(where: str, judged: list[tuple[RowFound, Effect]]) -> str:
    """What is told from the baseline, each by its own interval; nothing where no row is judged."""
    if not judged:
        return ""
    if told := "; ".join(_told(judged, TOLD)):
        return f"{where}, each by its own interval: {told}."
    return f"{where}, each by its own interval, none of the {len(judged)} methods is told from the baseline."


def _among_the_better(document: StudyDocument) -> list[str]:
    """Which of the methods that beat the baseline beat each other: what is not told apart is not ranked."""
    better = [row for row in document.rows if row.kind == "method" and row.effect().verdict == "better"]
    if len(better) < 2:
        return []
    pairs, count = told_apart(better, document)
    if not pairs:
        return [f"Among these {len(better)} no two are told from each other, so they are not ranked."]
    return [f"Among these, told from each other after Holm's correction over {count} pairs: {'; '.join(pairs)}. The others are not ranked."]


def _tuned(document: StudyDocument) -> str:
    """Methods with the weight that their trials chose in place of the published one. Exploratory: each by its own interval."""
    judged = [(row, effect) for row in document.rows if row.kind == "tuned" and (effect := row.effect()) and effect.is_judged]
    if not judged:
        return ""
    told = "; ".join(_told(judged, {**TOLD, "equivalent": f"within {document.equivalence:.0%} of it", "undecided": "undecided"}))
    return f"At equal steps with the weight that trials on another seed chose in place of the published one, each by its own interval: {told}."


def _by_sampler(document: StudyDocument, name: str) -> str:
    judged, how = _judged_by(document, name), f"By sampler {name}"
    if name == GUIDED:
        how = f"With the guidance that trials on another seed chose ({guidance_words(document.guidance)})"
    elif name == OWN:
        own = ", ".join(f"{row.label}: {effect.sampler}" for row, effect in judged)
        how = f"By their own samplers ({own}) beside the baseline by {document.sampler}"
    return _exploratory(f"{how}, at equal steps", judged)


def _judged_by(document: StudyDocument, name: str) -> list[tuple[RowFound, Effect]]:
    """The methods that have a verdict by a further sampler."""
    found = [(row, effects_by_sampler(row, document).get(name)) for row in document.rows if row.kind == "method"]
    return [(row, effect) for row, effect in found if effect and effect.is_judged]


def _controls(document: StudyDocument) -> str:
    if document.repeated is None or document.repeated.mean is None:
        return ""
    effect = document.repeated
    verdict = f", {effect.verdict}" if effect.is_judged else ""
    alarm = " Seeds alone look like a method here: read every interval of this study with that in mind." if effect.verdict in TOLD else ""
    return f"Negative control: the baseline from other seeds is {ratio_text(effect)} of itself{verdict}.{alarm}"


def _what_could_not_be_seen(document: StudyDocument) -> str:
    seen = sorted(
        effect.smallest_seen
        for row in document.rows
        if row.kind == "method" and (effect := row.effect()) and effect.smallest_seen is not None and effect.scale == "log"
    )
    if not seen:
        return ""
    least, most = 1 - seen[-1], 1 - seen[0]
    span = f"{least:.1%}" if f"{least:.1%}" == f"{most:.1%}" else f"{least:.1%} to {most:.1%} (by method)"
    return f"What could have been seen: an improvement by {span} would be told from none in four of five studies like this, one comparison at a time."
