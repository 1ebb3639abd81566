"""What was typed on Snakemake's command line: words stand for files, a wrong one is one line, and a wrong key is blamed on the place that has it."""

from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.cli import get_argument_parser

from sra.core.errors import InputError
from sra.plan.targets import named, refuse_wrong_file
from sra.plan.typed import Typed
from sra.plan.workflow import checked_plan

ROOT = Path(__file__).resolve().parents[3]
RULES = ("all", "tables", "refresh")


@cache
def plan(*targets: str, preset: str = "digits"):
    return checked_plan(ROOT, {"preset": preset}, typed=Typed(targets))


def stems(files: list[str]) -> set[str]:
    return {Path(file).stem for file in files}


def test_words_stand_for_the_files_of_all_parts():
    files = named(plan("figure_7", "Table_S1", "figure_T2I", "Table 1", "all"), RULES)
    assert stems(files["figure_7"]) == {"figure_7a", "figure_7b", "figure_7c", "figure_7d"}
    assert files["Table_S1"] == files["table_s1"]
    assert files["figure_T2I"] == files["figure_t2i"]
    assert files["Table 1"] == files["table_1"]
    assert {"figure_2", "figure_8"} <= set(files)
    assert "all" not in files


def test_a_part_of_a_study_in_another_case():
    files = named(plan("Study_Methods_Pilot", preset="fashion_cpu"), ("study_methods_pilot",))
    assert len(files["Study_Methods_Pilot"]) > 10


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("figure_1", "figure_1: Figure 1 of the paper is a drawing"),
        ("figure_99", "unknown figure 'figure_99'; did you mean 'figure_9'?"),
        ("tabel_1", "unknown target 'tabel_1'; did you mean 'table_1'?"),
        ("refersh", "unknown target 'refersh'; did you mean 'refresh'?"),
        ("study_methods", "study_methods: preset digits has no study; name one"),
        ("results/digts/report.html", "results/digts/report.html: unknown preset 'digts'; did you mean 'digits'?"),
    ],
)
def test_a_wrong_word_ends_with_one_line_and_exit_code_2(word, says, capsys):
    with pytest.raises(SystemExit) as stop:
        named(plan(word), RULES)
    assert stop.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"error: {says}")
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    ("path", "says"),
    {
        "digts/tables/table_6.html": "unknown preset 'digts'; did you mean 'digits'?",
        "digits/runs/sit_b9/config.json": "unknown run 'sit_b9'; did you mean 'sit_b2'?",
        "digits/costs/SIT_b9.json": "unknown run 'SIT_b9'; did you mean 'sit_b2'?",
        "digits/scores/sit_b2/m410k/sde250/n50000.json": "run sit_b2: unknown milestone 'm410k'; did you mean 'm400k'?",
        "digits/runs/sit_b2/weights/m410k.safetensors": "run sit_b2: unknown milestone 'm410k'; did you mean 'm400k'?",
        "digits/scores/sit_b2/m400k/sde251/n50000.json": "unknown sampler 'sde251'; did you mean 'sde250'?",
        "digits/scores/sit_b2/m400k/ddpm250/n50000.json": "run sit_b2, sampler ddpm250: sampler kind ddpm does not fit a flow model (SiT, MMDiT); ",
        "digits/scores/sit_b2/m400k/sde250/n50001.json": "preset digits: unknown number of samples 'n50001'; did you mean 'n50000'?",
        "digits/samples/sit_b2/m400k/sde250/50000/samples.npz": "preset digits: unknown number of samples '50000'; did you mean 'n50000'?",
        "digits/tables/table_66.html": "unknown table 'table_66'; did you mean 'table_6'?",
        "digits/tables/table_S1.html": "table 'table_S1' is table_s1 here; name it so",
        "digits/figures/figure_2.svg": "figure 'figure_2' is figure_2a and figure_2b here; name one so",
        "digits/figures/figure_1.svg": "figure_1: Figure 1 of the paper is a drawing",
        "digits/tables/table_6.htm": "unknown kind of file 'htm'; did you mean 'html'?",
        "digits/tabels/table_6.html": "unknown folder 'tabels'; did you mean 'tables'?",
        "digits/report.htm": "unknown file 'report.htm'; did you mean 'report.html'?",
        "digits/studies/methods.json": "preset digits: unknown study 'methods'; known: none",
        "fashion_cpu/studies/methodes.json": "preset fashion_cpu: unknown study 'methodes'; did you mean 'methods'?",
        "fashion_cpu/studies/methods/choice.json": "unknown file 'choice.json'; did you mean 'choices.json'?",
        "shared/digit/index.json": "data set 'digit' is not in config/datasets.tsv; known: digits, ",
    }.items(),
)
def test_the_wrong_name_inside_a_file_is_named(path, says):
    with pytest.raises(InputError) as refused:
        refuse_wrong_file(plan(), f"results/{path}")
    assert str(refused.value).startswith(f"results/{path}: {says}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "path",
    [
        *("digits/tables/table_6.html", "digits/figures/figure_t2i.png", "digits/report.pdf", "digits/claims.md", "digits/registry.tsv"),
        *("digits/scores/sit_b2__s1/m400k/sde250__s2/n50000.json", "digits/runs/sit_b2/state/m400k.safetensors", "digits/costs/sit_b2.json"),
        *("paper/runs/sit_b2_sra/state/s0100000.safetensors", "digits/samples/sit_b2/m400k/sde250/n50000/shard_000_of_001.npz"),
        *("digits/probes/sit_b2/m400k/t100.json", "fashion_cpu/studies/methods.json", "fashion_cpu/studies/methods/steps.json"),
        *("shared/digits/index.json", "reference/speed/dag.json", "digits/sra-repro-digits-1.zip"),
    ],
)
def test_right_names_are_let_through(path):
    refuse_wrong_file(plan(), f"results/{path}")


