"""A finished build of one table of one run that nothing was computed for: every file that its jobs would leave, with receipts that chain."""

import os
from pathlib import Path

from score_files import write_score_file

from sra.content.catalogue import Catalogue
from sra.core.files import read_json, sha256_of_file, write_json, write_text
from sra.core.receipts import recorded_sha256, write_receipt
from sra.reporting.rendering import render_table
from sra.spec.layout import Results, Shared
from sra.spec.metric import ScoreOf
from sra.spec.run import write_run

TABLE = """
id: table_s9
title: for a test
paper: none
columns: [{metric: fid, better: lower}]
score: {milestone: m400k, sampler: sde250, samples: 50000}
rows: [{label: baseline, run: sit_b2}]
"""
RESULTS, SHARED = Results("digits"), Shared("digits")
SCORE = ScoreOf(milestone="m400k", sampler="sde250", samples=50_000)
STATES = [RESULTS.state("sit_b2", name) for name in ("m200k", "m400k")]
CONFIG, WEIGHTS = RESULTS.config("sit_b2"), RESULTS.weights("sit_b2", "m400k")
SAMPLES, SCORED = RESULTS.samples("sit_b2", SCORE), RESULTS.score("sit_b2", SCORE)
STORE, INDEX = SHARED.latents("digits_vae"), SHARED.index


def finish(root: Path) -> None:
    """Make it in a checkout that shows `table_s9=TABLE` alone, each file older than what it was made from, as a copy may have them."""
    catalogue = Catalogue(root, "digits")
    spec, steps = catalogue.spec("sit_b2"), catalogue.preset.milestones
    vae = f"{SHARED.model('vae', 'digits_vae')}/diffusion_pytorch_model.safetensors"
    extractor = f"{SHARED.model('extractor', 'digits_cnn')}/model.safetensors"
    shard, reference = f"{Path(STORE).parent}/latents_000_of_001.npy", SHARED.reference("digits_cnn", f"train_{catalogue.preset.reference_images}")
    features = SHARED.reference_features("digits_cnn", Path(reference).stem)
    made: list[Path] = []

    def file(path: str, kind: str, text: str = "", facts: dict | None = None, **inputs: str) -> None:
        write_text(root / path, text or path)
        write_receipt(root / path, kind, {role: root / one for role, one in inputs.items()}, **(facts or {}))
        made.append(root / path)

    file(SHARED.images, "images")
    file(INDEX, "index", '{"images": []}', images=SHARED.images)
    file(vae, "vae", index=INDEX)
    file(extractor, "extractor", index=INDEX)
    file(shard, "latents", index=INDEX, vae=vae)
    store = f'{{"shards": [{{"file": "latents_000_of_001.npy", "sha256": "{sha256_of_file(root / shard)}"}}]}}'
    file(STORE, "latents", store, index=INDEX, vae=vae)
    file(reference, "reference", index=INDEX, extractor=extractor)
    file(features, "reference features", reference=reference, extractor=extractor)
    (root / CONFIG).parent.mkdir(parents=True, exist_ok=True)
    write_run(root / CONFIG, spec)
    made.append(root / CONFIG)
    about = {"run": "sit_b2", "fingerprint": spec.fingerprint}
    for state, name in zip(STATES, ("m200k", "m400k"), strict=True):
        file(state, "training state", facts={**about, "step": steps[name]}, latents=STORE)
        for path in (RESULTS.curve("sit_b2", name), f"results/digits/benchmarks/train/sit_b2/{name}.tsv"):
            write_text(root / path, "s\n1\n")
            made.append(root / path)
    file(WEIGHTS, "weights", facts=about, state=STATES[1], config=CONFIG)
    sampler, count = catalogue.sampler("sde250").model_dump(mode="json"), catalogue.sample_count(50_000)
    file(SAMPLES, "samples", facts={**about, "sampler": sampler, "count": count}, weights=WEIGHTS)
    score = write_score_file(root / SCORED, "sit_b2", preset="digits", step=steps["m400k"], fid=7.25)
    hashes = {"samples": {"sha256": recorded_sha256(root / SAMPLES), "duplicates": 0}, "weights": {"sha256": recorded_sha256(root / WEIGHTS)}}
    write_json(score, {**read_json(score), "fingerprint": spec.fingerprint, "sampler": sampler, "count": count, **hashes})
    render_table(catalogue, "table_s9")
    made += [score, *(root / "results/digits/tables").glob("table_s9.*")]
    for age, path in enumerate(made):
        os.utime(path, (1e9 - age, 1e9 - age))


def contents(root: Path) -> dict[str, bytes]:
    """Every file of the results, without what jobs print."""
    return {path.as_posix(): path.read_bytes() for path in (root / "results").rglob("*") if path.is_file() and "logs" not in path.parts}
