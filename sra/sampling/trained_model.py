"""Weights as a network that is ready to be asked: averaged ones of a run, or a converted file that belongs to none."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from sra.core.errors import InputError
from sra.core.receipts import receipt_path, verify_contents
from sra.models.build import empty_model
from sra.models.trunk import Transformer
from sra.spec.load import checked
from sra.spec.recipe import DdpmProcess, FlowProcess, Process
from sra.spec.run import ModelSpec, RunSpec

KIND = "weights"


@dataclass(frozen=True)
class ConvertedSpec:
    """What sampling asks of a `RunSpec`, for weights that `sra convert` wrote. run: the name of the file they were converted from."""

    run: str
    model: ModelSpec
    process: Process
    preset: None = None
    text_encoder: None = None


def load_trained(spec: RunSpec, weights: Path) -> tuple[Transformer, dict[str, Any]]:
    """The network on the CPU, without gradients, and the receipt of its weights. Raises InputError for weights of another run."""
    receipt = verify_contents(weights, KIND)
    if receipt["facts"]["fingerprint"] != spec.fingerprint:
        raise InputError(f"{weights}: belongs to run {receipt['facts']['run']} with other settings, not to {spec.run}; delete it and export again")
    return _network(spec.model, weights, "export it again from this run's state"), receipt


def load_converted(weights: Path, family: str | None = None) -> tuple[ConvertedSpec, Transformer, dict[str, Any]]:
    """The same of a file that `sra convert` wrote, and what it is. family: whose file the person says it was, if they do."""
    if Path(weights).is_file() and not receipt_path(weights).exists():
        beside = receipt_path(weights).name
        what = f"is no file that sra convert wrote, or {beside} is not beside it"
        raise InputError(f"{weights}: {what}; convert it first: sra convert {weights} --from FAMILY --out NEW.safetensors")
    receipt = verify_contents(weights, KIND)
    facts = receipt["facts"]
    if "family" not in facts or facts["fingerprint"] is not None:
        raise InputError(f"{weights}: is of run {facts['run']}; give that run's config.json too: sra sample CONFIG --weights {weights}")
    if family not in (None, facts["family"]):
        raise InputError(f"{weights}: was converted from a file of {facts['family']}, --family says {family}; leave it out, or convert it again")
    if "network" not in facts:
        raise InputError(f"{weights}: was converted by an earlier version, which did not keep the network's shape; run sra convert again")
    model = checked(facts["network"], ModelSpec, f"{weights}: its receipt: network")
    spec = ConvertedSpec(facts["run"], model, DdpmProcess() if model.learns_variance else FlowProcess())
    return spec, _network(model, weights, "run sra convert again"), receipt


def _network(model: ModelSpec, weights: Path, remedy: str) -> Transformer:
    network = empty_model(model)
    try:
        missing, unexpected = network.load_state_dict(load_file(weights), strict=False)
    except (SafetensorError, RuntimeError) as error:  # no safetensors file; tensors of other shapes
        reason = " ".join(str(error).split())
        raise InputError(f"{weights}: cannot be loaded ({reason:.200}); delete it and {remedy}") from None
    fixed = {name for name, _ in network.named_buffers()}
    if unexpected or set(missing) - fixed:
        raise InputError(f"{weights}: does not fit {model.name} ({[*unexpected, *missing][0]}); {remedy}")
    return network.eval().requires_grad_(False)
