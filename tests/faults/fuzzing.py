"""What hypothesis makes of good files - edited documents, broken bytes, headers that lie - and what must hold of whoever reads them."""

import copy
import io
import json
import os
import resource
import signal
import struct
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from sra.commands import UNUSABLE_PATH
from sra.core.errors import InputError, spelled_out

# SRA_FUZZ_EXAMPLES: files of each kind. Without it few, and always the same.
EXAMPLES = int(os.environ.get("SRA_FUZZ_EXAMPLES", "0"))
SECONDS, MOST_BYTES = 60, 2 << 30  # that reading one file may take, on a busy machine: a hang and a lying header take far more
TRIED: Counter[str] = Counter()  # files by kind, and `KIND, read` of those that could be read all the same


def fuzzed(examples: int = 40) -> settings:
    return settings(
        max_examples=EXAMPLES or examples, derandomize=not EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )


def survives(kind: str, read: Callable[[], object]) -> None:
    """Reading ends soon, in little memory, and well or with one line for a person."""
    TRIED[kind] += 1
    said = None
    with _in_bounds():
        try:
            read()
        except InputError as error:
            said = spelled_out(error)
        except OSError as error:
            if error.errno not in UNUSABLE_PATH:  # of which the command line makes one line
                raise
            said = f"{error.filename}: {error.strerror}"
    if said is None:
        TRIED[f"{kind}, read"] += 1
    else:
        assert len(said.strip()) > 10


@contextmanager
def _in_bounds() -> Iterator[None]:
    def give_up(*_) -> None:
        raise AssertionError(f"it has not ended after {SECONDS} s")

    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    limits, handler = resource.getrlimit(resource.RLIMIT_AS), signal.signal(signal.SIGALRM, give_up)
    resource.setrlimit(resource.RLIMIT_AS, (now + MOST_BYTES, limits[1]))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, limits)


# Documents

NAMES = [
    "",
    " ",
    "../../etc/passwd",
    "/etc/passwd",
    "a\nb",
    "{run}",
    "%s",
    "nan",
    "m400k",
    "sit_b2",
    "sde250",
    "x" * 3000,
    "\x00",
    "é\u202e",
    "__s1",
    "null",
]
NUMBERS = [0, -1, 1, 2, 7, 10**9, 10**18, 10**40, -(10**40), 0.5, -0.0, 1e-320, 1e308, float("inf"), float("-inf"), float("nan")]
SCALARS = st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.integers() | st.floats() | st.sampled_from(NAMES) | st.text(max_size=8)
KEYS = st.sampled_from([*NAMES, "kind", "id", "run"]) | st.text(max_size=6)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6)


@st.composite
def edited(draw: st.DrawFn, document: Any) -> Any:
    """The document after up to three edits, each at some place in it: another value, one from elsewhere, none, one more, another name."""
    found = copy.deepcopy(document)
    for _ in range(draw(st.integers(0, 3))):
        places = list(_places(found))
        if not places:
            return draw(VALUES)
        holder, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["replace", "replace", "scale", "move", "remove", "add", "rename"])):
            case "replace":
                holder[key] = draw(VALUES)
            case "scale" if isinstance(holder[key], int | float):
                holder[key] = holder[key] * draw(st.sampled_from([-1, 0, 0.5, 1000, 10**12]))
            case "move":
                other, there = draw(st.sampled_from(places))
                holder[key] = copy.deepcopy(other[there])
            case "remove":
                del holder[key]
            case "add" if isinstance(holder, list):
                holder.insert(key, copy.deepcopy(holder[key]))
            case "add":
                holder[draw(KEYS)] = draw(VALUES)
            case "rename" if isinstance(holder, dict):
                holder[draw(KEYS)] = holder.pop(key)
    return found


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every list or dictionary in it with each of its keys."""
    inner = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    for key, value in list(inner):
        yield document, key
        yield from _places(value)


# Bytes


@st.composite
def broken(draw: st.DrawFn, content: bytes, head: int = 400) -> bytes:
    """The bytes after one to three of: one byte another, a part cut out, put in or doubled, the end missing; mostly in the first or last `head`."""
    found = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        size = len(found)
        at = draw(st.integers(0, min(size, head)) | st.integers(max(0, size - head), size) | st.integers(0, size))
        length = draw(st.integers(0, 40))
        match draw(st.sampled_from(["flip", "flip", "number", "cut", "put", "double", "end"])):
            case "flip" if at < size:
                found[at] ^= draw(st.integers(1, 255))
            case "number":
                found[at : at + 4] = draw(st.sampled_from([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"9999"]))
            case "cut":
                del found[at : at + length]
            case "put":
                found[at:at] = draw(st.binary(max_size=20))
            case "double":
                found[at:at] = found[at : at + length]
            case "end":
                del found[at:]
    return bytes(found)


# Headers of arrays

SIZES = st.sampled_from([0, 1, 3, 16, 32, -1, 2**31, 2**62, 2**64, 10**30])
TYPES = ["|u1", "<f4", ">f8", "<i8", "|O", "|V9", "<U9", "|S3", "<c16", "|b1", "<M8[s]", "<f16", "S0", "", "x", "<i99999999999", "(9,9)f4"]


@st.composite
def array_headers(draw: st.DrawFn) -> bytes:
    """The head of a .npy that says what it likes of the bytes after it."""
    said = {"descr": draw(st.sampled_from(TYPES)), "fortran_order": draw(st.booleans()), "shape": tuple(draw(st.lists(SIZES, max_size=5)))}
    if draw(st.integers(0, 4)) == 0:
        said = draw(VALUES)
    text = repr(said).encode("utf-8", errors="replace") + b"\n"
    version = draw(st.sampled_from([(1, 0), (2, 0), (3, 0), (9, 9)]))
    length = draw(st.sampled_from([len(text), len(text), len(text), 0, 65535]))
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H" if version == (1, 0) else "<I", length) + text


@st.composite
def lying_npz(draw: st.DrawFn, names: tuple[str, ...]) -> bytes:
    """An npz of whole members, whose headers say what they like."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))) as archive:
        for name in names:
            archive.writestr(f"{name}.npy", draw(array_headers()) + bytes(draw(st.sampled_from([0, 1, 48, 3072]))))
    return content.getvalue()


@st.composite
def lying_safetensors(draw: st.DrawFn, header: dict[str, Any], data: bytes) -> bytes:
    """A safetensors file whose header was edited, and sometimes its length."""
    text = json.dumps(draw(edited(header))).encode("utf-8", errors="replace")
    length = draw(st.sampled_from([len(text), len(text), len(text), 0, 2**20, 2**63]))
    return struct.pack("<Q", length) + text + data
