"""Results that came from elsewhere, each held against what is said of it: its receipt or checksum, what it was made from, and what is wanted now.

A copy keeps every byte and no time. What is finished is told by hashes alone: a file is itself (its receipt's SHA-256, or the checksum in a JSON),
it was made from what lies beside it (the hashes that it names), and for this run (fingerprint, sampler and count as configured here).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sra.core.errors import InputError
from sra.core.files import read_json, sha256_of_file
from sra.core.receipts import receipt_of, receipt_path, recorded_sha256
from sra.plan.assets import FILES
from sra.plan.context import Context
from sra.spec.layout import RESULTS, Results, Shared
from sra.spec.load import checked
from sra.spec.run import read_run
from sra.spec.samplers import Sampler

BENCHMARKS = "benchmarks"  # the times of jobs
NO_RESULTS = {"logs", "scratch", BENCHMARKS}  # folders: what jobs printed and took, and what is not finished
RECEIPT = ".receipt.json"
DRAWN_OF = ("tables", "figures")  # from scores and other evidence, which their JSON names by hash
OF_ALL = ("report", "registry", "appendix")  # which show every table and figure of the preset
OF_SETS = ("samples", "scores")  # that lie at run/milestone/sampler


@dataclass(frozen=True)
class Unfit:
    """A file that is not what it should be, and why."""

    path: Path
    why: str

    def __str__(self) -> str:
        return f"{self.path.as_posix()}: {self.why}"


@dataclass(frozen=True)
class House:
    """The results of the user's preset and of its data sets, by their paths from the root."""

    context: Context

    @cached_property
    def files(self) -> list[Path]:
        """Finished results, sorted, without receipts, logs and the times of jobs."""
        return sorted(path for path in self._kept if not path.name.endswith(RECEIPT) and not NO_RESULTS & set(path.parts))

    @cached_property
    def timed(self) -> list[Path]:
        """All that Snakemake looks at the time of: these, and what a job took, which it counts among the job's outputs."""
        return self.files + [path for path in self._kept if BENCHMARKS in path.parts]

    @cached_property
    def _kept(self) -> list[Path]:
        catalogue, root = self.context.catalogue(), self.context.root
        folders = [catalogue.results.folder, *(Shared(dataset).folder for dataset in catalogue.preset.datasets)]
        found = (path.relative_to(root) for folder in folders for path in (root / folder).rglob("*") if path.is_file())
        return [path for path in found if not any(part.startswith(".") for part in path.parts)]

    def unfit(self, file: Path) -> Unfit | None:
        """Reads every byte of a file with a receipt."""
        try:
            why = next(self._reasons(file), None)
        except InputError as error:
            why = str(error).removeprefix(f"{self.context.root / file}: ").partition("; ")[0]  # without what a stage would have one do
        return None if why is None else Unfit(file, why)

    def _reasons(self, file: Path) -> Iterator[str]:
        path, said = self.context.root / file, {}
        if receipt_path(path).exists():
            receipt = receipt_of(path)
            if path.stat().st_size != receipt["bytes"]:
                yield f"has {path.stat().st_size} bytes, its receipt says {receipt['bytes']}"
            elif sha256_of_file(path) != receipt["sha256"]:
                yield f"its contents differ from its receipt (SHA-256 {receipt['sha256'][:12]}...)"
            said = {**receipt["facts"], "made_from": receipt["made_from"]}
        if path.suffix == ".json":
            content = read_json(path)  # compares the checksum in it
            if path.name == "store.json":
                yield from self._of_store(path, content)
            said = {**(content if isinstance(content, dict) else {}), **said}
        yield from self._of_origins(file, said)
        yield from self._of_the_run(file, said)
        yield from self._of_what_is_shown(file)
        if _is_drawn(file) and (gone := set(hashes_in(said)) - self._evidence):
            yield f"shows a file of SHA-256 {min(gone)[:12]}..., which is not here"

    def _of_store(self, path: Path, content: dict[str, Any]) -> Iterator[str]:
        """The parts of a store that have no receipts of their own."""
        for name in ("labels", "checksums"):
            part = content.get(name) or {}
            beside = path.with_name(part.get("file", path.name))
            if part and not (beside.is_file() and sha256_of_file(beside) == part.get("sha256")):
                yield f"its {beside.name} is not the one that it names"
        for shard in content.get("shards", ()):
            beside = path.with_name(shard["file"])
            if (beside.exists() or receipt_path(beside).exists()) and recorded_sha256(beside) != shard["sha256"]:
                yield f"its {beside.name} is not the one that it names"

    # What it was made from

    def _of_origins(self, file: Path, said: dict[str, Any]) -> Iterator[str]:
        for role, place in self._origins(file).items():
            path, named = self.context.root / place, _named(said, role)
            if named and (path.exists() or receipt_path(path).exists()) and recorded_sha256(path) != named:
                yield f"was made from another file than {place} (SHA-256 {named[:12]}...)"

    def _origins(self, file: Path) -> dict[str, str]:
        """Where that lies, by role, what a receipt or score names by hash."""
        _, preset, kind, *below = file.parts
        if preset == "shared":
            return _of_data(file, Shared(kind), *below)
        results, catalogue, run = Results(preset), self.context.catalogue(), below[0] if below else ""
        if kind in ("samples", "scores", "probes", "pca") and len(below) > 1:
            set_of = RESULTS / preset / "samples" / Path(*below[:-1]) / Path(below[-1]).stem / "samples.npz"
            milestone = Path(below[1]).stem
            return {"weights": results.weights(run, milestone)} | ({"samples": str(set_of)} if kind == "scores" else {})
        origins = {}
        if kind == "runs" and "weights" in below:
            origins = {"config": results.config(run), "state": results.state(run, file.stem)}
        if kind in ("runs", "costs"):
            try:
                spec = catalogue.spec(Path(run).stem)
            except InputError:  # of a run that this configuration does not have
                return origins
            shared = Shared(spec.dataset)
            origins |= {"latents": shared.latents(spec.vae), "pixels": shared.pixels}
            origins |= {"features": shared.features(spec.encoder)} if spec.encoder else {}
            origins |= {"text": shared.text(spec.text_encoder)} if spec.text_encoder else {}
        return origins

    # What is wanted

    def _of_the_run(self, file: Path, said: dict[str, Any]) -> Iterator[str]:
        """Whether it is of the run, sampler and count that are configured here. What this configuration does not know is nobody's business."""
        catalogue, (_, preset, kind, *below) = self.context.catalogue(), file.parts
        if preset == "shared" or not below:
            return
        run = Path(below[0]).stem
        try:
            spec = catalogue.spec(run)
        except InputError:
            return
        if file.name == "config.json":
            said = {"fingerprint": read_run(self.context.root / file).fingerprint}
        if said.get("fingerprint", spec.fingerprint) != spec.fingerprint:
            yield f"is of another configuration of {run} than the one here"
        if kind in OF_SETS and "sampler" in said:
            try:
                sampler, count = catalogue.sampler(below[2]), catalogue.preset.samples.get(int(Path(below[3]).stem.lstrip("n")))
            except (InputError, ValueError, IndexError):
                return
            if checked(said["sampler"], Sampler, str(file)) != sampler:
                yield f"was drawn by another {below[2]} than the one here"
            if count is not None and "count" in said and said["count"] != count:
                yield f"is of {said['count']} images, {count} are wanted here"

    def _of_what_is_shown(self, file: Path) -> Iterator[str]:
        """Whether all is here that the page and its companions show now."""
        if len(file.parts) == 3 and file.stem in OF_ALL:
            catalogue = self.context.catalogue()
            shown = [*map(catalogue.results.table, catalogue.shown_tables), *map(catalogue.results.figure, catalogue.shown_figures)]
            yield from (f"shows {each} now, which is not here" for each in shown if not (self.context.root / each).exists())

    @cached_property
    def _evidence(self) -> set[str]:
        """SHA-256 of every JSON result and of everything with a receipt, the file itself be it here or not."""
        root = self.context.root
        receipts = {read_json(root / path).get("sha256", "") for path in self._kept if path.name.endswith(RECEIPT)}
        return receipts | {sha256_of_file(root / path) for path in self.files if path.suffix == ".json" and not _is_drawn(path)}


