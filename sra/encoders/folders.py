"""Folders of a saved model (a config and its weights) that appear whole, what names a model without one, and repeatable training."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import torch
from torch import nn

from sra.core.errors import StageError
from sra.core.files import folder_beside, written_whole
from sra.core.receipts import checked_sha256, receipt_path


@contextmanager
def saved_whole(folder: Path, weights: str) -> Iterator[Path]:
    """A temporary folder to save a model to; on success its files move into `folder`, the weights last.

    So weights are never seen beside another model's config: the old ones and their receipt go first.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with folder_beside(folder) as beside:
        temporary = beside / folder.name
        temporary.mkdir()
        yield temporary
        receipt_path(folder / weights).unlink(missing_ok=True)
        (folder / weights).unlink(missing_ok=True)
        for file in sorted(temporary.iterdir(), key=lambda file: file.name == weights):
            with written_whole(folder / file.name) as whole:
                shutil.copyfile(file, whole)


def model_hashes(files: dict[str, Path], role: str, network: nn.Module) -> dict[str, str]:
    """What names a model in a receipt: the hashes of its local files by their roles, or of its weights where it came from a hub.

    Raises InputError for a file made here that is no longer as its receipt says.
    """
    return {name: checked_sha256(file) for name, file in files.items()} or {role: sha256_of_weights(network)}


def sha256_of_weights(network: nn.Module) -> str:
    """Hash of every weight by name: what stands in a receipt for a model that came from a hub, not from a file of ours."""
    total = sha256()
    for name, tensor in sorted(network.state_dict().items()):
        total.update(name.encode() + b"\0" + tensor.cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def refuse_diverged(network: nn.Module, what: str) -> None:
    """Raises StageError for a network whose training made a weight that is not finite: nothing of it may be saved."""
    broken = next((name for name, tensor in network.state_dict().items() if not tensor.isfinite().all()), None)
    if broken is not None:
        raise StageError(f"train {what}: {broken} is not finite after training, nothing was saved; check the images, or lower the learning rate")


@contextmanager
def reproducible_training(seed: int, device: str = "cpu") -> Iterator[torch.Generator]:
    """One thread, deterministic kernels and a seeded generator; the process's own settings come back afterwards.

    Kernels are made deterministic on a CPU alone: equal bytes are promised there, and a GPU would need settings made before it starts.

    The number of threads decides the order of floating-point sums, so a fixed one gives the same weights on any number of cores.
    Initial weights come from torch's global generator, which is seeded too and put back.
    """
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(device == "cpu")
        torch.utils.deterministic.fill_uninitialized_memory = False  # a tenth of the time, for memory that every kernel here writes first
        try:
            yield torch.Generator().manual_seed(seed)
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(deterministic)
            torch.utils.deterministic.fill_uninitialized_memory = filled
