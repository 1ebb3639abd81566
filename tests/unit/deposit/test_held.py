"""Copied results held against their receipts: which files of a finished build are found unfit, and what is said of them."""

import os
from pathlib import Path

import pytest
from finished_build import CONFIG, INDEX, SAMPLES, SCORED, STATES, STORE, TABLE, WEIGHTS, finish

from sra.core.files import read_json, write_checked_json, write_json, write_text
from sra.core.receipts import receipt_of, receipt_path
from sra.deposit.adopted import set_times
from sra.deposit.held import House
from sra.plan.clocks import again_for_times
from sra.plan.workflow import checked_plan


@pytest.fixture
def build(checkout):
    checkout.show_only(table_s9=TABLE)
    finish(checkout.folder)
    return checkout


def house_of(build) -> House:
    return House(checked_plan(build.folder, {"preset": "digits"}))


def unfit(build) -> dict[str, str]:
    house = house_of(build)
    return {one.path.as_posix(): one.why for one in map(house.unfit, house.files) if one}


def test_a_finished_build_is_fit_whatever_its_times(build):
    assert unfit(build) == {}


def test_a_page_without_a_table_that_it_shows_now_is_unfit(build):
    write_text(build.folder / "results/digits/report.html", "page")
    assert unfit(build) == {}
    (build.folder / "results/digits/tables/table_s9.json").unlink()
    assert unfit(build)["results/digits/report.html"] == "shows results/digits/tables/table_s9.json now, which is not here"


def test_a_byte_of_the_same_length_is_seen(build):
    content = bytearray((build.folder / STATES[0]).read_bytes())
    content[-1] ^= 1
    (build.folder / STATES[0]).write_bytes(content)
    assert unfit(build)[STATES[0]].startswith("its contents differ from its receipt (SHA-256 ")


def test_a_score_that_was_edited_is_seen(build):
    record = read_json(build.folder / SCORED)
    write_checked_json(build.folder / SCORED, record)
    text = (build.folder / SCORED).read_text()
    write_text(build.folder / SCORED, text.replace('"fid": 7.25', '"fid": 1.25'))
    assert unfit(build)[SCORED] == "is damaged or was edited, its sha256_of_the_rest differs"


@pytest.mark.parametrize(("file", "role", "of"), [(WEIGHTS, "state", STATES[1]), (SAMPLES, "weights", WEIGHTS), (STORE, "index", INDEX)])
def test_a_file_from_another_build_is_seen_by_what_it_was_made_from(build, file, role, of):
    receipt = receipt_of(build.folder / file)
    receipt["made_from"][role] = "0" * 64
    write_json(receipt_path(build.folder / file), {**receipt, "made_from": dict(receipt["made_from"]), "facts": dict(receipt["facts"])})
    assert unfit(build) == {file: f"was made from another file than {of} (SHA-256 {'0' * 12}...)"}


def test_a_score_of_other_samples_and_the_table_that_shows_it_are_seen(build):
    record = read_json(build.folder / SCORED)
    write_json(build.folder / SCORED, {**record, "samples": {**record["samples"], "sha256": "1" * 64}})
    found = unfit(build)
    assert found[SCORED] == f"was made from another file than {SAMPLES} (SHA-256 {'1' * 12}...)"
    assert list(found) == [SCORED, "results/digits/tables/table_s9.json"]
    assert found["results/digits/tables/table_s9.json"].startswith("shows a file of SHA-256 ")


def test_another_sampler_count_or_run_is_seen(build):
    build.rewrite("config/presets/digits.yaml", (r"(evaluations: \{250: )\d+", r"\g<1>3"))
    assert unfit(build) == dict.fromkeys((SAMPLES, SCORED), "was drawn by another sde250 than the one here")
    build.rewrite("config/presets/digits.yaml", (r"\nbatch: \d+", "\nbatch: 7"))
    assert unfit(build) == dict.fromkeys((CONFIG, *STATES, WEIGHTS, SAMPLES, SCORED), "is of another configuration of sit_b2 than the one here")


def test_a_store_without_one_of_its_parts_is_seen(build):
    shard = (build.folder / STORE).with_name("latents_000_of_001.npy")
    receipt = read_json(receipt_path(shard))
    write_json(receipt_path(shard), {**receipt, "sha256": "2" * 64})
    assert unfit(build)[STORE] == "its latents_000_of_001.npy is not the one that it names"


def test_nothing_is_newer_than_what_was_made_from_it_and_what_is_unfit_is_older(build):
    house = house_of(build)
    set_times(house, [Path(WEIGHTS)])
    times = {file.as_posix(): (build.folder / file).stat().st_mtime_ns for file in house.timed}
    assert len(set(times.values())) == 2
    assert [file for file, time in times.items() if time < max(times.values())] == [WEIGHTS]


# The line of a plan


AGAIN = "would be done again for the times of files alone, as after a copy"


def line(build) -> str:
    return again_for_times(checked_plan(build.folder, {"preset": "digits"}))


def test_trainings_that_times_alone_would_repeat_are_counted(build):
    assert line(build).startswith(f"2 finished trainings {AGAIN} ({STATES[0]} is older than ")
    set_times(house_of(build), [])
    assert line(build) == ""
    later = (build.folder / STATES[0]).stat().st_mtime_ns + 1
    os.utime(build.folder / STATES[0], ns=(later, later))
    assert line(build).startswith(f"1 finished training {AGAIN} ({STATES[1]} is older than {STATES[0]})")
    os.utime(build.folder / INDEX, ns=(later, later))  # from which the latents are made, and so everything
    assert line(build).startswith("2 finished trainings")


def test_a_run_that_changed_is_not_among_them(build):
    build.rewrite("config/presets/digits.yaml", (r"\nbatch: \d+", "\nbatch: 7"))
    assert line(build) == ""


def test_states_that_an_archive_leaves_out_are_finished_while_their_score_is_there(build):
    for file in STATES:
        (build.folder / file).unlink()
    assert line(build).startswith("2 finished trainings")
    (build.folder / SCORED).unlink()
    assert line(build) == ""
