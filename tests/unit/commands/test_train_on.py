"""Training on from a released file: what of it the run begins with, what it draws anew, and that segments still equal one run."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from released_files import head
from safetensors.torch import load_file

from sra.commands.import_weights import LABEL_TABLE, import_weights
from sra.commands.train import train
from sra.core.errors import InputError
from sra.models.build import build_model
from sra.plan import train as plan_train
from sra.plan.workflow import checked_plan
from sra.spec.recipe import RunRow, StartFrom
from sra.spec.run import RunSpec, write_run

ROOT = Path(__file__).parents[3]


def spec_of(tiny_run, classes: int = 10, **start) -> RunSpec:
    spec = tiny_run("sit_b2_sra")
    model = spec.model.model_copy(update={"classes": classes})
    return spec.model_copy(update={"model": model, "start": StartFrom(file="mine/sra.pt", family="sra", **start)})


def released(folder: Path, spec: RunSpec, classes: int = 10, **changes) -> Path:
    """A training checkpoint of SRA's repository, whose model and average differ."""
    files = {}
    for number, name in enumerate(("ema", "model")):
        model = build_model(spec.model.model_copy(update={"classes": classes, **changes}), seed=number + 7)
        files[name] = model.state_dict() | head("ap_head.linear1")
    torch.save({**files, "args": {"num_classes": classes, "path_type": "linear"}, "steps": 400_000}, folder / "sra.pt")
    return folder / "sra.pt"


@pytest.fixture
def started(tiny_run, tmp_path):
    """`started(spec, file)`: the run's config and the weights that it trains on."""

    def make(spec: RunSpec, file: Path) -> tuple[Path, Path]:
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        write_run(folder / "config.json", spec)
        import_weights(folder / "config.json", file, "sra", folder / "start.safetensors", weights=spec.start.take)
        return folder / "config.json", folder / "start.safetensors"

    return make


def trained(config: Path, latents, start: Path | None, until: int, name: str, previous: Path | None = None) -> Path:
    state = config.parent / f"{name}.safetensors"
    train(config, latents.manifest, until, state, config.parent / f"{name}.jsonl", previous=previous, start=start, device="cpu")
    shutil.rmtree(config.parent / "scratch", ignore_errors=True)
    return state


@pytest.mark.parametrize("take", ["ema", "model"])
def test_student_and_average_begin_as_the_weights_that_are_named(tiny_run, tiny_stores, started, tmp_path, take):
    spec = spec_of(tiny_run, take=take)
    spec = spec.model_copy(update={"training": spec.training.model_copy(update={"learning_rate": 1e-12})})
    file = released(tmp_path, spec)
    state = load_file(trained(*started(spec, file)[:1], tiny_stores[0], started(spec, file)[1], 1, "one"))
    theirs = torch.load(file, weights_only=False)[take]
    for name, tensor in theirs.items():
        if f"ema.{name}" in state:
            assert torch.allclose(state[f"ema.{name}"], tensor, atol=1e-6), name
            assert torch.allclose(state[f"student.model.{name}"], tensor, atol=1e-6), name


def test_a_label_table_of_other_classes_is_drawn_anew_and_said_so(tiny_run, tiny_stores, started, tmp_path, capsys):
    spec = spec_of(tiny_run)
    config, start = started(spec, released(tmp_path, spec, classes=25))
    assert LABEL_TABLE not in load_file(start)
    assert f"{LABEL_TABLE} has 26 rows, 10 classes and the null class take 11: it is drawn anew" in capsys.readouterr().out
    state = load_file(trained(config, tiny_stores[0], start, 1, "one"))
    own = build_model(spec.model, spec.training.seed).state_dict()[LABEL_TABLE]
    assert state[f"ema.{LABEL_TABLE}"].shape == (11, spec.model.width)
    assert torch.allclose(state[f"ema.{LABEL_TABLE}"], own, atol=1e-3)


def test_segments_that_train_on_equal_one_run(tiny_run, tiny_stores, started, tmp_path):
    spec = spec_of(tiny_run)
    config, start = started(spec, released(tmp_path, spec))
    whole = load_file(trained(config, tiny_stores[0], start, 6, "whole"))
    first = trained(config, tiny_stores[0], start, 3, "first")
    parts = load_file(trained(config, tiny_stores[0], start, 6, "second", previous=first))
    assert all(torch.equal(parts[name], whole[name]) for name in whole)


