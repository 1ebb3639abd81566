"""A folder of results as a Workflow RO-Crate: what each file is, what made the tables and figures from what, and who answers for it.

RO-Crate 1.1 (w3id.org/ro/crate/1.1), the Workflow RO-Crate profile 1.0 and the Process Run Crate profile 0.5. Files are described, not copied.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.model.file import File
from rocrate.rocrate import ROCrate

from sra.spec.citation import Author, Citation, Work

VERSION = "1.1"  # the newest that both profiles below are written for
PROCESS_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
TERMS = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}  # not among the terms of 1.1
WORKFLOW = "Snakefile"

FORMATS = {
    ".cff": "application/yaml",
    ".css": "text/css",
    ".csv": "text/csv",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".md": "text/markdown",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".py": "text/x-python",
    ".rst": "text/x-rst",
    ".svg": "image/svg+xml",
    ".tex": "application/x-tex",
    ".toml": "application/toml",
    ".tsv": "text/tab-separated-values",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}
PROGRAMS = (".py", ".smk")


@dataclass(frozen=True)
class CrateFile:
    """A file of the crate.

    path: inside the crate, of POSIX form.  name: of what it holds, where its path does not say it.  text: what it says in the crate, where that is
    not what it says here.
    """

    path: str
    source: Path
    name: str | None = None
    text: str | None = None

    @property
    def content(self) -> bytes:
        return self.source.read_bytes() if self.text is None else self.text.encode()

    @property
    def encoding(self) -> str:
        return FORMATS.get(PurePosixPath(self.path).suffix, "text/plain")

    @property
    def type(self) -> str | list[str]:
        is_program = PurePosixPath(self.path).suffix in PROGRAMS or self.path == "Makefile"
        return ["File", "SoftwareSourceCode"] if is_program else "File"


@dataclass(frozen=True)
class Made:
    """What a stage made of what: files of the crate. command: of the stage, such as `sra table`."""

    identity: str
    name: str
    command: str
    rule: str
    of: list[str]
    results: list[str]


@dataclass(frozen=True)
class About:
    """What is said of the whole crate. date: of the results, YYYY-MM-DD.  version: the commit or the package's version."""

    name: str
    description: str
    date: str
    version: str
    citation: Citation


def described(files: Iterable[CrateFile], made: Iterable[Made], about: About) -> dict[str, Any]:
    """The crate's JSON-LD. Every file of `files` is in it, with its size and SHA-256; `Made` may only name them."""
    crate = ROCrate(version=VERSION)
    crate.metadata.extra_terms.update(TERMS)
    entities = {file.path: _add_file(crate, file) for file in files}
    _describe_root(crate, about)
    actions = [_add_action(crate, one, entities, about.version) for one in made]
    if actions:
        crate.root_dataset["mentions"] = actions
    return crate.metadata.generate()


def _add_file(crate: ROCrate, file: CrateFile) -> File:
    content = file.content  # read once
    properties = {
        "name": file.name or file.path,
        "encodingFormat": file.encoding,
        "contentSize": str(len(content)),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    if file.path == WORKFLOW:
        return crate.add_workflow(file.source, file.path, properties=properties, main=True, lang="snakemake")
    return crate.add_file(file.source, file.path, properties=properties | {"@type": file.type})


def _describe_root(crate: ROCrate, about: About) -> None:
    citation, root = about.citation, crate.root_dataset
    crate.name, crate.description, crate.datePublished = about.name, about.description, about.date
    licence = {"@type": "CreativeWork", "name": citation.license, "identifier": citation.license}
    crate.license = crate.add(ContextEntity(crate, f"https://spdx.org/licenses/{citation.license}", properties=licence))
    root["author"] = [_add_author(crate, author, f"#author-{place}") for place, author in enumerate(citation.authors, 1)]
    root["version"] = about.version
    cited = [
        crate.add(ContextEntity(crate, work.url or f"#reference-{place}", properties=_article(work)))
        for place, work in enumerate(citation.references, 1)
    ]
    if cited:
        root["citation"] = cited
    profile = {"@type": "CreativeWork", "name": "Process Run Crate", "version": PROCESS_PROFILE.rpartition("/")[2]}
    root["conformsTo"] = [crate.add(ContextEntity(crate, PROCESS_PROFILE, properties=profile))]


def _article(work: Work) -> dict[str, str]:
    date = {"datePublished": str(work.year)} if work.year else {}
    return {"@type": "ScholarlyArticle", "name": work.title, **date}


def _add_author(crate: ROCrate, author: Author, identity: str) -> ContextEntity:
    properties = {"@type": "Person" if author.is_person else "Organization", "name": author.full_name}
    return crate.add(ContextEntity(crate, author.orcid or identity, properties=properties))


def _add_action(crate: ROCrate, made: Made, entities: dict[str, File], version: str) -> ContextEntity:
    stage = f"#{made.command.replace(' ', '-')}"
    if crate.get(stage) is None:
        about = {"@type": "SoftwareApplication", "name": made.command, "softwareVersion": version}
        crate.add(ContextEntity(crate, stage, properties=about | {"description": f"the stage that rule {made.rule} of the workflow calls"}))
    objects, results = ([entities[path] for path in paths] for paths in (made.of, made.results))
    properties = {"@type": "CreateAction", "name": made.name}
    return crate.add_action(crate.get(stage), f"#made-{made.identity}", objects, results, properties)
