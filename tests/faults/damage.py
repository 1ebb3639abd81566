"""One small chain of commands from images to a table, each to be run on damaged input or on a full disk, and what may become of it."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from multiprocessing.connection import Connection
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from checkout import Checkout
from faults.input_house import Answer, call, png

from sra.core.receipts import receipt_path, write_receipt
from sra.data.store import shard_path, write_manifest, write_shard
from sra.encoders import vae as vaes
from sra.metrics.small_extractor import WEIGHTS_FILE, SmallExtractor, SmallNetwork
from sra.spec.run import RunSpec, write_run
from sra.spec.samplers import SdeSampler

IMAGES, SAMPLES = 60, 40
SAMPLER = SdeSampler(evaluations=4).model_dump_json()
PROBE = json.dumps({"epochs": 1, "batch": 16, "learning_rate": 0.1, "held_out": 20, "seed": 0})
SCORE = "results/digits/scores/sit_b2_sra/m400k/sde250/n50000.json"
VAE = f"vae/{vaes.WEIGHTS}"
EXTRACTOR = f"extractor/{WEIGHTS_FILE}"
SHARD, STORE = "latents/latents_000_of_001.npy", "latents/store.json"
TWIN = "sit_b2_sra_w01"
RUN = "results/digits/runs/sit_b2_sra"
CONFIG, STATE, WEIGHTS = f"{RUN}/config.json", f"{RUN}/state/a.safetensors", f"{RUN}/weights.safetensors"
DRAWN = "results/digits/samples/sit_b2_sra/m400k/sde250/n50000"
PROBED = "results/digits/probes/sit_b2_sra/m400k/t500.json"
COMPONENTS, COST = "results/digits/pca/sit_b2_sra/m400k.npz", "results/digits/costs/sit_b2_sra.json"
DRAWN_SHARD, SAMPLES_PACK = f"{DRAWN}/shard_000_of_001.npz", f"{DRAWN}/samples.npz"
TABLE = """
id: table_s9
title: one row
paper: none
columns: [{metric: fid, better: lower, format: ".2f"}]
score: {milestone: m400k, sampler: sde250, samples: 50000}
rows: [{label: SRA, run: sit_b2_sra}]
"""
COSTS = """
kind: costs
id: table_s8
title: one row
paper: none
costs: [{cost: epoch_time, format: ".3f"}]
rows: [{label: SRA, run: sit_b2_sra}]
"""
FIGURE = """
id: figure_{id}
title: one run
paper: none
caption: one run
kind: {kind}
"""
INSIDE = "run: sit_b2_sra, milestones: [m400k]"
SHOWN = {
    "table_s9": TABLE,
    "table_s8": COSTS,
    "figure_s7": FIGURE.format(id="s7", kind="probes") + f"x: block\nlines: [{{method: sra, label: SRA, {INSIDE}, times: [0.5], blocks: [3]}}]\n",
    "figure_s8": FIGURE.format(id="s8", kind="features") + f"image_class: 1\ntimes: [0.5]\nblocks: [3]\nmodels: [{{{INSIDE}}}]\n",
    "figure_s9": FIGURE.format(id="s9", kind="grid")
    + "score: {milestone: m400k, sampler: sde250, samples: 50000}\nruns: [{method: sra, run: sit_b2_sra}]\nclasses: [1]\nper_class: 2\n",
}


@dataclass(frozen=True)
class Step:
    """One command. arguments: as typed, `{out}` for the file that it writes.  reads: the files that a fault may strike."""

    name: str
    arguments: str
    output: str
    reads: tuple[str, ...]

    @property
    def movable(self) -> bool:
        """Whether it writes where it is told to."""
        return "{out}" in self.arguments

    def run(self, output: str | Path | None = None) -> Answer:
        """In the chain's folder, into another place if one is given."""
        return call(self.arguments.replace("{out}", str(output or self.output)).replace("{folder}", str(Path(output or self.output).parent)))


