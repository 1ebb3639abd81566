"""What goes wrong around a run: folders that take no files, clocks that jump, the same work started twice, a configuration that changes meanwhile.

And files that are seen later than they were written, as on a network disk.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.damage import CONFIG, STEPS, Step, errors_of
from faults.disks import mounted, remount
from faults.input_house import call
from stopping import stop

from sra.core.files import read_json
from sra.core.receipts import receipt_path
from sra.spec.run import write_run

MOVABLE = [name for name, step in STEPS.items() if step.movable]
UNTIMED = [name for name in MOVABLE if name != "cost"]  # what is not itself a measurement of time
DAY = 86400.0
UNTIL = 40
CONFIGS = [f"results/digits/runs/{run}/config.json" for run in ("sit_b2", "sit_b2_sra")]


# Folders that take no files


@pytest.fixture
def read_only(tmp_path) -> Iterator[Path]:
    """A read-only file system: root may write wherever the disk lets it."""
    with mounted(tmp_path / "read_only", "ro,size=4k") as folder:
        yield folder


@pytest.mark.fault("read-only output folder")
@pytest.mark.parametrize("name", MOVABLE)
def test_a_read_only_folder_is_refused_before_the_work(name, chain, read_only):
    """All that the command says is one line: nothing was begun."""
    answer = STEPS[name].run(read_only / "new" / Path(STEPS[name].output).name)
    assert (answer.code, answer.crash) == (2, "")
    assert answer.errors.startswith(f"error: {read_only}/new/")
    assert answer.errors.endswith(f": {read_only} cannot be written to (read-only, or another user's); make it writable or give another place\n")
    assert answer.errors.count("\n") == 1


@pytest.mark.fault("read-only output folder")
def test_the_folder_of_a_run_that_is_read_only(chain, read_only):
    """Where its rolling states would be: here without a folder of its own."""
    remount(read_only, "rw")
    (read_only / "config.json").write_bytes(Path(CONFIG).read_bytes())
    remount(read_only, "ro")
    answer = call(STEPS["train"].arguments.replace(CONFIG, str(read_only / "config.json")).format(out="elsewhere/a.safetensors", folder="elsewhere"))
    assert (answer.code, answer.crash) == (2, "")
    [line] = errors_of(answer)
    assert f"{read_only} cannot be written to" in line


@pytest.mark.fault("read-only output folder")
def test_another_users_folder_is_refused(tmp_path):
    """By rights alone, as whoever is not root."""
    tmp_path.chmod(0o755)
    (tmp_path / "theirs").mkdir(mode=0o755)
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o001)
    pid = os.fork()
    if not pid:
        code = 1
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            else:
                (tmp_path / "theirs").chmod(0o555)
            code = call(f"make-digits --output {tmp_path}/theirs/new/images.zip").code
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2


@pytest.mark.fault("log that cannot be written")
def test_a_log_that_cannot_be_written_ends_the_job_before_its_work(checkout):
    """Here a folder lies in its place."""
    log = checkout.folder / "results/digits/logs/resolve_run/sit_b2.log"
    (log / "kept").mkdir(parents=True)
    done = checkout.snakemake("--show-failed-logs", CONFIGS[0])
    assert done.returncode == 1
    assert "sit_b2.log: Is a directory" in done.stdout
    assert not (checkout.folder / CONFIGS[0]).exists()


@pytest.mark.fault("read-only working folder")
def test_a_working_folder_that_takes_no_files_is_said_in_a_line(checkout, read_only):
    (checkout.folder / ".snakemake").symlink_to(read_only)
    done = checkout.snakemake(CONFIGS[0])
    assert done.returncode == 2
    assert ".snakemake/log: " in done.stdout
    assert "Traceback" not in done.stdout


# Clocks


def same_again(step: Step) -> None:
    """Run beside its first output it gives the same bytes."""
    output = again(step)
    try:
        answer = step.run(output)
        assert answer.code == 0, answer
        assert output.read_bytes() == Path(step.output).read_bytes()
    finally:
        output.unlink(missing_ok=True)
        receipt_path(output).unlink(missing_ok=True)


def again(step: Step) -> Path:
    return Path(step.output).with_name(f"again_{Path(step.output).name}")


@pytest.mark.fault("clock that jumps by days")
@pytest.mark.parametrize("name", UNTIMED)
def test_a_clock_that_jumps_changes_no_byte(name, chain, monkeypatch):
    """By days, back and forth, at each look; the clock that intervals are measured by does not jump."""
    jumps = (now for number in range(10**9) for now in (1.0, 2_000_000_000.0 + DAY * number))
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    same_again(STEPS[name])
    assert not list(chain.rglob("scratch/*/[0-9]*"))  # no rolling state was due


@pytest.mark.fault("files dated in the past or the future")
@pytest.mark.parametrize("shift", [-20 * 365 * DAY, 365 * DAY], ids=["the past", "the future"])
def test_files_of_another_time_change_no_byte(shift, chain):
    files = {path: path.stat() for path in chain.rglob("*") if path.is_file()}
    for path, was in files.items():
        os.utime(path, (was.st_atime, was.st_mtime + shift))
    try:
        for name in UNTIMED:
            same_again(STEPS[name])
    finally:
        for path, was in files.items():
            os.utime(path, (was.st_atime, was.st_mtime))


@pytest.mark.slow
@pytest.mark.fault("clock set back between two jobs")
def test_a_file_from_the_future_stops_snakemake_until_its_time_is_set(checkout):
    """Else the job would be due again and again."""
    archive, index = "results/shared/digits/images.zip", "results/shared/digits/index.json"
    assert checkout.snakemake(index).returncode == 0
    whole = (checkout.folder / index).read_bytes()
    os.utime(checkout.folder / archive, (time.time() + DAY, time.time() + DAY))
    stopped = checkout.snakemake(index)
    assert stopped.returncode == 1
    assert re.search(rf"{index} has older modification time \(.*\) than input {archive} ", stopped.stdout)
    os.utime(checkout.folder / archive)
    again = checkout.snakemake(index)
    assert again.returncode == 0, again.stdout
    assert (checkout.folder / index).read_bytes() == whole


# The same work twice


@pytest.mark.fault("two trainings of one run")
def test_two_trainings_of_a_run_at_once(new_run, undisturbed):
    """The second waits some seconds and is refused; the first, here a very slow one, does not notice."""
    run = new_run()
    first = run.start(UNTIL, minutes=0)
    first.wait_for(lambda: run.newest() > 5)
    stop(first.pid)
    before = run.files()
    second = run.train(UNTIL, minutes=0)
    assert second.code == 1
    assert second.complaint.startswith(f"error: run {run.spec.run}: another process trains it and holds {run.folder}/training.lock; wait for it")
    assert run.files() == before
    first.notify(signal.SIGCONT)
    assert first.finish().code == 0
    assert run.result() == undisturbed(UNTIL)


@pytest.mark.fault("two trainings of one run")
def test_a_training_left_behind_by_a_killed_snakemake_hands_over(new_run, undisturbed):
    """It was told to stop, saves what it has, and the next goes on from just that."""
    run = new_run()
    orphan = run.start(UNTIL, minutes=60)
    orphan.wait_for(lambda: run.logged() > 5)
    stop(orphan.pid)
    following = run.start(UNTIL)
    time.sleep(1)
    assert not following.ended()
    assert run.newest() == 0
    orphan.notify(signal.SIGTERM)
    orphan.notify(signal.SIGCONT)
    stopped, done = orphan.finish(), following.finish()
    assert (stopped.code, done.code) == (143, 0), stopped.text + done.text
    assert done.continued == stopped.stopped
    assert run.result() == undisturbed(UNTIL)


class Waiting:
    """A rule whose command a script stands before. The script has the command in `$@` and its output in `$out`."""

    def __init__(self, checkout, script: str):
        self.checkout = checkout
        wrapper = checkout.folder / "wrapper"
        wrapper.write_text(f'#!/bin/bash\nout="${{@: -1}}"\n{script}\n')
        wrapper.chmod(0o755)
        checkout.edit("workflow/rules/train.smk", '"sra resolve', '"./wrapper sra resolve')

    def start(self, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            self.checkout.command(*arguments),
            cwd=self.checkout.folder,
            env=self.checkout.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.mark.fault("two Snakemakes on one folder")
def test_two_snakemakes_on_one_folder(checkout):
    """The second refuses by Snakemake's lock; the first is in the middle of a job and does not notice."""
    first = Waiting(checkout, 'touch began; while [ ! -e go ]; do sleep 0.05; done; exec "$@"').start(CONFIGS[0])
    while not (checkout.folder / "began").exists():
        assert first.poll() is None, first.stdout.read()
        time.sleep(0.02)
    second = checkout.snakemake(CONFIGS[0])
    (checkout.folder / "go").touch()
    said, _ = first.communicate()
    assert second.returncode == 1
    assert "Directory cannot be locked" in second.stdout
    assert first.returncode == 0, said
    assert read_json(checkout.folder / CONFIGS[0])["run"] == "sit_b2"


