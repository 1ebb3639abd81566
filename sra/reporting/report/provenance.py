"""Where the numbers come from: the scores with their hashes, the runs as trained, and which numbers are of another configuration than is there."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from sra.reporting.documents import Document, study_of
from sra.reporting.read.scores import ScoreFile, Scores
from sra.reporting.report.document import Fact, FactValue, Head, Provenance, Trained
from sra.reporting.report.summary import guidance_scale
from sra.reporting.write.numbers import count_text, listed, number_text
from sra.spec.recipe import ConstantEma
from sra.spec.run import RunSpec, read_run
from sra.spec.scale import Preset, scaled_decay
from sra.spec.score import ScoreRecord

FAMILIES = ("sit", "dit", "mmdit")  # in the paper's order


def provenance_of(head: Head, specs: dict[str, RunSpec], scores: Scores, documents: list[Document], studies: Mapping[str, Scores]) -> Provenance:
    """Everything that stands behind the scores. specs: of the runs whose configuration is among the results, by name.

    studies: the scores behind each study, by its name, some of which tables and figures may share.
    """
    shown = {file.sha256: file for of in (scores, *studies.values()) for file in of}
    files = sorted(shown.values(), key=lambda file: (file.record.run, file.record.step, file.record.sampler_name, file.record.paper_count))
    records = [file.record for file in files]
    return Provenance(
        trained=_trained(specs, files),
        scores=files,
        extractors=[FactValue(text=name, remark=digest) for name, digest, _ in (*extractors_of(records), *second_extractors_of(records))],
        references=[
            FactValue(text=f"{count_text(images)} real images", remark=digest)
            for digest, images in sorted({(record.reference.sha256, record.reference.images) for record in records})
        ],
        devices=devices_of(records),
        versions=[f"{package} {version}" for package, version in sorted({pair for record in records for pair in record.versions.items()})],
        seeds=_seeds(specs, records),
        code=_code(head),
        warned=sum(bool(record.warnings) for record in records),
        used_in=_used_in(documents, scores, studies),
    )


def extractors_of(records: Iterable[ScoreRecord]) -> list[tuple[str, str, float | None]]:
    """Name, hash and accuracy on held-out real images of each feature network, once."""
    found = {(record.extractor.name, record.extractor.sha256, record.extractor.held_out_accuracy) for record in records}
    return sorted(found, key=lambda one: one[:2])


def second_extractors_of(records: Iterable[ScoreRecord]) -> list[tuple[str, str, float | None]]:
    """The same of each network of the second distance, whose accuracy is of telling how far an image was turned."""
    abouts = (record.about["fd_selfsup"] for record in records if "fd_selfsup" in record.about)
    return sorted({(about["extractor"], about["extractor_sha256"], about["held_out_accuracy"]) for about in abouts}, key=lambda one: one[:2])


def devices_of(records: Iterable[ScoreRecord]) -> list[str]:
    return sorted({record.device for record in records})


def facts_of_scores(scores: Scores, preset: Preset) -> list[Fact]:
    """Where it ran, and what says whether the feature network and the guided samples can be trusted."""
    records = [file.record for file in sorted(scores, key=lambda file: (file.record.run, file.record.step, file.record.sampler_name))]
    sizes = dict.fromkeys([preset.image_size, *(part.image_size for part in preset.resolutions.values())])
    pixels = f"{listed(preset.datasets)}, {listed([f'{size} × {size}' for size in sizes])} pixels"
    networks = [
        FactValue(text="not trained here", remark=name)
        if accuracy is None
        else FactValue(text=f"{number_text(accuracy, '.1%')} %", remark=f"{name}, accuracy on held-out real images")
        for name, _, accuracy in extractors_of(records)
    ]
    networks += [
        FactValue(text=f"{number_text(accuracy, '.1%')} %", remark=f"{name}, which no label taught: turns told of held-out real images")
        for name, _, accuracy in second_extractors_of(records)
        if accuracy is not None
    ]
    return [
        Fact(name="Ran on", values=[FactValue(text=", ".join(devices_of(records)) or "nothing yet", remark=pixels)]),
        Fact(name="Feature network", values=networks or [FactValue(text="none yet")]),
        Fact(name="Guided samples", values=[_guided(records)]),
    ]


def _guided(records: Iterable[ScoreRecord]) -> FactValue:
    """How many of the guided images show what they were asked for: one line, however many sets and seeds there are."""
    found = {
        (record.metrics["label_agreement"], record.run, f"{record.step} {record.sampler_name}")
        for record in records
        if guidance_scale(record.sampler) != 1.0 and "label_agreement" in record.metrics
    }
    if not found:
        return FactValue(text="none scored")
    (least, where, _), (most, *_) = min(found), max(found)
    low, high = number_text(least, ".1%"), number_text(most, ".1%")
    of = f"least in {where}" if low != high else f"in {where}" if len(found) == 1 else "in each"
    sets = "one set" if len(found) == 1 else f"{len(found)} sets"
    text = f"{low} %" if low == high else f"{low} to {high} %"
    return FactValue(text=text, remark=f"show their label; {sets}, {of}")


def _code(head: Head) -> str:
    if head.commit is None:
        return "commit unknown: no checkout"
    return f"commit {head.commit}" + (", with changes that are not committed" if head.changed else "")


def _seeds(specs: dict[str, RunSpec], records: list[ScoreRecord]) -> str:
    trained = sorted({specs[record.run].training.seed for record in records if record.run in specs and specs[record.run].weights is None})
    drawn = sorted({record.seed for record in records})
    if not records:
        return "none yet"
    return f"training {', '.join(map(str, trained)) or 'none'}; sampling {', '.join(map(str, drawn))}"


def _used_in(documents: Iterable[Document], scores: Scores, studies: Mapping[str, Scores]) -> dict[str, list[str]]:
    places: dict[str, list[str]] = {}
    for document in documents:
        study = study_of(document)
        for file in studies.get(study.study, ()) if study else ():
            places.setdefault(file.sha256, []).append(document.id)
        for run, score in document.scores():
            found = scores.find(run, score)
            for file in found.files if found else ():
                places.setdefault(file.sha256, []).append(document.id)
    return places


def configurations(runs_folder: Path) -> dict[str, RunSpec]:
    specs = (read_run(path) for path in sorted(Path(runs_folder).glob("*/config.json")))
    return {spec.run: spec for spec in specs}


def stale_runs(specs: dict[str, RunSpec], scores: Iterable[ScoreFile]) -> list[str]:
    """Runs whose scores were made from another configuration than the one that is there now."""
    return sorted({file.record.run for file in scores if file.record.run in specs and file.record.fingerprint != specs[file.record.run].fingerprint})


def _trained(specs: dict[str, RunSpec], scores: Iterable[ScoreFile]) -> list[Trained]:
    """The runs behind the scores, by model and then by name."""
    scored = {file.record.run for file in scores}
    found = [spec for spec in specs.values() if spec.run in scored]
    return [_as_trained(spec) for spec in sorted(found, key=lambda spec: (FAMILIES.index(spec.family), spec.model.width, spec.run))]


def _as_trained(spec: RunSpec) -> Trained:
    ema = spec.training.ema
    decays = (ema.decay,) if isinstance(ema, ConstantEma) else (ema.start, ema.end)
    return Trained(
        run=spec.run,
        model=spec.model.name,
        size=f"{spec.model.depth} × {spec.model.width}",
        condition=f"captions, {spec.model.text.tokens} tokens of {spec.text_encoder}" if spec.model.text else f"one of {spec.model.classes} classes",
        method=spec.words,
        average=" to ".join(f"{scaled_decay(decay, spec.training.paper_steps_per_step):.4g}" for decay in decays),
        learning_rate=f"{spec.training.learning_rate:.3g}",
        seed=spec.training.seed,
    )
