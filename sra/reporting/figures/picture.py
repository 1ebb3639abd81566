"""What every figure says of itself, whatever it shows."""

from typing import Literal

from sra.spec.base import Strict


class PictureDocument(Strict):
    """What every figure says of itself. `alt` says in one sentence what the picture shows."""

    schema_version: Literal[1] = 1
    id: str
    number: str
    title: str
    paper: str
    caption: str
    preset: str
    comparable: bool
    band: str | None
    remarks: list[str]
    alt: str
