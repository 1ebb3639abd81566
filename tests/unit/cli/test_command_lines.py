"""What a command of a list means: the words and redirections of a shell, in this process where that is possible."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sra.cli.pieces import Piece, execute, understood

ROOT = Path(__file__).parents[3]
STAGE = """
import json, os, sys
from sra import cli

@cli.app.command(context_settings={"ignore_unknown_options": True})
def say(words: list[str]):
    print(json.dumps(words))
    print("an aside", file=sys.stderr)
    os.system("echo from a program")

if __name__ == "__main__":
    cli.main()
"""
WORDS = ["a > b", "it's", '{"kind": "ode"}', "$HOME", "*", "", "2>", "&1"]
QUOTED = """'a > b' "it's" '{"kind": "ode"}' '$HOME' '*' '' '2>' '&1'"""


@pytest.mark.parametrize("end", ["> a", "2> a", "> a 2>&1", "2>&1 > a", "1>a 2> b", ""])
def test_words_and_redirections_are_those_of_a_shell(tmp_path, end):
    """The same command by bash and in a process; a program that the stage starts writes where it does."""
    command = f"exec sra say {QUOTED} {end}"
    (tmp_path / "stages.py").write_text(STAGE)
    script = tmp_path / "sra"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} stages.py "$@"\n')
    script.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    called = f"import stages; from sra.cli.pieces import Piece, execute; execute({command!r}, Piece(None))"
    found = []
    for runner in (["bash", "-c", command], [sys.executable, "-c", called]):
        done = subprocess.run(runner, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        files = [tmp_path / name for name in ("a", "b") if (tmp_path / name).exists()]
        found.append([sorted(text.splitlines()) for text in (done.stdout, done.stderr, *(path.read_text() for path in files))])
        for path in files:
            path.unlink()
    assert understood(command) is not None
    assert found[0] == found[1]
    assert any(json.dumps(WORDS) in lines for lines in found[0])


@pytest.mark.parametrize(
    "command",
    [
        *("sra a | tee log", "sra a; sra b", "sra a && b", "sra a $HOME", 'sra a "$HOME"', "sra a *", "sra a < b", "sra a >> log", "sra a\nsra b"),
        *("sra a 'b", "sra a > 'a b'", "sra a > log b", "A=1 sra a", "sra", "sra a \\> b", "sra a ~", "sra a # b", "sra a > log &", "sra a >&2"),
        "echo a",
    ],
)
def test_what_needs_a_shell_gets_one(command):
    assert understood(command) is None


def test_a_shell_runs_the_rest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Piece(None) as piece:
        assert execute("echo text | tee out > log && command -v sra > where", piece) == 0
        assert execute("false | cat > out2", piece) == 1  # as under Snakemake: pipefail
        assert execute("exit 3", piece) == 3
    assert Path("out").read_text() == Path("log").read_text() == "text\n"
    assert Path("where").read_text().strip() == str(Path(sys.executable).parent / "sra")
