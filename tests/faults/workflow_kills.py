"""Kill a build of the whole chain again and again, and compare what it comes to with the same build left in peace.

    python tests/faults/workflow_kills.py --kills 100 --output results/reference/reliability/kills.json

Builds a table of two digits runs in a temporary folder, from the images to the page; once in peace and then as often as the kills last:
each life of it is ended at a random moment, and the command that a user would repeat is repeated. Takes about half an hour on two cores.
Prints a line for each kill and the receipt as JSON; exit code 1 when anything was lost.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from builds import LOOKS, PATIENCE, PLANNING, Build, Life, Process

from sra.core.files import sha256_of_json, write_json
from sra.core.origin import version_label
from sra.core.receipts import versions

ROOT = Path(__file__).parents[2]
GRACE = 1.0  # seconds beyond the interval between states that a busy machine is granted
MOST_JOBS = 3  # that a life may start before it is killed
PLANNING_SECONDS = 4.0  # until Snakemake starts its first job
ALL = "everything"


@dataclass(frozen=True)
class Kind:
    """Who is sent which signal, and what becomes of the work."""

    target: str
    signal: signal.Signals
    what_happens: str

    @property
    def name(self) -> str:
        return f"{self.signal.name} of {NAMES[self.target]}"


NAMES = {
    "rule": "a rule's process",
    "worker": "one of a training's processes",
    "shell": "a rule's shell",
    "snakemake": "Snakemake",
    ALL: "everything at once (Ctrl-C)",
}
KINDS = (
    Kind("rule", signal.SIGKILL, "Snakemake reports the job; the same command runs it again, a training from its newest state"),
    Kind("rule", signal.SIGTERM, "a training saves its state and leaves, other jobs end; the same command goes on"),
    Kind("worker", signal.SIGKILL, "the others of the training end with a line; the same command goes on from the newest state"),
    Kind("shell", signal.SIGKILL, "the job goes on without it; the same command waits for it, or runs it again"),
    Kind("snakemake", signal.SIGKILL, "its jobs go on without it; the same command asks for `--unlock`, then goes on"),
    Kind("snakemake", signal.SIGTERM, "it lets the running jobs end and leaves; the same command goes on"),
    Kind("snakemake", signal.SIGINT, "it lets the running jobs end and leaves; the same command goes on"),
    Kind(ALL, signal.SIGINT, "a training saves its state, other jobs stop; the same command goes on"),
)


@dataclass(frozen=True)
class Moment:
    """When a life is to end. after: jobs that it starts before.  share: of the time that the last of them takes.

    at_once: whether the next life begins while jobs of this one may still run.
    """

    kind: Kind
    after: int
    share: float
    at_once: bool


@dataclass
class Kill:
    """One that was done. orphans: its jobs that still ran when the next life began.  redone: seconds of training done twice after it."""

    kind: Kind
    stage: str
    orphans: int = 0
    redone: float = 0.0
    survived: bool = True


@dataclass
class Outcome:
    """Everything that a campaign found. sha256: of the digests of an undisturbed build.  wrong: one line for each thing that should not be."""

    interval: float
    sha256: str = ""
    kills: list[Kill] = field(default_factory=list)
    builds: int = 0
    unlocks: int = 0
    waits: int = 0
    reruns: int = 0
    wrong: list[str] = field(default_factory=list)

    def receipt(self) -> dict[str, Any]:
        def count(value: Callable[[Kill], str]) -> dict[str, int]:
            return dict(Counter(value(kill) for kill in self.kills))

        lost = sum(not kill.survived for kill in self.kills)
        rows = [
            {"fault": kind.name, "tried": len(of_kind), "survived": sum(kill.survived for kill in of_kind), "what happens": kind.what_happens}
            for kind in KINDS
            if (of_kind := [kill for kill in self.kills if kill.kind == kind])
        ]
        return {
            "rows": [{**row, "lost": row["tried"] - row["survived"]} for row in rows],
            "kills": {
                "signal": count(lambda kill: kill.kind.signal.name),
                "target": count(lambda kill: kill.kind.target),
                "stage": count(lambda kill: kill.stage),
            },
            "builds": self.builds,
            "reruns": self.reruns,
            "unlocks": self.unlocks,
            "asked_to_wait": self.waits,
            "survived": len(self.kills) - lost,
            "lost": lost,
            "wrong": self.wrong,
            "rerun_while_jobs_ran": sum(kill.orphans > 0 for kill in self.kills),
            "seconds_between_states": self.interval,
            "worst_seconds_redone": round(max((kill.redone for kill in self.kills), default=0.0), 2),
            "sha256_of_the_end": self.sha256,
            "versions": {**versions(), "snakemake": version("snakemake")},
        }


class Trainings:
    """When each run's training was at which step, by monotonic seconds."""

    def __init__(self, build: Build):
        self.build, self.seen = build, {}

    def look(self) -> float:
        """Note the steps. Returns the seconds of training that a run which went back must do again; 0 when none did."""
        redone = 0.0
        for run, step in self.build.steps().items():
            seen, now = self.seen.setdefault(run, []), time.monotonic()
            if seen and step < seen[-1][1]:
                redone = max(redone, seen[-1][0] - max((at for at, reached in seen if reached <= step), default=seen[0][0]))
            if not seen or step != seen[-1][1]:
                seen.append((now, step))
        return redone


