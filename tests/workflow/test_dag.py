"""Which jobs each target needs, which inputs are refused before any starts, and that the rules are clean by their own tools."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake.utils import available_cpu_count

from sra.content.catalogue import Catalogue
from sra.content.required import packs_of_figure, required_by_all

ROOT = Path(__file__).parents[2]
DATA = {"make_digits": 1, "index_images": 1, "train_vae": 1, "extract_latents": 1, "finish_latents": 1, "train_extractor": 1, "make_reference": 1}
DATA |= {"reference_features": 1}


def per_score(count: int) -> dict[str, int]:
    return dict.fromkeys(("export_ema", "sample_shard", "pack_samples", "score_samples"), count)


def test_a_table_needs_its_own_runs_and_nothing_else(checkout):
    # Three runs; the default one passes through m200k on its way to m400k, which is not scored for this table.
    jobs = {"resolve_run": 3, "train_segment": 4, "render_table": 1, "table_6": 1}
    assert checkout.planned("table_6") == DATA | per_score(3) | jobs


def test_the_same_table_by_its_file(checkout):
    assert checkout.planned("results/digits/tables/table_6.html") == {
        rule: count for rule, count in checkout.planned("table_6").items() if rule != "table_6"
    }


def test_tables_share_their_runs(checkout):
    # 18 runs of Table 1; Table 6 adds two and shares its third.
    jobs = checkout.planned("table_1", "table_6")
    assert (jobs["resolve_run"], jobs["score_samples"], jobs["train_segment"]) == (20, 20, 22)


def test_the_benchmark_of_all_methods_needs_one_run_a_row(checkout):
    jobs = checkout.planned("table_b0")
    rows = [row for row in Catalogue(checkout.folder, "digits").tables["table_b0"].rows if row.run]
    runs = {row.run for row in rows}
    assert [row.run for row in rows if row.score] == ["sit_b2_contrastive"]  # drawn in a second way
    assert (per_score(len(rows)) | {"export_ema": len(runs)}).items() <= jobs.items()
    assert (jobs["resolve_run"], jobs["render_table"], jobs["train_encoder"], jobs["latent_mean"]) == (len(runs), 1, 1, 1)


def test_only_repa_needs_the_external_encoder(checkout):
    jobs = checkout.planned("table_s1")
    assert jobs["train_encoder"] == jobs["extract_features"] == 1
    assert "train_encoder" not in checkout.planned("table_1", "table_6", "figure_4", "figure_5")


def test_the_paper_preset_plans_without_its_data(checkout):
    jobs = checkout.planned("--config", "preset=paper")
    assert not {"make_digits", "train_vae", "train_extractor", "train_encoder"} & set(jobs)
    assert (jobs["extract_latents"], jobs["extract_text"]) == (3 * 64, 64)  # ImageNet at two resolutions, and MS-COCO
    assert jobs["train_between"] > 0
    registry = Catalogue(checkout.folder, "paper")
    scored = required_by_all(registry)
    packs = {*scored, *(item for name in registry.shown_figures for item in packs_of_figure(registry.figures[name], registry))}
    assert (jobs["score_samples"], jobs["pack_samples"]) == (len(scored), len(packs))
    assert jobs["sample_shard"] == sum(math.ceil(item.score.samples / 10_000) for item in packs)


def test_a_folder_of_ones_own_classes_plans_at_the_papers_scale_by_one_key(checkout):
    checkout.edit("config/presets/own.yaml", "\nclasses: 1000", "\nclasses: 3")
    jobs = checkout.planned("--config", "preset=own", "paths={own: flowers}")
    assert (jobs["index_images"], jobs["extract_latents"], jobs["make_reference"], jobs["resolve_run"]) == (1, 64, 1, 3)
    assert not {"train_vae", "train_encoder", "train_extractor", "index_captions"} & set(jobs)


def test_latents_of_another_preprocessing_take_the_place_of_an_extraction(checkout):
    jobs = checkout.planned("table_1", "table_4", "--config", "preset=paper", "paths={preprocessed: {imagenet256: repa}}")
    assert (jobs["take_latents"], jobs["extract_latents"], jobs["finish_latents"]) == (64, 64, 2)  # the second at 512 pixels


@pytest.mark.parametrize(("table", "checkpoints"), [("table_3", 4), ("table_4", 2)])
def test_released_weights_need_no_training(checkout, table, checkpoints):
    jobs = checkout.planned(table, "--config", "preset=paper", "weights=released")
    scores = {"reference_features": 1, "sample_shard": 5 * checkpoints, "pack_samples": checkpoints, "score_samples": checkpoints}
    assert jobs == scores | {"resolve_run": checkpoints, "import_weights": checkpoints, "render_table": 1, table: 1}


def test_another_resolution_has_data_of_its_own_and_shares_the_small_models(checkout):
    jobs = checkout.planned("table_4")
    data = DATA | {"make_digits": 2, "index_images": 2}
    assert jobs == data | per_score(3) | {"resolve_run": 2, "train_segment": 3, "render_table": 1, "table_4": 1}
    paper = checkout.planned("table_4", "--config", "preset=paper")
    assert (paper["index_images"], paper["extract_latents"], paper["finish_latents"]) == (1, 64, 1)
    assert not {"make_digits", "make_reference", "train_vae"} & set(paper)


def test_refresh_needs_no_job_but_itself(checkout):
    assert checkout.planned("refresh") == {"refresh": 1}


@pytest.mark.parametrize(
    ("path", "old", "new", "message"),
    [
        ("config/config.yaml", "preset: digits", "preset: digts", "unknown preset 'digts'; did you mean 'digits'?"),
        ("config/presets/digits.yaml", "\nbatch: 32", "\nbatch: 32\nteacher_block: 8", "teacher_block: unknown key 'teacher_block'"),
        ("config/presets/digits.yaml", "\nbatch: 32", "\nbacth: 32", "bacth: unknown key 'bacth'; did you mean 'batch'?"),
        ("config/experiments/ablation_ema.yaml", "method: sra", "methd: sra", "methd: unknown key 'methd'; did you mean 'method'?"),
        ("report/tables/table_6.yaml", "run: sit_b2_sra_ema0", "run: sit_b2_sra_ema1", "unknown run 'sit_b2_sra_ema1'; did you mean"),
        ("report/tables/table_6.yaml", "sampler: sde250", "sampler: sde205", "unknown sampler 'sde205'; did you mean 'sde250'?"),
    ],
    ids=["preset", "method key in a preset", "typo in a preset", "typo in a run", "run", "sampler"],
)
def test_bad_input_is_refused_before_work_starts(checkout, path, old, new, message):
    checkout.edit(path, old, new)
    done = checkout.snakemake("--dry-run", "--quiet", "host")
    assert done.returncode == 2
    errors = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in done.stdout
    assert not (checkout.folder / "results").exists()


def test_a_table_that_does_not_exist_is_refused(checkout):
    done = checkout.snakemake("--dry-run", "table_66")
    assert done.returncode == 2
    assert "error: unknown table 'table_66'; did you mean 'table_6'?" in done.stdout.splitlines()


@pytest.mark.parametrize(("typed", "plain"), [("Figure_2", ("figure_2a", "figure_2b")), ("table_S1", ("table_s1",)), ("Table 6", ("table_6",))])
def test_names_as_the_paper_prints_them_need_the_same_jobs(checkout, typed, plain):
    def rendered(*targets: str) -> dict[str, int]:
        return {rule: count for rule, count in checkout.planned(*targets).items() if "_" in rule and rule not in plain}

    done = checkout.snakemake("--dry-run", typed)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (" ".join(typed.split()) in done.stdout, "render_" in done.stdout) == (True, True)
    if " " not in typed:
        assert {rule: count for rule, count in rendered(typed).items() if rule != typed} == rendered(*plain)


def test_a_wrong_name_in_a_file_is_refused_before_any_job_is_planned(checkout):
    done = checkout.snakemake("--dry-run", "results/digits/scores/sit_b9/m400k/sde250/n50000.json")
    assert done.returncode == 2
    assert [line for line in done.stdout.splitlines() if line] == [
        "error: results/digits/scores/sit_b9/m400k/sde250/n50000.json: unknown run 'sit_b9'; did you mean 'sit_b2'?"
    ]


@pytest.mark.parametrize(("given", "cores"), [((), None), (("--cores", "1"), 1), (("--profile", "workflow/profiles/local"), None)])
def test_without_cores_the_workflow_takes_all(checkout, given, cores):
    """A target that runs nothing but one local job; cores None: as many as there are."""
    command = [sys.executable, "-m", "snakemake", "results/digits/runs/sit_b2/config.json", *given]
    done = subprocess.run(command, cwd=checkout.folder, env=checkout.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"Provided cores: {cores or available_cpu_count()}" in done.stderr


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["snakefmt", "--check", "Snakefile", "workflow"], ["snakemake", "--lint"]],
    ids=["ruff check", "ruff format", "snakefmt", "snakemake --lint"],
)
def test_code_and_rules_are_clean(command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_hold_no_logic_and_files_stay_short():
    for path in [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= (60 if path.name == "Snakefile" else 150)
        assert not [line for line in lines if line.strip() in ("run:", "script:")]
    for path in [*(ROOT / "sra").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path