# A configuration that is edited during a run


@pytest.mark.fault("configuration edited during a run")
def test_an_edit_while_snakemake_runs_is_refused_by_the_next_job(checkout):
    """What was planned and what would be done differ from then on. Started again, it does all as it is configured now."""
    edit = 'sed -i "s/^batch: .*/batch: 64/" config/presets/digits.yaml'
    waiting = Waiting(checkout, f'"$@"; code=$?; {edit}; exit $code')
    done = checkout.snakemake("--cores", "1", "--keep-going", "--show-failed-logs", *CONFIGS)
    assert done.returncode == 1
    assert "its configuration changed while the workflow was running; start snakemake again" in done.stdout
    [planned] = [path for path in CONFIGS if (checkout.folder / path).exists()]
    assert read_json(checkout.folder / planned)["training"]["batch"] == 32
    again = waiting.checkout.snakemake("--cores", "1", *CONFIGS)
    assert again.returncode == 0, again.stdout
    assert [read_json(checkout.folder / path)["training"]["batch"] for path in CONFIGS] == [64, 64]


@pytest.mark.fault("configuration edited during a run")
def test_an_edit_while_a_run_trains_changes_nothing_of_that_training(new_run, undisturbed):
    """It is of the configuration that it began with and says so; what would mix the two is refused."""
    run = new_run()
    as_begun = run.spec
    training = run.start(UNTIL, minutes=0)
    training.wait_for(lambda: run.newest() > 5)
    edited = as_begun.model_copy(update={"training": as_begun.training.model_copy(update={"learning_rate": 3e-4})})
    write_run(run.config, edited)
    assert training.finish().code == 0
    command = ["export", str(run.config), "--state", str(run.state()), "--output", str(run.folder / "weights.safetensors")]
    refused = [run.launcher.start(command).finish(), run.train(2 * UNTIL, point="later", previous="end")]
    for done in refused:
        assert done.code == 2, done.text
        assert f"error: {run.state()}: belongs to run {run.spec.run} with other settings" in done.complaint
    write_run(run.config, as_begun)
    assert run.result() == undisturbed(UNTIL)


# Files that are seen late


@pytest.mark.fault("file that is seen late")
def test_an_output_that_appears_seconds_after_its_job_ended(checkout):
    """Snakemake waits for it (--latency-wait, 60 seconds in the profiles of clusters)."""
    late = '"$@" || exit 1; mv "$out" "$out.away"; (sleep 2; mv "$out.away" "$out") >&- 2>&- &'
    done = Waiting(checkout, late).start(CONFIGS[0])
    said, _ = done.communicate()
    assert done.returncode == 0, said
    assert "Waiting at most 5 seconds for missing files" in said
    assert (checkout.folder / CONFIGS[0]).exists()


@pytest.mark.fault("file that is seen late")
@pytest.mark.parametrize("name", UNTIMED)
def test_an_input_that_appears_late_costs_one_attempt(name, chain, tmp_path):
    """The profiles of clusters try again."""
    step, away = STEPS[name], tmp_path / "away"
    for file in map(Path, step.reads):
        file.rename(away)
        try:
            early = step.run(again(step))
        finally:
            away.rename(file)
        assert (early.code, early.crash) == (2, "")
        assert file.name in errors_of(early)[0]
        assert not again(step).exists()
        same_again(step)
