"""Runs `sra` commands in forks of one process that has imported everything: twenty killed trainings then cost no twenty imports of torch.

Reads one JSON request a line from stdin and answers each with one line on stdout:
    {"arguments": [...], "text": FILE, "environment": {...}, "most_bytes": N or null}  ->  the new process's number
    {"wait": PID}                                                                      ->  its exit code, -n when signal n killed it
It is started with one OpenMP thread and computes nothing itself, since a fork of a process with threads hangs in its first product.
"""

import json
import os
import resource
import signal
import sys
import traceback

import torch._dynamo  # data parallel training imports it, in as many seconds as torch itself

import sra.commands.export
import sra.commands.train
from sra import commands

PREPARED = (torch._dynamo, sra.commands.export, sra.commands.train)


def main() -> None:
    alive = set()
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            alive.discard(request["wait"])
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if not answer:
                become_command(request)
            alive.add(answer)
        print(answer, flush=True)
    for pid in alive:
        os.kill(pid, signal.SIGKILL)


def become_command(request: dict) -> None:
    """Never returns: this process is the command from here on, with its output in the file `text`."""
    text = os.open(request["text"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(text, 1)
    os.dup2(text, 2)
    os.environ.update(request["environment"])
    if request["most_bytes"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["most_bytes"], request["most_bytes"]))
    sys.argv = ["sra", *request["arguments"]]
    code = 0
    try:
        commands.main()
    except SystemExit as stop:
        code = stop.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
