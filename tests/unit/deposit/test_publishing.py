"""The registry of numbers, the artifact appendix and the archive, of a small set of results that was never computed."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from rocrate.rocrate import ROCrate
from score_files import digest, write_score_file

from sra.content.catalogue import Catalogue
from sra.core.errors import InputError
from sra.core.files import sha256_of_file, write_text
from sra.core.receipts import write_receipt
from sra.deposit.archive import write_archive
from sra.deposit.facts import measured_seconds, write_appendix
from sra.deposit.lines import write_registry
from sra.deposit.readme import without_dead_links
from sra.reporting.rendering import render_everything, render_table
from sra.reporting.report.planned import planned_cost
from sra.reporting.report.spending import device_time
from sra.spec.layout import Results, Shared
from sra.spec.metric import ScoreOf
from sra.spec.seeds import Seeds

ROOT = Path(__file__).parents[3]
RESULTS = Results("digits")
SCORE = ScoreOf(milestone="m400k", sampler="sde250", samples=50_000)
TABLE = """
id: table_s9
title: SRA and its baseline
paper: none
columns: [{metric: fid, better: lower, format: ".2f"}, {metric: sfid, better: lower, format: ".2f"}]
score: {milestone: m400k, sampler: sde250, samples: 50000}
rows:
  - {label: baseline, run: sit_b2}
  - {label: SRA, run: sit_b2_sra}
  - {label: early, run: dit_b2, score: {milestone: m300k, sampler: ddpm250, samples: 50000}}
