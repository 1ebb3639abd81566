"""Text encoders (transformers): the token features of CLIP's text tower that a text-to-image model attends to.

Source: U-ViT's preparation of MS-COCO, which REPA's text-to-image experiment uses as it is: the last hidden state of
openai/clip-vit-large-patch14, after the final layer norm, 77 x 768. Captions are cut or padded to all positions and no attention mask is
given, so the padding's states are features like the others.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from sra.core.errors import InputError
from sra.core.wrappers import own_name, unwrapped
from sra.data.captions import EMPTY
from sra.encoders.folders import model_hashes, sha256_of_weights
from sra.encoders.vision import EncoderSize

if TYPE_CHECKING:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, PreTrainedModel

    Network = TypeVar("Network", bound=PreTrainedModel)

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
TOKENIZERS = (("tokenizer.json",), ("vocab.json", "merges.txt"))  # either is enough
EXAMPLE = "openai/clip-vit-large-patch14"


class TextEncoder:
    """A frozen text tower of CLIP and its tokenizer. tokens, width: of one caption's features."""

    def __init__(self, network: "CLIPTextModel", tokenizer: "CLIPTokenizer"):
        self.network, self.tokenizer = network.eval().requires_grad_(False), tokenizer
        self.tokens: int = network.config.max_position_embeddings
        self.width: int = network.config.hidden_size

    @classmethod
    def load(cls, source: Path | str, device: torch.device | str = "cpu") -> "TextEncoder":
        """Load from a folder (config.json, model.safetensors, tokenizer) or by the hub's owner/name. Of a whole CLIP the text tower is taken."""
        from transformers import CLIPTextModel  # seconds to import

        network = load_network(CLIPTextModel, source, EXAMPLE)
        return cls(network.to(device), load_tokenizer(source, network.config.vocab_size, EXAMPLE))

    def sha256(self) -> str:
        return sha256_of_weights(self.network)

    def encode(self, captions: list[str]) -> Tensor:
        """Features (B, tokens, width) float32 of B captions, on the encoder's device. Longer ones are cut; `truncated` counts them."""
        return self.encode_ids(self.ids(captions).to(self.network.device))

    def ids(self, captions: list[str]) -> Tensor:
        """The token ids of B captions, (B, tokens) int64 on the CPU."""
        return token_ids(self.tokenizer, captions, self.tokens)

    @torch.no_grad()
    def encode_ids(self, ids: Tensor) -> Tensor:
        """Features (B, tokens, width) float32 of (B, tokens) token ids on the encoder's device, the same whatever the precision around it."""
        with _full_float32(ids.device.type):
            return self.network(input_ids=ids).last_hidden_state.float()

    @cached_property
    def null(self) -> Tensor:
        """Features (tokens, width) of the empty caption."""
        return self.encode([EMPTY])[0]

    def truncated(self, captions: list[str]) -> int:
        """How many captions have more tokens than the encoder takes, its start and end among them."""
        return sum(len(ids) > self.tokens for ids in self.tokenizer(captions, verbose=False)["input_ids"]) if captions else 0


@contextmanager
def _full_float32(device: str) -> Iterator[None]:
    """A context of full float32, so that captions are encoded alike in advance, in each training step and for sampling, whatever surrounds it."""
    before = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    try:
        with torch.autocast(device, enabled=False):
            yield
    finally:
        torch.backends.cuda.matmul.fp32_precision = before


def token_ids(tokenizer: "CLIPTokenizer", captions: list[str], length: int) -> Tensor:
    """(B, length) int64: start, words, end and padding. A longer caption keeps its end token in the last place."""
    return tokenizer(captions, padding="max_length", truncation=True, max_length=length, return_tensors="pt")["input_ids"]


def text_encoder_files(source: Path | str) -> dict[str, Path]:
    """The local files behind a text encoder, by their role in a receipt; none for one that the hub keeps."""
    folder = Path(source)
    if not folder.is_dir():
        return {}
    tokenizer = next((files for files in TOKENIZERS if all((folder / file).exists() for file in files)), ())
    return {"encoder": folder / WEIGHTS, "encoder_config": folder / CONFIG} | {file.partition(".")[0]: folder / file for file in tokenizer}


def text_encoder_hashes(source: Path | str, encoder: TextEncoder) -> dict[str, str]:
    """The hashes that name a text encoder in a receipt: of its local files by role, or of its weights where there is no file."""
    return model_hashes(text_encoder_files(source), "encoder", encoder.network)


