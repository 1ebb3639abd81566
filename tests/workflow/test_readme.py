"""What the README tells people to write and run."""

import re
import shlex
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_readmes_run_and_table_work_as_written(checkout):
    written = dict(re.findall(r"```yaml\n# (\S+\.yaml)\n(.*?)```", README, flags=re.DOTALL))
    assert set(written) == {"config/experiments/my_runs.yaml", "report/tables/table_s6.yaml"}
    for path, text in written.items():
        (checkout.folder / path).write_text(text, encoding="utf-8")
    commands = [shlex.split(line)[3:] for line in re.findall(r"`(snakemake --cores 2 [^`]*(?:s6|cosine)[^`]*)`", README)]
    assert len(commands) == 2
    score, table = (checkout.planned(*command) for command in commands)
    assert (score["resolve_run"], score["score_samples"]) == (1, 1)
    assert (table["resolve_run"], table["score_samples"], table["render_table"]) == (2, 2, 1)


def test_every_command_of_the_readme_plans(checkout):
    commands = re.findall(r"^    snakemake (.*?)(?:\s+#.*)?$", README, flags=re.MULTILINE)
    assert len(commands) >= 5
    for command in commands:
        assert checkout.planned(*shlex.split(re.sub(r"--cores \d+|-n\b", "", command)))


def test_every_path_of_the_readme_exists(checkout):
    root = Path(__file__).parents[2]
    for path in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (root / path).exists(), path