def _train(config: str, until: int, more: str = "") -> str:
    return f"train {config} --latents {STORE} --until {until} --state {{out}} --curve {{folder}}/{until}.jsonl --device cpu {more}"


def _shown(name: str, reads: tuple[str, ...]) -> Step:
    """A table or figure."""
    kind = name.partition("_")[0]
    return Step(name, f"{kind} {name} --preset digits", f"results/digits/{kind}s/{name}.json", reads)


PAGES = [f"results/digits/{name.partition('_')[0]}s/{name}.json" for name in SHOWN]
LOOKED_INTO = f"{CONFIG} --weights {WEIGHTS} --latents {STORE} --milestone m400k"
STEPS = {
    step.name: step
    for step in (
        Step("index", "index --images images.zip --image-size 32 --output {out}", "index.json", ("images.zip",)),
        Step("latents", "extract-latents --index index.json --vae vae --shard 0 --shards 1 --output {out}", SHARD, ("index.json", "images.zip", VAE)),
        Step("pixels", "pack-images --index index.json --shard 0 --shards 1 --output {out}", "pixels/pixels_000_of_001.npy", ("index.json",)),
        Step("store", f"finish-latents --index index.json --vae vae --output {STORE} {SHARD}", STORE, (SHARD, "index.json")),
        Step("train", _train(CONFIG, 10), STATE, (CONFIG, STORE, SHARD, "latents/labels.npy", "latents/checksums.npy")),
        Step("train on", _train(CONFIG, 20, f"--previous {STATE}"), f"{RUN}/state/b.safetensors", (STATE,)),
        Step(
            "train REPA",
            _train("repa/config.json", 2, "--features features/store.json"),
            "repa/state/a.safetensors",
            ("features/store.json", "features/features_000_of_001.npy"),
        ),
        Step(
            "train on captions",
            _train("mmdit/config.json", 2, "--text text/store.json"),
            "mmdit/state/a.safetensors",
            ("text/store.json", "text/text_000_of_001.npy"),
        ),
        Step("export", f"export {CONFIG} --state {STATE} --output {{out}}", WEIGHTS, (STATE, CONFIG)),
        Step(
            "sample",
            f"sample {CONFIG} --weights {WEIGHTS} --vae vae --sampler '{SAMPLER}' --count {SAMPLES} --shard 0 --shards 1 --batch 20 "
            "--device cpu --output {out}",
            DRAWN_SHARD,
            (WEIGHTS, VAE, CONFIG),
        ),
        Step(
            "pack",
            f"pack --count {SAMPLES} --milestone m400k --sampler-name sde250 --paper-count 50000 --output {{out}} {DRAWN_SHARD}",
            SAMPLES_PACK,
            (DRAWN_SHARD,),
        ),
        Step(
            "reference",
            "make-reference --index index.json --extractor extractor --images 20 --device cpu --output {out}",
            "reference.npz",
            ("index.json", EXTRACTOR),
        ),
        Step(
            "reference features",
            "reference-features --reference reference.npz --extractor extractor --device cpu --output {out}",
            "reference.features.npz",
            ("reference.npz", EXTRACTOR),
        ),
        Step(
            "score",
            f"score {SAMPLES_PACK} --reference reference.npz --reference-features reference.features.npz --extractor extractor --device cpu "
            "--output {out}",
            SCORE,
            (SAMPLES_PACK, "reference.npz", "reference.features.npz", EXTRACTOR),
        ),
        Step("probe", f"probe {LOOKED_INTO} --time 0.5 --block 2 --training '{PROBE}' --device cpu --output {{out}}", PROBED, (WEIGHTS, SHARD)),
        Step(
            "components",
            f"pca {LOOKED_INTO} --index index.json --time 0.5 --block 2 --class 1 --device cpu --output {{out}}",
            COMPONENTS,
            (WEIGHTS, "images.zip"),
        ),
        Step("cost", f"measure {CONFIG} --latents {STORE} --warm-up 1 --blocks 1 --device cpu --output {{out}}", COST, (STORE,)),
        _shown("table_s9", (SCORE,)),
        _shown("table_s8", (COST,)),
        _shown("figure_s7", (PROBED,)),
        _shown("figure_s8", (COMPONENTS,)),
        _shown("figure_s9", (SAMPLES_PACK,)),
        Step("claims", "claims --preset digits", "results/digits/claims.json", (SCORE,)),
        Step("report", "report --preset digits", "results/digits/report.html", ("results/digits/claims.json", *PAGES)),
    )
}


