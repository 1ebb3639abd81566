"""What a checkpoint's training, or the person who has it, says of a network where tensors cannot: path, output, direction of time, null class.

Options and their values are those of train.py in facebookresearch/DiT, willisma/SiT 947f95b (train_utils.py), sihyun-yu/REPA 67f7145 and
vvvvvjdy/SRA 1723f85 (SiT-SRA, DiT-SRA, SiT-SRA_DTS_AS/arguments.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sra.core.errors import InputError
from sra.spec.run import MODEL_NAME, ModelSpec

# What of a command line says what the network is: printed and kept in the receipt, in this order.
NETWORK_ARGS = ("model", "path_type", "prediction", "resolution", "image_size", "num_classes", "qk_norm", "cfg_prob", "enc_type", "encoder_depth")
NETWORK_ARGS += ("block_out_s", "block_out_t", "loss_type", "attention_separation", "dual_time_scheduling")
# What the flow process here is; case does not matter.
VELOCITY, LINEAR = ("v", "velocity"), ("linear",)
RESOLUTION = ("resolution", "image_size")  # SRA and REPA; DiT and SiT
IMAGENET_CLASSES = 1000  # of every checkpoint that the four repositories released


@dataclass(frozen=True)
class Claims:
    """What is known of a network beside its tensors.

    args: the command line of the training, as `LoadedCheckpoint` has it.  classes: the person's word, or a run's.
    time_of_data: the person's word, 0 or 1: the time at which the network sees clean data.
    """

    args: Mapping[str, Any] = field(default_factory=dict)
    classes: int | None = None
    time_of_data: int | None = None

    @property
    def network_args(self) -> dict[str, Any]:
        """The arguments of the command line that say what the network is."""
        return {name: self.args[name] for name in NETWORK_ARGS if name in self.args}

    @property
    def trainer(self) -> str | None:
        """Whose train.py these arguments are of, by an option that no other of the four has; None when nothing tells."""
        if "block_out_s" in self.args:
            return "sra"
        if "enc_type" in self.args or "proj_coeff" in self.args:
            return "repa"
        if "train_eps" in self.args or self.args.get("path_type") in ("Linear", "GVP", "VP"):
            return "sit"
        return "dit" if str(self.args.get("model")).startswith("DiT") else None

    def require_representable(self, where: str) -> None:
        """Refuse what the processes here are not: another path than the straight one, another output than the velocity, normalised queries."""
        for name, known, expected in (("prediction", VELOCITY, "the velocity"), ("path_type", LINEAR, "the straight (linear) path")):
            said = self.args.get(name)
            if said is not None and str(said).lower() not in known:
                raise InputError(
                    f"{where}: was trained with {name} {said}, by its args; only {expected} can be sampled here, give another checkpoint"
                )
        if self.args.get("qk_norm"):
            raise InputError(f"{where}: was trained with qk_norm, by its args; attention here has none, give a checkpoint without it")

    def require_same_network(self, model: ModelSpec, resolution: int, where: str) -> None:
        """Refuse arguments that contradict the tensors: the file was put together from two. resolution: pixels, of the latents' size."""
        named = self.args.get("model")
        if isinstance(named, str) and MODEL_NAME.fullmatch(named) and named != model.name:
            raise InputError(f"{where}: its args say model {named}, its tensors are {model.name}; give the checkpoint as its training wrote it")
        for name in RESOLUTION:
            said = self.args.get(name)
            if isinstance(said, int) and said != resolution:
                what = f"its args say {name} {said}, its tensors are for {resolution} pixels"
                raise InputError(f"{where}: {what}; give the checkpoint as its training wrote it")

    def classes_of(self, rows: int, where: str) -> tuple[int, bool]:
        """The number of classes behind a label table of so many rows, and whether a null class, for guidance, is its last row.

        Raises InputError when the claims contradict each other or the table, and when nothing tells.
        """
        if rows < 2:
            raise InputError(f"{where}: its label table has {rows} row, expected one for each class and one for none; give a checkpoint as released")
        args = self.args.get("num_classes")
        if isinstance(args, int) and self.classes is not None and args != self.classes:
            raise InputError(f"{where}: its args say num_classes {args}, {self.classes} were asked for; give a checkpoint of {self.classes} classes")
        said = self.classes if self.classes is not None else args if isinstance(args, int) else None
        if said is None and rows == IMAGENET_CLASSES + 1:
            said = IMAGENET_CLASSES
        if said is None:
            what = f"its label table has {rows} rows and nothing says whether the last is the null class of guidance"
            raise InputError(f"{where}: {what}; give --classes {rows - 1} if it is, or --classes {rows} if the file has none")
        if rows not in (said, said + 1):
            what = f"its label table has {rows} rows, {said} classes have {said + 1} with the null class of guidance, {said} without"
            raise InputError(f"{where}: {what}; give the checkpoint of that model, or its own number of classes")
        return said, rows == said + 1
