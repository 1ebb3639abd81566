"""Stage: train the small classifier that stands for Inception on a small data set."""

from pathlib import Path

from sra.core.receipts import write_receipt
from sra.data.images import load_split
from sra.metrics.extractor_training import accuracy, train_digits_extractor
from sra.metrics.extractors import WEIGHTS_FILE


def train_extractor(index: Path, output: Path, seed: int = 0) -> None:
    """Train on the train split of `index` and write the folder `output`; the receipt of its weights tells the held-out accuracy."""
    extractor = train_digits_extractor(*load_split(index, "train"), seed)
    held_out_accuracy = accuracy(extractor, *load_split(index, "held_out"))
    extractor.save(output)
    write_receipt(output / WEIGHTS_FILE, "extractor", {"index": index}, name=extractor.name, seed=seed, held_out_accuracy=held_out_accuracy)