"""
CURVES = """
kind: curves
id: figure_s8
title: FID | steps
paper: none
caption: FID during training.
metric: fid
better: lower
samples: 50000
milestones: [m200k, m400k]
panels: [{title: SiT-B/2, sampler: sde250, series: [{method: none, run: sit_b2}]}]
"""
GRID = """
kind: grid
id: figure_s9
title: Samples
paper: none
caption: Samples by rule.
score: {milestone: m400k, sampler: sde250, samples: 50000}
runs: [{method: none, run: sit_b2}]
per_class: 2
"""
DAY = 86_400 * 1000  # 1972-09-27


def refreshed(catalogue: Catalogue) -> None:
    """As `sra refresh` leaves its folder."""
    render_everything(catalogue)
    write_registry(catalogue)
    write_appendix(catalogue)


@pytest.fixture(scope="module")
def made(tmp_path_factory, new_checkout):
    """One of two runs scored at 400K, with its samples; everything rendered."""
    checkout = new_checkout(tmp_path_factory.mktemp("publishing") / "checkout")
    checkout.show_only(table_s9=TABLE, figure_s8=CURVES, figure_s9=GRID)
    score = checkout.folder / RESULTS.score("sit_b2", SCORE)
    write_score_file(score, "sit_b2", preset="digits", step=250, fid=7.25)
    os.utime(score, (DAY, DAY))
    pack = checkout.folder / RESULTS.samples("sit_b2", SCORE)
    pack.parent.mkdir(parents=True)
    np.savez(pack, arr_0=np.zeros((20, 32, 32, 3), np.uint8), labels=np.arange(20) % 10)
    write_receipt(pack, "samples", hashes={"weights": digest("weights")}, run="sit_b2", fingerprint="f")
    for stage, seconds in (
        ("train/sit_b2/m200k", 60),
        ("train/sit_b2/m400k", 30),
        ("export/sit_b2/m400k", 1),
        ("score/sit_b2/m400k/sde250/n50000", 5),
    ):
        write_text(checkout.folder / f"results/digits/benchmarks/{stage}.tsv", f"s\tmax_rss\tcpu_time\n{seconds}\t100\t{seconds}\n")
    refreshed(Catalogue(checkout.folder, "digits"))
    return checkout.folder


@pytest.fixture
def house(made, tmp_path) -> Catalogue:
    """A copy to change."""
    shutil.copytree(made, tmp_path / "house")
    os.utime(tmp_path / "house" / RESULTS.score("sit_b2", SCORE), (DAY, DAY))
    return Catalogue(tmp_path / "house", "digits")


def read_lines(registry: Catalogue) -> pd.DataFrame:
    return pd.read_csv(registry.root / RESULTS.registry, sep="\t", dtype={"shown_in": str})


def line_of(registry: Catalogue, **where) -> dict:
    lines = read_lines(registry)
    for name, value in where.items():
        lines = lines[lines[name] == value]
    assert len(lines) == 1, lines
    return lines.iloc[0].to_dict()


# The registry


def test_every_number_has_one_line_with_its_evidence(house):
    found = line_of(house, run="sit_b2", metric="fid", milestone="m400k")
    assert (found["value"], found["state"], found["shown_in"]) == (7.25, "done", "table_s9 figure_s8")
    assert (found["training_seed"], found["sampling_seed"], found["step"], found["paper_samples"], found["samples"]) == (0, 0, 250, 50_000, 500)
    score = RESULTS.score("sit_b2", SCORE)
    assert (found["file"], found["file_sha256"]) == (score, sha256_of_file(house.root / score))
    assert (found["samples_sha256"], found["weights_sha256"]) == (digest("sit_b2m400k"), digest("wsit_b2m400k"))
    assert found["fingerprint"] == digest("sit_b2")


def test_what_has_no_number_says_why(house):
    lines = read_lines(house)
    assert line_of(house, run="sit_b2", metric="sfid")["state"] == "not measured"
    missing = line_of(house, run="sit_b2_sra", metric="fid")
    assert (missing["state"], missing["fingerprint"]) == ("not run", house.spec("sit_b2_sra").fingerprint)
    assert pd.isna(missing["value"])
    assert pd.isna(missing["file"])
    assert line_of(house, run="dit_b2", metric="fid")["state"] == "not reached"
    assert line_of(house, run="sit_b2", milestone="m200k", kind="score")["shown_in"] == "figure_s8"
    assert set(lines["kind"]) == {"score", "images"}
    assert len(lines) == 2 * 3 + 1 + 1  # three rows of two metrics; the figure adds one milestone and one set of images


def test_images_are_listed_by_their_receipt(house):
    found = line_of(house, kind="images")
    pack = house.root / RESULTS.samples("sit_b2", SCORE)
    assert (found["samples_sha256"], found["weights_sha256"], found["state"]) == (sha256_of_file(pack), digest("weights"), "done")


def test_each_seed_has_a_line(house):
    other = Catalogue(house.root, "digits", asked=Seeds(training=(0, 1)))
    write_registry(other)
    lines = read_lines(house)
    runs = lines[(lines["metric"] == "fid") & (lines["milestone"] == "m400k")].set_index("run")
    assert runs.loc["sit_b2__s1", ["training_seed", "state"]].tolist() == [1, "not run"]
    assert runs.loc["sit_b2", ["training_seed", "state"]].tolist() == [0, "done"]


def test_the_same_results_give_the_same_bytes(house):
    before = {path: (house.root / path).read_bytes() for path in (RESULTS.registry, RESULTS.appendix)}
    for path in before:
        (house.root / path).unlink()
    write_registry(house)
    write_appendix(house)
    assert before == {path: (house.root / path).read_bytes() for path in before}


def test_the_registry_asks_for_what_was_not_rendered(house):
    (house.root / RESULTS.table("table_s9")).unlink()
    with pytest.raises(InputError, match=r"table_s9.json: no such file; sra refresh --preset digits renders"):
        write_registry(house)


# The appendix


def test_the_appendix_says_what_the_data_say(house):
    text = (house.root / RESULTS.appendix).read_text()
    headings = [line.removeprefix("## ")[3:] for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        *("Abstract", "Check-list", "Description", "Installation", "Experiment workflow"),
        *("Evaluation and expected results", "Customisation", "Notes"),
    ]
    assert f"| digits | {house.datasets['digits'].source.replace('_', chr(92) + '_')} | 1797 | BSD-3-Clause |" in text
    assert "| digits_cnn | extractor | trained here on digits | MIT |" in text
    assert "sd_vae_ft_ema" not in text
    assert "| State | 2 done, " in text
    assert "snakemake --cores 2 table_s9" in text
    assert "FID \\| steps" in text  # no cell of its own
    assert "results of 1972-09-27" in text


def test_times_are_measured_where_every_job_was_and_estimated_elsewhere(house):
    folder = house.root / "results/digits/benchmarks"
    assert measured_seconds(house, "figure_s9") is None
    for stage in ("sample/sit_b2/m400k/sde250/n50000/000_of_001", "pack/sit_b2/m400k/sde250/n50000"):
        write_text(folder / f"{stage}.tsv", "s\tmax_rss\tcpu_time\n20\t100\t20\n")
    assert measured_seconds(house, "figure_s9") == 60 + 30 + 1 + 20 + 20 + 5
    write_appendix(house)
    row = {line.split(" | ")[0]: line for line in (house.root / RESULTS.appendix).read_text().splitlines() if line.startswith("| ")}
    assert "| 2 min 16 s |" in row["| Figure S9: Samples"]
    with_data = device_time(planned_cost(house).alone["table_s9"], "core")
    assert ", estimated |" in row["| Table S9: SRA and its baseline"]
    assert f"{with_data}, estimated" not in row["| Table S9: SRA and its baseline"]  # the data are prepared once, for all


def test_measured_time_of_preparation_is_that_of_the_data_sets(house):
    write_text(house.root / Shared("digits").folder / "benchmarks/train_vae/digits_vae.tsv", "s\tmax_rss\tcpu_time\n77\t2048\t70\n")
    write_appendix(house)
    text = (house.root / RESULTS.appendix).read_text()
    assert "| Time to prepare | 1 min 17 s in 1 job, one after the other |" in text
    assert "| train_vae | 1 | 1 min 17 s | 2.00 GiB |" in text


# The archive


def opened(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def test_the_crate_describes_every_file_and_no_other(house):
    output = write_archive(house)
    held = opened(output)
    metadata = json.loads(held.pop("ro-crate-metadata.json"))
    ids = [entity["@id"] for entity in metadata["@graph"]]
    assert len(ids) == len(set(ids))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        crate = ROCrate(output)
    files = {unquote(entity.id): entity for entity in crate.data_entities}
    assert set(files) == set(held)
    for name, content in held.items():
        assert files[name]["sha256"] == hashlib.sha256(content).hexdigest()
        assert files[name]["contentSize"] == str(len(content))
        assert files[name]["encodingFormat"]
    entities = {entity["@id"]: entity for entity in metadata["@graph"]}
    references = {value["@id"] for entity in metadata["@graph"] for values in entity.values() for value in _listed(values) if isinstance(value, dict)}
    known = set(entities) | {"https://w3id.org/ro/crate/1.1", "https://w3id.org/workflowhub/workflow-ro-crate/1.0"}
    assert not {one for one in references - known if not one.startswith("https://")}
    assert entities["./"]["datePublished"] == "1972-09-27"
    assert entities[entities["./"]["mainEntity"]["@id"]]["@type"] == ["File", "SoftwareSourceCode", "ComputationalWorkflow"]
    assert [entities[one["@id"]]["name"] for one in entities["./"]["author"]] == ["The sra-repro maintainers"]
    assert entities["./"]["license"] == {"@id": "https://spdx.org/licenses/MIT"}
    assert "Not in it" in entities["./"]["description"]


def _listed(value) -> list:
    return value if isinstance(value, list) else [value]


def test_what_it_holds_and_what_it_leaves_out(house):
    write_text(house.root / RESULTS.state("sit_b2", "m400k"), "a state")
    write_text(house.root / (RESULTS.state("sit_b2", "m400k") + ".receipt.json"), '{"sha256": "0"}')
    write_text(house.root / "results/digits/runs/sit_b2/curve/m400k.jsonl", "{}\n")
    write_text(house.root / "results/digits/logs/report.log", "a log")
    write_text(house.root / RESULTS.table("table_77"), "{}")  # of a table that is no more
    names = set(opened(write_archive(house)))
    assert {"README.md", "LICENSE", "CITATION.cff", "Snakefile", "workflow/envs/requirements.lock", "config/config.yaml"} <= names
    assert {RESULTS.registry, RESULTS.appendix, RESULTS.report, RESULTS.claims(), RESULTS.score("sit_b2", SCORE)} <= names
    assert {RESULTS.figure("figure_s9", "png"), RESULTS.table("table_s9", "tex"), "results/digits/runs/sit_b2/curve/m400k.jsonl"} <= names
    assert {RESULTS.samples("sit_b2", SCORE) + ".receipt.json", RESULTS.state("sit_b2", "m400k") + ".receipt.json"} <= names
    assert not [name for name in names if name.endswith((".npz", ".safetensors", ".log", ".zip")) or "table_77" in name]


def test_its_readme_begins_with_what_works_in_it_and_no_page_links_out_of_it(house):
    write_text(house.root / "results/README.md", "see [one](../config/README.md#a), [two](../tests/README.md) and ![three](gone.png)")
    files = opened(write_archive(house))
    readme = files["README.md"].decode()
    works, _, repository = readme.partition("What follows is the README of the repository.")
    assert readme.startswith("# Results of sra-repro at preset digits\n")
    assert "    make report\n    make adopt\n" in works
    assert repository.endswith("\n" + without_dead_links((house.root / "README.md").read_text(), "README.md", files))
    assert files["results/README.md"].decode() == "see [one](../config/README.md#a), two and "
    for page in (name for name in files if name.endswith(".md")):
        targets = re.findall(r"\]\(([^)#\s]+)", files[page].decode())
        inside = [os.path.normpath(Path(page).parent / target) for target in targets if "://" not in target]
        assert all(target in files or any(name.startswith(f"{target}/") for name in files) for target in inside), page


def test_an_unpacked_archive_refreshes_all_that_it_can_and_keeps_the_rest(house, tmp_path):
    with zipfile.ZipFile(write_archive(house)) as packed:
        packed.extractall(tmp_path / "unpacked")
    here = Catalogue(tmp_path / "unpacked", "digits")
    shown = [RESULTS.figure("figure_s9", kind) for kind in ("json", "svg", "png")] + [RESULTS.table("table_s9"), RESULTS.registry]
    before = [(here.root / path).read_bytes() for path in shown]
    os.utime(here.root / RESULTS.score("sit_b2", SCORE), (DAY, DAY))
    refreshed(here)
    assert [(here.root / path).read_bytes() for path in shown] == before


def test_a_table_says_what_it_was_made_of_and_a_figure_of_samples_does_not(house):
    graph = {entity["@id"]: entity for entity in json.loads(opened(write_archive(house))["ro-crate-metadata.json"])["@graph"]}
    action = graph["#made-table_s9"]
    assert {one["@id"] for one in action["object"]} == {"report/tables/table_s9.yaml", RESULTS.score("sit_b2", SCORE)}
    assert {one["@id"] for one in action["result"]} == {RESULTS.table("table_s9", kind) for kind in ("json", "csv", "html", "tex", "md")}
    assert graph[action["instrument"]["@id"]]["@type"] == "SoftwareApplication"
    assert "#made-figure_s8" in graph
    assert "#made-figure_s9" not in graph


def test_a_mean_over_seeds_names_every_score(house):
    write_score_file(house.root / RESULTS.score("sit_b2__s1", SCORE), "sit_b2__s1", preset="digits", step=250, fid=9.0)
    seeded = Catalogue(house.root, "digits", asked=Seeds(training=(0, 1)))
    refreshed(seeded)
    graph = {entity["@id"]: entity for entity in json.loads(opened(write_archive(seeded))["ro-crate-metadata.json"])["@graph"]}
    scores = {one["@id"] for one in graph["#made-table_s9"]["object"]} - {"report/tables/table_s9.yaml"}
    assert scores == {RESULTS.score("sit_b2", SCORE), RESULTS.score("sit_b2__s1", SCORE)}


def test_archives_of_the_same_results_are_the_same_bytes(house, tmp_path):
    first, second = write_archive(house, tmp_path / "a.zip"), tmp_path / "elsewhere"
    shutil.copytree(house.root, second)
    os.utime(second / RESULTS.score("sit_b2", SCORE), (DAY, DAY))
    for path in second.rglob("*.csv"):
        os.utime(path)
    assert first.read_bytes() == write_archive(Catalogue(second, "digits"), tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(first) as packed:
        assert {entry.date_time for entry in packed.infolist()} == {(1980, 1, 1, 12, 0, 0)}  # the oldest that a zip can tell
        assert packed.namelist()[1:] == sorted(packed.namelist()[1:])


def test_an_unpacked_archive_renders_its_tables_to_the_same_bytes(house, tmp_path):
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(write_archive(house)) as packed:
        packed.extractall(unpacked)
    kept = {kind: unpacked / RESULTS.table("table_s9", kind) for kind in ("json", "csv", "html", "tex", "md")}
    before = {kind: path.read_bytes() for kind, path in kept.items()}
    for path in kept.values():
        path.unlink()
    command = [sys.executable, "-m", "sra", "table", "table_s9", "--preset", "digits"]
    subprocess.run(command, cwd=unpacked, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    assert before == {kind: path.read_bytes() for kind, path in kept.items()}


def test_a_table_older_than_its_scores_is_refused(house):
    write_score_file(house.root / RESULTS.score("sit_b2", SCORE), "sit_b2", preset="digits", step=250, fid=8.0)
    with pytest.raises(InputError, match=r"table_s9.json: shows a file of SHA-256 .* which is not there now; sra refresh --preset digits"):
        write_archive(house)
    render_table(house, "table_s9")
    with pytest.raises(InputError, match=r"figure_s8.json: shows a file"):
        write_archive(house)


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("config/config.yaml", "preset: digits\npaths: {imagenet: /data/imagenet}\n", r"imagenet under paths is a path of this machine"),
        ("report/limits.yaml", "always: [{text: 'see {root}/notes'}]\n", r"report/limits.yaml: names a folder of this machine"),
    ],
    ids=["the user's paths", "a file that names the folder"],
)
def test_paths_of_this_machine_are_refused(house, path, text, message):
    (house.root / path).write_text(text.replace("{root}", str(house.root.resolve())))
    with pytest.raises(InputError, match=message):
        write_archive(house)


def test_what_points_outside_is_refused(house, tmp_path):
    (tmp_path / "secret").write_text("not of this folder")
    (house.root / "config/outside.yaml").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match=r"outside.yaml' points outside"):
        write_archive(house)


@pytest.mark.parametrize("name", ["LICENSE", RESULTS.report, RESULTS.registry])
def test_what_is_missing_is_named(house, name):
    (house.root / name).unlink()
    with pytest.raises(InputError, match=rf"{name}: no such file"):
        write_archive(house)


def test_without_a_score_there_is_nothing_to_archive(house):
    shutil.rmtree(house.root / "results/digits/scores")
    with pytest.raises(InputError, match="there is no score to archive; snakemake --cores 2 all makes them"):
        write_archive(house)
