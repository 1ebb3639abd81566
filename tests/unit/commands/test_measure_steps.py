"""`sra measure-steps`: the steps of several runs beside each other, as one record of the machine they ran on, and which mixtures have none."""

import pytest
import torch
from typer.testing import CliRunner

from sra.commands import app
from sra.commands.measure_steps import inputs_of, measure_steps
from sra.core.errors import InputError, StageError
from sra.core.files import read_json, sha256_of_file, write_json
from sra.core.processor import processor_name
from sra.spec.measured import read_study_steps
from sra.spec.run import write_run
from sra.training.inputs import Inputs


@pytest.fixture
def measured(tiny_run, tiny_stores, tmp_path):
    """`measured(runs, **options)` -> the record of the runs, the first being the baseline. A run is a name or a RunSpec."""

    def make(*runs, output="steps.json", **options):
        specs = [tiny_run(run) if isinstance(run, str) else run for run in runs]
        configs = [tmp_path / f"{number}" / "config.json" for number in range(len(specs))]
        for config, spec in zip(configs, specs, strict=True):
            write_run(config, spec)
        latents, features = tiny_stores
        usual = {"latents": latents.manifest, "features": features.manifest, "steps": 1, "turns": 5, "device": "cpu", "threads": 1}
        measure_steps(configs[1:], configs[0], output=tmp_path / output, **(usual | options))
        return read_study_steps(tmp_path / output)

    return make


def test_each_run_is_measured_beside_the_baseline_few_at_a_time(measured, tiny_run, tiny_stores, tmp_path):
    stops = tiny_run("sit_b2_sra", stop_step=100_000)
    record = measured("sit_b2", stops, "sit_xl2_repa_dinov2b", "sit_b2_layersync", at_a_time=2)
    assert (record.preset, record.dataset, record.baseline, record.batch, record.precision) == ("digits", "digits", "sit_b2", 8, "fp32")
    assert [run.run for run in record.runs] == ["sit_b2", "sit_b2_sra", "sit_xl2_repa_dinov2b", "sit_b2_layersync"]
    assert [len(run.phases) for run in record.runs] == [1, 2, 1, 1]
    assert [len(run.phases[0].seconds) for run in record.runs] == [10, 5, 5, 5]  # the baseline took turns in two rounds
    assert (record.turns, record.steps_per_turn, record.at_a_time, record.threads) == (5, 1, 2, 1)
    assert (record.machine.device, record.device_name) == ("cpu", processor_name())
    assert record.versions["torch"] == torch.__version__.partition("+")[0]

    latents, features = (store.sha256 for store in tiny_stores)
    assert record.of("sit_b2").made_from == record.of("sit_b2_sra").made_from == {"latents": latents}
    assert record.of("sit_xl2_repa_dinov2b").made_from == {"latents": latents, "features": features}
    assert record.of("sit_b2_sra").fingerprint == stops.fingerprint
    assert record.of("sit_b2_sra").config_sha256 == sha256_of_file(tmp_path / "1" / "config.json")
    before, after = record.of("sit_b2_sra").phases
    assert (before.first_step, before.end_step, after.first_step, after.end_step) == (0, 63, 63, None)
    assert before.ratios == [ours / theirs for ours, theirs in zip(before.seconds, before.baseline_seconds, strict=True)]
    # The rounds are those of the turns: the first two runs shared theirs, the third had others.
    assert record.of("sit_b2_layersync").phases[0].baseline_seconds == record.of("sit_b2").phases[0].seconds[5:]


def test_the_record_has_the_same_keys_and_nothing_of_the_machine_but_its_name(measured, tmp_path):
    def shape(value):
        """The record without its times."""
        if isinstance(value, dict):
            return {key: shape(inner) for key, inner in value.items()}
        return [shape(inner) for inner in value] if isinstance(value, list) else "number" if isinstance(value, float) else value

    for name in ("a.json", "b.json"):
        measured("sit_b2", "sit_b2_sra", output=name)
    one, other = (read_json(tmp_path / name) for name in ("a.json", "b.json"))
    assert shape(one) == shape(other)
    assert str(tmp_path) not in (tmp_path / "a.json").read_text()


