"""The typed document of every table and figure, as it lies in `<id>.json`."""

from typing import Annotated

from pydantic import Field

from sra.reporting.figures.captioned import CaptionsDocument
from sra.reporting.figures.components import FeaturesDocument
from sra.reporting.figures.curve_document import CurvesDocument
from sra.reporting.figures.grids import GridDocument
from sra.reporting.figures.probes import ProbesDocument
from sra.reporting.figures.study.document import StudyFigureDocument
from sra.reporting.figures.targets import TargetsDocument
from sra.reporting.tables.document import TableDocument
from sra.study.document import StudyDocument

FigureDocument = Annotated[
    CurvesDocument | GridDocument | CaptionsDocument | ProbesDocument | TargetsDocument | FeaturesDocument | StudyFigureDocument,
    Field(discriminator="kind"),
]
Document = TableDocument | FigureDocument


def study_of(document: Document) -> StudyDocument | None:
    """The study that a table or figure shows; None for what shows none."""
    return document.study if isinstance(document, TableDocument | StudyFigureDocument) else None