class KilledBuild:
    """One build and what was done to it. seconds: how long a job of each stage takes."""

    def __init__(self, build: Build, seconds: dict[str, float], chance: random.Random):
        self.build, self.seconds, self.chance, self.trainings = build, seconds, chance, Trainings(build)
        self.kills: list[Kill] = []
        self.failed: list[str] = []
        self.unlocks = self.waits = 0

    def suffer(self, kinds: list[Kind]) -> None:
        """Kill it by these in their order, each time start it again, until it is done; without kills when they are spent."""
        while True:
            waiting = kinds[len(self.kills) :]
            moment = Moment(waiting[0], self.chance.randint(0, MOST_JOBS), self.chance.random(), self.chance.random() < 0.5) if waiting else None
            life = self.build.start()
            if kill := self.live(life, moment):
                print(f"{self.build.folder.name}: {kill.kind.name} during {kill.stage}, {kill.orphans} jobs left running", flush=True)
            elif life.code == 0:
                break
            elif life.locked:
                self.build.unlock()
                self.unlocks += 1
            elif "another process" in life.text:
                # It says to wait for a job of an earlier life.
                self.waits += 1
                self.wait_until(lambda: not self.build.processes())
            else:
                self.failed.append(life.text[-3000:])
                assert len(self.failed) < 5, f"the same command fails again and again:\n{life.text}"
        self.wait_until(lambda: not self.build.processes())

    def live(self, life: Life, moment: Moment | None) -> Kill | None:
        """Until the moment, or the end when that is earlier. Returns the kill, its consequences waited for."""
        due, started = None, set()
        while life.code is None:
            self.look()
            jobs = life.new("worker" if moment and moment.kind.target == "worker" else "rule")
            started |= set(jobs)
            if moment and due is None and len(started) >= moment.after:
                due = time.monotonic() + moment.share * self.seconds[jobs[-1].stage if jobs else PLANNING]
            if due is not None and time.monotonic() >= due and (kill := self.kill(life, moment)):
                return kill
            time.sleep(LOOKS)
        return None

    def kill(self, life: Life, moment: Moment) -> Kill | None:
        """None when what should be killed is not there."""
        target, running = moment.kind.target, life.new("rule")
        victims = (
            [Process(life.process.pid, target, running[-1].stage if running else PLANNING)] if target in ("snakemake", ALL) else life.new(target)
        )
        if not victims:
            return None
        victim = self.chance.choice(victims)
        try:
            (os.killpg if target == ALL else os.kill)(victim.pid, moment.kind.signal)
        except ProcessLookupError:
            return None
        self.kills.append(kill := Kill(moment.kind, victim.stage))
        self.wait_until(lambda: life.code is not None)
        if moment.at_once:
            kill.orphans = sum(process.role == "rule" for process in self.build.processes())
        else:
            self.wait_until(lambda: not self.build.processes())
        return kill

    def wait_until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"{self.build.folder}: still there after {PATIENCE} s: {self.build.processes()}"
            self.look()
            time.sleep(LOOKS)

    def look(self) -> None:
        if (redone := self.trainings.look()) and self.kills:
            self.kills[-1].redone = max(self.kills[-1].redone, redone)


class Campaign:
    """new_build: makes one of a name, in a folder of that name."""

    def __init__(self, new_build: Callable[[str], Build], chance: random.Random):
        self.new_build, self.chance = new_build, chance

    def run(self, count: int) -> Outcome:
        """As many kills, each kind as often as the others, over as many builds as they last for."""
        build = self.new_build("peaceful")
        seconds = {PLANNING: PLANNING_SECONDS, **build.undisturbed()}
        expected = build.digests()
        shutil.rmtree(build.folder)
        outcome = Outcome(build.interval, sha256_of_json(expected))
        kinds = [KINDS[number % len(KINDS)] for number in range(count)]
        self.chance.shuffle(kinds)
        while len(outcome.kills) < count:
            killed = KilledBuild(self.new_build(f"killed_{outcome.builds}"), seconds, self.chance)
            killed.suffer(kinds[len(outcome.kills) :])
            self.judge(killed, expected, outcome)
            shutil.rmtree(killed.build.folder)
        return outcome

    def judge(self, killed: KilledBuild, expected: dict[str, str], outcome: Outcome) -> None:
        """All kills of a build that came to something else, or whose command failed on its own, count as lost."""
        found, name = killed.build.digests(), killed.build.folder.name
        wrong = [f"{name}: {path} differs" for path in sorted(found | expected) if found.get(path) != expected.get(path)]
        wrong += [f"{name}: {path} was left half-written" for path in killed.build.half_written()]
        wrong += [f"{name}: the same command failed on its own: {text}" for text in killed.failed]
        for kill in killed.kills:
            too_much = kill.redone > killed.build.interval + GRACE
            kill.survived = not wrong and not too_much
            outcome.wrong += [f"{name}: {kill.redone:.2f} s of training done twice after {kill.kind.name} during {kill.stage}"] if too_much else []
        outcome.wrong += wrong
        outcome.kills += killed.kills
        outcome.builds += 1
        outcome.unlocks += killed.unlocks
        outcome.waits += killed.waits
        outcome.reruns += killed.build.lives - 1
        print(f"{name}: {len(killed.kills)} kills, {wrong or 'as the undisturbed one'}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between rolling states of a training")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and their kinds")
    parser.add_argument("--output", type=Path, help="where the receipt is written")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(lambda name: Build(Path(folder).resolve() / name, interval=given.interval), random.Random(given.seed))
        outcome = campaign.run(given.kills)
    command = f"python tests/faults/workflow_kills.py --kills {given.kills} --interval {given.interval:g} --seed {given.seed}"
    receipt = {"command": command, "date": date.today().isoformat(), "commit": version_label(ROOT), **outcome.receipt()}
    if given.output:
        write_json(given.output, receipt)
    print(json.dumps(receipt, indent=2, sort_keys=True))
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
