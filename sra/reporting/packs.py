"""Sample packs as figures read them: a few images at named places, what was asked for there, and what to say where a pack is missing."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from sra.core.errors import InputError
from sra.core.receipts import recorded_sha256
from sra.reporting.commands import missing_remark
from sra.reporting.documents import SampleBlock
from sra.reporting.numbers import count_text, milestone_text
from sra.spec.display import SampleFigure, Series
from sra.spec.scale import Preset

Asked = Literal["labels", "captions"]
NO_SAMPLES = "no samples yet"


class SamplePack:
    """Images `arr_0` (N, H, W, C) uint8 of an npz file, and `labels` (N,) or `captions` (N,), UTF-8 in bytes of one width.

    Only the images asked for are read; nothing is unpickled.
    """

    def __init__(self, path: Path, asked: Asked = "labels"):
        self.path = path
        try:
            with np.load(path, allow_pickle=False) as pack:
                self.asked = pack[asked]
            with zipfile.ZipFile(path) as archive, archive.open("arr_0.npy") as member:
                self.shape, self.offset = _header(member, path)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: not a sample pack with arr_0 and {asked} ({error}); delete it and build it again") from None
        if len(self.asked) != len(self):
            raise InputError(f"{path}: {len(self)} images but {len(self.asked)} {asked}; delete it and build it again")
        if asked == "captions" and self.asked.dtype.kind != "S":
            raise InputError(f"{path}: captions are {self.asked.dtype}, expected bytes in UTF-8; delete it and build it again")

    def __len__(self) -> int:
        return self.shape[0]

    def image(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8; one channel is shown as grey."""
        size = int(np.prod(self.shape[1:]))
        with zipfile.ZipFile(self.path) as archive, archive.open("arr_0.npy") as member:
            member.seek(self.offset + index * size)
            image = np.frombuffer(member.read(size), np.uint8).reshape(self.shape[1:])
        return image.repeat(3, axis=2) if image.shape[2] == 1 else image

    def first_of(self, label: int, count: int) -> list[int]:
        """Places of the first `count` images of a class, in the order in which they were drawn."""
        return np.flatnonzero(self.asked == label)[:count].tolist()

    def caption(self, index: int) -> str:
        try:
            return self.asked[index].decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{self.path}: caption {index} is not UTF-8 ({error}); delete it and build it again") from None


def _header(member: io.BufferedIOBase, path: Path) -> tuple[tuple[int, ...], int]:
    """Shape of the array in an open .npy member, and where its bytes begin."""
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(member)
    if dtype != np.uint8 or fortran or len(shape) != 4 or shape[3] not in (1, 3):
        raise InputError(f"{path}: arr_0 is {dtype} {shape}, expected uint8 images (N, H, W, 1 or 3); delete it and build it again")
    return shape, member.tell()


def find_pack(series: Series, figure: SampleFigure, packs: Mapping[str, Path], preset_id: str, preset: Preset, asked: Asked) -> SamplePack | str:
    """The run's pack, or why there is none."""
    if figure.score.milestone not in preset.milestones:
        return f"preset {preset_id} does not train to {milestone_text(figure.score.milestone)}"
    path = packs.get(series.run)
    if path is None or not Path(path).exists():
        return NO_SAMPLES
    return SamplePack(Path(path), asked)


def block_of(series: Series, pack: SamplePack | str) -> SampleBlock:
    """What a figure says of one run, given its pack or why there is none."""
    reason = pack if isinstance(pack, str) else None
    return SampleBlock(
        method=series.method,
        run=series.run,
        status="not run" if reason else "ok",
        reason=reason,
        samples_sha256=None if reason else recorded_sha256(pack.path),
    )


def missing_remarks(blocks: list[SampleBlock], identity: str, preset_id: str) -> list[str]:
    """Which runs have no pack and why, and the command that draws those that can be drawn."""
    remarks = [f"{block.run}: not run ({block.reason})." for block in blocks if block.status == "not run"]
    return remarks + missing_remark(sum(block.reason == NO_SAMPLES for block in blocks), len(blocks), "sets of samples", identity, preset_id)


def step_remarks(figure: SampleFigure, preset: Preset) -> list[str]:
    """At a smaller preset, which of its steps stands for the figure's milestone."""
    step = preset.milestones.get(figure.score.milestone)
    return [f"Here {milestone_text(figure.score.milestone)} is step {count_text(step)}."] if step and not preset.comparable else []
