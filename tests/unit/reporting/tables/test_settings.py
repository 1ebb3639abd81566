"""Printed settings beside ours: when they are the same, where ours come from, and what is refused."""

import csv
import io
import re
from html.parser import HTMLParser

import pytest
import yaml
from report_samples import TEMPLATES

from sra.content.catalogue import Catalogue
from sra.content.required import required_by_table
from sra.content.tables import TableSpec
from sra.core.errors import InputError
from sra.core.files import read_json
from sra.reporting.documents import TableDocument
from sra.reporting.tables.render import render_table
from sra.reporting.tables.settings import READERS, same_setting
from sra.spec.load import checked
from sra.spec.scale import Latent, Width


@pytest.mark.parametrize(
    ("printed", "ours"),
    [
        ("0.0001", "1e-4"),
        ("256", "256.0"),
        ("32x32x4", "32 × 32 × 4"),
        ("(0.9, 0.999)", "( 0.90,0.999 )"),
        ("3->8", "3 → 8"),
        ("smooth-l1", "Smooth L1"),
        ("smooth-l1", "smooth_l1"),
        ("AdamW", "adamw"),
        ("Euler\u2013Maruyama", "Euler-Maruyama"),
        ("1\u2212t", "1 - t"),
        ("1.8 (if used)", "1.8"),
        ("-", "\u2014"),
        ("sigma_t", "sigma t"),
    ],
)
def test_what_says_the_same_is_the_same(printed, ours):
    assert same_setting(printed, ours)
    assert same_setting(ours, printed)


@pytest.mark.parametrize(
    ("printed", "ours"),
    [
        ("0.999", "0.9999"),
        ("[0,0.2)", "[0, 0.2]"),
        ("[0,200)", "floor([0,200))"),
        ("32x32x4", "32 × 4 × 32"),
        ("3->8", "8 → 3"),
        ("1-t", "1+t"),
        ("smooth-l1", "smooth-l2"),
        ("smooth-l1", "l1"),
        ("AdamW", "Adam"),
        ("-", "0"),
        ("1.8 (if used)", "1.5"),
        ("sigma(t)", "sigma"),
        ("12", "1 2"),
    ],
)
def test_what_says_something_else_differs(printed, ours):
    assert not same_setting(printed, ours)
    assert not same_setting(ours, printed)


RECIPES = {
    "sit": {
        "family": "sit",
        "source": "a paper",
        "process": {"kind": "flow"},
        "methods": {"sra": {"sizes": {"B": {"student_block": 3, "teacher_block": 8}}}, "repa": {"sizes": {"B": {"block": 4}}}},
    },
    "dit": {
        "family": "dit",
        "source": "a paper",
        "process": {"kind": "ddpm", "timesteps": 500},
        "methods": {"sra": {"sizes": {"B": {"student_block": 2, "teacher_block": 7}}}, "repa": {"sizes": {"B": {"block": 4}}}},
    },
}
EXPERIMENTS = {
    "flow": {"recipe": "sit", "model": "SiT-B/2", "milestones": ["m400k"], "runs": {"base": {"method": "none"}, "ours": {"method": "sra"}}},
    "chain": {"recipe": "dit", "model": "DiT-B/4", "milestones": ["m400k"], "runs": {"chain": {"method": "sra", "max_interval": 0.4}}},
}
SAMPLERS = {
    "samplers": {
        "sde": {"kind": "sde", "evaluations": 250},
        "guided": {"kind": "sde", "evaluations": 250, "guidance": {"scale": 1.8}},
        "ddpm": {"kind": "ddpm", "evaluations": 100},
    }
}
FLOW = {"label": "Flow", "run": "ours", "sampler": "sde", "guided": "guided", "published": "table_9/flow"}
CHAIN = {"label": "Chain", "run": "chain", "sampler": "ddpm", "published": "table_9/chain"}
LAYERS = {"label": "Layers", "setting": "layers"}
DECAY = {"label": "Decay", "setting": "ema_decay"}


