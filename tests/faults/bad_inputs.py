"""The table of bad inputs (bad_inputs.txt) as data, and the files that no line of text can hold."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from faults.input_house import SAMPLES, png
from PIL import Image

TABLE = Path(__file__).with_suffix(".txt")

# What commands of the table have in common.
TO_TRAIN = "--until 2 --state s.safetensors --curve c.jsonl --device cpu"
SCORE = "--reference HOUSE/reference.npz --extractor HOUSE/extractor --allow-count --device cpu"
PIECES = {
    "TRAIN": f"train HOUSE/sit_b2/config.json --latents HOUSE/latents/store.json {TO_TRAIN}",
    "TO_TRAIN": TO_TRAIN,
    "SAMPLE": "sample HOUSE/sit_b2/config.json --weights HOUSE/weights.safetensors --vae nowhere --count 4 --shard 0 --shards 1 --batch 2 --output o",
    "SDE": """--sampler '{"kind": "sde", "evaluations": 4}' --device cpu""",
    "LOOK": "HOUSE/sit_b2/config.json --weights HOUSE/weights.safetensors --latents HOUSE/latents/store.json --milestone m400k --device cpu",
    "SCORED": f"score HOUSE/samples.npz {SCORE}",
    "SCORE": SCORE,
    "LONG": "x" * 300,
}


@dataclass(frozen=True)
class Edit:
    """One change in a file of the repository."""

    old: str
    new: str


@dataclass
class Bad:
    """One row. says: regular expression of the line that is printed.  by_parser: whether it is the parser of arguments that prints it."""

    fault: str
    files: dict[str, bytes | Edit] = field(default_factory=dict)
    command: str = ""
    says: str = ""
    by_parser: bool = False
    code: int = 2

    @property
    def name(self) -> str:
        return f"{' '.join(self.command.split()[:2])}: {self.fault}"


def read_table(path: Path = TABLE) -> Iterator[Bad]:
    """The rows; they stand between empty lines, after the explanation and under headings that begin with #."""
    for block in path.read_text(encoding="utf-8").split("\n\n")[2:]:
        fault, *lines = [line for line in block.splitlines() if not line.startswith("# ")] or [""]
        if not lines:
            continue
        row = Bad(fault)
        for line in lines:
            _read_line(row, line)
        yield row


def _read_line(row: Bad, line: str) -> None:
    if line.startswith("$ "):
        row.command = re.sub(r"\b[A-Z_]+\b", lambda word: PIECES.get(word[0], word[0]), line[2:])
    elif line.startswith("~ "):
        name, old, new = re.fullmatch(r"~ (\S+): (.+) => (.+)", line).groups()
        row.files[name] = Edit(old, new)
    elif found := re.fullmatch(r"\+ (\S+) = (.+)", line):
        row.files[found[1]] = MADE[found[2]]
    elif found := re.fullmatch(r"\+ (\S+): ?(.*)", line):
        row.files[found[1]] = found[2].replace(r"\n", "\n").encode()
    elif found := re.fullmatch(r"(e|E)rror: (.+)", line):
        row.by_parser = found[1] == "E"
        row.says = re.sub(r"\b[A-Z_]+\b", lambda word: PIECES.get(word[0], word[0]), re.escape(found[2])).replace(r"\.\.\.", ".*")
    else:
        row.code = int(re.fullmatch(r"\[(\d+)\]", line)[1])


def npz(**arrays: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def jpeg() -> bytes:
    content = io.BytesIO()
    Image.fromarray(images(1)[0]).save(content, "JPEG")
    return content.getvalue()


def images(count: int = SAMPLES, side: int = 32, channels: int = 3, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (count, side, side, channels)).astype(dtype)


def anchors(lists: int) -> bytes:
    """YAML of lists, each of which is eight times the one before."""
    each = (f"&a{number} [{', '.join([f'*a{number - 1}'] * 8)}]" for number in range(1, lists))
    return f"samplers: [&a0 [1], {', '.join(each)}]".encode()


MADE = {
    "brackets": b"[" * 200_000,
    "anchors": anchors(60),
    "a long number": b"1" * 5000,
    "noise": bytes(range(256)) * 4,
    "half a zip": b"PK\x03\x04" + bytes(20),
    "an image": png(),
    "a JPEG": jpeg(),
    "a small image": png(0, (16, 16)),
    "images and a mean": npz(arr_0=images(), mu=np.zeros(4)),
    "real and generated images": npz(real=images(), fake=images()),
    "images as floats": npz(arr_0=images(dtype="float64")),
    "grey images": npz(arr_0=images(channels=1)),
    "small images": npz(arr_0=images(side=16)),
    "images with a label below zero": npz(arr_0=images(), labels=np.full(SAMPLES, -1)),
    "images with a label beyond all classes": npz(arr_0=images(), labels=np.full(SAMPLES, 2**40)),
    "one image many times": npz(arr_0=images(1).repeat(SAMPLES, 0)),
    "statistics that are NaN": npz(mu=np.full(4, np.nan), sigma=np.eye(4), mu_s=np.zeros(4), sigma_s=np.eye(4), arr_0=images()),
}
BAD_INPUTS = tuple(read_table())
