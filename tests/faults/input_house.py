"""One good file of each kind that a command reads, made in seconds, and a way to call commands on them in this process."""

import io
import re
import shlex
import sys
import tarfile
import traceback
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image
from random_coco import write_random_coco
from safetensors.torch import save_file

from sra import commands
from sra.commands.index import index as index_images
from sra.core.npz import write_npz
from sra.core.receipts import write_receipt
from sra.data.captions import write_caption_index
from sra.metrics.reference import Reference
from sra.metrics.small_extractor import WEIGHTS_FILE, SmallExtractor, SmallNetwork
from sra.metrics.suite import extract
from sra.models.build import empty_model
from sra.spec.run import RunSpec, write_run
from sra.spec.samplers import SdeSampler

SAMPLES = 40
PROGRESS = re.compile(r": \d+/\d+ \w+(, starting|  [\d.]+/s.*)$")


@dataclass(frozen=True)
class Answer:
    """What a command left: exit code, what it printed to stderr and stdout, and the traceback that ended it, if one did."""

    code: int
    errors: str
    printed: str
    crash: str = ""

    @property
    def complaint(self) -> list[str]:
        """Lines of stderr but those of progress."""
        return [line for line in self.errors.splitlines() if line and not PROGRESS.search(line)]


def call(arguments: str | list[str]) -> Answer:
    """`sra ARGUMENTS` in this process and its folder. arguments: as typed in a shell, or word by word."""
    words = shlex.split(arguments) if isinstance(arguments, str) else list(map(str, arguments))
    errors, printed, code, crash = io.StringIO(), io.StringIO(), 0, ""
    with mock.patch.object(sys, "argv", ["sra", *words]), redirect_stderr(errors), redirect_stdout(printed):
        try:
            commands.main()
        except SystemExit as stop:
            code = stop.code or 0
        except Exception:
            code, crash = 1, traceback.format_exc()
    return Answer(code, errors.getvalue(), printed.getvalue(), crash)


def png(value: int = 0, size: tuple[int, int] = (32, 32)) -> bytes:
    """An image of two halves."""
    pixels = np.full((*size, 3), value, np.uint8)
    pixels[:, size[1] // 2 :] = 255 - value
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def build_house(folder: Path, stores: Path, specs: dict[str, RunSpec]) -> Path:
    """Write the files. stores: folder of latents and features.  specs: runs by name, each as NAME/config.json."""
    for name, spec in specs.items():
        write_run(folder / name / "config.json", spec)
    for kind in ("latents", "features"):
        (folder / kind).symlink_to(stores / kind)
    with zipfile.ZipFile(folder / "images.zip", "w") as archive, tarfile.open(folder / "images.tar", "w") as tar:
        for number in range(8):
            name, content = f"train/{number % 2}/{number}.png", png(20 * number)
            archive.writestr(name, content)
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    write_random_coco(folder / "coco", {"train": 3, "val": 2})
    with redirect_stderr(io.StringIO()):
        index_images(folder / "images.zip", 32, folder / "index.json")
        write_caption_index(folder / "coco", folder / "captions.json", 32, {"train": 3, "val": 2})
        _write_for_scores(folder)
    _write_networks(folder, specs["sit_b2"])
    return folder


def _write_networks(folder: Path, spec: RunSpec) -> None:
    """Weights of the run as `sra export` leaves them, and a shard of samples drawn from them."""
    network = empty_model(spec.model)
    save_file({name: torch.zeros_like(tensor) for name, tensor in network.state_dict().items()}, folder / "weights.safetensors")
    facts = {"run": spec.run, "fingerprint": spec.fingerprint, "step": 1}
    write_receipt(folder / "weights.safetensors", "weights", **facts)
    write_npz(folder / "shard.npz", {"arr_0": np.arange(5 * 48, dtype=np.uint8).reshape(5, 4, 4, 3), "labels": np.arange(5)})
    facts |= {"preset": "digits", "sampler": SdeSampler(evaluations=4).model_dump(mode="json"), "count": 5, "first": 0, "stride": 1}
    facts |= {"rows": 5, "shard": 0, "shards": 1, "vae_scaling_factor": 1.0, "precision": "fp32", "device": "cpu"}
    write_receipt(folder / "shard.npz", "sample shard", {"weights": folder / "weights.safetensors"}, **facts)


def _write_for_scores(folder: Path) -> None:
    """An extractor of random weights, a reference and samples."""
    torch.manual_seed(0)
    extractor = SmallExtractor(SmallNetwork(5))
    extractor.save(folder / "extractor")
    write_receipt(folder / "extractor" / WEIGHTS_FILE, "extractor", name=extractor.name)
    real, drawn = (np.random.default_rng(seed).integers(0, 256, (SAMPLES, 32, 32, 3)).astype(np.uint8) for seed in (0, 1))
    features = extract(real, extractor, SAMPLES, "real")
    Reference(features.pooled_statistics, features.spatial_statistics, real).write(folder / "reference.npz")
    np.savez(folder / "samples.npz", arr_0=drawn)
