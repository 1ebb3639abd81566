"""What a reader must know to read the report: its words, what it does not show, and the works that it rests on."""

from pathlib import Path

from sra.core.errors import InputError, unknown
from sra.reporting.claims.formats import BY_PRINTED
from sra.reporting.claims.verdicts import ClaimsDocument
from sra.reporting.report.document import Limit, Methods, Quirk, Reference, Term
from sra.reporting.report.summary import CAPTIONS_OF_SCENES, Progress
from sra.reporting.write.numbers import count_text, milestone_text
from sra.spec.base import Strict
from sra.spec.load import load
from sra.spec.scale import Preset

NAMED = 8  # more are counted


class Quirks(Strict):
    quirks: list[Quirk]


class References(Strict):
    references: list[Reference]


class WrittenLimit(Strict):
    """A sentence of limits.yaml. cites: keys of references."""

    text: str
    cites: list[str] = []


class WrittenLimits(Strict):
    """The sentences of limits.yaml. always: of this suite.  smaller: of presets whose numbers are not comparable.  comparable: of those whose are."""

    always: list[WrittenLimit]
    smaller: list[WrittenLimit]
    comparable: list[WrittenLimit]


class Library:
    """The references in their order, which gives each its number."""

    def __init__(self, path: Path):
        self.path = path
        self.references = load(path, References).references
        self._numbers = {reference.key: number for number, reference in enumerate(self.references, 1)}
        if len(self._numbers) < len(self.references):
            raise InputError(f"{path}: two references have the same key; rename one")

    def cite(self, keys: list[str], where: Path | None = None) -> list[int]:
        """The numbers of references by their keys. Raises InputError for a key that no reference has. where: the file that cites."""
        for key in keys:
            if key not in self._numbers:
                raise unknown("reference", key, self._numbers, where=str(where or self.path))
        return sorted(self._numbers[key] for key in keys)

    def with_cites(self, methods: Methods) -> Methods:
        """The same, each method with the number of its paper where that is among the references."""
        numbers = {reference.url.rpartition("/")[2].split("v")[0]: [number] for number, reference in enumerate(self.references, 1)}
        cited = [method.model_copy(update={"cites": numbers.get(method.arxiv, [])}) for method in methods.methods]
        return methods.model_copy(update={"methods": cited})

    def of_item(self, item: str) -> list[int]:
        return [number for number, reference in enumerate(self.references, 1) if item in reference.items]


def limits_of(path: Path, library: Library, preset_id: str, preset: Preset, progress: list[Progress], claims: ClaimsDocument | None) -> list[Limit]:
    """The limits that are written, and those that follow from the preset and from what has been run."""
    written = load(path, WrittenLimits)
    chosen = [(limit, True) for limit in written.always]
    chosen += [(limit, False) for limit in (written.comparable if preset.comparable else written.smaller)]
    computed = [*_of_the_preset(preset_id, preset), *_of_the_run(preset_id, progress, claims)]
    return [
        *(Limit(text=limit.text, cites=library.cite(limit.cites, path), general=general) for limit, general in chosen),
        *(Limit(text=text) for text in computed),
    ]


def _of_the_preset(preset_id: str, preset: Preset) -> list[str]:
    if preset.comparable:
        return []
    last = max(preset.milestones, key=preset.milestones.__getitem__)
    samples = [(paper, here) for paper, here in sorted(preset.samples.items(), reverse=True) if here < paper]
    counts = ", ".join(f"{count_text(here)} where the paper draws {count_text(paper)}" for paper, here in samples)
    return [
        f"Preset {preset_id} trains on {preset.dataset} ({preset.image_size} × {preset.image_size} pixels, {preset.classes} classes) "
        f"until the paper's {milestone_text(last)}, which is step {count_text(preset.milestones[last])} here, in batches of {preset.batch}.",
        *([f"It draws few images: {counts}. FID from so few is higher than from many, and scatters more."] if counts else []),
    ]


def _of_the_run(preset_id: str, progress: list[Progress], claims: ClaimsDocument | None) -> list[str]:
    beyond, left = sum(item.beyond for item in progress), [item.number for item in progress if item.done < item.wanted]
    found = []
    if beyond:
        found.append(f"{count_text(beyond)} numbers of tables and figures need more steps than preset {preset_id} trains; they print as not run.")
    if left:
        names = ", ".join(left) if len(left) <= NAMED else f"{len(left)} of {len(progress)} tables and figures"
        found.append(f"Not complete yet: {names}.")
    if claims and (without := claims.counts["not run"] + claims.counts["not judged"]):
        found.append(f"{without} of {len(claims.claims)} claims have no verdict; each says what it misses.")
    return found


