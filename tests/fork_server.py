"""Runs Python modules in forks of one process that has imported what they import: a chain of fifty jobs then costs no fifty imports of torch.

    python fork_server.py NUMBER MODULE...

Imports the modules and answers at the listening socket of that number, which it inherits, until its stdin ends. A request is one byte with the
command's stdin, stdout and stderr, and one line of JSON; the answer is a line with the command's PID and, once it has ended, a line with its exit
code, -n when signal n killed it:

    {"module": "sra", "arguments": [...], "directory": FOLDER, "environment": {...}, "most_bytes": N}

most_bytes: the largest file that the command can write; left out, there is no limit. The ended command can be looked at in /proc until the
connection is closed, and one that runs is killed when it is. The server computes with one thread and nothing itself, since a fork of a process
with threads hangs in its first product.
"""

import gc
import json
import os
import resource
import runpy
import select
import shutil
import signal
import socket
import sys
import traceback
from importlib import import_module
from typing import NoReturn

# Without a GPU nothing uses triton, and importing it takes longer than the rest.
if shutil.which("nvidia-smi") is None:
    sys.modules["triton"] = None


def main(listener: socket.socket, modules: list[str]) -> None:
    gc.disable()
    for module in modules:
        import_module(module)
    gc.freeze()
    gc.enable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no watcher waits to be waited for
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve(connection)
        connection.close()
    os.killpg(0, signal.SIGKILL)  # it leads the session that all commands are in


def serve(connection: socket.socket) -> NoReturn:
    """One command, from its request to the end of its connection."""
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile() as lines:
        request = json.loads(lines.readline())
    pid = os.fork()
    if pid == 0:
        connection.close()
        become_command(request, files)
    for file in files:
        os.close(file)
    connection.sendall(f"{pid}\n".encode())
    ended = os.pidfd_open(pid)
    if ended not in select.select([connection, ended], [], [])[0]:
        os.kill(pid, signal.SIGKILL)
    how = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        connection.sendall(f"{how.si_status if how.si_code == os.CLD_EXITED else -how.si_status}\n".encode())
        connection.recv(1)
    except OSError:  # nobody asks any more
        pass
    os._exit(0)


def become_command(request: dict, files: list[int]) -> NoReturn:
    """It ends at once where its module does: to take apart all that was imported would take longer than many a command."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    if limit := request.get("most_bytes"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    sys.argv = [request["module"], *request["arguments"]]
    code = 0
    try:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
