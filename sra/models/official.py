"""Released checkpoints of DiT, SiT, REPA and SRA as weights of our transformer.

All four train the same network under the same names. Their files differ in what lies beside it, in the direction of time, and in the sign and
the channels of the output. Facts from facebookresearch/DiT (models.py, train.py, download.py), willisma/SiT 947f95b (models.py,
transport/path.py), sihyun-yu/REPA 67f7145 (models/sit.py, utils.py) and vvvvvjdy/SRA 1723f85 (SiT-SRA, DiT-SRA: models, generate.py).
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sra.core.errors import InputError, unknown
from sra.models.blocks import LONGEST_PERIOD, TIME_FREQUENCIES, sincos_positions
from sra.models.claims import Claims
from sra.models.dit import DiffusionTransformer
from sra.spec.run import MODEL_NAME, ModelSpec, model_named
from sra.spec.scale import PAPER_SIZES, Latent, Width

VAE_FACTOR = 8  # pixels on a side for one latent: the SD-VAE, which all four use
FLOATS = (torch.float32, torch.float16, torch.bfloat16)
# A table computed in float32 instead of float64 is this far off; another kind of table (rates, order, interpolation) by more than 0.01.
POSITION_ROUNDING, POSITION_LIMIT = 1e-6, 1e-4
POSITIONS, PATCHES, CLASSES = "pos_embed", "x_embedder.proj.weight", "y_embedder.embedding_table.weight"
TIME, OUTPUT, OUTPUT_BIAS = "t_embedder.mlp.0.weight", "final_layer.linear.weight", "final_layer.linear.bias"


@dataclass(frozen=True)
class Family:
    """How the files of one repository differ from our layout.

    outputs: output channels that occur, in latent channels.  head: prefix of what only its training uses; files that were stripped have none.
    """

    repository: str
    outputs: tuple[int, ...]
    head: str | None = None
    head_role: str = ""
    backward: bool = False  # time 1 is data, the output is data - noise, and a second half of the output channels is never read
    split_blocks: bool = False  # early files count the blocks after the aligned one anew, as decoder_blocks


FAMILIES = {
    "dit": Family("facebookresearch/DiT", outputs=(2,)),
    "sit": Family("willisma/SiT", outputs=(1, 2), backward=True),
    "repa": Family("sihyun-yu/REPA", outputs=(1,), head="projectors.", head_role="REPA's projectors", split_blocks=True),
    "sra": Family("vvvvvjdy/SRA", outputs=(1, 2), head="ap_head.", head_role="SRA's projection head", split_blocks=True),
}


@dataclass(frozen=True)
class Converted:
    """A released checkpoint in our layout.

    tensors: float32, contiguous, by the names of `DiffusionTransformer.named_parameters()`.  taken: ema, model or raw.
    dtype: of the file.  dropped: key, or prefix with a star -> why.  notes: what was rewritten, or taken on the person's word.
    network_args: what the training's arguments say of the network.  null_class: False for a file that has none, so that it cannot be guided.
    """

    tensors: dict[str, Tensor]
    family: str
    model: ModelSpec
    taken: str
    dtype: str
    dropped: dict[str, str]
    notes: list[str]
    network_args: dict[str, Any] = field(default_factory=dict)
    null_class: bool = True

    @property
    def resolution(self) -> int:
        """Pixels on a side of the images it was trained on."""
        return VAE_FACTOR * self.model.latent.size


def convert_tensors(
    tensors: dict[str, Tensor],
    family: str,
    where: str = "checkpoint",
    taken: str = "raw",
    sizes: Iterable[tuple[str, Width]] = PAPER_SIZES.items(),
    claims: Claims | None = None,
) -> Converted:
    """A released state dict as weights of our network, exact up to float32 rounding.

    where: names the file in errors.  sizes: name and shape of the transformers it may be, the first match counts.  claims: what tensors cannot tell.
    Raises InputError naming the key when it is not what `family` releases, and what to say where nothing tells.
    """
    if family not in FAMILIES:
        raise unknown("family", family, FAMILIES)
    rules, claims = FAMILIES[family], claims or Claims()
    claims.require_representable(where)
    dropped, notes = {POSITIONS: "a fixed table, computed here"}, []
    if rules.split_blocks:
        tensors = _joined_blocks(tensors, notes)
    tensors, has_head = _without_head(tensors, rules, dropped)
    model, doubled, null_class = _model_of(tensors, rules, where, sizes, claims)
    _check_layout(tensors, model.model_copy(update={"learns_variance": doubled}), null_class, where)
    _check_values(tensors, where)
    _check_positions(tensors[POSITIONS], model, where, notes)
    if doubled:
        _check_second_half(tensors[OUTPUT_BIAS], model, rules, where)
    claims.require_same_network(model, VAE_FACTOR * model.latent.size, where)
    _check_family(family, doubled, has_head, claims, where, notes)
    dtype = str(tensors[OUTPUT].dtype).removeprefix("torch.")
    ours = {key: value.float().contiguous() for key, value in tensors.items() if key != POSITIONS}
    if not null_class:
        ours[CLASSES] = torch.cat([ours[CLASSES], torch.zeros(1, model.width)])
        notes.append(f"no null class: {model.classes} rows for as many classes; a row of zeros stands in its place, and guidance is refused")
    if rules.backward:
        ours |= _forward_in_time(tensors, model)
        notes.append(f"{TIME} rotated: their time 1 is data, ours is noise, t -> 1 - t")
        notes.append("final_layer.linear negated: their velocity is data - noise, ours is noise - data")
        if doubled:
            first, last = model.latent.channels, 2 * model.latent.channels - 1
            dropped[f"final_layer.linear, output channels {first} to {last}"] = "left by learn_sigma, never read nor trained"
    return Converted(ours, family, model, taken, dtype, dropped, notes, claims.network_args, null_class)


def _joined_blocks(tensors: dict[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    """Early REPA files: `decoder_blocks.0` follows the last of `blocks` (utils.py, load_legacy_checkpoints)."""
    if not any(key.startswith("decoder_blocks.") for key in tensors):
        return tensors
    first = _count_blocks(tensors)
    notes.append(f"decoder_blocks.* renamed to blocks.{first} and on, an early layout of REPA")
    renamed = {}
    for key, value in tensors.items():
        found = re.fullmatch(r"decoder_blocks\.(\d+)\.(.+)", key)
        renamed[f"blocks.{first + int(found[1])}.{found[2]}" if found else key] = value
    return renamed


def _without_head(tensors: dict[str, Tensor], rules: Family, dropped: dict[str, str]) -> tuple[dict[str, Tensor], bool]:
    """The network's own tensors, and whether there was a head beside them."""
    kept = {key: value for key, value in tensors.items() if not (rules.head and key.startswith(rules.head))}
    if len(kept) < len(tensors):
        dropped[f"{rules.head}*"] = f"{rules.head_role}, used in training only"
    return kept, len(kept) < len(tensors)


