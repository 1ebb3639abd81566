"""Train one run to a step, from its start, a previous state, or whatever an interruption left behind."""

import json
from pathlib import Path

from sra.core.errors import InputError
from sra.core.files import write_text
from sra.data.store import ArrayStore
from sra.spec.run import read_run
from sra.stages.device import choose_device
from sra.training.loop import Trainer
from sra.training.rolling import RollingStates


def train(
    config: Path,
    latents: Path,
    until: int,
    state: Path,
    curve: Path,
    features: Path | None = None,
    previous: Path | None = None,
    rolling_minutes: float = 10.0,
    device: str = "auto",
) -> None:
    """Train to step `until` and write the state and the curve. The same command after an interruption continues."""
    spec = read_run(config)
    if spec.alignment.method == "repa" and features is None:
        raise InputError(f"run {spec.run}: needs the features of encoder {spec.alignment.encoder}; give --features STORE.json")
    trainer = Trainer(
        spec,
        ArrayStore.open(latents, "latents"),
        ArrayStore.open(features, "features") if features else None,
        choose_device(device),
    )
    if previous:
        trainer.state.restore(previous)
    if trainer.state.step >= until:
        raise InputError(f"{previous}: is already at step {trainer.state.step}, asked to train until {until}; give an earlier state")
    with RollingStates(config.parent / "scratch" / spec.fingerprint[:12], rolling_minutes) as rolling:
        rolling.restore_newest(trainer.state, until)
        trainer.train(until, rolling)
        trainer.state.save(state)
        write_text(curve, "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in trainer.state.curve))
        rolling.clear()
