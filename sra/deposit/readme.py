"""The pages of an archive: its README begins with what works in it, and no page links to what the archive leaves out."""

import posixpath
import re
from collections.abc import Collection
from urllib.parse import unquote

from sra.content.catalogue import Catalogue
from sra.reporting.write.commands import DEFAULT_PRESET, build_command

LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
OPENING = """# Results of sra-repro at preset {preset}

What the workflow of [sra-repro](#sra-repro) left, version {version}, results of {day}: every score, curve, probe and cost, every table and
figure, the report (`{report}`), and the workflow with its configuration. **Not in it:** weights, training states, samples,
latents and features, of which there are receipts with their SHA-256, and the tests.

## What works here

    {refresh}
    {adopt}

The first renders tables, claims and the report again from the scores that are here, and trains nothing; figures of images stay as they were
drawn. The second checks every file against its receipt and has Snakemake take the results as finished, whatever times they were unpacked with:
after it `{all}` finds nothing to be done. What is not here is made again as soon as something asks for it: a figure of
images to draw, or a new sampler, takes the training of its run. Both need make and Python 3.11 or newer, and install the pinned requirements.

What follows is the README of the repository. What it says of tests is of files that are not in this archive.

"""


def readme(text: str, registry: Catalogue, version: str, day: str) -> str:
    """The repository's README behind an opening about the archive."""
    preset, choice = registry.preset_id, "" if registry.preset_id == DEFAULT_PRESET else f" CONFIG=preset={registry.preset_id}"
    commands = {"refresh": f"make report{choice}", "adopt": f"make adopt{choice}", "all": build_command("all", preset)}
    return OPENING.format(preset=preset, version=version, day=day, report=registry.results.report, **commands) + text


def without_dead_links(text: str, place: str, inside: Collection[str]) -> str:
    """A Markdown page at that place of the archive, whose links to files that are not inside are their words alone; pictures go with their words."""

    def kept(link: re.Match) -> str:
        picture, words, target = link.groups()
        path = unquote(target.partition("#")[0])
        if not path or "://" in path or path.startswith("mailto:"):
            return link[0]
        found = posixpath.normpath(posixpath.join(posixpath.dirname(place), path))
        if found in inside or any(one.startswith(f"{found}/") for one in inside):
            return link[0]
        return "" if picture else words

    return LINK.sub(kept, text)