def test_a_start_is_given_where_the_run_has_one_and_nowhere_else(tiny_run, tiny_stores, started, tmp_path):
    spec = spec_of(tiny_run)
    config, start = started(spec, released(tmp_path, spec))
    with pytest.raises(InputError, match=r"trains on from the weights of mine/sra\.pt; give them as --start"):
        trained(config, tiny_stores[0], None, 1, "none")
    plain = tmp_path / "plain"
    plain.mkdir()
    write_run(plain / "config.json", tiny_run("sit_b2_sra"))
    with pytest.raises(InputError, match="starts from its seed; leave out --start"):
        trained(plain / "config.json", tiny_stores[0], start, 1, "seeded")
    other = spec.model_copy(update={"training": spec.training.model_copy(update={"seed": 5})})
    write_run(plain / "config.json", other)
    with pytest.raises(InputError, match="was made for run sit_b2_sra with other settings"):
        trained(plain / "config.json", tiny_stores[0], start, 1, "other")


def test_another_start_is_another_training(tiny_run, tiny_stores, started, tmp_path):
    spec = spec_of(tiny_run)
    config, start = started(spec, released(tmp_path, spec))
    first = trained(config, tiny_stores[0], start, 2, "first")
    _, start = started(spec, released(tmp_path, spec, classes=25))
    with pytest.raises(InputError, match="was trained on other start than given"):
        trained(config, tiny_stores[0], start, 4, "second", previous=first)


def test_what_does_not_fit_is_refused_before_it_trains(tiny_run, started, tmp_path):
    spec = spec_of(tiny_run)
    with pytest.raises(InputError, match="run sit_b2_sra is SiT-B/2 with depth"):
        started(spec, released(tmp_path, spec, depth=12, width=768, heads=12))
    write_run(tmp_path / "config.json", spec)
    with pytest.raises(InputError, match=r"trains on from mine/sra\.pt, at no step of another training; leave out --step"):
        import_weights(tmp_path / "config.json", tmp_path / "sra.pt", "sra", tmp_path / "w.safetensors", step=1)
    write_run(tmp_path / "config.json", tiny_run("sit_b2"))
    with pytest.raises(InputError, match="run sit_b2: does not train on from a file; give --step"):
        import_weights(tmp_path / "config.json", tmp_path / "sra.pt", "sra", tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"start": {"file": "sit_xl2_256", "family": "sit"}}, "is a path and needs its family, or a name of config/weights.tsv and needs none"),
        ({"start": {"file": "mine/sit.pt"}}, "is a path and needs its family"),
        ({"start": {"file": "sit_xl2_256"}, "weights": {"file": "sit_xl2_256"}}, "give one of the two"),
    ],
)
def test_a_start_is_a_name_or_a_path_with_its_family(row, says):
    with pytest.raises(ValueError, match=says):
        RunRow(method="none", **row)


def test_the_plan_imports_the_start_before_the_first_segment(tmp_path):
    for name in ("config", "report"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "config/experiments/mine.yaml").write_text(
        "recipe: sit\nmodel: SiT-XL/2\nmilestones: [m200k]\nruns:\n  flowers: {method: sra, flips: latents, start: {file: sra_sit_xl2_256}}\n"
    )
    (tmp_path / "config/experiments/small.yaml").write_text(
        "recipe: sit\nmodel: SiT-B/2\nmilestones: [m200k]\nruns:\n  small: {method: none, start: {file: sra_sit_xl2_256}}\n"
    )
    plan = checked_plan(tmp_path, {"preset": "paper"})
    wildcards = SimpleNamespace(preset="paper", run="flowers", point="m200k")
    assert plan_train.start(plan, wildcards) == ["results/paper/runs/flowers/start.safetensors"]
    assert plan_train.start(plan, SimpleNamespace(preset="paper", run="sit_b2")) == []
    assert plan_train.released_options(plan, wildcards) == ["--from", "sra", "--name", "sra_sit_xl2_256"]
    assert plan_train.released_path(plan, wildcards).endswith("sitxl-sra-res256-ep800.pt")
    other = SimpleNamespace(preset="paper", run="small", point="m200k")
    with pytest.raises(InputError, match="run small: start: sra_sit_xl2_256 is SiT-XL/2 for 256 px, the run is SiT-B/2 for 256 px"):
        plan_train.start(plan, other)
    assert plan.catalogue("paper").spec("flowers").words.endswith("; latents flipped; on from sra_sit_xl2_256")
