"""What people ask Snakemake for, words and files under results/: which files a word stands for, and one line for a name that does not exist."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from sra.content.catalogue import Catalogue
from sra.content.names import groups, ids_of, plain
from sra.content.required import training_points
from sra.core.errors import InputError, unknown
from sra.plan import data, show, study
from sra.plan.context import Context, refusing
from sra.spec.layout import RESULTS, Results

MADE_IN_STUDIES = ("choices.json", "steps.json")
OF_RUNS = ("runs", "samples", "scores", "probes", "pca", "costs")
FOLDERS = (*OF_RUNS, "tables", "figures", "studies", "logs", "benchmarks")


# Words


def named(context: Context, rules: Iterable[str]) -> dict[str, list[str]]:
    """Files by name: of every table and figure, of those that the paper prints in parts, and of what was typed in another way, such as `Table_S1`.

    rules: names of the others. Ends Snakemake with one line for a word or a file that there is not.
    """
    known = [*context.catalogue().tables, *context.catalogue().figures]
    found = {name: _files_of(context, [name]) for name in known}
    found |= {name: _files_of(context, parts) for name, parts in groups(known).items()}
    with refusing():
        for target in context.typed.targets:
            if target in found or target in rules or Path(target).exists():
                continue
            if "/" in target:
                refuse_wrong_file(context, target)
            else:
                found[target] = _files_of_word(context, target, [*found, *rules])
    return found


def _files_of(context: Context, names: list[str]) -> list[str]:
    tables = context.catalogue().tables
    return [file for name in names for file in (show.table_files if name in tables else show.figure_files)(context, name)]


def _files_of_word(context: Context, word: str, words: list[str]) -> list[str]:
    """Raises InputError for one that stands for nothing. words: those that would have been taken."""
    kind = plain(word).partition("_")[0]
    if kind == "study":
        return study.files_of(context, word)
    if kind in ("table", "figure"):
        return _files_of(context, ids_of(word, context.catalogue()))
    raise unknown("target", word, words)


# Files


def refuse_wrong_file(context: Context, path: str) -> None:
    """Raise InputError for a file under results/ whose path holds a name that does not exist. Any other path is Snakemake's to judge."""
    root, *parts = PurePosixPath(path).parts
    if root != RESULTS.name or not parts:
        return
    try:
        if parts[0] == "shared":
            _refuse_shared(context, parts[1:])
        elif parts[0] != "reference":
            _refuse_of_preset(context.catalogue(parts[0]), parts[1:])
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _refuse_shared(context: Context, parts: list[str]) -> None:
    if parts:
        data.entry(context, parts[0])
        data.preset_on(context, parts[0])


def _refuse_of_preset(catalogue: Catalogue, parts: list[str]) -> None:
    _ = catalogue.preset
    if not parts:
        return
    folder, *rest = parts
    if not rest:
        files = [PurePosixPath(file).name for file in _whole_files(catalogue.results)]
        if folder not in (*FOLDERS, *files) and not folder.endswith(".zip"):
            raise unknown("file", folder, files)
    elif folder not in FOLDERS:
        raise unknown("folder", folder, FOLDERS)
    elif folder in OF_RUNS:
        _refuse_of_run(catalogue, folder, rest)
    elif folder == "studies":
        _refuse_of_study(catalogue, rest)
    elif folder in ("tables", "figures"):
        _refuse_shown(catalogue, folder, rest[-1])


def _whole_files(results: Results) -> list[str]:
    claims = [results.claims(kind) for kind in show.CLAIMS_KINDS]
    return [results.report, results.report_pdf, results.registry, results.appendix, *claims]


def _refuse_shown(catalogue: Catalogue, folder: str, file: str) -> None:
    """results/digits/tables/table_1.html"""
    name, _, kind = file.partition(".")
    kinds, known = (show.TABLE_KINDS, catalogue.tables) if folder == "tables" else (show.FIGURE_KINDS, catalogue.figures)
    if name not in known:
        same = ids_of(name, catalogue)  # refuses one that there is not
        raise InputError(f"{folder.removesuffix('s')} {name!r} is {' and '.join(same)} here; name {'it' if len(same) == 1 else 'one'} so")
    if kind not in kinds:
        raise unknown("kind of file", kind, kinds)


def _refuse_of_study(catalogue: Catalogue, parts: list[str]) -> None:
    """results/fashion_cpu/studies/methods.json, studies/methods/choices.json"""
    name = parts[0].partition(".")[0]
    if name not in catalogue.studies:
        raise unknown("study", name, catalogue.studies, where=f"preset {catalogue.preset_id}")
    if len(parts) > 1 and parts[1] not in MADE_IN_STUDIES:
        raise unknown("file", parts[1], MADE_IN_STUDIES)


def _refuse_of_run(catalogue: Catalogue, folder: str, parts: list[str]) -> None:
    """results/digits/scores/sit_b2/m400k/sde250/n50000.json, runs/sit_b2/weights/m400k.safetensors, costs/sit_b2.json"""
    run, *rest = parts
    run = run.removesuffix(".json") if folder == "costs" else run
    catalogue.spec(run)
    if folder == "runs":
        rest = rest[1:] if rest and rest[0] in ("weights", "state", "curve") else []
    if rest:
        points = [point.name for point in training_points(catalogue, run)] if folder == "runs" else catalogue.milestones(run)
        _refuse_part("milestone", rest[0].partition(".")[0], points, f"run {run}")
    if folder in ("samples", "scores"):
        for part, refuse in zip(rest[1:], (_refuse_sampler, _refuse_count), strict=False):
            refuse(catalogue, part, run)


def _refuse_sampler(catalogue: Catalogue, sampler: str, run: str) -> None:
    catalogue.refuse_unfit(sampler, run)


def _refuse_count(catalogue: Catalogue, part: str, run: str) -> None:
    counts = [f"n{count}" for count in catalogue.preset.samples]
    _refuse_part("number of samples", part.partition(".")[0], counts, f"preset {catalogue.preset_id}")


def _refuse_part(what: str, name: str, known: list[str], where: str) -> None:
    if name not in known:
        raise unknown(what, name, known, where=where)
