"""Our samplers, 250 evaluations each, on small networks with the official weights and the official noise."""

from functools import partial

import torch
from formula import CLASSES, SAMPLER_STEPS, TINY, StepNoise, starting_noise, steadied
from ours_models import network
from registry import Comparison, official, relative
from torch import Tensor

from sra.diffusion.ddpm import Ddpm, respaced
from sra.diffusion.flow import Flow
from sra.spec.samplers import SAMPLER_OF, Guidance

INTERVALS = {
    "unguided": Guidance(),
    "guided": Guidance(scale=1.8, interval=(0.0, 0.7)),
    "guided inside": Guidance(scale=1.8, interval=(0.1, 0.7)),
}
FIRST_THREE = Guidance(scale=1.5, channels="first_three")
# Heun takes two evaluations a step and one in the last: 125 steps.
EVALUATIONS = {"sde": SAMPLER_STEPS, "ode_euler": SAMPLER_STEPS, "ode_heun": SAMPLER_STEPS - 1, "ddpm": SAMPLER_STEPS}


def difference(process: Flow | Ddpm, code: str, kind: str, guidance: Guidance, key: str) -> float:
    model, (noise, labels) = network(code, TINY), starting_noise()
    sampler = SAMPLER_OF[kind](evaluations=EVALUATIONS[kind], guidance=guidance)

    def denoise(x: Tensor, timestep: Tensor, labels: Tensor) -> Tensor:
        output = model(x, timestep, labels)[0]
        return steadied(output, x) if kind == "ddpm" else output

    drawn = process.sample(denoise, sampler, noise, labels, torch.tensor(CLASSES), StepNoise())
    return relative(drawn, official("samplers", key))


def flow(code: str) -> dict[str, float]:
    network_of = {"sra": "sra_sit", "repa": "repa_sit"}[code]
    return {
        f"{kind}, {name}": difference(Flow(), network_of, kind, guidance, f"{code}/{kind}/{name}")
        for kind in ("sde", "ode_euler", "ode_heun")
        for name, guidance in INTERVALS.items()
    }


def flow_of_sit() -> dict[str, float]:
    return {"guided": difference(Flow(), "sit", "sde", FIRST_THREE, "sit/sde/first_three")}


def ddpm(code: str) -> dict[str, float]:
    network_of, found = {"dit": "dit", "sra": "sra_dit"}[code], {}
    for name, guidance in (("unguided", Guidance()), ("first_three", FIRST_THREE)):
        found[name] = difference(Ddpm(), network_of, "ddpm", guidance, f"{code}/ddpm/{name}")
    return found | {"chain": relative(torch.tensor(respaced(1000, SAMPLER_STEPS)), official("samplers", f"{code}/chain"))}


DOUBLE = 3e-7  # the state is float64 on both sides; in float32 it would be further off
FLOW = f"{SAMPLER_STEPS} evaluations, without guidance and in two intervals of time"
DDPM = f"{SAMPLER_STEPS} of 1000 steps, without guidance and on three channels"
COMPARISONS = [
    Comparison("SDE, ODE Euler and ODE Heun samplers", "SRA", FLOW, partial(flow, "sra"), DOUBLE),
    Comparison("SDE, ODE Euler and ODE Heun samplers", "REPA", FLOW, partial(flow, "repa"), DOUBLE),
    Comparison("SDE sampler", "SiT", f"{SAMPLER_STEPS} evaluations, three channels guided; the state is float32 there", flow_of_sit),
    Comparison("DDPM sampler", "DiT", DDPM, partial(ddpm, "dit")),
    Comparison("DDPM sampler", "SRA", DDPM, partial(ddpm, "sra")),
]