@pytest.fixture
def make(tmp_path, comparable, preset):
    """make(printed, lines, ...) -> document. printed: rows `model,setting,value` of the published settings. changes: {file of config: edit}."""
    comparable = comparable.model_copy(update={"evaluations": {}, "latent": Latent(channels=4, size=32), "paper_steps_per_step": 1, "batch": 256})
    small = preset.model_copy(update={"models": {"B": Width(depth=6, width=48, heads=3)}, "evaluations": {250: 25}})

    def call(printed, lines, models=(FLOW, CHAIN), preset_id="paper", edit=None, **of_table):
        files = {f"recipes/{name}": recipe for name, recipe in RECIPES.items()}
        files |= {f"experiments/{name}": experiment for name, experiment in EXPERIMENTS.items()}
        files |= {"samplers": SAMPLERS, "presets/paper": comparable.model_dump(mode="json"), "presets/small": small.model_dump(mode="json")}
        files = yaml.safe_load(yaml.safe_dump(files))
        if edit:
            edit(files)
        for name, content in files.items():
            path = tmp_path / "config" / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(content))
        folder = tmp_path / "report/published"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "table_9.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["key", "metric", "value", "unit", "source", "confidence"])
            writer.writerows([f"table_9/{model}", setting, value, "text", "a paper, Table 9", "exact"] for model, setting, value in printed)
        compared = {"models": list(models), "lines": lines}
        table = {"kind": "settings", "id": "table_9", "title": "Settings", "paper": "a paper", "compared": compared} | of_table
        registry = Catalogue(tmp_path, preset_id)
        return render_table(checked(table, TableSpec, "table_9"), [], folder, preset_id, registry.preset, tmp_path / "out" / preset_id, TEMPLATES)

    return call


def ours_of(make, setting, flow, chain, **given):
    """Ours of both models when that is what is printed."""
    document = make([("flow", setting, flow), ("chain", setting, chain)], [{"label": "It", "setting": setting}], **given)
    return [cell.ours for cell in document.settings.lines[0].cells]


@pytest.mark.parametrize(
    ("setting", "flow", "chain"),
    [
        ("input_dimension", "32 × 32 × 4", "32 × 32 × 4"),
        ("patch_size", "2", "4"),
        ("layers", "12", "12"),
        ("width", "768", "768"),
        ("heads", "12", "12"),
        ("blocks", "3 → 8", "2 → 7"),
        ("time_interval", "[0, 0.2)", "floor([0, 200))"),
        ("distance", "smooth l1", "smooth l1"),
        ("ema_decay", "0.9999", "0.9999"),
        ("projection_head", "yes", "yes"),
        ("batch_size", "256", "256"),
        ("optimizer", "AdamW", "AdamW"),
        ("learning_rate", "0.0001", "0.0001"),
        ("betas", "(0.9, 0.999)", "(0.9, 0.999)"),
        ("alpha_t", "1 - t", "\u2014"),
        ("sigma_t", "t", "\u2014"),
        ("w_t", "sigma_t", "\u2014"),
        ("timesteps", "\u2014", "500"),
        ("prediction", "v-prediction", "noise-prediction"),
        ("sampler", "Euler-Maruyama", "DDPM"),
        ("sampling_steps", "250", "100"),
        ("guidance_scale", "1.8", "\u2014"),
    ],
)
def test_each_setting_is_read_from_the_configuration(make, setting, flow, chain):
    assert ours_of(make, setting, flow, chain) == [flow, chain]


def test_no_setting_is_without_that_test():
    marks = test_each_setting_is_read_from_the_configuration.pytestmark
    assert [row[0] for row in marks[0].args[1]] == list(READERS)


