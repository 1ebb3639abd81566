"""Jobs inside an image: the two recipes of one image, and what Snakemake starts where apptainer is asked for."""

import os
import re
import stat
from pathlib import Path

import pytest

ENVS = Path(__file__).parents[2] / "workflow/envs"
# Stands where apptainer would: notes what it is asked for and runs the command here.
PROGRAM = """#!/bin/sh
if [ "$1" = --version ]; then echo "apptainer version 1.3.6"; exit; fi
printf '%s\\n' "$*" | head -1 >> {asked}
while [ "$1" != bash ]; do shift; done
exec "$@"
"""


def steps(text: str) -> list[str]:
    """Commands, one a line, without what joins them."""
    return [line.strip().removeprefix("&& ").removesuffix(" \\").strip() for line in text.splitlines() if line.strip()]


def test_both_recipes_make_one_image():
    docker, apptainer = (ENVS / "Dockerfile").read_text(encoding="utf-8"), (ENVS / "apptainer.def").read_text(encoding="utf-8")
    run = "\n".join(re.findall(r"^RUN ((?:.*\\\n)*.*)", docker, re.MULTILINE))
    assert steps(run) == steps(apptainer.split("%post")[1].split("%environment")[0])
    assert re.search(r"^FROM (\S+)", docker, re.MULTILINE)[1] == re.search(r"^From: (\S+)", apptainer, re.MULTILINE)[1]
    copied = {source for line in re.findall(r"^COPY (.*)", docker, re.MULTILINE) for source in line.split()[:-1]}
    files = {line.split()[0] for line in steps(apptainer.split("%files")[1].split("%post")[0])}
    kept = re.findall(r"^!(.*)", (ENVS / "Dockerfile.dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    assert copied == files == set(kept)
    assert all((ENVS.parents[1] / source).exists() for source in files)


@pytest.mark.slow
def test_jobs_run_in_the_image(checkout, monkeypatch):
    programs, asked = checkout.folder.parent / "bin", checkout.folder.parent / "asked"
    programs.mkdir()
    (programs / "apptainer").write_text(PROGRAM.format(asked=asked), encoding="utf-8")
    (programs / "apptainer").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    (checkout.folder / "sra-repro.sif").touch()
    wanted, options = "results/digits/runs/sit_b2/config.json", ("--sdm", "apptainer", "--apptainer-args=--nv")
    done = checkout.snakemake(wanted, *options, "--config", "container=sra-repro.sif")
    assert done.returncode == 0, done.stdout
    [line] = asked.read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(rf"exec --home {checkout.folder} --nv .*sra-repro\.sif bash -c .*sra resolve sit_b2 .*", line)
    asked.unlink()
    (checkout.folder / wanted).unlink()
    assert checkout.snakemake(wanted).returncode == 0, "no image without --sdm"
    assert not asked.exists()