def _check_family(family: str, doubled: bool, has_head: bool, claims: Claims, where: str, notes: list[str]) -> None:
    """Whether the file may be the family's, where the tensors do not say it: arguments first, then a head, then the person's word.

    A flow network of as many output channels as the latent has may count time either way, and the other way round draws noise.
    """
    rules, trainer = FAMILIES[family], claims.trainer
    if trainer and FAMILIES[trainer].backward != rules.backward:
        raise InputError(f"{where}: its args are those of {FAMILIES[trainer].repository}; give --from {trainer}")
    if claims.time_of_data not in (None, int(rules.backward)):
        counts = f"--from {family} counts time from data at {int(rules.backward)}"
        raise InputError(f"{where}: {counts}, --time-of-data says {claims.time_of_data}; give --from {'repa or sra' if rules.backward else 'sit'}")
    # Of twice as many channels, the second half has told DiT's convention from SiT's.
    if rules.backward and not doubled and trainer is None and claims.time_of_data is None:
        what = "has the output channels of REPA's and SRA's files, whose time runs the other way; willisma/SiT's own are twice as many"
        raise InputError(f"{where}: {what}; give --from repa or --from sra, or --from sit --time-of-data 1 where its time 1 is data")
    if rules.head and not has_head:
        word = f"its args, {FAMILIES[trainer].repository}'s" if trainer else f"--from {family}"
        notes.append(f"no {rules.head}*: that its conventions are those of {rules.repository}, time 0 for data, is taken from {word}")
    elif trainer and trainer != family:
        notes.append(f"its args are those of {FAMILIES[trainer].repository}, whose conventions are the same")


