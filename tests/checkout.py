"""A copy of what a user edits, in which a test runs Snakemake."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from forks import Forks

ROOT = Path(__file__).parents[1]


class Checkout:
    """Configuration, rules and report in a folder of their own, with no results yet. forks: start Snakemake and its jobs, else as a user does."""

    def __init__(self, folder: Path, forks: Forks | None = None):
        self.folder, self.forks = folder, forks
        for name in ("config", "workflow", "report"):
            shutil.copytree(ROOT / name, folder / name)
        for name in ("Snakefile", "CITATION.cff", "LICENSE", "README.md", "pyproject.toml"):
            shutil.copy(ROOT / name, folder)

    def command(self, *arguments: str) -> list[str]:
        """Snakemake with two cores."""
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT)}

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run it here; stdout and stderr are kept together, as in all of these."""
        command = self.command(*arguments)
        return self._forked(self.forks, command) if self.forks else self._run(command)

    def _run(self, command: list[str], **variables: str) -> subprocess.CompletedProcess:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "check": False}
        return subprocess.run(command, cwd=self.folder, env=self.environment | variables, **options)

    def _forked(self, forks: Forks, command: list[str]) -> subprocess.CompletedProcess:
        _, _, module, *arguments = command
        with tempfile.TemporaryFile() as output:
            code = forks.start(module, arguments, self.folder, self.environment, output).wait()
            output.seek(0)
            return subprocess.CompletedProcess(command, code, output.read().decode())

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs that a dry run would start, by rule."""
        done = self.snakemake("--dry-run", *arguments)
        assert done.returncode == 0, done.stdout
        if "Job stats:" not in done.stdout:
            return {}
        rows = done.stdout.split("Job stats:")[1].split("total")[0].splitlines()[3:]
        return {rule: int(count) for rule, count in (row.split() for row in rows if row.strip())}

    def without_claims(self) -> None:
        """For who takes tables away that claims stand on."""
        claims = self.folder / "report/claims.yaml"
        text = claims.read_text(encoding="utf-8")
        claims.write_text(text[: text.index("\nmargins:")] + "\nmargins: {}\nclaims: []\n", encoding="utf-8")

    def show_only(self, **shown: str) -> None:
        """Tables and figures of these names and texts, in place of the repository's own and of the claims that stand on them."""
        for folder in ("tables", "figures"):
            for path in (self.folder / "report" / folder).glob("*.yaml"):
                path.unlink()
        self.without_claims()
        for name, text in shown.items():
            (self.folder / "report" / f"{name.partition('_')[0]}s" / f"{name}.yaml").write_text(text, encoding="utf-8")

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.folder / path).read_text(encoding="utf-8")
        assert old in text
        (self.folder / path).write_text(text.replace(old, new), encoding="utf-8")

    def rewrite(self, path: str, *patterns: tuple[str, str]) -> None:
        """Replace each pattern wherever it stands; it must stand somewhere."""
        text = (self.folder / path).read_text(encoding="utf-8")
        for pattern, new in patterns:
            text, count = re.subn(pattern, new, text)
            assert count, pattern
        (self.folder / path).write_text(text, encoding="utf-8")

    def shorten_paper(self, *patterns: tuple[str, str]) -> None:
        """The preset `paper` as the default, short enough for a CPU once these are rewritten too: milestones, samples and the like."""
        self.edit("config/config.yaml", "preset: digits", "preset: paper")
        common = [
            (r"evaluations: .*", "evaluations: {250: 2, 50: 2}"),
            (r"data_shards: .*", "data_shards: 2"),
            (r"\nprecision: fp16.*", "\nprecision: fp32"),  # half precision is emulated on CPUs, twenty times as slow
            (r"threads: \d+", "threads: 1"),  # so that two jobs run at once
        ]
        self.rewrite("config/presets/paper.yaml", *patterns, *common)

    def shorten(self, **lines: str) -> None:
        """A preset `tiny` as the default: that of the digits with these lines, such as `milestones="{m200k: 20, m400k: 40}"`, else as it is."""
        preset = (self.folder / "config/presets/digits.yaml").read_text(encoding="utf-8")
        for key, value in lines.items():
            preset, count = re.subn(rf"^( *{key}): .*", rf"\1: {value}", preset, count=1, flags=re.MULTILINE)
            preset += "" if count else f"{key}: {value}\n"
        (self.folder / "config/presets/tiny.yaml").write_text(preset, encoding="utf-8")
        self.edit("config/config.yaml", "preset: digits", "preset: tiny")
