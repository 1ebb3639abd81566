"""Asks the fork server for a command: `python -IS fork_client.py SOCKET MODULE ARGUMENT...` is `python -m MODULE ARGUMENT...` without its imports.

Its own are few, since it starts once for each job of a chain.
"""

import json
import os
import socket
import sys


def ask(server: str, module: str, arguments: list[str], files: list[int], **more: object) -> tuple[socket.socket, int]:
    """Start a command whose stdin, stdout and stderr are these files. Returns the connection, which ends the command when it is closed, and its PID.

    more: directory, environment and most_bytes, as in fork_server.py.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(server)
    socket.send_fds(connection, [b"\0"], files)
    connection.sendall(json.dumps({"module": module, "arguments": arguments, **more}).encode() + b"\n")
    return connection, answer(connection)


def answer(connection: socket.socket) -> int:
    """The next number that the server says: the command's PID, then its exit code, -n when signal n killed it."""
    said = b""
    while not said.endswith(b"\n"):
        more = connection.recv(64)
        if not more:
            raise ConnectionError("the fork server has ended")
        said += more
    return int(said)


if __name__ == "__main__":
    code = answer(ask(sys.argv[1], sys.argv[2], sys.argv[3:], [0, 1, 2], directory=os.getcwd(), environment=dict(os.environ))[0])
    sys.exit(code if code >= 0 else 128 - code)
