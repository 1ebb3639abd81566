"""Rows beside the baseline by further samplers: by those that draw all rows, by the guidance that trials chose, and by a row's own."""

from sra.study.document import Effect, GuidanceChoice, RowFound, StudyDocument, guided_by

GUIDED, OWN = "guided", "own"


def effects_by_sampler(row: RowFound, document: StudyDocument) -> dict[str, Effect]:
    """At equal steps, of the study's metric: under the name of a sampler of all rows, under GUIDED and OWN otherwise."""
    guided, found = guided_by(document.guidance).get(row.run), {}
    for effect in row.effects:
        if effect.budget == "steps" and effect.metric == document.metric and effect.sampler != document.sampler:
            name = effect.sampler if effect.sampler in document.samplers else GUIDED if effect.sampler == guided else OWN
            found[name] = effect
    return found


def sampler_of(name: str, row: RowFound, document: StudyDocument) -> str | None:
    """What a key of `effects_by_sampler` is for a row; None for OWN where the row has none, and for GUIDED where trials chose none."""
    if name == GUIDED:
        return guided_by(document.guidance).get(row.run)
    if name == OWN:
        return effect.sampler if (effect := effects_by_sampler(row, document).get(OWN)) else None
    return name


def samplers_found(document: StudyDocument) -> list[str]:
    """The keys of `effects_by_sampler` by which any row is scored, in the study's order."""
    there = {name for row in document.rows for name, effect in effects_by_sampler(row, document).items() if effect.mean is not None}
    return [name for name in [*document.samplers, GUIDED, OWN] if name in there]


def guidance_words(choices: list[GuidanceChoice]) -> str:
    """What trials chose, and for how many rows it is the strongest that was tried, beyond which nothing is known."""
    made = [choice for choice in choices if choice.chosen]
    if not made:
        return ""
    names = list(dict.fromkeys(choice.chosen for choice in made))
    strongest = sum(choice.chosen == list(choice.trials)[-1] for choice in made)
    said = f"{names[0]} for every row" if len(names) == 1 else f"{len(names)} different ones"
    if not strongest:
        return said
    whose = "" if strongest == len(made) else f"for {strongest} of {len(made)} "
    return f"{said}, {whose}the strongest of the {len(made[0].trials)} tried, so a stronger one may be better"