def _count_blocks(tensors: Iterable[str]) -> int:
    return 1 + max((int(found[1]) for key in tensors if (found := re.match(r"blocks\.(\d+)\.", key))), default=-1)


def _model_of(
    tensors: dict[str, Tensor], rules: Family, where: str, sizes: Iterable[tuple[str, Width]], claims: Claims
) -> tuple[ModelSpec, bool, bool]:
    """The model by our names, read off the shapes, whether the file has twice the output channels, and whether it has a null class."""
    width, channels, patch, _ = _shape(tensors, PATCHES, 4, where)
    tokens = _shape(tensors, POSITIONS, 3, where)[1]
    rows = _shape(tensors, CLASSES, 2, where)[0]
    outputs = _shape(tensors, OUTPUT, 2, where)[0] / (patch * patch * channels)
    if outputs not in rules.outputs:
        expected = " or ".join(str(number * channels) for number in rules.outputs)
        what = f"{OUTPUT} gives {outputs * channels:g} output channels, a file of {rules.repository} has {expected}"
        raise InputError(f"{where}: {what}; name its family with --from")
    doubled, depth, sizes = outputs == 2, _count_blocks(tensors), list(sizes)
    size, numbers = next((pair for pair in sizes if (pair[1].depth, pair[1].width) == (depth, width)), (None, None))
    name = f"{'DiT' if doubled and not rules.backward else 'SiT'}-{size}/{patch}"
    if not MODEL_NAME.fullmatch(name):
        known = ", ".join(f"{label} {shape.depth} x {shape.width}" for label, shape in sizes)
        raise InputError(f"{where}: {depth} blocks of width {width} with patch {patch} is no known size ({known}; patch 2, 4 or 8)")
    side = math.isqrt(tokens)
    if side * side != tokens:
        raise InputError(f"{where}: {tokens} tokens, expected a square of them; give a checkpoint as released")
    classes, null_class = claims.classes_of(rows, where)
    return model_named(name, Latent(channels=channels, size=side * patch), classes, {size: numbers}), doubled, null_class


def _shape(tensors: dict[str, Tensor], key: str, dimensions: int, where: str) -> tuple[int, ...]:
    if key not in tensors:
        raise InputError(f"{where}: key {key} is missing; give a complete checkpoint of one of {', '.join(FAMILIES)}")
    if tensors[key].ndim != dimensions or not tensors[key].numel():
        raise InputError(f"{where}: {key} has shape {_written(tensors[key].shape)}, expected {dimensions} dimensions; give a checkpoint as released")
    return tuple(tensors[key].shape)


