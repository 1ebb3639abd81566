"""`sra <command> ...`: one file a command, whose function has the options as its signature and the work as its body.

The function is called as its file, and the file's opening lines are the command's help. The rules of the workflow call nothing else.
"""

import errno
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import typer
from typer.core import TyperGroup

from sra.core.errors import InputError, Interrupted, StageError, spelled_out
from sra.core.progress import log_start

NO_COMMANDS = ("__init__", "options")
# As an image meets them, in `sra --help`; a command that is not named here comes after these.
IN_ORDER = (
    *("make-digits", "make-fashion", "make-images", "index", "make-scenes", "index-captions"),
    *("train-vae", "train-encoder", "train-extractor", "train-clip"),
    *("extract-latents", "take-latents", "finish-latents", "latent-mean", "pack-images", "finish-pixels", "extract-features", "finish-features"),
    *("extract-text", "finish-text", "convert-encoder", "resolve", "train", "measure", "measure-steps", "export", "convert", "import-weights"),
    *("sample", "pack", "make-reference", "reference-features", "score", "conformance", "probe", "pca"),
    *("choose", "pilot", "study", "table", "figure", "claims", "report", "refresh"),
    *("cost", "status", "registry", "appendix", "archive", "adopt", "keep", "bench"),
)
# What a path given by the user can be: a folder in a file's place, a file in a folder's, not ours to read or write, too long, a circle of links.
UNUSABLE_PATH = (errno.EISDIR, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP)
PLAIN = {"add_completion": False, "pretty_exceptions_enable": False, "rich_markup_mode": None}


class Commands(TyperGroup):
    """Knows a command by its file's opening line and imports the file when the command is called, so that `sra --help` needs no torch."""

    def resolve_command(self, context, arguments):
        name, _, rest = super().resolve_command(context, arguments)
        command = load(name)
        log_start()
        return name, command, rest


def load(name: str):
    """The command as typer runs it: the function of its file, with the file's docstring as help."""
    module = imported(_file_name(name))
    alone = typer.Typer(**PLAIN)
    alone.command(name, help=module.__doc__, context_settings=getattr(module, "CONTEXT_SETTINGS", None))(getattr(module, _file_name(name)))
    return typer.main.get_command(alone)


def imported(module: str):
    """The file of a command.

    Importing torch and diffusers allocates millions of objects that live on; without collections in between it takes a quarter less.
    """
    gc.disable()
    before = signal.signal(signal.SIGINT, _leave)
    try:
        return import_module(f"sra.commands.{module}")
    finally:
        signal.signal(signal.SIGINT, before)
        gc.freeze()
        gc.enable()


def _leave(number: int, frame) -> None:
    """Ctrl-C among imports, where nothing is being written: some libraries turn the exception of Ctrl-C into another."""
    print("stopped before it began; the same command starts it again", file=sys.stderr, flush=True)
    os._exit(128 + number)


def _file_name(command: str) -> str:
    return command.replace("-", "_")


def names() -> list[str]:
    """Of all commands, in the order of `sra --help`."""
    found = [path.stem.replace("_", "-") for path in Path(__file__).parent.glob("*.py") if path.stem not in NO_COMMANDS]
    return sorted(found, key=lambda name: (IN_ORDER.index(name) if name in IN_ORDER else len(IN_ORDER), name))


def opening_line(command: str) -> str:
    """Of the file of a command, which is not imported for it."""
    with Path(__file__).with_name(f"{_file_name(command)}.py").open(encoding="utf-8") as file:
        return file.readline().strip().strip('"')


def _stands_in() -> None:
    """For a command of which `sra --help` shows no more than the opening line."""


app = typer.Typer(
    cls=Commands, help="Stages of the SRA reproduction. Snakemake calls them in order; each can be run alone.", no_args_is_help=True, **PLAIN
)
for command in names():
    app.command(command, help=opening_line(command))(_stands_in)


class Printed:
    """Standard output that says in one line that it cannot be written, such as a file on a full disk: Python's error would not say what is full.

    Who prints may pass over that, so flushing says it again.
    """

    def __init__(self, stream: TextIO):
        self.stream, self.lost = stream, ""

    def write(self, text: str) -> int:
        with self._arriving():
            return self.stream.write(text)

    def flush(self) -> None:
        with self._arriving():
            self.stream.flush()
        if self.lost:
            raise StageError(self.lost)

    @contextmanager
    def _arriving(self) -> Iterator[None]:
        """Who reads a pipe may leave: that is no failure."""
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            self.stream = Path(os.devnull).open("w")  # noqa: SIM115  or Python complains of the same at its end
            self.lost = f"standard output cannot be written ({error.strerror}); send it elsewhere"
            raise StageError(self.lost) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _run() -> None:
    """The command, until what it printed has arrived: what is short leaves Python's buffer at the end alone."""
    if sys.stdout is None:  # closed by who called
        app()
        return
    printed = sys.stdout = Printed(sys.stdout)
    try:
        app()
    finally:
        try:
            printed.flush()
        finally:
            sys.stdout = printed.stream  # the same one, unless it was lost


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 the work failed, 2 the input is unusable, 128 + n stopped by signal n."""
    try:
        _run()
    except (InputError, StageError) as error:
        print(f"error: {spelled_out(error)}", file=sys.stderr)
        sys.exit(2 if isinstance(error, InputError) else 1)
    except OSError as error:
        if error.errno not in UNUSABLE_PATH or error.filename is None:
            raise
        print(f"error: {spelled_out(error.filename)}: {error.strerror}; give another path, or change its rights", file=sys.stderr)
        sys.exit(2)
    except Interrupted as stop:
        if str(stop):  # of several processes one speaks
            print(stop, file=sys.stderr)
        sys.exit(stop.exit_code)
    except KeyboardInterrupt:
        print("stopped; nothing half-written was kept, and the same command starts this stage again", file=sys.stderr)
        sys.exit(130)
    except SystemExit as end:
        if not end.code:
            # All is written: a stop in the last moments would only make Snakemake delete it.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
        raise