def test_what_lies_elsewhere_is_left_to_snakemake():
    refuse_wrong_file(plan(), "downloads/digts/report.html")
    refuse_wrong_file(plan(), "/data/results/x")


# The command line itself


@pytest.mark.parametrize(
    ("words", "targets"),
    [
        (["table_1", "-n", "--quiet", "host"], ("table_1",)),
        (["--config", "seeds=3", "--", "figure_T2I", "Table 1"], ("figure_T2I", "Table 1")),
        (["--report", "results/x.html", "--cores", "2"], ()),
        (["--forcerun", "figure_2", "--cores", "2"], ()),
    ],
)
def test_targets_are_read_as_snakemake_reads_them(words, targets, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["/usr/lib/snakemake/__main__.py", *words])
    settings = SimpleNamespace(config={"seeds": 3}, configfiles=[tmp_path / "mine.yaml"])
    workflow = SimpleNamespace(configfiles=[*settings.configfiles, "config/config.yaml"], config_settings=settings, is_main_process=True)
    typed = Typed.of(workflow, get_argument_parser)
    assert typed == Typed(targets, {"seeds": 3}, ("config/config.yaml", "mine.yaml"))
    workflow.is_main_process = False
    assert Typed.of(workflow, get_argument_parser).targets == ()
    monkeypatch.setattr("sys.argv", ["/usr/bin/pytest", "table_1"])
    workflow.is_main_process = True
    assert Typed.of(workflow, get_argument_parser).targets == ()


def test_a_key_is_blamed_on_what_has_it_and_wins(tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("sede: 1\npaths: {downlods: a}\n", encoding="utf-8")
    second.write_text("paths: {imagnet: b}\n", encoding="utf-8")
    typed = Typed(config={"paths": {"coco": "c"}, "seeds": [0, "x"]}, files=(str(first), str(second)))
    assert typed.place_of(("sede",)) == str(first)
    assert typed.place_of(("paths", "downlods")) == str(first)
    assert typed.place_of(("paths", "imagnet")) == str(second)
    assert typed.place_of(("paths", "coco")) == typed.place_of(("seeds", 1)) == "--config"
    assert typed.place_of(("nowhere",)) == f"{second} or --config"