@pytest.mark.parametrize(
    ("file", "key", "value", "setting", "after"),
    [
        ("presets/paper", "latent", {"channels": 3, "size": 16}, "input_dimension", "16 × 16 × 3"),
        ("presets/paper", "models", {"B": {"depth": 10, "width": 96, "heads": 4}}, "layers", "10"),
        ("presets/paper", "models", {"B": {"depth": 12, "width": 96, "heads": 4}}, "width", "96"),
        ("presets/paper", "models", {"B": {"depth": 12, "width": 96, "heads": 4}}, "heads", "4"),
        ("recipes/sit", "methods", {"sra": {"sizes": {"B": {"student_block": 4, "teacher_block": 9}}}}, "blocks", "4 → 9"),
        ("presets/paper", "batch", 512, "batch_size", "512"),
        ("recipes/sit", "optimizer", {"learning_rate": 0.0002}, "learning_rate", "0.0002"),
        ("recipes/sit", "optimizer", {"betas": [0.9, 0.95]}, "betas", "(0.9, 0.95)"),
        ("recipes/sit", "ema", {"rule": "constant", "decay": 0.99}, "ema_decay", "0.99"),
        ("recipes/sit", "ema", {"rule": "ramp", "start": 0.996, "end": 1.0}, "ema_decay", "0.996 to 1"),
        ("experiments/flow", "runs", {"base": {"method": "none"}, "ours": {"method": "sra", "max_interval": 0.3}}, "time_interval", "[0, 0.3)"),
        ("experiments/flow", "runs", {"ours": {"method": "sra", "interval": "fixed", "max_interval": 0.1}}, "time_interval", "0.1"),
        ("experiments/flow", "runs", {"ours": {"method": "sra", "distance": "cosine"}}, "distance", "cosine"),
        ("experiments/flow", "runs", {"ours": {"method": "sra", "head": "none"}}, "projection_head", "no"),
        ("experiments/flow", "model", "SiT-B/4", "patch_size", "4"),
        ("samplers", "samplers", {name: {"kind": "ode_heun", "evaluations": 50} for name in ("sde", "guided")}, "sampler", "Heun"),
        ("samplers", "samplers", {name: {"kind": "ode_heun", "evaluations": 50} for name in ("sde", "guided")}, "w_t", "\u2014"),
        ("samplers", "samplers", {name: {"kind": "ode_euler", "evaluations": 50} for name in ("sde", "guided")}, "sampler", "Euler"),
    ],
)
def test_a_change_of_the_configuration_is_a_change_of_ours(make, file, key, value, setting, after):
    def edit(files):
        files[file][key] = value

    assert ours_of(make, setting, after, "-", models=(FLOW,), edit=edit) == [after]


def test_a_difference_needs_an_explanation_and_an_agreement_none(make):
    printed = [("flow", "layers", "12"), ("chain", "layers", "14")]
    with pytest.raises(InputError, match=r"table_9, setting 'Layers', Chain: '14' is printed and ours is '12'; explain it under differences"):
        make(printed, [LAYERS])
    with pytest.raises(InputError, match=r"table_9, setting 'Layers', Flow: '12' is printed and ours is the same; take it out of differences"):
        make(printed, [LAYERS | {"differences": [{"why": "a slip"}]}])
    document = make(printed, [LAYERS | {"differences": [{"why": "a slip", "models": ["Chain"]}]}])
    assert [(cell.same, cell.mark) for cell in document.settings.lines[0].cells] == [(True, ""), (False, "a")]
    assert [(note.mark, note.text) for note in document.notes] == [("a", "a slip")]
    assert "Of 2 settings 1 are the same and 1 differ." in document.conditions


def test_one_reason_for_many_cells_is_one_note(make):
    printed = [(model, setting, "0.5") for model in ("flow", "chain") for setting in ("ema_decay", "in_the_text", "layers")]
    lines = [DECAY, DECAY | {"label": "Decay, text", "printed": "in_the_text"}, LAYERS]
    lines = [line | {"differences": [{"why": "a slip" if "Decay" in line["label"] else "another"}]} for line in lines]
    document = make(printed, lines)
    assert [[cell.mark for cell in line.cells] for line in document.settings.lines] == [["a", "a"], ["a", "a"], ["b", "b"]]
    assert [line.setting for line in document.settings.lines] == ["ema_decay", "in_the_text", "layers"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"lines": [LAYERS | {"printed": "layer"}]}, r"setting 'Layers', Flow: unknown printed setting 'layer'; did you mean 'layers'"),
        ({"lines": [LAYERS | {"differences": [{"why": "x", "models": ["Flo"]}]}]}, r"differences: unknown model 'Flo'; did you mean 'Flow'"),
        ({"lines": [LAYERS | {"differences": [{"why": "x"}, {"why": "y", "models": ["Flow"]}]}]}, "Flow is explained twice"),
        ({"lines": [LAYERS | {"setting": "depth"}]}, "compared.lines.0.setting"),
        ({"models": [FLOW | {"run": "base"}]}, "table_9, model Flow: run base has method none; name a run of method sra"),
        ({"models": [FLOW | {"run": "our"}]}, "unknown run 'our'; did you mean 'ours'"),
        ({"models": [FLOW | {"sampler": "sd"}]}, "unknown sampler 'sd'"),
        ({"models": [FLOW | {"published": "table_9/flo"}]}, "table_9, model Flow: unknown key of printed settings 'table_9/flo'"),
        ({"compared": None}, "a table of settings needs compared"),
        ({"rows": [{"label": "A"}]}, "a table of settings has no rows"),
        ({"kind": "scores"}, "a table of scores needs columns"),
    ],
)
def test_mistakes_are_named(make, change, complaint):
    with pytest.raises(InputError, match=complaint):
        make(**{"printed": [("flow", "layers", "12"), ("chain", "layers", "12")], "lines": [LAYERS]} | change)


