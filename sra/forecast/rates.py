"""How fast each kind of work goes on a named device (`config/throughput.tsv`): what an estimate of cost rests on."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, PositiveFloat, model_validator

from sra.core.errors import unknown
from sra.spec.assets import load_table
from sra.spec.base import Strict
from sra.spec.methods.known import METHOD_OF
from sra.spec.scale import Precision

# train, sample: steps and evaluations of a diffusion transformer.  decode, encode: an autoencoder.  inception: the extractor of scores.
# vision, text: encoders, wherever they run by themselves.  standin: training a small model that stands for a downloaded one.
# start: what a job takes before its work begins and after it ends.  score: what a score takes beside its networks.  power: of the device.
What = Literal["train", "sample", "decode", "encode", "inception", "vision", "text", "standin", "start", "score", "power"]
Unit = Literal["FLOP/s", "s/job", "s/image", "W"]
UNITS: dict[What, Unit] = {"standin": "s/job", "start": "s/job", "score": "s/image", "power": "W"}  # FLOP/s where nothing else is said

HALF = ("fp16", "bf16")  # as fast as each other
CONFIDENCE = {"high": "within a tenth", "medium": "within a half", "low": "three times more or less would be no surprise"}
Source = Literal["measured", "published", "assumed"]
SOURCES: tuple[Source, ...] = get_args(Source)


class Rate(Strict):
    """One row. An empty cell means any: a rate of `train` without a network holds for every model."""

    what: What
    device: str = Field(description="one GPU, or one core of a CPU")
    precision: Precision | None = None
    network: str | None = Field(None, description="a model as the paper names it (SiT-XL/2), or a network of weights.tsv")
    method: Literal[tuple(METHOD_OF)] | None = None
    value: PositiveFloat
    unit: Unit
    source: Source
    evidence: str = Field(description="the command and date, the paper and table, or the reasoning")
    confidence: Literal[tuple(CONFIDENCE)]

    @model_validator(mode="after")
    def _in_its_unit(self):
        expected = UNITS.get(self.what, "FLOP/s")
        if self.unit != expected:
            raise ValueError(f"a rate of {self.what} is in {expected}; convert value and change unit")
        return self

    @property
    def name(self) -> str:
        """What the row is about: `train on a100, fp16, SiT-XL/2, sra`."""
        return ", ".join([f"{self.what} on {self.device}", *filter(None, (self.precision, self.network, self.method))])

    def fits(self, network: str | None, method: str | None, precision: Precision | None) -> bool:
        here = (("network", network), ("method", method))
        return all(getattr(self, key) in (None, value) for key, value in here) and _as_fast(self.precision, precision)

    def seconds(self, amount: float) -> float:
        """Of so many FLOPs, jobs or images."""
        return amount / self.value if self.unit == "FLOP/s" else amount * self.value


def _as_fast(of_row: Precision | None, asked: Precision | None) -> bool:
    return of_row in (None, asked) or (of_row in HALF and asked in HALF)


@dataclass(frozen=True)
class Rates:
    """The rates of one device. `measured_here` comes first: what this machine did beats what a file says of its kind."""

    device: str
    listed: tuple[Rate, ...]
    measured_here: tuple[Rate, ...] = ()

    def of(self, what: What, network: str | None = None, method: str | None = None, precision: Precision | None = None) -> Rate | None:
        """The row that fits best: network before method before precision; None where none fits.

        Where a network has no row of the method, that of training without alignment stands in: alignment's FLOPs are counted.
        """
        for rows in (self.measured_here, self.listed):
            fitting = [row for row in rows if row.what == what and (row.fits(network, method, precision) or row.fits(network, "none", precision))]
            if fitting:
                return max(fitting, key=lambda row: (row.network is not None, row.method == method, row.method is None, row.precision is not None))
        return None


@dataclass(frozen=True)
class Work:
    """amount: FLOPs, jobs or images, as the rates of `what` count."""

    what: What
    amount: float
    network: str | None = None
    method: str | None = None
    precision: Precision | None = None


class Prices:
    """Seconds of work on one device. `used`: the rows that were asked, and for which networks; `unknown`: work that no row fits."""

    def __init__(self, rates: Rates):
        self.rates = rates
        self.used: dict[Rate, set[str]] = {}
        self.unknown: set[str] = set()

    def seconds(self, works: Iterable[Work]) -> dict[Source, float]:
        """By where the rates come from."""
        found = dict.fromkeys(SOURCES, 0.0)
        for work in works:
            if rate := self._rate(work):
                found[rate.source] += rate.seconds(work.amount)
        return found

    def watts(self) -> float:
        power = self.rates.of("power")
        if power is None:
            self.unknown.add(f"energy: config/throughput.tsv has no power of {self.rates.device}")
        return power.value if power else 0.0

    def _rate(self, work: Work) -> Rate | None:
        rate = self.rates.of(work.what, work.network, work.method, work.precision)
        if rate is None:
            by = f" by {work.network}" if work.network else ""
            self.unknown.add(f"{work.what}{by}: config/throughput.tsv has no row for it on {self.rates.device}")
        else:
            self.used.setdefault(rate, set()).update([work.network] if work.network else [])
        return rate


def read_rates(root: Path, device: str, measured_here: Iterable[Rate] = ()) -> Rates:
    """The rows of config/throughput.tsv for a device. Raises InputError for a device without any."""
    path = root / "config" / "throughput.tsv"
    rows = load_table(path, Rate).values()
    if device not in {row.device for row in rows}:
        raise unknown("device", device, {row.device for row in rows}, where=str(path))
    return Rates(device, tuple(row for row in rows if row.device == device), tuple(measured_here))


def is_core(device: str) -> bool:
    """Whether the device is a core of a CPU; all others are GPUs."""
    return device == "cpu" or device.startswith("cpu_")
