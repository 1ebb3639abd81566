"""Everything that training carries from one step to the next, as one safetensors file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from sra.core.errors import InputError
from sra.core.files import check_room, written_whole
from sra.core.receipts import verify_contents, write_receipt
from sra.models.trunk import Transformer
from sra.spec.machine import Machine
from sra.spec.run import RunSpec
from sra.training.adamw import AdamW
from sra.training.precision import LossScale

KIND = "training state"


@dataclass(frozen=True)
class Snapshot:
    """A state at one step, on the CPU."""

    tensors: dict[str, torch.Tensor]
    facts: dict[str, Any]
    data: dict[str, str]
    curve: list[dict[str, float | None]]

    def write(self, path: Path, machine: Machine) -> None:
        """Write the file and its receipt, as `TrainingState.save` says."""
        check_room(path, sum(tensor.nbytes for tensor in self.tensors.values()))
        with written_whole(path) as temporary:
            # One metadata key: safetensors keeps several in no fixed order, and equal states must be equal bytes.
            save_file(self.tensors, temporary, {"sra": json.dumps({**self.facts, "data": self.data, "curve": self.curve}, sort_keys=True)})
        write_receipt(path, KIND, hashes=self.data, **self.facts, machine=machine.model_dump(mode="json"))


class TrainingState:
    """Student, alignment heads, averaged teacher, moments and loss scale after `step` steps; `curve` holds one entry for each logged step.

    Randomness and data order are functions of (seed, step), so there is no generator to store.
    """

    def __init__(self, spec: RunSpec, data: dict[str, str], model: Transformer, alignments: nn.ModuleDict, teacher: Transformer):
        """data: SHA-256 of each store that the run trains on, by role; a state of other data is not continued."""
        self.spec, self.data, self.model, self.alignments, self.teacher = spec, data, model, alignments, teacher
        self.trained = {f"model.{name}": tensor for name, tensor in model.named_parameters()}
        self.trained |= {f"alignment.{name}": tensor for name, tensor in alignments.named_parameters()}
        self.optimizer = AdamW(self.trained, spec.training)
        self.loss_scale = LossScale(self.optimizer.updates.device) if spec.training.precision == "fp16" else None
        self.step = 0
        self.curve: list[dict[str, float | None]] = []
        self.on_disk: Path | None = None  # where it was last saved to or restored from

    def begin_from(self, path: Path) -> None:
        """Student and average become the weights at `path`, which `sra import-weights` made for this run; a state of another start is then another's.

        What the file leaves out (the label table, where its classes are others) stays as the seed drew it. Raises InputError for another run's file.
        """
        receipt = verify_contents(path, "weights")
        if receipt["facts"]["fingerprint"] != self.spec.fingerprint:
            raise InputError(
                f"{path}: was made for run {receipt['facts']['run']} with other settings, not for {self.spec.run}; delete it and run again"
            )
        weights = load_file(path)
        drawn_anew = set(receipt["facts"].get("drawn_anew", ()))
        for network in (self.model, self.teacher):
            missing, unexpected = network.load_state_dict(weights, strict=False)
            fixed = {name for name, _ in network.named_buffers()}
            if unexpected or set(missing) - fixed - drawn_anew:
                raise InputError(f"{path}: does not fit {self.spec.model.name} ({[*unexpected, *missing][0]}); delete it and run again")
        self.data = self.data | {"start": receipt["sha256"]}

    def tensors(self) -> dict[str, torch.Tensor]:
        """Every tensor of the state by name, not copied: writing into them changes the state."""
        named = {f"student.{name}": tensor.detach() for name, tensor in self.trained.items()}
        named |= {f"ema.{name}": tensor.detach() for name, tensor in self.teacher.named_parameters()}
        named |= {f"first_moment.{name}": tensor for name, tensor in self.optimizer.first.items()}
        named |= {f"second_moment.{name}": tensor for name, tensor in self.optimizer.second.items()}
        named["optimizer.updates"] = self.optimizer.updates
        if self.loss_scale:
            named |= {"loss_scale.scale": self.loss_scale.scale, "loss_scale.steps_since": self.loss_scale.steps_since}
        return named

    def snapshot(self, copied: bool = False) -> "Snapshot":
        """The state to be written. copied: it stays as it is now whatever training goes on to do, at the price of its size in memory."""
        tensors = {name: tensor.to("cpu", copy=copied).contiguous() for name, tensor in self.tensors().items()}
        facts = {"run": self.spec.run, "fingerprint": self.spec.fingerprint, "step": self.step}
        return Snapshot(tensors, facts, self.data, list(self.curve))

    def save(self, path: Path, machine: Machine = Machine()) -> None:
        """Write the state and its receipt; neither is ever half there. The machine is noted: it decides the last bits."""
        self.snapshot().write(path, machine)
        self.on_disk = path

    def restore(self, path: Path) -> None:
        """Continue from the state at `path`. Raises InputError when it is damaged, of another run, or of another model."""
        verify_contents(path, KIND)
        try:
            with safe_open(path, framework="pt") as file:
                about = json.loads((file.metadata() or {}).get("sra", "{}"))
                if about.get("fingerprint") != self.spec.fingerprint:
                    raise InputError(
                        f"{path}: belongs to run {about.get('run')} with other settings, not to {self.spec.run} as configured; "
                        f"delete the run's state folder to train it anew"
                    )
                if about["data"] != self.data:
                    raise InputError(f"{path}: was trained on other {_differing(about['data'], self.data)} than given; delete it to train anew")
                live = self.tensors()
                if set(file.keys()) != set(live):
                    raise InputError(f"{path}: holds other tensors than the model {self.spec.model.name} has; delete it and train again")
                for name, tensor in live.items():
                    tensor.copy_(file.get_tensor(name))
        except SafetensorError as error:
            raise InputError(f"{path}: not a readable safetensors file ({error}); delete it and train again") from None
        self.step, self.curve, self.on_disk = about["step"], about["curve"], path


def _differing(theirs: dict[str, str], ours: dict[str, str]) -> str:
    return next(role for role in ours | theirs if theirs.get(role) != ours.get(role))