def test_ours_is_the_papers_scale_at_every_preset_and_a_note_says_what_this_one_changes(make):
    printed = [(model, name, value) for model in ("flow", "chain") for name, value in (("layers", "12"), ("ema_decay", "0.9999"))]
    lines = [LAYERS, DECAY, DECAY | {"label": "Decay, text", "printed": "in_the_text"}, {"label": "Blocks", "setting": "blocks"}]
    lines.append({"label": "Steps", "setting": "sampling_steps"})
    printed += [(model, "in_the_text", "0.9999") for model in ("flow", "chain")]
    printed += [("flow", "blocks", "3->8"), ("chain", "blocks", "2->7"), ("flow", "sampling_steps", "250"), ("chain", "sampling_steps", "100")]
    at_paper, small = make(printed, lines), make(printed, lines, preset_id="small")
    assert small.settings == at_paper.settings
    assert at_paper.notes == []
    decay = f"{0.9999**1000:.6g}"
    assert [note.text for note in small.notes] == [
        f"Flow at preset small: Layers 6; Decay {decay}; Blocks 2 → 4; Steps 25.",
        f"Chain at preset small: Layers 6; Decay {decay}; Blocks 1 → 4.",
    ]
    assert small.band is None  # what is compared is the paper's scale


class Rows(HTMLParser):
    """The cells' texts by row; tags must close in order and none may be unknown to a table."""

    KNOWN = {"figure", "figcaption", "strong", "div", "table", "thead", "tbody", "tr", "th", "td", "span", "sup", "ul", "li"}

    def __init__(self, text):
        super().__init__()
        self.rows, self.open = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert tag in self.KNOWN
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


@pytest.fixture
def rendered(make, tmp_path):
    printed = [
        ("flow", "layers", "12"),
        ("chain", "layers", "14"),
        ("flow", "time_interval", "[0,0.2)"),
        ("chain", "time_interval", "floor([0,200))"),
    ]
    lines = [LAYERS | {"group": "Size", "differences": [{"why": "a slip", "models": ["Chain"]}]}, {"label": "Interval", "setting": "time_interval"}]
    document = make(printed, lines, notes=["A remark."])
    return document, {kind: (tmp_path / f"out/paper/table_9.{kind}").read_text() for kind in ("csv", "html", "md", "tex")}


def test_every_format_says_paper_ours_and_whether_they_agree(rendered, tmp_path):
    document, texts = rendered
    assert TableDocument.model_validate(read_json(tmp_path / "out/paper/table_9.json")) == document
    records = list(csv.DictReader(io.StringIO(texts["csv"])))
    assert [(line["model"], line["published"], line["ours"], line["same"], line["reason"]) for line in records] == [
        ("Flow", "12", "12", "yes", ""),
        ("Chain", "14", "12", "no", "a slip"),
        ("Flow", "[0,0.2)", "[0, 0.2)", "yes", ""),
        ("Chain", "floor([0,200))", "floor([0, 200))", "yes", ""),
    ]
    assert {line["source"] for line in records} == {"a paper, Table 9 (exact)"}
    assert "| Layers | 12 | = 12 | 14 | ≠ 12<sup>a</sup> |" in texts["md"]
    assert "Layers & 12 = & 14 $\\neq$ 12\\textsuperscript{a} \\\\" in texts["tex"]
    assert ["Layers", "12", "= 12", "14", "≠ 12a"] in Rows(texts["html"]).rows
    for kind in ("html", "md", "tex"):
        assert "a slip" in texts[kind]
        assert "A remark." in texts[kind]
        assert "Size" in texts[kind]


