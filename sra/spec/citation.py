"""Who made this and under which licence (`CITATION.cff`, citation-file-format.github.io 1.2): the one place that says so."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from sra.spec.load import load

FILE = "CITATION.cff"


class _Part(BaseModel):
    """The format has many fields more, which nothing here reads."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class Author(_Part):
    """A person has names given and of the family, any other entity one name."""

    name: str | None = None
    given: str | None = Field(None, alias="given-names")
    family: str | None = Field(None, alias="family-names")
    orcid: str | None = None

    @property
    def is_person(self) -> bool:
        return self.name is None

    @property
    def full_name(self) -> str:
        return self.name or " ".join(filter(None, (self.given, self.family)))


class Identifier(_Part):
    type: str
    value: str


class Work(_Part):
    """A work that is referred to."""

    title: str
    authors: list[Author]
    year: int | None = None
    identifiers: list[Identifier] = []

    @property
    def url(self) -> str | None:
        """The address of the work on arXiv, where it has one there."""
        found = (item.value for item in self.identifiers if item.value.lower().startswith("arxiv:"))
        number = next(found, None)
        return f"https://arxiv.org/abs/{number.partition(':')[2]}" if number else None


class Citation(_Part):
    title: str
    version: str
    license: str = Field(description="an SPDX identifier")
    authors: list[Author] = Field(min_length=1)
    references: list[Work] = []
    repository: str | None = Field(None, alias="repository-code")
    doi: str | None = None


def read_citation(root: Path) -> Citation:
    """Raises InputError naming the file and the key that is wrong."""
    return load(root / FILE, Citation)
