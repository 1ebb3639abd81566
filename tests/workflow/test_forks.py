"""What chains of tests are made of does what a user's own commands do: forks of one process that has imported everything."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for processes as Linux can")
COMMANDS = ["sra resolve sit_b2 --preset digits --output config.json", "sra cost --preset none", "sra none", "snakemake --version"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_fork_says_and_ends_as_the_command_does(command, forks, checkout, tmp_path):
    module, *arguments = command.split()
    with (tmp_path / "said").open("wb") as said:
        code = forks.start(module, arguments, checkout.folder, checkout.environment, said).wait()
    options = {"cwd": checkout.folder, "env": checkout.environment, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    alone = subprocess.run([sys.executable, "-m", module, *arguments], **options, check=False)
    assert (code, (tmp_path / "said").read_bytes()) == (alone.returncode, alone.stdout)


@pytest.mark.parametrize("how", ["a signal", "nobody who waits"])
def test_one_that_is_killed_is_gone_and_says_by_what(how, forks, tmp_path):
    with (tmp_path / "said").open("wb") as said:
        fork = forks.start("http.server", ["0", "--bind", "127.0.0.1"], tmp_path, dict(os.environ), said)
    if how == "a signal":
        os.kill(fork.pid, signal.SIGKILL)
        assert fork.wait() == -signal.SIGKILL
    else:
        fork.connection.close()
    end = time.monotonic() + 60
    while Path(f"/proc/{fork.pid}").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
