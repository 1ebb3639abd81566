"""Sampling of SiT-B/2: with guidance in an interval, without it and always, beside diffusers' DiT under the same sampler.

    sra bench sample --quick     what guidance in [0, 0.7] costs; two minutes on two cores
    sra bench sample             and beside diffusers' transformer, which is asked everything anew at each evaluation

The stochastic sampler takes a few evaluations instead of 250: in 16 of them guidance acts as often as in 250, 1.69 evaluations of the network
for each one without it. Networks have random weights.
"""

from functools import partial

import torch
from apart import Group, take_turns_apart
from bench_train import build_ceilings, spec_of
from harness import Row, ceiling_candidates, options_of, publish
from torch import Tensor

from sra.diffusion.process import build_process
from sra.diffusion.streams import SampleNoise
from sra.models.build import build_model
from sra.plan.cost import sampling_flops
from sra.spec.method import Guidance, Sampler
from sra.stages.sample import drawn_batches
from sra.stages.sample_conditions import SampledClasses
from sra.training.precision import set_float32_products

INTERVAL, SCALE = (0.0, 0.7), 1.8  # the paper's
PLAIN, GUIDED, ALWAYS, DIFFUSERS = "without guidance", "guided in [0, 0.7]", "always guided", "diffusers' DiT, always guided"
RUN = "sit_b2"


def main() -> None:
    parser = options_of(__doc__, turns=5, images=4, evaluations=16)
    parser.add_argument("--quick", action="store_true", help="only ours with and without guidance; three turns")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    options = parser.parse_args()
    work = {"images": options.images, "evaluations": options.evaluations, "device": options.device}
    groups = [Group(build_ours, {**work, "precision": options.precision, "quick": options.quick})]
    groups += [] if options.quick else [Group(build_diffusers, work)]
    groups += [Group(build_ceilings, {"device": options.device, "precision": options.precision})]
    found = take_turns_apart(groups, 3 if options.quick else options.turns, cuda=options.device == "cuda").times
    amounts = ceiling_candidates(options.device, options.precision)[1]
    ceilings = {name: amount / found[name].median for name, amount in amounts.items()}

    def share(name: str) -> float:
        flops = options.images * sampling_flops(spec_of(RUN, 1).model, samplers(options.evaluations)[name])
        return flops / found[name].median / ceilings["matrix product"]

    pairs = [
        ("sampling SiT-B/2, guided in [0, 0.7]", GUIDED, "ours without guidance", PLAIN),
        ("sampling SiT-B/2, always guided", ALWAYS, "diffusers' DiT, always guided", DIFFUSERS),
        ("sampling SiT-B/2, guided in [0, 0.7]", GUIDED, "diffusers' DiT, always guided", DIFFUSERS),
    ]
    rows = [Row(what, found[ours], peer, found[theirs], share(ours)) for what, ours, peer, theirs in pairs if ours in found and theirs in found]
    publish("sampling of SiT-B/2", rows, options, ceilings, images=options.images, evaluations=options.evaluations, precision=options.precision)


def samplers(evaluations: int) -> dict[str, Sampler]:
    plain = Sampler(kind="sde", evaluations=evaluations, last_step=0.04)
    guided = {GUIDED: INTERVAL, ALWAYS: (0.0, 1.0)}
    return {PLAIN: plain} | {
        name: plain.model_copy(update={"guidance": Guidance(scale=SCALE, interval=interval)}) for name, interval in guided.items()
    }


def build_ours(images: int, evaluations: int, device: str, precision: str, quick: bool):
    set_float32_products(precision)
    spec, where = spec_of(RUN, 1), torch.device(device)
    model = build_model(spec.model, 0).to(where).eval()

    def draw(sampler: Sampler) -> None:
        list(drawn_batches(spec, model, SampledClasses(spec, sampler, where), sampler, range(images), images, where, precision))

    return {name: partial(draw, sampler) for name, sampler in samplers(evaluations).items() if not (quick and name == ALWAYS)}, None


def build_diffusers(images: int, evaluations: int, device: str):
    """Its network in our sampler."""
    from bench_train import diffusers_dit

    torch.backends.cuda.matmul.fp32_precision = "tf32"
    spec, sampler, where = spec_of(RUN, 1), samplers(evaluations)[ALWAYS], torch.device(device)
    model, process, latent = diffusers_dit(spec).to(where).eval(), build_process(spec.process), spec.model.latent

    def denoise(x: Tensor, timestep: Tensor, labels: Tensor) -> Tensor:
        return model(x, timestep=timestep.to(where).expand(len(x)), class_labels=labels).sample

    @torch.inference_mode()
    def draw() -> None:
        noise = SampleNoise(0, range(images), (latent.channels, latent.size, latent.size))
        labels, null = torch.zeros(images, dtype=torch.long, device=where), torch.tensor(spec.model.classes, device=where)
        process.sample(denoise, sampler, noise.draw().to(where), labels, null, lambda: noise.draw().to(where))

    return {DIFFUSERS: draw}, None


if __name__ == "__main__":
    main()
