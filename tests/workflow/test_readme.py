"""What the pages tell people to write and run."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("README.md")) if ".venv" not in path.parts}
WORKFLOW_PAGES = [name for name in PAGES if name.partition("/")[0] in ("README.md", "config", "workflow", "report", "results")]
OPTIONS_OF_A_REAL_RUN = r"--cores \S+|-n\b|--rerun-incomplete"


def commands_of(name: str) -> list[str]:
    """The lines of a page that call Snakemake, whole where one goes on in the next."""
    text = re.sub(r" \\\n +", " ", PAGES[name])
    return re.findall(r"^    (?:timeout \S+ \S+ )?(?:\.venv/bin/)?snakemake (.*?)(?:\s+#.*)?$", text, flags=re.MULTILINE)


def test_the_first_page_is_short():
    assert len((ROOT / "README.md").read_bytes()) <= 10_000


def test_the_pages_run_and_table_work_as_written(checkout):
    written = {}
    for name in ("config/README.md", "report/README.md"):
        written |= dict(re.findall(r"```yaml\n# (\S+\.yaml)\n(.*?)```", PAGES[name], flags=re.DOTALL))
    assert set(written) == {
        *("config/experiments/my_runs.yaml", "config/presets/stripes.yaml", "config/studies/mine.yaml", "report/tables/table_s6.yaml")
    }
    for path, text in written.items():
        (checkout.folder / path).write_text(text, encoding="utf-8")
    pages = PAGES["config/README.md"] + PAGES["report/README.md"]
    commands = [shlex.split(line)[3:] for line in re.findall(r"`(snakemake --cores 2 [^`]*(?:s6|cosine)[^`]*)`", pages)]
    assert len(commands) == 2
    score, table = (checkout.planned(*command) for command in commands)
    assert (score["resolve_run"], score["score_samples"]) == (1, 1)
    assert (table["resolve_run"], table["score_samples"], table["render_table"]) == (2, 2, 1)


def test_every_command_of_the_pages_plans(checkout):
    for command in dict.fromkeys(command for name in WORKFLOW_PAGES for command in commands_of(name)):  # some stand on two pages
        if "--sdm" in command or "--unlock" in command:  # needs a program that is not here; plans nothing
            continue
        assert checkout.planned(*shlex.split(re.sub(OPTIONS_OF_A_REAL_RUN, "", command))) is not None


def test_there_are_commands():
    assert sum(len(commands_of(name)) for name in WORKFLOW_PAGES) >= 20


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_the_pages_leads_somewhere(name):
    for target in re.findall(r"\]\(([^)\s:]+)\)", PAGES[name]):
        path, _, anchor = target.partition("#")
        page = ((ROOT / name).parent / path).resolve() if path else ROOT / name
        assert page.exists(), f"{name}: {target}"
        if anchor:
            assert anchor in anchors(page.read_text(encoding="utf-8")), f"{name}: {target}"


def anchors(text: str) -> set[str]:
    """Of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