def test_markdown_rows_have_one_width_and_tex_three_models_abreast(make, tmp_path):
    models = [FLOW | {"label": f"M{place}"} for place in range(5)]
    make([("flow", "layers", "12")], [LAYERS], models=models)
    lines = [line for line in (tmp_path / "out/paper/table_9.md").read_text().splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {12}
    tex = (tmp_path / "out/paper/table_9.tex").read_text()
    assert re.findall(r"\\begin{tabular}{(\w+)}", tex) == ["llll", "lll"]
    assert [name in tex for name in ("M0", "M4")] == [True, True]
    assert tex.count("\\end{tabular}") == 2


def test_hostile_settings_stay_text(make, tmp_path, hostile):
    models = [FLOW | {"label": hostile}]
    lines = [LAYERS | {"label": hostile, "group": hostile, "differences": [{"why": hostile}]}]
    make([("flow", "layers", hostile)], lines, models=models, title=hostile, notes=[hostile])
    texts = {kind: (tmp_path / f"out/paper/table_9.{kind}").read_text() for kind in ("html", "md", "tex")}
    Rows(texts["html"])
    assert "<img" not in texts["md"]
    rows = [line for line in texts["md"].splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in rows}) == 1
    row = next(line for line in texts["tex"].splitlines() if line.count("onerror") == 2 and "neq" in line)
    label, cell = re.split(r"(?<!\\)&", row)
    for part in (label, cell.replace("$\\neq$", "")):
        assert not re.search(r"(?<!\\)[$%#_]", part)
    depth = 0
    for character in re.sub(r"\\[{}\\]", "", texts["tex"]):
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0


@pytest.fixture
def table_5(root, tmp_path):
    """table_5(preset) -> the real table."""

    def call(preset_id):
        registry = Catalogue(root, preset_id)
        table = registry.tables["table_5"]
        assert required_by_table(table, registry) == []
        return render_table(table, [], root / "report/published", preset_id, registry.preset, tmp_path / preset_id, TEMPLATES)

    return call


def test_table_5_shows_every_printed_setting_and_only_the_decay_differs(root, table_5, tmp_path):
    document = table_5("digits")
    with (root / "report/published/table_5.csv").open(newline="") as file:
        printed = [(row["metric"], row["key"].rpartition("/")[2], row["value"]) for row in csv.DictReader(file)]
    names = [model.label.lower().replace("-", "_") for model in document.settings.models]
    shown = [(line.setting, name, cell.published) for line in document.settings.lines for name, cell in zip(names, line.cells, strict=True)]
    assert sorted(shown) == sorted(printed)
    assert len(shown) == 23 * 6
    differing = {(line.setting, cell.published, cell.ours) for line in document.settings.lines for cell in line.cells if not cell.same}
    assert [setting for setting, _, _ in differing] == ["ema_decay"]
    markdown = (tmp_path / "digits/table_5.md").read_text()
    unescaped = markdown.replace("\\", "").replace("&gt;", ">")
    assert all(f"| {value} |" in unescaped for _, _, value in printed)


def test_table_5_is_the_same_at_every_preset_but_for_what_the_preset_changes(table_5):
    digits, paper = table_5("digits"), table_5("paper")
    assert digits.settings == paper.settings
    assert digits.conditions == paper.conditions
    changes = [note.text for note in digits.notes if note not in paper.notes]
    assert [text.partition(" at preset digits: ")[0] for text in changes] == [model.label for model in digits.settings.models]
    assert all("Learning rate 0.008" in text and "Input 8 × 8 × 4" in text for text in changes)


def test_the_settings_of_table_5_do_not_hide_in_its_file(root):
    """No printed value of Table 5 stands in its YAML, apart from the interval that a note speaks of."""
    text = (root / "report/tables/table_5.yaml").read_text()
    assert not re.search(r"0\.999|1\.8|\b(768|1024|1152|256|1000)\b|smooth|Euler", text)
