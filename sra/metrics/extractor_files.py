"""Extractors in files: a folder that was trained here, or torch-fidelity's weights of the FID Inception network."""

from pathlib import Path

from sra.core.errors import InputError, unknown
from sra.core.files import read_json
from sra.metrics import inception
from sra.metrics.extractors import Extractor, require_sha256
from sra.metrics.rotation_extractor import ROTATION, RotationExtractor
from sra.metrics.small_extractor import CONFIG_FILE, SMALL, WEIGHTS_FILE, SmallExtractor, TrainedExtractor

# An extractor joins by its name here.
EXTRACTORS: dict[str, type[TrainedExtractor]] = {SMALL: SmallExtractor, ROTATION: RotationExtractor}


def load_extractor(source: Path, device: str = "cpu", sha256: str | None = None) -> Extractor:
    """The extractor of a folder (trained here) or of torch-fidelity's weight file, frozen, on `device`.

    sha256: first 8 digits or more of the hash of its weights; by default a file must be the published one, and a folder may be any.
    """
    if not source.is_dir():
        return inception.InceptionExtractor.load(source, device, sha256 or inception.KNOWN_SHA256)
    config = read_json(source / CONFIG_FILE)
    if not isinstance(config, dict) or "extractor" not in config:
        raise InputError(f"{source / CONFIG_FILE}: the key 'extractor' is missing; delete the folder and train it again")
    if config["extractor"] not in EXTRACTORS:
        raise unknown("extractor", str(config["extractor"]), EXTRACTORS, where=str(source / CONFIG_FILE))
    extractor = EXTRACTORS[config["extractor"]].load(source, config, device)
    if sha256 is not None:
        require_sha256(weights_of(source), sha256)
    return extractor


def weights_of(source: Path) -> Path:
    """The file whose hash stands for the extractor that `load_extractor` reads from `source`."""
    return source / WEIGHTS_FILE if source.is_dir() else source