def unfit_files(house: House, files: Iterable[Path]) -> list[Unfit]:
    """Those of the files that are not what they should be."""
    return [one for one in map(house.unfit, files) if one]


def hashes_in(value: Any, key: str = "") -> Iterator[str]:
    """Of every `..._sha256` at any depth."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from hashes_in(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from hashes_in(inner, key)
    elif isinstance(value, str) and key.endswith("sha256"):
        yield value


def _is_drawn(file: Path) -> bool:
    return file.suffix == ".json" and (file.parts[2] in DRAWN_OF or file.name == "claims.json")


def _named(said: dict[str, Any], role: str) -> str | None:
    """The hash by which a receipt, score or probe names what it was made from."""
    found = said.get("made_from", {}).get(role) or said.get(role)
    found = found.get("sha256") if isinstance(found, dict) else found
    return found if isinstance(found, str) else None


def _of_data(file: Path, shared: Shared, kind: str, *below: str) -> dict[str, str]:
    """What results of a data set are made from; the last folder is named by the network that made them."""
    by = file.parent.name
    origins = {"index": shared.index}
    if file.name == "index.json":
        return {"images": shared.images}
    network = {"latents": "vae", "features": "encoder", "text": "clip", "reference": "extractor"}.get(kind)
    if network:
        role = "encoder" if network == "clip" else network
        origins[role] = f"{shared.model(network, by)}/{FILES.get(network, 'model.safetensors')}"
    if kind == "latents" and file.name == "mean.npz":
        return {"latents": shared.latents(by)}
    if kind == "reference" and file.name.endswith(".features.npz"):
        origins["reference"] = shared.reference(by, file.name.removesuffix(".features.npz"))
    return origins
