"""Which state a training continues from: the newest whole one of this very run, else the one before, else the segment's start."""

import re
import shutil
import signal

import pytest

UNTIL = 40


def changed(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def rewrite(change, receipt=False):
    def damage(path):
        path = path.with_name(path.name + ".receipt.json") if receipt else path
        path.write_bytes(change(path.read_bytes()))

    return damage


DAMAGES = {
    "truncated": rewrite(lambda content: content[: len(content) // 2]),
    "empty": rewrite(lambda _: b""),
    "a bit of the last tensor": rewrite(lambda content: changed(content, len(content) - 3)),
    "a bit of the header": rewrite(lambda content: changed(content, 40)),
    "no receipt": lambda path: path.with_name(path.name + ".receipt.json").unlink(),
    "receipt truncated": rewrite(lambda content: content[:100], receipt=True),
    "receipt empty": rewrite(lambda _: b"", receipt=True),
    "a bit of the receipt's hash": rewrite(lambda content: changed(content, content.index(b'"sha256": "') + 15), receipt=True),
    "a bit of the receipt's key": rewrite(lambda content: changed(content, content.index(b'"kind"') + 2), receipt=True),
}


@pytest.fixture(scope="session")
def stopped(new_run):
    """A run stopped on its way to UNTIL, with two rolling states."""
    run = new_run()
    training = run.start(UNTIL, minutes=0)
    training.wait_for(lambda: run.newest() > 10)
    assert training.send(signal.SIGTERM).code == 143
    assert len(run.saved()) == 2
    return run


@pytest.fixture
def run(stopped, new_run, tmp_path):
    """A copy of it to damage."""
    folder = tmp_path / "run"
    shutil.copytree(stopped.folder, folder)
    return new_run(folder=folder)


def refusals(run, done) -> list[int]:
    """The steps of the rolling states that it says it left out."""
    line = rf"^left out a rolling state: {re.escape(str(run.scratch))}/(\d+)\.\S+: \S.*$"
    return [int(step) for step in re.findall(line, done.complaint, re.MULTILINE)]


@pytest.mark.fault("rolling state damaged")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newest_state_falls_back_to_the_older(damage, run, undisturbed):
    older, newer = run.saved()
    DAMAGES[damage](run.rolling(newer))
    done = run.train(UNTIL)
    assert (done.code, done.began, done.continued) == (0, older, older), done.text
    assert refusals(run, done) == [newer]
    assert len(done.complaint.splitlines()) == 1
    assert run.result() == undisturbed(UNTIL)


@pytest.mark.fault("rolling state damaged")
def test_with_both_damaged_it_begins_anew(run, undisturbed):
    saved = run.saved()
    DAMAGES["truncated"](run.rolling(saved[0]))
    DAMAGES["no receipt"](run.rolling(saved[1]))
    done = run.train(UNTIL)
    assert (done.code, done.began, done.continued) == (0, 0, None)
    assert refusals(run, done) == saved[::-1]
    assert run.result() == undisturbed(UNTIL)


@pytest.mark.fault("rolling state damaged")
def test_with_both_damaged_a_later_segment_begins_at_its_previous_state(run, undisturbed):
    first = run.saved()[0] - 1
    damaged = run.folder.with_name("damaged")
    shutil.move(run.scratch, damaged)
    assert run.train(first, point="first").code == 0
    run.result("first")  # its export takes the scratch folder away
    shutil.move(damaged, run.scratch)
    for step in run.saved():
        DAMAGES["a bit of the last tensor"](run.rolling(step))
    done = run.train(UNTIL, previous="first")
    assert (done.code, done.began, len(refusals(run, done))) == (0, first, 2)
    assert run.result() == undisturbed(UNTIL)


@pytest.mark.parametrize(("why", "until"), [("damaged", 2000), ("of a later segment", 50)])
def test_new_states_are_kept_beside_later_ones_that_cannot_serve(why, until, new_run):
    """A state must not be removed because a useless one counts higher."""
    run = new_run()
    for _ in range(2):
        training = run.start(2000)
        training.wait_for_training()
        training.wait_for(lambda: run.logged() > 50)
        assert training.send(signal.SIGTERM).code == 143
    if why == "damaged":
        for step in run.saved():
            DAMAGES["truncated"](run.rolling(step))

    began = 0
    for _ in range(2):
        training = run.start(until)
        training.wait_for_training()
        done = training.send(signal.SIGTERM)
        assert (done.code, done.began) == (143, began)
        began = done.stopped
        assert began in run.saved()


def test_states_of_an_older_config_are_not_used(run, new_spec, undisturbed):
    other = {"learning_rate": 2e-3}
    run.configure(new_spec(**other))
    done = run.train(UNTIL)
    assert (done.code, done.began, done.complaint) == (0, 0, "")
    assert run.result() == undisturbed(UNTIL, **other)


def test_a_rolling_state_put_there_by_hand_is_left_out(run, new_spec, undisturbed):
    other, older_config = {"learning_rate": 2e-3}, run.scratch
    run.configure(new_spec(**other))
    shutil.move(older_config, run.scratch)
    done = run.train(UNTIL)
    assert (done.code, done.began, len(refusals(run, done))) == (0, 0, 2)
    assert "belongs to run sit_b2_sra with other settings" in done.complaint
    assert run.result() == undisturbed(UNTIL, **other)


def other_run(run, new_run, new_spec):
    foreign = new_run("sit_b2")
    foreign.train(5)
    shutil.copytree(foreign.folder / "state", run.folder / "state")


def other_config(run, new_run, new_spec):
    run.train(UNTIL)
    run.configure(new_spec(learning_rate=2e-3))


def damaged(run, new_run, new_spec):
    run.train(UNTIL)
    DAMAGES["a bit of the last tensor"](run.state())


def weights_only(run, new_run, new_spec):
    run.train(UNTIL)
    run.result()
    shutil.rmtree(run.folder / "state")
    shutil.move(run.folder / "weights", run.folder / "state")


def past_the_end(run, new_run, new_spec):
    run.train(UNTIL)


@pytest.mark.parametrize(
    ("prepare", "until", "says"),
    [
        (other_run, 70, "belongs to run sit_b2 with other settings, not to sit_b2_sra as configured"),
        (other_config, 70, "belongs to run sit_b2_sra with other settings, not to sit_b2_sra as configured"),
        (damaged, 70, "its contents differ from its receipt"),
        (weights_only, 70, "is a weights, expected a training state"),
        (past_the_end, UNTIL, f"is already at step {UNTIL}, asked to train until {UNTIL}"),
        (lambda *_: None, 70, "no such file"),
    ],
    ids=["other run", "other config", "damaged", "exported weights", "past the end", "missing"],
)
def test_a_previous_state_that_does_not_fit_is_refused(prepare, until, says, run, new_run, new_spec):
    prepare(run, new_run, new_spec)
    before = run.files()
    done = run.train(until, point="next", previous="end")
    assert done.code == 2
    assert done.text.startswith(f"error: {run.state()}: {says}")
    assert len(done.text.splitlines()) == 1
    assert run.files() == before
