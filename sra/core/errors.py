"""Errors meant for the person who must fix them: one line saying what, where, what was expected and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches

MOST_SUGGESTED = 8  # names; a longer list helps nobody to choose


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
    """The error for a name that does not exist, with those that go on from it, else the nearest one, or all of them when none is near."""
    known = sorted(known)
    near = suggested(name, known)
    hint = f"did you mean {_either(near)}?" if near else f"known: {', '.join(known) or 'none'}"
    return InputError(f"{where}{': ' if where else ''}unknown {what} {name!r}; {hint}")


def suggested(name: str, known: Iterable[str]) -> list[str]:
    """The shortest names that begin with it, whatever the case, else the one that is spelled most like it; none where none is near."""
    by_sign = {one.casefold(): one for one in known}
    longer = [one for sign, one in by_sign.items() if sign.startswith(name.casefold())] if name else []
    if longer:
        shortest = min(map(len, longer))
        return [one for one in longer if len(one) == shortest][:MOST_SUGGESTED]
    return [by_sign[sign] for sign in get_close_matches(name.casefold(), by_sign, n=1)]


def _either(names: list[str]) -> str:
    *first, last = map(repr, names)
    return f"{', '.join(first)} or {last}" if first else last