def _check_layout(tensors: dict[str, Tensor], model: ModelSpec, null_class: bool, where: str) -> None:
    """Refuse a missing, unexpected or misshapen tensor."""
    with torch.device("meta"):
        network = DiffusionTransformer(model)
    expected = {name: value.shape for name, value in network.state_dict().items()}
    if not null_class:
        expected[CLASSES] = torch.Size((model.classes, model.width))
    for key in tensors:
        if key not in expected:
            owner = next((name for name, rules in FAMILIES.items() if rules.head and key.startswith(rules.head)), None)
            advice = f"give --from {owner}" if owner else "give a checkpoint as released"
            raise InputError(f"{where}: unexpected key {key}; {model.name} has none of that name, {advice}")
    for key, shape in expected.items():
        if key not in tensors:
            raise InputError(f"{where}: key {key} is missing; {model.name} has it, give a complete checkpoint")
        if tensors[key].shape != shape:
            what = f"{key} has shape {_written(tensors[key].shape)}, {model.name} has {_written(shape)}"
            raise InputError(f"{where}: {what}; give a checkpoint as released")


def _check_values(tensors: dict[str, Tensor], where: str) -> None:
    for key, value in tensors.items():
        if value.dtype not in FLOATS:
            raise InputError(f"{where}: {key} is {value.dtype}, expected float32, float16 or bfloat16; give a checkpoint as released")
        if not value.isfinite().all():
            raise InputError(f"{where}: {key} holds NaN or infinity; the training that wrote it diverged, give another checkpoint")


def _check_positions(theirs: Tensor, model: ModelSpec, where: str, notes: list[str]) -> None:
    """Our network computes its positions, so theirs (1, N, D) must be the same table."""
    ours = sincos_positions(model.width, model.latent.size // model.patch)
    distance = (theirs[0].double() - ours.double()).abs().max().item()
    rounding = torch.finfo(theirs.dtype).eps
    if distance > max(POSITION_LIMIT, rounding):
        raise InputError(f"{where}: {POSITIONS} differs by {distance:.2g} from the sine-cosine table of {model.name}; only that table can be used")
    if distance > max(POSITION_ROUNDING, rounding):
        notes.append(f"{POSITIONS} differs from ours by up to {distance:.1e}, rounding of their table")


def _check_second_half(bias: Tensor, model: ModelSpec, rules: Family, where: str) -> None:
    """DiT and SiT files look alike; what tells them apart is the second half of the output channels.

    In willisma/SiT no loss reads it, so its biases stay at their start, exactly zero; DiT trains it as the variance.
    """
    used, second = bias.unflatten(0, (-1, 2, model.latent.channels)).unbind(1)
    if rules.backward and second.any():
        raise InputError(f"{where}: {OUTPUT_BIAS} has trained variance channels, which {rules.repository} never trains: a DiT file? give --from dit")
    if not rules.backward and used.any() and not second.any():
        raise InputError(f"{where}: {OUTPUT_BIAS} has variance channels at exactly zero, as only willisma/SiT leaves them; give --from sit")


def _forward_in_time(tensors: dict[str, Tensor], model: ModelSpec) -> dict[str, Tensor]:
    """willisma/SiT in our time: with s = 1 - t, cos(w s) and sin(w s) are fixed combinations of cos(w t) and sin(w t).

    cos w(1 - t) = cos w cos wt + sin w sin wt and sin w(1 - t) = sin w cos wt - cos w sin wt, so the first layer of the time
    embedding, which sees nothing else, takes them in. Computed in float64 at the rates as the float32 network has them.
    """
    half = TIME_FREQUENCIES // 2
    rates = torch.exp(-math.log(LONGEST_PERIOD) / half * torch.arange(half, dtype=torch.float32)).double()
    of_cosine, of_sine = tensors[TIME].double().chunk(2, dim=1)
    turned = torch.cat([of_cosine * rates.cos() + of_sine * rates.sin(), of_cosine * rates.sin() - of_sine * rates.cos()], dim=1)
    pixels, channels = model.patch**2, model.latent.channels
    # Rows of the last layer are (pixel of the patch, channel): keep the first channels of each pixel.
    output = {key: -tensors[key].float().unflatten(0, (pixels, -1))[:, :channels].flatten(0, 1) for key in (OUTPUT, OUTPUT_BIAS)}
    return {TIME: turned.float(), **output}


def _written(shape: Iterable[int]) -> str:
    return " x ".join(map(str, shape))
