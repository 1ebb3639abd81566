"""What `make` would do with an environment: one that belongs to another folder is made anew, and the CPU builds take the place of those for GPUs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    """A checkout, as far as make looks, with an environment that was finished there."""
    for name in ("Makefile", "pyproject.toml", "workflow/envs/requirements.lock"):
        (tmp_path / "here" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "here" / name)
    belongs_to(tmp_path / "here", tmp_path / "here")
    (tmp_path / "here/.venv/bin/python").symlink_to(sys.executable)
    (tmp_path / "here/.venv/.installed").touch()
    return tmp_path / "here"


def belongs_to(folder: Path, place: Path, line: str = 'VIRTUAL_ENV="{}"') -> None:
    (folder / ".venv/bin").mkdir(parents=True, exist_ok=True)
    (folder / ".venv/bin/activate").write_text(f"deactivate () {{\n}}\n{line.format(place / '.venv')}\nexport VIRTUAL_ENV\n", encoding="utf-8")


def would(folder: Path, *words: str) -> str:
    done = subprocess.run(["make", "-n", *words], cwd=folder, capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]})
    return done.stdout


def test_a_finished_environment_is_left_alone(folder):
    assert "Nothing to be done" in would(folder, "env")


@pytest.mark.parametrize("line", ['VIRTUAL_ENV="{}"', "VIRTUAL_ENV='{}'", "    export VIRTUAL_ENV={}"], ids=["venv", "uv", "later venv"])
def test_every_way_to_write_the_place_is_read(folder, line):
    belongs_to(folder, folder, line)
    assert "Nothing to be done" in would(folder, "env")


@pytest.mark.parametrize("kind", ["moved", "copied", "below another of the same name"])
def test_the_environment_of_another_folder_is_made_anew(folder, kind):
    there = folder.parent / "there" / "here" if kind.startswith("below") else folder.parent / "there"
    if kind.startswith("below"):
        belongs_to(folder, Path(f"/elsewhere{folder}"))
        there = folder
    elif kind == "moved":
        folder.rename(there)
    else:
        shutil.copytree(folder, there, symlinks=True)
    plan = would(there, "env")
    assert "-m venv --clear .venv" in plan
    assert "was made in another place" in plan


def test_an_environment_without_its_python_is_made_anew(folder):
    (folder / ".venv/bin/python").unlink()
    (folder / ".venv/bin/python").symlink_to("/nowhere/python")
    assert "-m venv --clear .venv" in would(folder, "env")


def test_a_first_environment_says_what_it_takes_and_clears_nothing(folder):
    shutil.rmtree(folder / ".venv")
    plan = would(folder, "env")
    assert "6.5 GB" in plan.partition("-m venv")[0]
    assert "--clear" not in plan


def test_cpu_builds_leave_out_what_serves_gpus_alone(folder):
    (folder / ".venv/.installed").unlink()
    commands = would(folder, "env", "CPU_INDEX=file:///wheels")
    taken = re.search(r"--index-url file:///wheels \\\n\s*(.+)", commands)[1]
    names = subprocess.run(["sh", "-c", f"echo {taken}"], cwd=folder, capture_output=True, text=True, check=True).stdout.split()
    assert [name.partition("==")[0] for name in names] == ["torch", "torchvision"]
    subprocess.run(re.search(r"^awk .+", commands, flags=re.MULTILINE)[0], shell=True, cwd=folder, check=True)
    left, whole = (
        re.findall(r"^([\w-]+)==", (folder / file).read_text(), flags=re.MULTILINE) for file in (".venv/cpu.lock", "workflow/envs/requirements.lock")
    )
    gone = [name for name in whole if name not in left]
    assert {"torch", "torchvision", "triton"} < {*gone}
    assert all(name.startswith(("nvidia-", "cuda-")) for name in gone if name not in ("torch", "torchvision", "triton"))
    assert not [name for name in left if name.startswith(("nvidia-", "cuda-"))]
    assert (folder / ".venv/cpu.lock").read_text().count("--hash") > 1000
