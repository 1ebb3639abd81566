"""What every part of the plan knows: the user's choices, the registry of each preset, and where models come from."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from sra.content.catalogue import Catalogue
from sra.core.errors import InputError
from sra.core.receipts import receipt_of, receipt_path
from sra.forecast.rates import Prices, Work, is_core, read_rates
from sra.forecast.work import Works, planned_device
from sra.plan.assets import Assets
from sra.plan.resources import StageNeeds
from sra.plan.sources import source_hash
from sra.spec.config import UserConfig
from sra.spec.layout import Shared
from sra.spec.load import checked
from sra.spec.scale import Needs, Preset

IMAGENET = 1_281_167  # images


class PlanBase:
    """Every rule of a preset asks the same registry, loaded once."""

    def __init__(self, root: Path, config: dict, loaded: Catalogue | None = None):
        """loaded: the registry of one preset under this configuration, where there is one already."""
        self.root = root
        self.user: UserConfig = checked(config, UserConfig, "config/config.yaml or --config")
        self.preset = self.user.preset
        self.registry = lru_cache(
            lambda preset: (
                loaded if loaded and loaded.preset_id == preset else Catalogue(root, preset, self.user.weights == "released", self.user.shown_seeds)
            )
        )
        self.works = lru_cache(lambda preset: Works(self.registry(preset)))
        self.prices = lru_cache(lambda preset: Prices(read_rates(root, self.user.hardware or planned_device(self.registry(preset)))))

    # Models and references, for the rules of a data set (named by wildcards) and of a preset (named there)

    def fetched(self, kind: str) -> Callable[..., list[str]]:
        """The weights that a rule waits for."""
        return lambda wildcards: self._assets(wildcards).inputs(*self._asset(wildcards, kind))

    def model(self, kind: str) -> Callable[..., str]:
        """What its stage loads."""
        return lambda wildcards: self._assets(wildcards).source(*self._asset(wildcards, kind))

    def held(self, kind: str) -> Callable[..., list[str]]:
        """The option that has a fetched file checked."""
        return lambda wildcards: self._assets(wildcards).held(*self._asset(wildcards, kind))

    # Resources

    def needs(self, stage: str) -> StageNeeds:
        return StageNeeds(self, stage)

    def predicted_seconds(self, preset: str, stage: str, works: tuple[Work, ...], devices: int = 1) -> float | None:
        """Of a job that does this on so many devices; None where config/throughput.tsv has no rate. A device of the CPU kind is one core."""
        prices = self.prices(preset)
        if any(prices.rates.of(work.what, work.network, work.method, work.precision) is None for work in works):
            return None
        cores = self.registry(preset).preset.needs.get(stage, Needs()).threads if is_core(prices.rates.device) else 1
        return sum(prices.seconds(works).values()) / (devices * cores) + sum(prices.seconds((Work("start", 1),)).values())

    def source(self, *parts: str) -> str:
        return source_hash(*parts)

    # For the parts of the plan

    def _preset_of(self, wildcards) -> Preset:
        """The preset as the run of the wildcards sees it."""
        return self.registry(wildcards.preset).preset_of(wildcards.run)

    def _preset_on(self, dataset: str) -> Preset:
        """The preset, or its part on captions or at another resolution, whose data set this is: of the user's, else of the first that uses it."""
        ids = [self.preset, *sorted(path.stem for path in (self.root / "config" / "presets").glob("*.yaml"))]
        for preset in (self.registry(name).preset for name in ids):
            captions = [preset.for_captions()] if preset.text_to_image else []
            for part in (preset, *captions, *map(preset.at_resolution, preset.resolutions)):
                if part.dataset == dataset:
                    return part
        raise InputError(f"no preset uses data set {dataset!r}; name one in config/presets")

    def _dataset(self, name: str):
        datasets = self.registry(self.preset).datasets
        if name not in datasets:
            raise InputError(f"data set {name!r} is not in config/datasets.tsv; known: {', '.join(datasets)}")
        return datasets[name]

    def images_of(self, dataset: str) -> int:
        """Images to train on: as config/datasets.tsv says or, of a user's own, as their index does; as many as ImageNet has until there is one."""
        entry, index = self._dataset(dataset), self.root / Shared(dataset).index
        if entry.images is not None:
            return entry.images
        return receipt_of(index)["facts"]["splits"]["train"] if receipt_path(index).exists() else IMAGENET

    def _assets(self, wildcards) -> Assets:
        return Assets(self.root, self.registry(getattr(wildcards, "preset", self.preset)), self.user.paths.downloads)

    def _asset(self, wildcards, kind: str) -> tuple[str, str]:
        """Its name and kind."""
        named = getattr(wildcards, kind, None)
        if named:
            return named, kind
        if kind in ("encoder", "clip"):
            spec = self.registry(wildcards.preset).spec(wildcards.run)
            return (spec.encoder if kind == "encoder" else spec.text_encoder), kind
        return getattr(self._preset_of(wildcards), kind), kind
