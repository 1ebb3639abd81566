"""Snakemake and its jobs without their imports: forks of one process a session, which has imported what they import. See fork_server.py.

A fork is what `python -m snakemake` and `python -m sra` start, with the same arguments, folder, environment and files; only its imports are done
already, which takes longer than most jobs of a test. What is killed or measured by the second is started as users start it.
"""

import os
import signal
import site
import subprocess
import venv
from pathlib import Path
from typing import BinaryIO

from fork_client import answer, ask

HERE = Path(__file__).parent
ROOT = HERE.parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
STAGES = [f"sra.stages.{path.stem}" for path in sorted((ROOT / "sra/stages").glob("*.py"))]
# Of the libraries, what stages import where they use it.
LIBRARIES = ["torch._dynamo", "torch.distributed.elastic.multiprocessing.api", "diffusers.models.autoencoders.autoencoder_kl", "timm"]
LIBRARIES += ["torch_fidelity.feature_extractor_inceptionv3", "transformers.models.clip.modeling_clip", "sklearn.datasets", "scipy.linalg"]
MODULES = [*LIBRARIES, *STAGES, "sra.plan.workflow", "snakemake.cli"]


class Fork:
    """A started command. pid: its process's number, there to be looked at until it was waited for."""

    def __init__(self, connection, pid: int):
        self.connection, self.pid = connection, pid

    def wait(self) -> int:
        """Its exit code, -n when signal n killed it."""
        with self.connection:
            return answer(self.connection)


class Forks:
    """The server, started when it is first asked. folder: for its socket, and for an environment whose `sra` asks it too."""

    def __init__(self, folder: Path):
        self.folder, self.process = folder, None
        self.socket = str(folder / "socket")

    def start(
        self, module: str, arguments: list[str], directory: Path, environment: dict[str, str], output: BinaryIO, most_bytes: int | None = None
    ) -> Fork:
        """`python -m module arguments...`; stdout and stderr go to one file, and stdin is empty."""
        if self.process is None:
            self._begin()
        with open(os.devnull) as nothing:
            files = [nothing.fileno(), output.fileno(), output.fileno()]
            more = {"directory": str(directory), "environment": environment, "most_bytes": most_bytes}
            return Fork(*ask(self.socket, module, arguments, files, **more))

    def close(self) -> None:
        """With all that runs in it."""
        if self.process is not None:
            self.process.stdin.close()
            assert self.process.wait() == -signal.SIGKILL

    def _begin(self) -> None:
        venv.create(self.folder / "environment", symlinks=True)
        programs = self.folder / "environment/bin"  # the rules find `sra` beside the Python that runs Snakemake
        (programs / "sra").write_text(f'#!/bin/sh\nexec {programs}/python -IS {HERE}/fork_client.py {self.socket} sra "$@"\n', encoding="utf-8")
        (programs / "sra").chmod(0o755)
        (packages,) = (self.folder / "environment").glob("lib/*/site-packages")
        lines = [f"import site; site.addsitedir({folder!r})\n" for folder in site.getsitepackages()]
        (packages / "tests.pth").write_text("".join(lines), encoding="utf-8")
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(ROOT)}
        command = [programs / "python", "-P", HERE / "fork_server.py", self.socket, *MODULES]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, start_new_session=True)
        while not Path(self.socket).exists():
            assert self.process.poll() is None, "the fork server has ended"
