"""From the specification of a process to the process."""

from sra.diffusion.batch import Process
from sra.diffusion.ddpm import Ddpm
from sra.diffusion.flow import Flow
from sra.spec.recipe import DdpmProcess, FlowProcess


def build_process(spec: FlowProcess | DdpmProcess) -> Process:
    return Ddpm(spec.timesteps) if isinstance(spec, DdpmProcess) else Flow()
