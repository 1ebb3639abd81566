"""Snakemake and its jobs without their imports: forks of one process a session, which has imported what they import. See fork_server.py.

A fork is what `python -m snakemake` and `python -m sra` start, with the same arguments, folder, environment and files; only its imports are done
already, which takes longer than most jobs of a test. What is killed or measured by the second is started as users start it.
"""

import os
import signal
import site
import socket
import subprocess
import venv
from pathlib import Path
from typing import BinaryIO

from fork_client import answer, ask

HERE = Path(__file__).parent
ROOT = HERE.parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
OURS = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted((ROOT / "sra").rglob("*.py")) if "__" not in path.name]
# Of the libraries, what is imported where it is used.
LIBRARIES = ["torch._dynamo", "torch.distributed.elastic.multiprocessing.api", "diffusers.models.autoencoders.autoencoder_kl", "timm"]
LIBRARIES += ["torch_fidelity.feature_extractor_inceptionv3", "transformers.models.clip.modeling_clip", "sklearn.datasets", "scipy.linalg"]


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
        self.place = str(folder / "socket")

    def start(
        self, module: str, arguments: list[str], directory: Path, environment: dict[str, str], output: BinaryIO, most_bytes: int | None = None
    ) -> Fork:
        """`python -m module arguments...`; stdout and stderr go to one file, and stdin is empty."""
        if self.process is None:
            self._begin()
        with open(os.devnull) as nothing:
            files = [nothing.fileno(), output.fileno(), output.fileno()]
            more = {"directory": str(directory), "environment": environment, "most_bytes": most_bytes}
            return Fork(*ask(self.place, module, arguments, files, **more))

    def close(self) -> None:
        """With all that runs in it."""
        if self.process is not None:
            self.process.stdin.close()
            assert self.process.wait() == -signal.SIGKILL

    def _begin(self) -> None:
        venv.create(self.folder / "environment", symlinks=True)
        programs = self.folder / "environment/bin"  # the rules find `sra` beside the Python that runs Snakemake
        (programs / "sra").write_text(f'#!/bin/sh\nexec {programs}/python -IS {HERE}/fork_client.py {self.place} sra "$@"\n', encoding="utf-8")
        (programs / "sra").chmod(0o755)
        (packages,) = (self.folder / "environment").glob("lib/*/site-packages")
        lines = [f"import site; site.addsitedir({folder!r})\n" for folder in site.getsitepackages()]
        (packages / "tests.pth").write_text("".join(lines), encoding="utf-8")
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(ROOT)}
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.place)
            listener.listen(64)
            number = listener.fileno()
            command = [programs / "python", "-P", HERE / "fork_server.py", str(number), *LIBRARIES, *OURS, "snakemake.cli"]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, pass_fds=[number], start_new_session=True)
