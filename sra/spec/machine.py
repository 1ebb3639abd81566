"""The machine side: where and in what pieces a stage runs. It changes rounding at most, so it is no part of what a run is."""

from typing import Literal

from pydantic import Field, PositiveInt

from sra.spec.base import Strict


class Machine(Strict):
    """Chosen in config.yaml or on the command line; recorded in the receipt of every state."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    processes: PositiveInt = Field(1, description="training processes on one machine, one a GPU, sharing each batch")
    nodes: PositiveInt = Field(1, description="machines that train one run together, each with that many processes")
    micro_batch: PositiveInt | None = Field(None, description="images at a time in one process; gradients add up to the whole batch's")
    compile: bool = Field(False, description="torch.compile of the transformer blocks; the first step then takes a minute")
    activation_checkpointing: bool = Field(False, description="keep no activations inside blocks: less memory, a third more time")

    @property
    def world(self) -> int:
        """Processes of all machines."""
        return self.processes * self.nodes
