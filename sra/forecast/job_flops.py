"""What single jobs compute, in FLOPs by network, for estimates of a whole plan and for the walltime of each job."""

from sra.content.catalogue import Catalogue
from sra.content.required import RequiredScore
from sra.forecast.budget import Budget
from sra.forecast.flops import DECODER_FLOPS, sampling_flops, state_bytes
from sra.forecast.rates import What, Work
from sra.spec.encoders import ENCODERS, TEXT_ENCODERS, Tower
from sra.spec.run import RunSpec
from sra.spec.scale import Precision

PLANNED_GPU, PLANNED_CORE = "a100", "cpu"


def planned_device(registry: Catalogue) -> str:
    """Of config/throughput.tsv: what the preset is planned for where the user names nothing else."""
    return PLANNED_GPU if registry.preset.uses_gpus else PLANNED_CORE


class Works:
    """Of one registry. unknown: what no closed form is known for."""

    def __init__(self, registry: Catalogue):
        self.registry = registry
        self.unknown: set[str] = set()

    def training(self, spec: RunSpec, first: int, last: int) -> Work:
        """Of the steps from `first` to before `last`, counted from 0."""
        amount = self.budget(spec).between(first, last)
        return Work("train", amount, spec.model.name, spec.alignment.method, spec.training.precision)

    def budget(self, spec: RunSpec, in_step: bool | None = None) -> Budget:
        """in_step: whether the vision encoder is counted in each step that reads it, or its features as stored; None as the preset has it."""
        preset, tower, captions = self.registry.preset_of(spec.run), self.encoder(spec), None
        if in_step is None:
            in_step = spec.encodes_at(preset)
        if spec.text_encoder and preset.text_to_image.text_features == "online":
            captions = self.captions(spec, 1)
        return Budget(
            spec,
            encoder_width=tower and tower.width,
            encoder=tower.flops(spec.model.tokens) if tower and in_step else 0,
            text_encoder=captions.amount if captions else 0,
        )

    def state_bytes(self, spec: RunSpec) -> int:
        tower = self.encoder(spec)
        return state_bytes(spec, tower and tower.width)

    def evaluations(self, wanted: RequiredScore) -> Work:
        """Of the model alone, while samples are drawn."""
        model, preset = self.registry.spec(wanted.run).model, self.registry.preset_of(wanted.run)
        flops = sampling_flops(model, self.registry.sampler(wanted.score.sampler))
        return Work("sample", self.registry.sample_count(wanted.score.samples) * flops, model.name, precision=preset.sampling_precision)

    def sampling(self, wanted: RequiredScore) -> tuple[Work, ...]:
        """Everything between weights and a pack of images."""
        preset, spec = self.registry.preset_of(wanted.run), self.registry.spec(wanted.run)
        count, flops = self.registry.sample_count(wanted.score.samples), DECODER_FLOPS.get(spec.vae, {}).get(spec.image_size)
        decoding = self.by_network("decode", flops, count, spec.vae, preset.sampling_precision)
        return tuple(filter(None, (self.evaluations(wanted), decoding, self.captions(spec, count))))

    def captions(self, spec: RunSpec, captions: int) -> Work | None:
        """Their encoding; None for a model of classes."""
        if spec.text_encoder is None:
            return None
        tower = TEXT_ENCODERS.get(spec.text_encoder)
        return self.by_network("text", tower and tower.flops(spec.model.text.tokens), captions, spec.text_encoder)

    def encoder(self, spec: RunSpec) -> Tower | None:
        """The tower of REPA's encoder; an encoder of timm that is not listed is taken for DINOv2-B."""
        if spec.encoder is None:
            return None
        if spec.encoder not in ENCODERS:
            self.unknown.add(f"encoder {spec.encoder}: its size is not known, DINOv2-B's is taken")
        return ENCODERS.get(spec.encoder, ENCODERS["dinov2b"])

    def by_network(self, what: What, flops: int | None, images: int, network: str, precision: Precision | None = None) -> Work | None:
        """flops: of one image; None where nobody counted them."""
        if flops is None:
            self.unknown.add(f"{what} by {network}: its FLOPs an image are not known")
            return None
        return Work(what, images * flops, network, precision=precision)