def test_hours_are_the_baselines_times_what_each_phase_takes_of_it(measured, tiny_run, tmp_path):
    record = measured("sit_b2", tiny_run("sit_b2_sra", stop_step=100_000))
    content = read_json(tmp_path / "steps.json")
    for phase, ratio in zip(content["runs"][1]["phases"], (1.5, 1.25), strict=True):
        phase["ratio"] = ratio
    content["runs"][0]["phases"][0]["median"] = 36.0
    write_json(tmp_path / "known.json", content)
    record = read_study_steps(tmp_path / "known.json")
    assert record.hours("sit_b2", 100) == pytest.approx(1.0)
    assert record.hours("sit_b2_sra", 40) == pytest.approx(0.6)
    before, after = record.of("sit_b2_sra").phases  # the first 63 steps, and the rest
    low, high = record.of("sit_b2_sra").ratio_range(100)
    assert low == pytest.approx(0.63 * min(before.ratios) + 0.37 * min(after.ratios))
    assert high == pytest.approx(0.63 * max(before.ratios) + 0.37 * max(after.ratios))
    assert record.of("sit_b2_sra").ratio_range(40) == (before.lowest_ratio, before.highest_ratio)
    assert record.hours("sit_b2_sra", 163) == pytest.approx((63 * 1.5 + 100 * 1.25) * 0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: run.pop("turns"), "turns is missing"),
        (lambda run: run["runs"].reverse(), "expected each once, and the baseline sit_b2 first"),
        (lambda run: run["runs"][1]["phases"][0]["seconds"].append(1.0), "have 6, 5 and 5 turns; measure again"),
        (lambda run: [run["runs"][1]["phases"][0][key].pop() for key in ("seconds", "baseline_seconds", "ratios")], "at least 5 items"),
        (lambda run: run["runs"][1]["phases"][0].update(first_step=3), "expected one after the other from 0 on"),
    ],
    ids=["a key", "order", "unpaired", "too few turns", "a gap"],
)
def test_a_damaged_record_is_one_line(measured, tmp_path, change, message):
    measured("sit_b2", "sit_b2_sra")
    content = read_json(tmp_path / "steps.json")
    change(content)
    write_json(tmp_path / "steps.json", content)
    with pytest.raises(InputError, match=message) as caught:
        read_study_steps(tmp_path / "steps.json")
    assert "\n" not in str(caught.value)


def test_a_run_that_was_not_measured_is_one_line(measured):
    with pytest.raises(InputError, match="unknown measured run 'sit_b2_sr'; did you mean 'sit_b2_sra'"):
        measured("sit_b2", "sit_b2_sra").of("sit_b2_sr")


def test_mixtures_are_refused_before_anything_is_built(measured, tiny_run, tmp_path, monkeypatch):
    monkeypatch.setattr("sra.commands.measure_steps.take_turns", lambda *given: pytest.fail("built"))
    other = tiny_run("sit_b2_sra")
    repa = tiny_run("sit_xl2_repa_dinov2b")
    cases = {
        "run sit_b2_sra: its preset is paper, that of the baseline sit_b2 digits": [other.model_copy(update={"preset": "paper"})],
        "run sit_b2_sra: its dataset is scenes, that of the baseline sit_b2 digits": [other.model_copy(update={"dataset": "scenes"})],
        "run sit_b2_sra: its vae is x_vae, that of the baseline": [other.model_copy(update={"vae": "x_vae"})],
        "run sit_b2: is given twice": [tiny_run("sit_b2")],
        "run sit_b2_sra: is given twice": [other, other],
        "measure them in two calls, each with the baseline": [
            repa,
            repa.model_copy(update={"run": "sit_b2_other", "alignment": repa.alignment.model_copy(update={"encoder": "timm/x"})}),
        ],
        "a turn takes 11; lower --steps to": [tiny_run("sit_b2_sra", stop_step=8000)],
    }
    for message, others in cases.items():
        with pytest.raises(InputError) as caught:
            measured("sit_b2", *others, steps=10)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="needs the features of encoder digits_vit; give --features"):
        measured("sit_b2", repa, features=None)
    assert not (tmp_path / "steps.json").exists()


def test_a_loss_that_is_not_finite_is_no_measurement(measured, tiny_run, tmp_path):
    broken = tiny_run("sit_b2_sra", training={"learning_rate": 1e30, "gradient_clip": 1e30})
    with pytest.raises(StageError, match="run sit_b2_sra: the loss or its gradient was not finite"):
        measured("sit_b2", broken, steps=3)
    assert not (tmp_path / "steps.json").exists()


def test_a_run_is_given_what_it_reads_of_what_there_is(tiny_run, tmp_path):
    files = {name: tmp_path / name for name in ("latents", "features", "pixels")}
    stored, online = Inputs(**files, encoder="vit"), Inputs(files["latents"], pixels=files["pixels"], encoder="vit")
    assert inputs_of(tiny_run("sit_b2"), stored) == Inputs(files["latents"])
    assert inputs_of(tiny_run("sit_xl2_repa_dinov2b"), stored) == Inputs(files["latents"], files["features"])
    assert inputs_of(tiny_run("sit_xl2_repa_dinov2b"), online) == online
    assert inputs_of(tiny_run("sit_b2_haste"), stored) == online  # attention is not stored, so its encoder runs in the step


def test_the_command_takes_fifteen_turns_and_never_fewer_than_five(measured, tiny_run, tiny_stores, tmp_path):
    for number, run in enumerate(("sit_b2", "sit_b2_sra")):
        write_run(tmp_path / str(number) / "config.json", tiny_run(run))
    words = ["measure-steps", str(tmp_path / "1/config.json"), "--baseline", str(tmp_path / "0/config.json")]
    words += ["--latents", str(tiny_stores[0].manifest), "--output", str(tmp_path / "steps.json"), "--device", "cpu", "--steps", "1"]
    assert CliRunner().invoke(app, [*words, "--turns", "4"]).exit_code == 2
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert len(read_study_steps(tmp_path / "steps.json").of("sit_b2_sra").phases[0].seconds) == 15
