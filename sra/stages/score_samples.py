"""Stage: score one sample pack against a reference and write the numbers with everything they depend on."""

from pathlib import Path

from sra.core.errors import InputError
from sra.core.files import write_json
from sra.core.receipts import verify_contents, versions
from sra.metrics.extractors import WEIGHTS_FILE, load_extractor
from sra.metrics.inception_score import CHUNK
from sra.metrics.precision_recall import NEIGHBOURS, Mode
from sra.metrics.reference import read_reference
from sra.metrics.samples import read_samples
from sra.metrics.suite import score
from sra.spec.load import checked
from sra.spec.score import SampleFacts, ScoredExtractor, ScoredReference, ScoredSamples, ScoredWeights, ScoreRecord, ScoreSettings


def score_samples(
    samples: Path, reference: Path, extractor_folder: Path, output: Path, precision_recall: Mode = "fp32", batch: int = 256, device: str = "cpu"
) -> ScoreRecord:
    """Write and return the score of the sample pack (npz of arr_0 and labels); the same inputs give the same bytes."""
    # Every byte of the inputs is compared with its receipt, so that the hashes in the record are those of what was scored.
    samples_receipt = verify_contents(samples, "samples")
    reference_receipt = verify_contents(reference, "reference")
    extractor_receipt = verify_contents(extractor_folder / WEIGHTS_FILE, "extractor")
    facts = checked(samples_receipt["facts"], SampleFacts, f"{samples}: its receipt")
    if "weights" not in samples_receipt["made_from"]:
        raise InputError(f"{samples}: its receipt does not say which weights drew it; draw the samples again")
    if reference_receipt["made_from"].get("extractor", extractor_receipt["sha256"]) != extractor_receipt["sha256"]:
        raise InputError(f"{reference}: was made with another extractor than {extractor_folder}; build the reference again")

    pack, real = read_samples(samples), read_reference(reference)
    extractor = load_extractor(extractor_folder, device)
    scores = score(pack, facts.count, real, extractor, facts.label_policy == "balanced", precision_recall, batch)

    record = ScoreRecord(
        **facts.model_dump(),
        metrics=scores.metrics(),
        extractor=ScoredExtractor(
            name=extractor.name, sha256=extractor_receipt["sha256"], held_out_accuracy=extractor_receipt["facts"].get("held_out_accuracy")
        ),
        reference=ScoredReference(sha256=reference_receipt["sha256"], images=len(real.images), statistics_count=real.pooled.count),
        samples=ScoredSamples(sha256=samples_receipt["sha256"], duplicates=scores.repeats.duplicates),
        weights=ScoredWeights(sha256=samples_receipt["made_from"]["weights"]),
        settings=ScoreSettings(
            precision_recall=precision_recall, neighbours=NEIGHBOURS, is_chunk=CHUNK, dtype="float32", tf32=False, batch=batch, device=device
        ),
        versions=versions(),
        warnings=list(scores.warnings),
    )
    write_json(output, record.as_json())
    return record
