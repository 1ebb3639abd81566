"""The averaged weights of a run as a network that is ready to be asked."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from sra.core.errors import InputError
from sra.core.receipts import verify_contents
from sra.models.build import Transformer, empty_model
from sra.spec.run import RunSpec


def load_trained(spec: RunSpec, weights: Path) -> tuple[Transformer, dict[str, Any]]:
    """The network on the CPU, without gradients, and the receipt of its weights. Raises InputError for weights of another run."""
    receipt = verify_contents(weights, "weights")
    if receipt["facts"]["fingerprint"] != spec.fingerprint:
        raise InputError(f"{weights}: belongs to run {receipt['facts']['run']} with other settings, not to {spec.run}; delete it and export again")
    model = empty_model(spec.model)
    try:
        missing, unexpected = model.load_state_dict(load_file(weights), strict=False)
    except (SafetensorError, RuntimeError) as error:  # no safetensors file; tensors of other shapes
        reason = " ".join(str(error).split())
        raise InputError(f"{weights}: cannot be loaded ({reason:.200}); delete it and export it again from this run's state") from None
    fixed = {name for name, _ in model.named_buffers()}
    if unexpected or set(missing) - fixed:
        raise InputError(f"{weights}: does not fit {spec.model.name} ({[*unexpected, *missing][0]}); export it again from this run's state")
    return model.eval().requires_grad_(False), receipt
