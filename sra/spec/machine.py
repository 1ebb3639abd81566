"""The machine side: where and in what pieces a stage runs. It changes rounding at most, so it is no part of what a run is."""

from typing import Literal

from pydantic import Field, PositiveInt, ValidationInfo, field_validator

from sra.spec.base import Strict


class Machine(Strict):
    """Chosen in config.yaml or on the command line; recorded in the receipt of every state."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    processes: PositiveInt = Field(1, description="training processes on one machine, one a GPU, sharing each batch")
    nodes: PositiveInt = Field(1, description="machines that train one run together, each with that many processes")
    micro_batch: PositiveInt | None = Field(None, description="images at a time in one process; gradients add up to the whole batch's")
    compile: bool = Field(False, description="torch.compile of the transformer blocks; the first step then takes a minute")
    activation_checkpointing: bool = Field(False, description="keep no activations inside blocks: less memory, a third more time")
    cuda_graphs: bool = Field(False, description="a whole step as one CUDA graph: for small models, whose kernels are shorter than their launch")

    @field_validator("cuda_graphs")
    @classmethod
    def _one_gpu(cls, chosen: bool, info: ValidationInfo) -> bool:
        """Refused before anything starts; what only the training itself can see, it refuses."""
        if chosen and info.data.get("device") == "cpu":
            raise ValueError("there are none on a CPU; set device to cuda or auto, or cuda_graphs to false")
        if chosen and (info.data.get("processes"), info.data.get("nodes")) != (1, 1):
            raise ValueError("a graph holds the work of one process; set processes and nodes to 1, or cuda_graphs to false")
        return chosen

    @property
    def extras(self) -> list[str]:
        """What the machine is told to do besides training plainly, in words."""
        words = {"compiled": self.compile, "CUDA graphs": self.cuda_graphs, "activation checkpointing": self.activation_checkpointing}
        return [name for name, chosen in words.items() if chosen]

    @property
    def world(self) -> int:
        """Number of training processes on all machines."""
        return self.processes * self.nodes
