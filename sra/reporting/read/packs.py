"""Sample packs as figures read them: a few images at named places, what was asked for there, and what to say where a pack is missing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from sra.content.figures import SampleFigure, Series
from sra.core.errors import InputError
from sra.core.npz import open_npz
from sra.core.receipts import receipt_path, recorded_sha256, verify_contents
from sra.reporting.documents import SampleBlock
from sra.reporting.write.commands import missing_remark
from sra.reporting.write.numbers import count_text, milestone_text
from sra.spec.run import check_place
from sra.spec.scale import Preset

Asked = Literal["labels", "captions"]
NO_SAMPLES = "no samples yet"


class SamplePack:
    """Images `arr_0` (N, H, W, C) uint8 of an npz file, and `labels` (N,) or `captions` (N,), UTF-8 in bytes of one width.

    Only the images asked for are read; nothing is unpickled.
    """

    def __init__(self, path: Path, asked: Asked = "labels"):
        self.path = path
        if receipt_path(path).exists():
            check_place(path, verify_contents(path, "samples")["facts"]["run"])
        arrays = open_npz(path)
        if not {"arr_0", asked} <= arrays.keys():
            raise InputError(f"{path}: not a sample pack with arr_0 and {asked}; delete it and build it again")
        self._images, self.asked = arrays["arr_0"], arrays[asked].whole()
        self.shape, dtype = self._images.shape, self._images.dtype
        if dtype != np.uint8 or len(self.shape) != 4 or self.shape[3] not in (1, 3):
            raise InputError(f"{path}: arr_0 is {dtype} {self.shape}, expected uint8 images (N, H, W, 1 or 3); delete it and build it again")
        if self.asked.shape != (len(self),):
            raise InputError(f"{path}: {len(self)} images but {self.asked.size} {asked}; delete it and build it again")
        if asked == "captions" and self.asked.dtype.kind != "S":
            raise InputError(f"{path}: captions are {self.asked.dtype}, expected bytes in UTF-8; delete it and build it again")

    def __len__(self) -> int:
        return self.shape[0]

    def image(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8; one channel is shown as grey."""
        image = self._images[index : index + 1][0]
        return image.repeat(3, axis=2) if image.shape[2] == 1 else image

    def first_of(self, label: int, count: int) -> list[int]:
        """Places of the first `count` images of a class, in the order in which they were drawn."""
        return np.flatnonzero(self.asked == label)[:count].tolist()

    def caption(self, index: int) -> str:
        try:
            return self.asked[index].decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{self.path}: caption {index} is not UTF-8 ({error}); delete it and build it again") from None


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
