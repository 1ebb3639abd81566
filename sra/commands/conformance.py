"""Score the public sample batches against the public references and compare every number with the published one.

Files that are not there are named with their address and skipped. Exit code 1 when a number disagrees.

Example: sra conformance --samples downloads --reference downloads
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from sra.commands.options import Device, FoundExtractor, ImagesAtATime, writable
from sra.core.errors import InputError, StageError
from sra.core.files import write_json
from sra.core.receipts import versions
from sra.metrics.frechet import frechet_distance
from sra.metrics.inception_score import inception_score
from sra.metrics.precision_recall import precision_recall
from sra.metrics.samples import read_samples
from sra.metrics.score_inputs import OpenedExtractor, OpenedReference, open_extractor, open_reference
from sra.metrics.suite import RealFeatures, Settings, check_request, extract, real_features
from sra.models.device import choose_device
from sra.reporting.read.published import PublishedNumber, load_published

# The public batches of Dhariwal & Nichol. A key of adm.csv is adm/<place>/<reference>/<samples>/<by>, where <place> is the folder on their server
# and <by> who printed the number: the `original` suite, a `port` of it to torch-fidelity's network, or a `paper`, rounded.
SERVER = "https://openaipublic.blob.core.windows.net/diffusion/jul-2021/ref_batches"
NUMBERS = Path("report", "published", "conformance")

# Half a unit of a printed number's last digit comes on top. Ports of the suite are known to differ from it by about 0.002 in FID, 0.14 in the
# inception score, 0.001 in precision and 0.0024 in recall, the latter two because the original compares distances in half precision.
ACCEPTED = {"fid": 0.01, "sfid": 0.01, "is": 0.5, "precision": 0.002, "recall": 0.004}
ACCEPTED_IN_HALF_PRECISION = 0.0005  # of precision and recall in adm_fp16; nobody has measured it yet on the real features

# Measured values by metric; precision and recall by metric and mode, as "precision adm_fp16".
Measured = dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """One published number beside ours. metric: with the mode of precision and recall, where it has one."""

    reference: str
    samples: str
    by: str
    metric: str
    expected: float
    measured: float
    difference: float
    tolerance: float
    agrees: bool
    source: str


@dataclass(frozen=True)
class Pair:
    """A sample batch and its reference, by file name without ending."""

    place: str
    reference: str
    samples: str

    def files(self, samples: Path, references: Path) -> tuple[Path, Path]:
        """A reference scored against itself lies among the references."""
        folder = references if self.samples == self.reference else samples
        return folder / f"{self.samples}.npz", references / f"{self.reference}.npz"

    def page(self, name: str) -> str:
        return f"{SERVER}/{self.place}/{name}.npz"


def conformance(
    samples: Annotated[Path, typer.Option(help="folder of the sample batches that the ADM authors publish")],
    reference: Annotated[Path, typer.Option(help="folder of their reference batches")],
    output: Annotated[Path, typer.Option(dir_okay=False, callback=writable, help="JSON to write")] = Path("conformance.json"),
    extractor: FoundExtractor = None,
    batch: ImagesAtATime = 256,
    device: Device = "auto",
) -> list[Comparison]:
    """Print, write and return the comparisons of every pair that is there; StageError at the end when one disagrees."""
    for folder in (samples, reference):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; give the folder that the npz files were downloaded to")
    where = choose_device(device).type
    published = Path.cwd() / NUMBERS
    if not published.is_dir():
        raise InputError(f"{published}: no such folder; run sra conformance in the folder of this suite, which holds the published numbers")
    pairs = published_pairs(published)
    present = {pair: numbers for pair, numbers in pairs.items() if all(file.exists() for file in pair.files(samples, reference))}
    absent = sorted({pair.page(file.stem) for pair in pairs for file in pair.files(samples, reference) if not file.exists()})
    for page in absent:
        print(f"skipped, not there: {page.rpartition('/')[2]} (download {page})")
    if not present:
        raise InputError(f"{samples}: holds none of the {len(pairs)} public sample batches with its reference; download some of the files above")

    network = open_extractor(extractor, where)
    score_pair = scorer(network, batch)
    comparisons = []
    for pair, numbers in present.items():
        measured = score_pair(*pair.files(samples, reference))
        found = [comparison for by, number in numbers for comparison in compared(pair, by, number, measured)]
        print(table_of(found), flush=True)
        comparisons += found
    disagreeing = [comparison for comparison in comparisons if not comparison.agrees]
    record = {
        "extractor": {"name": network.extractor.name, "sha256": network.sha256},
        "comparisons": [asdict(comparison) for comparison in comparisons],
        "skipped": absent,
        "batch": batch,
        "device": where,
        "versions": versions(),
    }
    write_json(output, record)
    print(f"{len(comparisons) - len(disagreeing)} of {len(comparisons)} numbers agree; written {output}")
    if disagreeing:
        first = disagreeing[0]
        raise StageError(
            f"conformance: {len(disagreeing)} of {len(comparisons)} numbers disagree, the first {first.metric} of {first.samples}: "
            f"{first.measured:.5g} for {first.expected:.5g}; {output} has them all"
        )
    return comparisons


def published_pairs(folder: Path) -> dict[Pair, list[tuple[str, PublishedNumber]]]:
    """The published numbers of each pair, with who printed them."""
    published = load_published(folder)
    pairs: dict[Pair, list[tuple[str, PublishedNumber]]] = {}
    for key in sorted(published.keys):
        _, *place, reference, samples, by = key.split("/")
        numbers = [number for metric in ACCEPTED if (number := published.number(key, metric, str(folder)))]
        pairs.setdefault(Pair("/".join(place), reference, samples), []).extend((by, number) for number in numbers)
    return pairs


def scorer(network: OpenedExtractor, batch: int) -> Callable[[Path, Path], Measured]:
    """A function that measures a sample file against a reference file; the features of the last reference are kept for the next pair."""
    last: dict[Path, tuple[OpenedReference, RealFeatures]] = {}

    def measured(samples: Path, reference: Path) -> Measured:
        if reference not in last:
            last.clear()
            real = open_reference(reference, network)
            if real.bare:
                raise InputError(f"{reference}: holds no mu and sigma; the published file does, fetch it again")
            last[reference] = real, real_features(real.reference.images, network.extractor, batch)
        real, features = last[reference]
        return _itself(real, network, batch) if samples == reference else _pair(samples, real, features, network, batch)

    return measured


def _pair(samples: Path, real: OpenedReference, features: RealFeatures, network: OpenedExtractor, batch: int) -> Measured:
    images = read_samples(samples)
    check_request(images, real.reference, network.extractor, Settings(count=len(images.images), few=True))
    generated = extract(images.images, network.extractor, batch, what=samples.name)
    measured = {
        "fid": frechet_distance(generated.pooled_statistics, real.reference.pooled),
        "sfid": frechet_distance(generated.spatial_statistics, real.reference.spatial),
        "is": inception_score(generated.logits),
    }
    for mode in ("fp32", "adm_fp16"):
        shares = precision_recall(features.pooled.to(generated.pooled.device), generated.pooled, mode)
        measured |= {f"precision {mode}": shares.precision, f"recall {mode}": shares.recall}
    return measured


def _itself(real: OpenedReference, network: OpenedExtractor, batch: int) -> Measured:
    """As the original scores a reference file against itself: distances of its statistics, the inception score of its images."""
    statistics = real.reference
    return {
        "fid": frechet_distance(statistics.pooled, statistics.pooled),
        "sfid": frechet_distance(statistics.spatial, statistics.spatial),
        "is": inception_score(extract(statistics.images, network.extractor, batch, what="reference").logits),
    }


def compared(pair: Pair, by: str, number: PublishedNumber, measured: Measured) -> list[Comparison]:
    """The number beside each measurement that it speaks of: what the original printed to all digits is also held against half precision."""
    modes = {"original": ("fp32", "adm_fp16"), "port": ("fp32",), "paper": ("fp32",)}[by] if number.metric in ("precision", "recall") else ("",)
    found = []
    for mode in modes:
        metric = f"{number.metric} {mode}".strip()
        accepted = ACCEPTED_IN_HALF_PRECISION if mode == "adm_fp16" else ACCEPTED[number.metric]
        tolerance = accepted + half_unit(number.text)
        difference = measured[metric] - number.value
        facts = {"expected": number.value, "measured": measured[metric], "difference": difference, "tolerance": tolerance}
        found.append(Comparison(pair.reference, pair.samples, by, metric, **facts, agrees=abs(difference) <= tolerance, source=number.source))
    return found


def half_unit(printed: str) -> float:
    """Half a unit of the last digit of a number as it is printed: 0.005 of 10.94."""
    return float(Decimal(5).scaleb(Decimal(printed).as_tuple().exponent - 1))


def table_of(comparisons: list[Comparison]) -> str:
    first = comparisons[0]
    lines = [f"{first.samples} against {first.reference}", f"  {'':<30}{'expected':>12}{'measured':>12}{'difference':>12}{'tolerance':>12}"]
    for found in comparisons:
        numbers = "".join(f"{value:>12.5g}" for value in (found.expected, found.measured, found.difference, found.tolerance))
        lines.append(f"  {found.metric + ', ' + found.by:<30}{numbers}  {'agrees' if found.agrees else 'DISAGREES'}")
    return "\n".join(lines)
