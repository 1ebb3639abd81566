"""Kill a real run again and again, and compare its end with the same run left in peace.

    python tests/faults/kill_campaign.py --run sit_b2_sra --kills 20

Trains a run of the digits preset twice in a temporary folder, with the command line a user types: once undisturbed, and once stopped at
random moments by SIGKILL, SIGTERM or SIGINT and started again. Prints a table and a line of JSON; exit code 1 when anything was lost.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sra.core.errors import InputError
from sra.core.files import sha256_of_file
from sra.plan.layout import Shared
from sra.spec.registry import Registry
from sra.spec.run import RunSpec, write_run

ROOT = Path(__file__).parents[2]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PLACES = ("import", "step", "write")
SHARE_BEFORE_TRAINING = 0.25
GRACE = 1.0  # seconds beyond the interval between states that a busy machine is granted


@dataclass(frozen=True)
class Kill:
    """The end of one life.

    landed: before the first step, in a step, or in the write of a state.  redone: seconds of training since the newest whole state.
    """

    signal: str
    landed: str
    code: int
    redone: float


class Run:
    """A run in a folder of its own, trained to one step by `python -m sra train`."""

    def __init__(self, folder: Path, spec: RunSpec, until: int, interval: float):
        self.folder, self.printed = folder, folder.with_name(f"{folder.name}.txt")
        self.config, self.state, self.curve = folder / "config.json", folder / "state" / "end.safetensors", folder / "curve" / "end.jsonl"
        self.scratch = folder / "scratch"
        write_run(self.config, spec)
        self.command = [sys.executable, "-m", "sra", "train", self.config, "--latents", store("latents", spec), "--device", "cpu"]
        self.command += ["--features", store("features", spec)] if spec.encoder else []
        self.command += ["--until", str(until), "--state", self.state, "--curve", self.curve, "--rolling-minutes", str(interval / 60)]

    def start(self) -> subprocess.Popen:
        with self.printed.open("w") as printed:
            return subprocess.Popen(self.command, stdout=printed, stderr=printed)

    def wait_for_training(self, life: subprocess.Popen) -> None:
        while "steps, starting" not in self.printed.read_text():
            if life.poll() is not None:
                raise InputError(f"the command ended with {life.returncode} before it trained: {self.printed.read_text()}")
            time.sleep(0.005)

    def half_written(self) -> set[Path]:
        """What is not whole yet has a name that begins with a dot."""
        found = ((where, name) for where, folders, files in os.walk(self.folder) for name in (*folders, *files))
        return {Path(where, name) for where, name in found if name.startswith(".")}

    def logged(self) -> int:
        """The last step in the curve that is written as training goes."""
        lines = [line for curve in self.scratch.glob("*/curve.jsonl") for line in curve.read_text().splitlines()]
        return json.loads(lines[-1])["step"] if lines else 0

    def saved_at(self) -> float:
        """When the newest rolling state was whole; its receipt comes last."""
        return max((path.stat().st_mtime for path in self.scratch.rglob("[0-9]*.receipt.json")), default=0.0)

    def finish(self) -> dict[str, str]:
        """Train to the end. Returns the SHA-256 of the state, the curve and the exported averaged weights."""
        if self.start().wait():
            raise InputError(f"the training failed: {self.printed.read_text()}")
        weights = self.folder / "weights.safetensors"
        subprocess.run([sys.executable, "-m", "sra", "export", self.config, "--state", self.state, "--output", weights], check=True)
        return {file.parent.name if file != weights else "weights": sha256_of_file(file) for file in (self.state, self.curve, weights)}

    def kill(self, number: signal.Signals, after: float, of_training: bool) -> Kill:
        """Start it, and send it a signal `after` seconds of training, or of the process."""
        stale, life = self.half_written(), self.start()
        if of_training:
            self.wait_for_training(life)
        time.sleep(after)
        training = "steps, starting" in self.printed.read_text()
        began = self.printed.stat().st_mtime
        landed = "import" if not training else "write" if self.half_written() - stale else "step"
        killed = time.time()
        life.send_signal(number)
        code = life.wait()
        if code == 0:
            raise InputError("the run was at its end before the last kill; give a later --milestone")
        lost = killed - max(began, self.saved_at()) if training else 0.0
        return Kill(number.name, landed, code, max(0.0, lost))


def store(kind: str, spec: RunSpec) -> Path:
    """The store.json of the run's latents or features. Raises InputError naming the command that makes it."""
    shared = Shared(spec.dataset)
    target = shared.latents(spec.vae) if kind == "latents" else shared.features(spec.encoder)
    if not (ROOT / target).exists():
        raise InputError(f"{target}: does not exist; make it with: snakemake --cores all {target}")
    return ROOT / target


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", default="sit_b2_sra", help="a run of config/experiments")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--milestone", default="m400k")
    parser.add_argument("--interval", type=float, default=0.1, help="seconds between rolling states")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the signals")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        registry = Registry(ROOT, "digits")
        spec, until = registry.spec(given.run), registry.preset.milestones[given.milestone]
        with tempfile.TemporaryDirectory() as folder:
            peaceful, killed = (Run(Path(folder) / name, spec, until, given.interval) for name in ("peaceful", "killed"))
            return campaign(peaceful, killed, until, given, random.Random(given.seed))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def campaign(peaceful: Run, killed: Run, until: int, given: argparse.Namespace, chance: random.Random) -> int:
    began = time.time()
    life = peaceful.start()
    peaceful.wait_for_training(life)
    imports = time.time() - began
    life.wait()
    duration = time.time() - began - imports
    expected = peaceful.finish()

    # Each life is in proportion to what is left of the run, all together about two thirds: the kills are used up before it ends.
    longest = 2 * duration / (given.kills * (1 - SHARE_BEFORE_TRAINING))
    kills = []
    for _ in range(given.kills):
        of_training = chance.random() >= SHARE_BEFORE_TRAINING
        after = chance.uniform(0, longest * (1 - killed.logged() / until) if of_training else imports)
        kills.append(killed.kill(chance.choice(SIGNALS), after, of_training))
    half_written = len(killed.half_written())
    result = killed.finish()
    went_on_at = re.search(r"continuing from \S+ \(step (\d+)\)", killed.printed.read_text())
    left = sorted(str(path.relative_to(killed.folder)) for path in killed.half_written() | set(killed.scratch.rglob("*")))

    worst = max(kill.redone for kill in kills)
    verdict = result == expected and not left and worst <= given.interval + GRACE
    print(table(kills))
    print(f"{half_written} half-written files lay there after the last kill; {len(left)} lie there at the end")
    print(f"the last life went on from step {went_on_at[1] if went_on_at else 0}; at most {worst:.2f} s of training were done twice in a life")
    print("state, curve and exported weights are those of the undisturbed run" if result == expected else "THE RESULTS DIFFER")
    facts = {"run": given.run, "milestone": given.milestone, "kills": given.kills, "interval": given.interval, "seed": given.seed}
    landed = {place: sum(kill.landed == place for kill in kills) for place in PLACES}
    codes = Counter(f"{kill.signal} {kill.code}" for kill in kills)
    redone = {"seconds_redone": round(sum(kill.redone for kill in kills), 3), "most_seconds_redone": round(worst, 3)}
    print(json.dumps({**facts, "landed": landed, "codes": codes, **redone, "left": left, "sha256": result, "verdict": verdict}, sort_keys=True))
    return 0 if verdict else 1


def table(kills: list[Kill]) -> str:
    """Kills by signal and by where they landed."""
    count = Counter((kill.signal, kill.landed) for kill in kills)
    rows = [("", *PLACES, "seconds of training redone")]
    for number in SIGNALS:
        redone = sum(kill.redone for kill in kills if kill.signal == number.name)
        rows.append((number.name, *(str(count[number.name, place]) for place in PLACES), f"{redone:.2f}"))
    return "\n".join(f"{row[0]:<8}" + "".join(f"{cell:>8}" for cell in row[1:4]) + f"  {row[4]}" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