def terms_of(preset: Preset, library: Library) -> list[Term]:
    """Words and signs, in the order in which a reader meets them."""
    terms = [
        Term(
            name="✓ supported, ✗ contradicted, = equivalent, ? undecided, – not judged, ○ not run",
            text="What the numbers here say of a claim, by 95 % intervals over three training seeds or more of each side and the rule that each "
            "claim names. Equivalent: surely within 5 %. Undecided: the interval leaves it open. With fewer seeds nothing is judged.",
        ),
        Term(
            name="0.93 [0.88, 0.99], 3 seeds",
            text="Ours over what it is compared with: the geometric mean over training seeds of the ratio of two distances, and its 95 % interval. "
            "Other metrics have a difference in its place, with its sign.",
        ),
        Term(
            name=f"{BY_PRINTED}: ✓ supported, ✗ contradicted, ≈ inconclusive",
            text="What the paper prints is one number of one training. A margin judges the difference; inconclusive: it is within the margin.",
        ),
        Term(name="paper", text="What the paper prints, digit for digit; its source is in the CSV of each table."),
        Term(name="ours", text="Measured here. On the page each number links to its receipt; the PDF lists the hash of every score file."),
    ]
    if preset.comparable:
        terms.append(Term(name="Δ", text="ours − paper."))
    else:
        text = "Not printed here: data, feature network and model sizes are other than the paper's, so the two numbers have no common scale."
        terms.append(Term(name="Difference", text=f"{text} Compare rows within one column."))
    terms += [
        Term(
            name="Bold",
            text="Of the paper's numbers the best printed one of a column (of a group of rows, where the caption says so). Of ours one that is "
            "surely better than every other of its column, by intervals over three training seeds or more, with Holm. From fewer seeds nothing is "
            "bold.",
        ),
        Term(
            name="—, not run, n/a",
            text="The paper has no such number, the row has no run of ours, or the setting does not apply; no score file; not defined.",
        ),
        Term(
            name="FID ↓, sFID ↓",
            text=f"Distance between features of generated and real images, of whole images and of their places; lower is better.{_stand_in(preset)}",
            cites=library.cite(["fid", "sfid"]),
        ),
        Term(
            name="IS ↑",
            text="How sure and how varied the feature network's classes are; higher is better.",
            cites=library.cite(["inception_score"]),
        ),
        Term(
            name="Precision ↑, recall ↑",
            text="The share of generated images that lie among real ones, and of real ones among generated.",
            cites=library.cite(["precision_recall"]),
        ),
    ]
    return [*terms, *_terms_of_captions(preset, library), _term_of_milestones(preset)]


def _stand_in(preset: Preset) -> str:
    return "" if preset.comparable else f" {preset.extractor} stands for the paper's Inception network."


def _terms_of_captions(preset: Preset, library: Library) -> list[Term]:
    if preset.text_to_image is None:
        return []
    here = "" if preset.comparable else " The CLIP models behind them were trained here in place of the published ones."
    terms = [
        Term(name="PickScore ↑, CLIP score ↑", text=f"How well an image matches its caption.{here}", cites=library.cite(["pickscore", "clip"])),
        Term(name="CMMD ↓", text="How far generated and real images are apart in CLIP's features.", cites=library.cite(["cmmd"])),
        Term(name="FID (pytorch-fid) ↓", text="FID after pytorch-fid's resize."),
    ]
    if "caption_accuracy" in preset.text_to_image.secondary:
        text = f"in its colour and half, as the feature network reads them: 1 in {count_text(CAPTIONS_OF_SCENES)} by chance."
        terms.append(Term(name="Caption accuracy ↑", text=f"The share of images that show both digits of their caption, each {text}"))
    return terms


def _term_of_milestones(preset: Preset) -> Term:
    text = "Steps are named as the paper counts them."
    if not preset.comparable:
        text += " Here " + ", ".join(f"{milestone_text(name)} is step {count_text(step)}" for name, step in preset.milestones.items())
        text += "; text to image counts on a scale of its own." if preset.text_to_image else "."
    return Term(name="400K", text=text)