def build_chain(folder: Path, new_spec: Callable[..., RunSpec]) -> Path:
    """Run every step once in `folder`, which becomes the working folder, and what makes a score for another run as well."""
    Checkout(folder).show_only(**SHOWN)
    os.chdir(folder)
    for name, spec in {RUN: new_spec(), "repa": new_spec("sit_xl2_repa_dinov2b"), "mmdit": new_spec("mmdit")}.items():
        write_run(folder / name / "config.json", spec)
    with redirect_stderr(StringIO()):
        _write_data(folder, new_spec("mmdit"))
    for name, step in STEPS.items():
        if name == "report":  # it tells of all that is there
            _build_twin(folder, new_spec(learning_rate=3e-4))
        answer = step.run()
        assert answer.code == 0, f"{step.name}: {answer}"
    return folder


def _write_data(folder: Path, captioned: RunSpec) -> None:
    """Images, networks of random weights, and stores of features and captions."""
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for number in range(IMAGES):
            archive.writestr(f"train/{number % 10}/{number:02d}.png", png(4 * number))
            archive.writestr(f"val/{number % 10}/{number:02d}.png", png(4 * number + 2))
    write_receipt(folder / "images.zip", "images")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vaes.small_network().save_pretrained(folder / "vae")
        SmallExtractor(SmallNetwork(10)).save(folder / "extractor")
    write_receipt(folder / VAE, "vae")
    write_receipt(folder / EXTRACTOR, "extractor")
    text, random = captioned.model.text, np.random.default_rng(0)
    of_captions = {"encoder_sha256": "e" * 64, "empty_row": IMAGES, "split": "train"}
    rows = {"features": ((IMAGES, 16, 12), np.arange(IMAGES) % 10, {}), "text": ((IMAGES + 1, text.tokens, text.width), _images(), of_captions)}
    for kind, (shape, labels, facts) in rows.items():
        shard = shard_path(folder / kind, kind, 0, 1)
        write_shard(shard, kind, range(shape[0]), [random.standard_normal(shape).astype(np.float32)], {})
        write_manifest(folder / kind / "store.json", kind, [shard], labels, {}, **facts)


def _images() -> np.ndarray:
    """The image of each caption, one each, and of the empty caption."""
    return np.append(np.arange(IMAGES), -1)


def twin_of(text: str | Path) -> str:
    """A path or command of the chain's run as one of its twin."""
    return str(text).replace("sit_b2_sra", TWIN)


def _build_twin(folder: Path, spec: RunSpec) -> None:
    """The steps from training on for another run, in its own place."""
    write_run(folder / twin_of(CONFIG), spec.model_copy(update={"run": TWIN}))
    for step in (STEPS[name] for name in ("train", "export", "sample", "pack", "score", "probe", "components", "cost")):
        answer = replace(step, arguments=twin_of(step.arguments), output=twin_of(step.output)).run()
        assert answer.code == 0, f"{step.name} of the twin: {answer}"


def _bring_twin(file: Path, receipt: bool = False) -> None:
    shutil.copyfile(twin_of(file), file)
    if receipt:
        shutil.copyfile(receipt_path(twin_of(file)), receipt_path(file))


