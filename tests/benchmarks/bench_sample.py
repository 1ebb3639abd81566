"""Sampling of SiT-B/2: with guidance in an interval, without it and always, beside diffusers' DiT under the same sampler.

    sra bench sample --quick           what guidance in [0, 0.7] costs; two minutes on two cores
    sra bench sample                   and beside diffusers' transformer, which is asked everything anew at each evaluation
    sra bench sample --model mmdit     an MMDiT of 12 blocks beside diffusers' SD3 transformer

The stochastic sampler takes a few evaluations instead of 250: in 16 of them guidance acts as often as in 250, 1.69 evaluations of the network
for each one without it. Networks have random weights.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from apart import Group, take_turns_apart
from harness import Row, ceilings_of, options_of, publish
from torch import Tensor
from train_candidates import RUNS, SIZES, build_ceilings, diffusers_network, spec_of

from sra.diffusion.process import build_process
from sra.diffusion.streams import SampleNoise
from sra.forecast.flops import sampling_flops
from sra.models.build import build_model
from sra.models.products import set_float32_products
from sra.sampling.draw import drawn_batches
from sra.sampling.sample_conditions import SampleConditions, SampledClasses
from sra.spec.run import RunSpec
from sra.spec.samplers import Guidance, Sampler, SdeSampler

INTERVAL, SCALE = (0.0, 0.7), 1.8  # the paper's
PLAIN, GUIDED, ALWAYS, DIFFUSERS = "without guidance", "guided in [0, 0.7]", "always guided", "diffusers"


def main() -> None:
    parser = options_of(__doc__, turns=5, images=4, evaluations=16)
    parser.add_argument("--model", choices=[*SIZES, "mmdit"], default="B")
    parser.add_argument("--quick", action="store_true", help="only ours with and without guidance; three turns")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    options = parser.parse_args()
    run = RUNS[options.model][0]
    work = {"run": run, "images": options.images, "evaluations": options.evaluations, "device": options.device}
    groups = [Group(build_ours, {**work, "precision": options.precision, "quick": options.quick})]
    groups += [] if options.quick else [Group(build_diffusers, work)]
    groups += [Group(build_ceilings, {"device": options.device, "precision": options.precision})]
    found = take_turns_apart(groups, 3 if options.quick else options.turns, cuda=options.device == "cuda").times
    ceilings = ceilings_of(found, options.device, options.precision)
    size, theirs = ("MMDiT/2 of 12 blocks", "SD3 transformer") if options.model == "mmdit" else (f"SiT-{options.model}/2", "DiT")
    # As the time of one evaluation does not depend on how many there are.
    hours = found[GUIDED].median / options.images / options.evaluations * 250 * 50_000 / 3600
    remark = f"50,000 images of 250 evaluations: {hours:.1f} h" if options.device == "cuda" else ""

    def share(name: str) -> float:
        flops = options.images * sampling_flops(spec_of(run, 1).model, samplers(options.evaluations)[name])
        return flops / found[name].median / ceilings["matrix product"]

    pairs = [
        (f"sampling {size}, guided in [0, 0.7]", GUIDED, "ours without guidance", PLAIN),
        (f"sampling {size}, always guided", ALWAYS, f"diffusers' {theirs}, always guided", DIFFUSERS),
        (f"sampling {size}, guided in [0, 0.7]", GUIDED, f"diffusers' {theirs}, always guided", DIFFUSERS),
    ]
    rows = [
        Row(what, found[ours], peer, found[other], share(ours), remark if ours == GUIDED else "")
        for what, ours, peer, other in pairs
        if {ours, other} <= set(found)
    ]
    facts = {"images": options.images, "evaluations": options.evaluations, "precision": options.precision}
    publish(f"sampling of {size}", rows, options, ceilings, "" if options.model == "B" else options.model.lower(), **facts)


def samplers(evaluations: int) -> dict[str, Sampler]:
    plain = SdeSampler(evaluations=evaluations, last_step=0.04)
    guided = {GUIDED: INTERVAL, ALWAYS: (0.0, 1.0)}
    return {PLAIN: plain} | {
        name: plain.model_copy(update={"guidance": Guidance(scale=SCALE, interval=interval)}) for name, interval in guided.items()
    }


class Captions:
    """In the place of SampledCaptions: random features, since no caption and no text encoder is part of what is timed."""

    member, dtype, hashes = "captions", np.dtype(np.int64), {}

    def __init__(self, spec: RunSpec, device: torch.device):
        shape = (spec.model.text.tokens, spec.model.text.width)
        self.null, self.all = torch.zeros(shape, device=device), torch.randn((64, *shape), generator=torch.Generator().manual_seed(0)).to(device)

    def of(self, indices: Sequence[int]) -> tuple[Tensor, np.ndarray]:
        return self.all[[index % len(self.all) for index in indices]], np.array(indices)


def conditions_of(spec: RunSpec, sampler: Sampler, device: torch.device) -> SampleConditions:
    return Captions(spec, device) if spec.model.text else SampledClasses(spec, sampler, device)


def build_ours(run: str, images: int, evaluations: int, device: str, precision: str, quick: bool):
    set_float32_products(precision)
    spec, where = spec_of(run, 1), torch.device(device)
    model = build_model(spec.model, 0).to(where).eval()

    def draw(sampler: Sampler) -> None:
        list(drawn_batches(spec, model, conditions_of(spec, sampler, where), sampler, range(images), images, where, precision))

    return {name: partial(draw, sampler) for name, sampler in samplers(evaluations).items() if not (quick and name == ALWAYS)}, None


def build_diffusers(run: str, images: int, evaluations: int, device: str):
    """Its network in our sampler."""
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    spec, sampler, where = spec_of(run, 1), samplers(evaluations)[ALWAYS], torch.device(device)
    (model, predict), process, latent = diffusers_network(spec), build_process(spec.process), spec.model.latent
    model.to(where).eval()
    conditions = conditions_of(spec, sampler, where)

    @torch.inference_mode()
    def draw() -> None:
        noise = SampleNoise(0, range(images), (latent.channels, latent.size, latent.size))
        process.sample(
            lambda x, timestep, condition: predict(x, timestep.to(where).expand(len(x)), condition),
            sampler,
            noise.draw().to(where),
            conditions.of(range(images))[0],
            conditions.null,
            lambda: noise.draw().to(where),
        )

    return {DIFFUSERS: draw}, None


if __name__ == "__main__":
    main()
