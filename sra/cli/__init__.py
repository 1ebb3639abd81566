"""`sra <stage> ...`: one subcommand for each stage of the workflow. The rules call nothing else, and nothing here computes."""

import errno
import sys

import typer

from sra.cli import analysis, benchmarking, data, planning, publishing, rendering, sampling, scoring, training, watching
from sra.core.errors import InputError, Interrupted, StageError, spelled_out

app = typer.Typer(
    help="Stages of the SRA reproduction. Snakemake calls them in order; each can be run alone.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for group in (data, training, sampling, scoring, analysis, rendering, planning, watching, publishing, benchmarking):
    app.add_typer(group.commands)

# What a path given by the user can be: a folder in a file's place, a file in a folder's, not ours to read or write, too long, a circle of links.
UNUSABLE_PATH = (errno.EISDIR, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 the work failed, 2 the input is unusable, 128 + n stopped by signal n."""
    try:
        app()
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