def text_encoder_size(source: Path | str) -> EncoderSize:
    """Width, parameters and FLOPs a caption of a text encoder, from its config alone."""
    from torch.utils.flop_counter import FlopCounterMode  # 1 s to import
    from transformers import CLIPTextModel  # seconds to import

    config = _text_config(source)
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        network = CLIPTextModel(config).eval()
        network(input_ids=torch.zeros(1, config.max_position_embeddings, dtype=torch.int64))
    return EncoderSize(config.hidden_size, sum(parameter.numel() for parameter in network.parameters()), counter.get_total_flops())


def text_shape(source: Path | str) -> tuple[int, int]:
    """Tokens and width of an encoded caption, without loading the encoder."""
    config = _text_config(source)
    return config.max_position_embeddings, config.hidden_size


def _text_config(source: Path | str) -> "CLIPTextConfig":
    from transformers import CLIPTextConfig  # seconds to import

    local = require_source(source, (CONFIG,), EXAMPLE)
    with explained(source, EXAMPLE), quiet():
        return CLIPTextConfig.from_pretrained(source, local_files_only=local)


def load_network(kind: "type[Network]", source: Path | str, example: str) -> "Network":
    """A network of transformers in float32, every weight of it from the source. example: the hub's name of what the paper uses."""
    local = require_source(source, (CONFIG, WEIGHTS), example)
    with explained(source, example), quiet():
        options = {"dtype": torch.float32, "output_loading_info": True}
        if local and _is_wrapped(Path(source) / WEIGHTS):
            config = kind.config_class.from_pretrained(source, local_files_only=True)
            tensors = unwrapped(load_file(Path(source) / WEIGHTS), Path(source) / WEIGHTS)
            network, report = kind.from_pretrained(None, config=config, state_dict=tensors, **options)
        else:
            network, report = kind.from_pretrained(source, use_safetensors=True, local_files_only=local, **options)
    # transformers draws what is missing at random and only warns.
    if report["missing_keys"]:
        raise InputError(f"{source}: {WEIGHTS} lacks {min(report['missing_keys'])}, so it is no {kind.__name__}; {what_to_fetch(source, example)}")
    return network


def _is_wrapped(file: Path) -> bool:
    """Whether a file's names are those of a wrapper's parts, which transformers would take for others."""
    with safe_open(file, framework="pt") as opened:
        return any(own_name(key) != key for key in opened.keys())  # noqa: SIM118 - no dictionary


def load_tokenizer(source: Path | str, vocabulary: int, example: str) -> "CLIPTokenizer":
    """CLIP's tokenizer. vocabulary: tokens that the network knows; transformers makes an empty tokenizer where the files are not there."""
    from transformers import CLIPTokenizer  # seconds to import

    local = require_source(source, (), example)
    if local and not text_encoder_files(source).keys() - {"encoder", "encoder_config"}:
        raise InputError(f"{source}: tokenizer.json is missing; {what_to_fetch(source, example)}")
    with explained(source, example), quiet():
        tokenizer = CLIPTokenizer.from_pretrained(source, local_files_only=local)
    if len(tokenizer) != vocabulary:
        raise InputError(f"{source}: its tokenizer has {len(tokenizer)} tokens, its network {vocabulary}; {what_to_fetch(source, example)}")
    return tokenizer


def require_source(source: Path | str, files: tuple[str, ...], example: str) -> bool:
    """Whether the source is a folder. Raises InputError when it lacks one of its files, or is neither a folder nor a hub's owner/name."""
    local = Path(source).is_dir()
    if not local and not (isinstance(source, str) and re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", source)):
        raise InputError(f"{source}: no such folder; {what_to_fetch(source, example)}")
    for file in files if local else ():
        if not (Path(source) / file).exists():
            raise InputError(f"{source}: {file} is missing; {what_to_fetch(source, example)}")
    return local


def what_to_fetch(source: Path | str, example: str) -> str:
    folder = source if Path(source).is_dir() or Path(source).parts[:1] == ("downloads",) else f"downloads/{example.rpartition('/')[2]}"
    return f"fetch {CONFIG}, {WEIGHTS} and the tokenizer's and processor's files of {example} and put them in {folder}"


@contextmanager
def explained(source: Path | str, example: str) -> Iterator[None]:
    """A context in which what transformers and the hub raise becomes one line that says what to do."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{source}: cannot be loaded ({reason}); {what_to_fetch(source, example)}") from None


@contextmanager
def quiet() -> Iterator[None]:
    """A context without transformers' report of the other tower's weights and its progress bar; its settings come back afterwards."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()
