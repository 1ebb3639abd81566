"""Time a few training steps of one run and write what they cost: seconds, memory, parameters, FLOPs. The training itself is thrown away.

Nothing else should run on the machine meanwhile.

Example: sra measure results/digits/runs/sit_b2_sra/config.json --latents results/shared/digits/latents/digits_vae/store.json --output cost.json
"""

from pathlib import Path
from typing import Annotated

import torch
import typer

from sra.commands import options
from sra.core.files import write_checked_json
from sra.core.memory import resident
from sra.spec.load import checked_options
from sra.spec.machine import Machine
from sra.spec.measured import TIMED_BLOCKS, WARM_UP_STEPS
from sra.training.inputs import Inputs, read_trained, trainer_of
from sra.training.timing import measured_cost, peak_memory, timed_steps


def measure(
    config: options.Config,
    latents: Annotated[Path, typer.Option(help="store.json of the latents")],
    output: options.Output,
    features: options.Features = None,
    pixels: options.Pixels = None,
    encoder: options.OnlineEncoder = None,
    text: options.StoredText = None,
    captions: options.Captions = None,
    text_encoder: options.OnlineTextEncoder = None,
    threads: Annotated[int | None, typer.Option(min=1, help="of matrix products on a CPU; torch's choice if left out")] = None,
    warm_up: Annotated[int, typer.Option(min=0, show_default=False, help="steps before the timed ones")] = WARM_UP_STEPS,
    blocks: Annotated[int, typer.Option(min=1, show_default=False, help="timed blocks of ten steps")] = TIMED_BLOCKS,
    device: options.Device = "auto",
    processes: options.Processes = 1,
    nodes: options.Nodes = 1,
    micro_batch: options.MicroBatch = None,
    compile: options.Compile = False,
    activation_checkpointing: options.Checkpointing = False,
    cuda_graphs: options.CudaGraphs = False,
) -> None:
    """Write the cost receipt. warm_up: steps that start threads, choose kernels and find memory, and are not timed."""
    machine = checked_options(locals(), Machine, "sra measure")
    spec, inputs = read_trained(config), Inputs(latents, features, pixels, encoder, text, captions, text_encoder)
    if threads:
        torch.set_num_threads(threads)
    before = resident()
    with trainer_of(spec, inputs, machine) as trainer:
        steps = timed_steps(trainer, warm_up, blocks)
        memory = peak_memory(trainer.device, before)
        if trainer.world.leads:
            write_checked_json(output, measured_cost(spec, inputs, trainer, steps, memory).model_dump(mode="json"))
        trainer.world.wait()
