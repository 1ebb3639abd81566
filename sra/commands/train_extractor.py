"""Train a small network whose features scores compare: a classifier that stands for the FID Inception network, or one that no label teaches.

\b
Examples:
  sra train-extractor --index index.json --output extractor/fashion_cnn
  sra train-extractor --index index.json --output extractor/fashion_rotation --task rotation
"""

from typing import Annotated

import typer

from sra.commands.options import Device, Index, LearningRate, OutputFolder, TrainingBatch, TrainingSteps, Width
from sra.core.errors import unknown
from sra.core.receipts import write_receipt
from sra.data.images import load_split
from sra.data.small_sets import changed
from sra.metrics.extractor_training import ExtractorTraining, accuracy, train_small_extractor
from sra.metrics.extractors import TASKS
from sra.metrics.rotation_training import RotationTraining, train_rotation_extractor, turn_accuracy
from sra.metrics.small_extractor import WEIGHTS_FILE
from sra.models.device import choose_device


def _known_task(task: str) -> str:
    if task not in TASKS:
        raise unknown("task", task, TASKS)
    return task


def train_extractor(
    index: Index,
    output: OutputFolder,
    task: Annotated[
        str,
        typer.Option(
            callback=_known_task, help="what it learns to tell: labels, or rotation, how far an image was turned, for which no label is used"
        ),
    ] = "labels",
    seed: int = 0,
    width: Width = None,
    steps: TrainingSteps = None,
    batch: TrainingBatch = None,
    learning_rate: LearningRate = None,
    device: Device = "auto",
) -> None:
    """Train on the train split and write the folder, whose name is the extractor's; the receipt of its weights tells the held-out accuracy."""
    where = choose_device(device).type
    given = {"width": width, "steps": steps, "batch": batch, "learning_rate": learning_rate}
    (images, labels), (held_out, held_out_labels) = load_split(index, "train"), load_split(index, "held_out")
    if task == "rotation":
        training = changed(RotationTraining(), **given)
        extractor = train_rotation_extractor(images, seed, training, where, output.name)
        measured = {"task": task, "held_out_accuracy": turn_accuracy(extractor, held_out)}
    else:
        training = changed(ExtractorTraining(), **given)
        extractor = train_small_extractor(images, labels, seed, training, where, output.name)
        measured = {"held_out_accuracy": accuracy(extractor, held_out, held_out_labels)}
    extractor.save(output)
    facts = {"name": extractor.name, "seed": seed, "training": vars(training), "device": where}
    write_receipt(output / WEIGHTS_FILE, "extractor", {"index": index}, **facts, **measured)
