"""Every bad input of the table ends in one line that names what is wrong, exit code 2, and leaves no file behind."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from faults.bad_inputs import BAD_INPUTS, Bad, Edit
from faults.input_house import Answer, call

from sra.commands import names
from sra.plan.typed import Typed
from sra.plan.workflow import open_plan


def write(folder: Path, files: dict[str, bytes | Edit]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Edit):
            text = path.read_text(encoding="utf-8")
            assert content.old in text
            content = text.replace(content.old, content.new, 1).encode()
        path.write_bytes(content)


def planned(config: list[str]) -> Answer:
    """What the Snakefile's first lines do with the configuration of a command line."""
    typed = {key: yaml.safe_load(value) for key, value in (pair.split("=", 1) for pair in config)}
    chosen = yaml.safe_load(Path("config/config.yaml").read_text(encoding="utf-8")) | typed
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), pytest.raises(SystemExit) as stop:
        open_plan(Path.cwd(), chosen, Typed(config=typed))
    return Answer(stop.value.code, errors.getvalue(), "")


def every_file(*folders: Path) -> dict[Path, int]:
    """With their times of writing. Without the folders that Python keeps for itself."""
    found = (path for folder in folders for path in folder.rglob("*") if path.is_file() and path.parent.name != "__pycache__")
    return {path: path.stat().st_mtime_ns for path in found}


def in_place(text: str, house: Path) -> str:
    return text.replace("HOUSE", str(house))


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: bad.name)
def test_one_line_says_what_is_wrong(bad: Bad, house, checkout, monkeypatch):
    monkeypatch.chdir(checkout.folder)
    write(checkout.folder, bad.files)
    before = every_file(checkout.folder, house)
    program, command = bad.command.replace("HOUSE", str(house)).split(maxsplit=1)
    answer = planned(command.split()[1:]) if program == "snakemake" else call(command)
    assert not answer.crash, answer.crash
    assert answer.code == bad.code
    said = answer.complaint
    if bad.by_parser:  # it prints the usage and where to find help before
        assert len(said) == 3
        said = [said[-1].replace("Error: ", "error: ", 1)]
    assert len(said) == 1, answer.errors
    assert re.fullmatch(f"error: {bad.says.replace('HOUSE', re.escape(str(house)))}", said[0]), said[0]
    if bad.code == 2:
        assert every_file(checkout.folder, house) == before


def test_every_command_is_in_the_table():
    assert {*names()} <= {bad.command.split()[1] for bad in BAD_INPUTS}


def test_the_table_is_long_and_few_rows_are_left_to_the_parser_of_arguments():
    assert len(BAD_INPUTS) >= 140
    assert sum(bad.by_parser for bad in BAD_INPUTS) <= 6
    assert len({bad.command + repr(bad.files) for bad in BAD_INPUTS}) == len(BAD_INPUTS)


@pytest.mark.parametrize("fault", ["option left out", "unknown run", "unknown item"])
def test_the_real_command_line_says_the_same(fault, checkout):
    bad = next(bad for bad in BAD_INPUTS if bad.fault == fault)
    done = subprocess.run([sys.executable, "-m", *bad.command.split()], cwd=checkout.folder, capture_output=True, text=True, check=False)
    assert done.returncode == bad.code
    said = [line.replace("Error: ", "error: ", 1) for line in done.stderr.splitlines() if line]
    assert len(said) == (3 if bad.by_parser else 1)
    assert re.fullmatch(f"error: {bad.says}", said[-1]), done.stderr


def test_snakemake_itself_ends_with_the_line_and_starts_nothing(checkout):
    done = checkout.snakemake("--dry-run", "--config", "seeds=[1,1]")
    assert done.returncode == 2
    said = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert len(said) == 1
    assert "a seed is given twice in [1, 1]; name each once" in said[0]
    assert "Traceback" not in done.stdout
    assert not (checkout.folder / "results").exists()
