"""Errors meant for the person who must fix them: one line saying what, where, what was expected and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(Exception):
    """The input cannot be used as it is. The command line prints the message alone and exits with 2."""


class StageError(Exception):
    """The input was fine but the work failed (loss not finite, file system full). Exits with 1."""


class Interrupted(Exception):
    """The work was asked to stop and kept what it had. Exits with 128 + the signal's number, as a shell would say it."""

    def __init__(self, message: str, signal_number: int):
        super().__init__(message)
        self.exit_code = 128 + signal_number


def spelled_out(message: object) -> str:
    """The message as a person may see it: signs that move the cursor, turn the text round or end the line are spelled out (`\\n`, `\\u202e`).

    Messages quote names of files and words of captions, which others chose.
    """
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in str(message))


def unknown(what: str, name: str, known: Iterable[str], where: str = "") -> InputError:
    """The error for a name that does not exist, with the nearest one that does, or all of them when none is near."""
    known = sorted(known)
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
    return InputError(f"{where}{': ' if where else ''}unknown {what} {name!r}; {hint}")
