"""Stage: train the small classifier that stands for Inception on a small data set."""

from pathlib import Path

from sra.core.receipts import write_receipt
from sra.data.images import load_split
from sra.metrics.extractor_training import ExtractorTraining, accuracy, train_small_extractor
from sra.metrics.small_extractor import WEIGHTS_FILE
from sra.stages.small_sets import changed


def train_extractor(index: Path, output: Path, seed: int = 0, device: str = "cpu", **settings: float | None) -> None:
    """Train on the train split of `index` and write the folder `output`, whose name is the extractor's; the receipt of its weights tells the
    held-out accuracy. settings: of the training, in place of its defaults.
    """
    training = changed(ExtractorTraining(), settings)
    extractor = train_small_extractor(*load_split(index, "train"), seed, training, device, Path(output).name)
    held_out_accuracy = accuracy(extractor, *load_split(index, "held_out"))
    extractor.save(output)
    facts = {"name": extractor.name, "seed": seed, "training": vars(training), "device": device}
    write_receipt(output / WEIGHTS_FILE, "extractor", {"index": index}, **facts, held_out_accuracy=held_out_accuracy)
