"""Train the small classifier that stands for the FID Inception network."""

from sra.commands.options import Device, Index, LearningRate, OutputFolder, TrainingBatch, TrainingSteps, Width
from sra.core.receipts import write_receipt
from sra.data.images import load_split
from sra.data.small_sets import changed
from sra.metrics.extractor_training import ExtractorTraining, accuracy, train_small_extractor
from sra.metrics.small_extractor import WEIGHTS_FILE
from sra.models.device import choose_device


def train_extractor(
    index: Index,
    output: OutputFolder,
    seed: int = 0,
    width: Width = None,
    steps: TrainingSteps = None,
    batch: TrainingBatch = None,
    learning_rate: LearningRate = None,
    device: Device = "auto",
) -> None:
    """Train on the train split and write the folder, whose name is the extractor's; the receipt of its weights tells the held-out accuracy."""
    where = choose_device(device).type
    training = changed(ExtractorTraining(), width=width, steps=steps, batch=batch, learning_rate=learning_rate)
    extractor = train_small_extractor(*load_split(index, "train"), seed, training, where, output.name)
    held_out_accuracy = accuracy(extractor, *load_split(index, "held_out"))
    extractor.save(output)
    facts = {"name": extractor.name, "seed": seed, "training": vars(training), "device": where}
    write_receipt(output / WEIGHTS_FILE, "extractor", {"index": index}, **facts, held_out_accuracy=held_out_accuracy)
