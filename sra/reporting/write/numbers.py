"""How every number, and text of others, is written. Tables, figures and the page call these functions, so a value reads the same everywhere."""

import math
import re
import unicodedata
from typing import Literal

from sra.core.errors import InputError
from sra.core.units import decimal

MINUS = "\u2212"
NARROW_SPACE = "\u202f"  # between thousands
FIGURE_SPACE = "\u2007"  # as wide as a digit
PUNCTUATION_SPACE = "\u2008"  # as wide as a point

ABSENT = "\u2014"  # not in the paper, or does not apply
UNDEFINED = "n/a"

METRIC_NAMES = {
    "fid": "FID",
    "sfid": "sFID",
    "is": "IS",
    "precision": "Precision",
    "recall": "Recall",
    "label_agreement": "Label agreement",
    "kid": "KID",
    "fid_infinity": "FID∞",
    "fd_dinov2": "FD-DINOv2",
    "fd_selfsup": "FD-selfsup",
    "fid_pytorch": "FID (pytorch-fid)",
    "clip_score": "CLIP score",
    "pick_score": "PickScore",
    "cmmd": "CMMD",
    "caption_accuracy": "Caption accuracy",
    "probe_accuracy": "Probe accuracy",
    "memory": "Memory",
    "epoch_time": "Time an epoch",
    "extra_parameters": "Extra parameters",
    "memory_over_baseline": "Memory over baseline",
    "time_over_baseline": "Time over baseline",
    "training_time": "Training time",
}
ARROWS = {"lower": "\u2193", "higher": "\u2191"}


def metric_header(metric: str, better: Literal["lower", "higher"], unit: str = "") -> str:
    """The metric's name, and an arrow to where it is better: `FID ↓`."""
    return f"{METRIC_NAMES[metric]}{unit} {ARROWS[better]}"


def number_text(value: float, spec: str) -> str:
    """A number as text. `spec` is a table column's format: `.2f`, or `.1%` whose unit stands in the header. -0.00 is written 0.00."""
    if not math.isfinite(value):
        raise ValueError(f"only finite numbers are printed, got {value}")
    scaled, spec = (100 * value, spec.replace("%", "f")) if spec.endswith("%") else (value, spec)
    digits = format(abs(scaled), spec)
    whole, point, decimals = digits.partition(".")
    grouped = _grouped(whole) + point + decimals
    return MINUS + grouped if scaled < 0 and float(digits) else grouped


def difference_text(difference: float, spec: str) -> str:
    """A difference as text, always signed, with the true minus; a difference that rounds to zero has no sign."""
    text = number_text(difference, spec)
    return text if text.startswith(MINUS) or not re.search(r"[1-9]", text) else "+" + text


def count_text(count: int) -> str:
    """A count as text: 50000 -> 50 000, with a narrow space from five digits on."""
    return MINUS + _grouped(str(-count)) if count < 0 else _grouped(str(count))


def size_text(parameters: int) -> str:
    """A number of parameters with three digits: 2361600 -> 2.36 M."""
    return decimal(parameters) if parameters else "0"


def added_text(share: float | None) -> str:
    """What is added, in percent: 0.248 -> +24.8 %; of what rounds to nothing, whether it is nothing; a dash for None."""
    if share is None:
        return ABSENT
    if 0 <= share < 0.0005:
        return "0 %" if share == 0 else "< 0.1 %"
    return f"{difference_text(share, '.1%')} %"


def _grouped(digits: str) -> str:
    return f"{int(digits):,}".replace(",", NARROW_SPACE) if len(digits) >= 5 else digits


def steps_of_milestone(milestone: str) -> int:
    """The paper's step of a milestone: m400k -> 400000, m4m -> 4000000."""
    found = re.fullmatch(r"m(\d+)([km])", milestone)
    if not found:
        raise InputError(f"milestone {milestone!r}: expected m, a number and k or m, such as m400k or m4m")
    return int(found[1]) * {"k": 1_000, "m": 1_000_000}[found[2]]


def milestone_text(milestone: str) -> str:
    """A milestone as the paper writes it: m400k -> 400K."""
    steps_of_milestone(milestone)
    return milestone[1:].upper()


def short_hash(digest: str) -> str:
    return digest[:8]


def decimal_padding(texts: list[str]) -> list[str]:
    """What to append to each text so that the points of a right-aligned column stand on one line. Texts that are not numbers get nothing."""
    tails = [_decimal_tail(text) for text in texts]
    longest = max((len(tail) for tail in tails if tail is not None), default=0)
    return ["" if tail is None else _padding(len(tail), longest) for tail in tails]


def _decimal_tail(text: str) -> str | None:
    """The point and what follows, `.30` of 12.30; empty for a whole number; None when the text is no number."""
    found = re.fullmatch(rf"[+{MINUS}-]?[\d{NARROW_SPACE}]+(\.\d+)?( [≈≠])?", text)
    return (found[1] or "") if found else None


def _padding(length: int, longest: int) -> str:
    if length == longest:
        return ""
    point = PUNCTUATION_SPACE if length == 0 else ""
    return point + FIGURE_SPACE * (longest - length - len(point))


def listed(words: list[str]) -> str:
    """Words in a sentence: `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def one_line(text: str) -> str:
    """Text of others on one line: breaks and tabs become spaces; control and direction marks, and what no XML may hold, go."""
    spaced = re.sub(r"[\n\r\t\u2028\u2029]+", " ", text)
    return "".join(character for character in spaced if unicodedata.category(character) not in ("Cc", "Cf") and character not in "\ufffe\uffff")
