"""What stays on the machine: nothing listens beyond it, nothing is fetched or sent, and no secret, home or host name is in what is written."""

import ipaddress
import os
import platform
import re
import signal
import socket
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from faults.damage import build_chain
from faults.input_house import call

SECRETS = {"HF_TOKEN": "hf_MarkedSecret1", "AWS_SECRET_ACCESS_KEY": "MarkedSecret2", "WANDB_API_KEY": "MarkedSecret3", "PASSWORD": "MarkedSecret4"}
PERSON, HOST = "markedperson", "marked-host"
CALLS = {"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"}
_heard: list[list[object]] = []  # one list for each watch that is on: Python's audit hooks stay for good


def _hear(event: str, arguments: tuple) -> None:
    if event in CALLS:
        for heard in _heard:
            heard.append(arguments[0] if "get" in event else arguments[1])


@contextmanager
def sockets_watched() -> Iterator[list[object]]:
    """The addresses and names that this process asks sockets for, whichever library does."""
    if not getattr(_hear, "hooked", False):
        sys.addaudithook(_hear)
        _hear.hooked = True
    heard: list[object] = []
    _heard.append(heard)
    try:
        yield heard
    finally:
        _heard.remove(heard)


def leaves(address: object) -> bool:
    """Whether an address lies beyond this machine; a path is one of its own sockets."""
    host = address[0] if isinstance(address, tuple) else address
    if isinstance(address, str | bytes) and "/" in str(address):
        return False
    return str(host) != "localhost" and not ipaddress.ip_address(str(host)).is_loopback


@pytest.fixture(scope="module")
def written(tmp_path_factory, new_spec) -> tuple[Path, list[object]]:
    """The folder of a chain from images to report and archive, made by a marked person on a marked host, and the addresses asked for."""
    home = tmp_path_factory.mktemp("homes") / PERSON
    home.mkdir()
    folder = tmp_path_factory.mktemp("private")
    with pytest.MonkeyPatch.context() as patch, sockets_watched() as heard:
        for name, value in {**SECRETS, "HOME": home, "USER": PERSON, "LOGNAME": PERSON, "HOSTNAME": HOST, "EMAIL": f"{PERSON}@{HOST}"}.items():
            patch.setenv(name, str(value))
        patch.setattr(socket, "gethostname", lambda: HOST)
        patch.setattr(platform, "node", lambda: HOST)
        patch.chdir(folder)
        build_chain(folder, new_spec)
        for command in ("refresh", "archive", "appendix", "registry", "status --json"):
            answer = call(f"{command} --preset digits")
            assert answer.code == 0, answer
            (folder / f"printed by {command}").write_text((answer.printed + answer.errors).replace(str(folder), "."))  # to a person, who knows
    return folder, heard


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file, and every member of an archive."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        yield str(path.relative_to(folder)), path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield from ((f"{path.name}: {name}", archive.read(name)) for name in archive.namelist())


@pytest.mark.parametrize("what", ["secret", "person", "host", "folder", "program"])
def test_nothing_that_is_written_names_a_secret_a_person_or_a_machine(written, what):
    folder, _ = written
    marks = {
        "secret": r"Marked ?Secret",
        "person": PERSON,
        "host": HOST,
        "folder": re.escape(str(folder)),
        "program": re.escape(sys.prefix),
    }
    found = [name for name, content in contents(folder) if re.search(marks[what].encode(), content, re.IGNORECASE)]
    assert found == []


def test_all_kinds_of_files_were_searched(written):
    suffixes = {Path(name).suffix for name, _ in contents(written[0])}
    assert suffixes >= {".json", ".jsonl", ".html", ".pdf", ".md", ".tsv", ".csv", ".npz", ".npy", ".safetensors", ".zip"}


def test_no_stage_opens_a_socket_beyond_the_machine(written):
    assert [address for address in written[1] if leaves(address)] == []


def test_a_socket_would_have_been_seen():
    with sockets_watched() as heard, socket.socket() as opened, suppress(OSError):
        opened.settimeout(0.01)
        opened.connect(("127.0.0.1", 9))
    with sockets_watched() as names, suppress(OSError):
        socket.getaddrinfo("192.0.2.1", 9, flags=socket.AI_NUMERICHOST)
    assert (heard, [leaves(one) for one in heard]) == ([("127.0.0.1", 9)], [False])
    assert [leaves(one) for one in names] == [True]


# Processes that train together


def family(pid: int) -> set[int]:
    found = {pid}
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(FileNotFoundError):
            for child in (task / "children").read_text().split():
                found |= family(int(child))
    return found


def addresses_of(pids: set[int]) -> set[tuple[str, bool]]:
    """The local addresses of the processes' TCP and UDP sockets, and whether each listens."""
    mine = set()
    for pid in pids:
        with suppress(OSError):
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    mine |= set(re.findall(r"socket:\[(\d+)\]", os.readlink(descriptor)))
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        path = Path(f"/proc/net/{table}")
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if fields[9] in mine:
                found.add((_address(fields[1].partition(":")[0]), fields[3] == "0A"))
    return found


def _address(digits: str) -> str:
    """As the kernel prints it: words of four bytes, the lowest first."""
    words = bytes.fromhex(digits)
    address = ipaddress.ip_address(b"".join(words[place : place + 4][::-1] for place in range(0, len(words), 4)))
    return str(getattr(address, "ipv4_mapped", None) or address)


@pytest.mark.slow
def test_processes_of_one_machine_meet_where_nobody_else_can_listen(new_run):
    run, found = new_run(batch=32), set()
    training = run.start(100_000, "--processes", "2")

    def watch() -> bool:
        found.update(addresses_of(family(training.pid)))
        return run.logged() >= 10

    training.wait_for(watch)
    assert training.send(signal.SIGTERM).code == 143
    assert any(listens for _, listens in found)
    assert [address for address, _ in found if not ipaddress.ip_address(address).is_loopback] == []


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="looks sockets up in /proc, which Linux has")
def test_a_socket_that_others_reach_would_have_been_seen():
    with socket.socket() as everywhere, socket.socket() as here:
        for opened, address in ((everywhere, "0.0.0.0"), (here, "127.0.0.1")):
            opened.bind((address, 0))
            opened.listen()
        assert {("0.0.0.0", True), ("127.0.0.1", True)} <= addresses_of({os.getpid()})