def _flip(file: Path, share: float) -> None:
    whole = file.read_bytes()
    at = int(share * len(whole))
    # The last digit of a number is often more than a double holds: flipped, it says the same. The byte after it is then taken.
    flipped = next(content for content in (_flipped(whole, at), _flipped(whole, at + 1)) if not _says_the_same(file, content, whole))
    file.write_bytes(flipped)


def _flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def _says_the_same(file: Path, content: bytes, whole: bytes) -> bool:
    if file.suffix != ".json":
        return False
    try:
        return json.loads(content) == json.loads(whole)
    except ValueError:
        return False


def _cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


PLACES = (0.02, 0.31, 0.5, 0.77, 0.99)  # of a flipped bit, as shares of the file
# By name, what is done to a file: each way of it.
FAULTS: dict[str, tuple[Callable[[Path], None], ...]] = {
    "file truncated": (_cut,),
    "file, a bit flipped": tuple(partial(_flip, share=share) for share in PLACES),
    "file empty": (lambda file: os.truncate(file, 0),),
    "file missing": (Path.unlink,),
    "receipt truncated": (lambda file: _cut(receipt_path(file)),),
    "receipt, a bit flipped": tuple(lambda file, share=share: _flip(receipt_path(file), share) for share in PLACES),
    "receipt empty": (lambda file: os.truncate(receipt_path(file), 0),),
    "receipt missing": (lambda file: receipt_path(file).unlink(),),
    "another run's file": (_bring_twin,),
    "another run's file with its receipt": (partial(_bring_twin, receipt=True),),
}


def strikes(name: str, file: Path) -> bool:
    """Whether the fault can befall the file."""
    has_twin = twin_of(file) != str(file) and Path(twin_of(file)).exists()
    return ("another" not in name or has_twin) and ("receipt" not in name or receipt_path(file).exists())


@contextmanager
def damaged(fault: Callable[[Path], None], file: Path) -> Iterator[None]:
    """The file after the fault; whole again afterwards."""
    kept = {path: path.read_bytes() for path in (file, receipt_path(file)) if path.exists()}
    fault(file)
    try:
        yield
    finally:
        for path, content in kept.items():
            path.write_bytes(content)


LOOKS = tuple(f"sra.{place}.check_room" for place in ("core.files", "core.npz", "data.store", "training.state"))


def answer_without_looking(name: str, folder: Path, output: Path, answers: Connection) -> None:
    """The step as a process whose disk fills after it has asked how much room there is. Sends the Answer."""
    os.chdir(folder)
    with ExitStack() as stack:
        for look in LOOKS:
            stack.enter_context(mock.patch(look))
        answers.send(STEPS[name].run(output))


def errors_of(answer: Answer) -> list[str]:
    """What it complained of, without the images and warnings that are listed before the error."""
    return [line for line in answer.complaint if not line.startswith(("unreadable: ", "WARNING: "))]


@dataclass(frozen=True)
class Outcome:
    """named: it ended with one line that names the file.  harmless: it ended well, with the output of a whole input."""

    named: bool
    harmless: bool
    answer: Answer

    @property
    def held(self) -> bool:
        return self.named or self.harmless


def outcome_of(step: Step, file: Path, output: Path) -> Outcome:
    """Of the step into `output`, which nobody has written yet, while its input `file` is damaged."""
    written = Path(step.output)
    kept = {path: path.read_bytes() for path in written.parent.glob(f"{written.stem}.*")}  # a table or figure is written in several formats
    whole = kept[written]
    if not step.movable:
        output = written
        output.unlink()
    answer = step.run(output)
    found = output.read_bytes() if output.exists() else None
    for path, content in kept.items():
        path.write_bytes(content)
    names = any(name in answer.errors for name in (file.name, receipt_path(file).name))
    lines = errors_of(answer)
    one_line = len(lines) == 1 and lines[0].startswith("error: ")
    refused = answer.code in (1, 2) and not answer.crash and one_line and names and found is None
    return Outcome(refused, answer.code == 0 and found == whole, answer)
